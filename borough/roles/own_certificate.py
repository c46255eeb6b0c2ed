"""Core's certificate as a client of the devices' port, issued anew while it runs."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time

from cryptography import x509

from borough.home import Home
from ciaas.computing.admission.warmup import platform_tls
from ciaas.computing.broker.secret import key_in_memory
from security.encryption.authority import Authority
from security.encryption.certificates import AuthorityError, due_at
from security.encryption.tiers import ANCHORS

log = logging.getLogger(__name__)

_LOOK_S = 3_600.0


class OwnCertificate:
    """A TLS context whose next handshake always has a certificate that is good for long."""

    def __init__(self, home: Home, authority: Authority):
        """Have the first one issued."""
        self._authority = authority
        certificate, key = self._issue()
        self.context: ssl.SSLContext = platform_tls(home.authority / ANCHORS, certificate, key)

    async def follow(self) -> None:
        """Renew after two thirds of its life, again and again, until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_S)
            try:
                await asyncio.to_thread(self.look)
            except AuthorityError as error:
                log.warning("core goes on with the certificate that it has: %s", error)

    def look(self) -> bool:
        """Renew when it is due; True when it was.

        Raises:
            AuthorityError: the issuing authority has ended.
        """
        if time.time() < self._due:
            return False
        certificate, key = self._issue()
        with key_in_memory(certificate + key) as chain:
            self.context.load_cert_chain(chain.path)
        return True

    def _issue(self) -> tuple[bytes, bytes]:
        issued = self._authority.issue_platform("core")
        assert issued.private_key_pem is not None
        own = x509.load_pem_x509_certificate(issued.certificate_pem)
        self._due = due_at(own).timestamp()
        return issued.certificate_pem, self._authority.decrypt_key(issued.private_key_pem)
