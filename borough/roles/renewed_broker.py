"""The broker with a certificate that is renewed while it runs, should it run for so long.

nats-server disconnects at a reload whom the callout let in, so that the certificate lives for more
than a year and each start of the platform renews it first where it is due.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from cryptography import x509

from borough.home import Home, HomeError
from borough.tls.certificate import ensure_certificate
from ciaas.computing.broker.configuration import BrokerConfiguration
from ciaas.computing.broker.process import Broker
from security.encryption import tiers
from security.encryption.authority import Authority
from security.encryption.certificates import AuthorityError, due_at

log = logging.getLogger(__name__)

BROKER_CERTIFICATE_DAYS = 397
LOOK_S = 2.0
"""How late a certificate that was put in the place of another is served."""
_NEVER = float("inf")


class BrokerCertificate:
    """The certificate of the broker's ports, and whom they know, as both are due.

    The key stays as long as the process does, which holds it in memory alone.
    """

    def __init__(self, home: Home, names: frozenset[str], authority: Callable[[], Authority]):
        """``authority`` opens the home's, with its files as they are due."""
        self._home, self._names, self._authority = home, names, authority
        self._certificate, self._key = home.broker / "server.pem", home.broker / "server.key"
        self._clients = home.authority / tiers.CLIENTS
        self._served = self._stamps()
        self._due = self._next_due()

    def renew(self) -> bool:
        """Issue what is due; True when there is something that the broker has to read anew.

        Raises:
            AuthorityError, HomeError, OSError: it cannot be issued or written now.
        """
        if time.time() >= self._due:
            authority = self._authority()
            ensure_certificate(
                authority,
                self._certificate,
                self._key,
                self._names,
                days=BROKER_CERTIFICATE_DAYS,
                keep_key=True,
            )
            self._due = self._next_due()
        stamps = self._stamps()
        if stamps == self._served:
            return False
        self._served, self._due = stamps, self._next_due()
        return True

    def _stamps(self) -> tuple[tuple[int, int], ...]:
        found = [path.stat() for path in (self._certificate, self._clients)]
        return tuple((stat.st_mtime_ns, stat.st_ino) for stat in found)

    def _next_due(self) -> float:
        own = x509.load_pem_x509_certificate(self._certificate.read_bytes())
        ends = [one.until / 1000 for one in tiers.generations(self._home.authority) if one.until]
        return min(due_at(own).timestamp(), *(end for end in ends if end > time.time()), _NEVER)


class RenewedBroker(Broker):
    """A broker that is told to read its certificate again whenever there is another."""

    def __init__(
        self,
        configuration: BrokerConfiguration,
        configuration_path: Path,
        key_pem: bytes,
        *,
        certificate: BrokerCertificate,
        lock_fd: int,
    ):
        """As `Broker`; ``certificate`` is asked every LOOK_S."""
        super().__init__(configuration, configuration_path, key_pem, lock_fd=lock_fd)
        self._renewed = certificate
        self._look_at = 0.0

    def ailment(self) -> str:
        """Return why the server has to be started again; a renewal is no reason."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            try:
                if self._renewed.renew():
                    self.reload()
                    log.info("the broker serves with its certificate as it is now")
            except (AuthorityError, HomeError, OSError) as error:
                log.warning("the broker goes on with the certificate that it has: %s", error)
        return super().ailment()
