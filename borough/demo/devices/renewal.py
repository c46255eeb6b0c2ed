"""Renews the certificates of a process's devices beside their work; a session never notices.

A device takes its new certificate up when it connects next, at the latest when the broker ends the
session of the old one.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from borough.demo.devices.link import Identity

LOOK_S = 3_600.0
"""Between two looks at all certificates: a renewal that failed has ten days of such looks left."""
_FIRST_S = 30.0
"""After the start, when the processor has other work."""


class Renewal:
    """One thread for all devices of a process.

    Args:
        url: Of the platform's EST port.
        identities: Returns the devices of the moment.
        first_s: When the first look is.
    """

    def __init__(
        self, url: str, identities: Callable[[], Sequence[Identity]], first_s: float = _FIRST_S
    ) -> None:
        self._url, self._identities, self._first_s = url, identities, first_s
        self._over = threading.Event()
        self.renewed = 0
        self.failed = ""
        """Why the last renewal that was tried came to nothing; empty when it went well."""
        self._thread = threading.Thread(target=self._run, name="renewal", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more; a request under way ends with the process."""
        self._over.set()

    def _run(self) -> None:
        wait_s = self._first_s
        while not self._over.wait(wait_s):
            self.look()
            wait_s = LOOK_S

    def look(self) -> None:
        """Renew what is due."""
        # It takes the library for certificates, which nothing else in this process needs.
        from borough_client.device import Identity as Own
        from borough_client.errors import BoroughError

        for identity in self._identities():
            own = Own(identity.uuid, identity.certificate, identity.key, identity.authority)
            try:
                if own.due():
                    own.renew(self._url)
                    self.renewed += 1
                    self.failed = ""
            except (BoroughError, OSError, ValueError) as error:
                self.failed = f"{identity.uuid}: {error}"
