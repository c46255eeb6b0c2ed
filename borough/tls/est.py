"""TLS of the port for EST: it asks for a client certificate and goes on without one."""

from __future__ import annotations

import ssl

from borough.home import Home
from borough.settings import Listen, Settings
from borough.tls.server import ServerTls
from security.encryption.authority import Authority
from security.encryption.tiers import CLIENTS


class EstTls(ServerTls):
    """Serves with a certificate of the own authority, the only one that devices trust.

    A port of its own, because a browser that is asked for a certificate asks its user.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        listen: Listen,
        authority: Authority,
        passphrase: bytes,
    ) -> None:
        self._clients = home.authority / CLIENTS
        own = settings.model_copy(update={"http": listen, "https_cert": None, "https_key": None})
        super().__init__(home, own, authority, passphrase, "est")

    def _load(self, context: ssl.SSLContext) -> None:
        super()._load(context)
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(self._clients)
