"""The TLS context of the API: renewed without a restart and without ending a connection."""

from __future__ import annotations

import asyncio
import logging
import ssl

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from borough.home import Home, HomeError
from borough.settings import Settings
from borough.tls.certificate import ensure_certificate, names_of
from security.encryption.authority import Authority
from security.encryption.certificates import AuthorityError

log = logging.getLogger(__name__)

LOOK_S = 2.0
"""How late a certificate that was put in the place of another is served."""
HSTS = b"max-age=31536000"


class ServerTls:
    """Serves with given files, or with a certificate of the own authority.

    A handshake takes the certificate of its moment; connections under way keep theirs.

    Raises:
        HomeError: the files cannot be used; the sentence says why.
    """

    def __init__(
        self,
        home: Home,
        settings: Settings,
        authority: Authority,
        passphrase: bytes,
        name: str = "https",
    ) -> None:
        """``name`` is that of the files of the own authority's certificate."""
        self._authority = authority
        self._given = settings.https_cert is not None
        self._certificate = settings.https_cert or home.authority / f"{name}.pem"
        self._key = settings.https_key or home.authority / f"{name}.key"
        self._passphrase = b"" if self._given else passphrase
        self._names = names_of(settings.http.host, settings.certificate_names)
        self._renew()
        self._loaded = self._stamps()
        self.context = self._fresh()

    def protect(self, app: ASGIApp) -> ASGIApp:
        """Return the application, telling browsers never to come without TLS again.

        Only with given files: a browser that once met the own authority's certificate would refuse
        whatever else runs under the names of this machine.
        """
        return _Strict(app) if self._given else app

    async def follow(self) -> None:
        """Serve with each new certificate from the moment it lies there, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_S)
            await asyncio.to_thread(self.look)

    def look(self) -> bool:
        """Load the files again when they have changed; True when they were loaded.

        Files that do not belong together, as while one of both is being replaced, change nothing.
        """
        try:
            self._renew()
            stamps = self._stamps()
            if stamps == self._loaded:
                return False
            self._fresh()  # a pair that fails here must not spoil the one in use
            self._load(self.context)
        except HomeError as error:
            log.warning("the API goes on with the certificate that it has: %s", error)
            return False
        self._loaded = stamps
        log.info("the API serves with the certificate in %s as it is now", self._certificate)
        return True

    def _renew(self) -> None:
        if self._given:
            return
        try:
            ensure_certificate(self._authority, self._certificate, self._key, self._names)
        except (AuthorityError, OSError) as error:
            raise HomeError(f"the API has no certificate: {error}") from error

    def _stamps(self) -> tuple[tuple[int, int, int], ...]:
        try:
            found = [path.stat() for path in (self._certificate, self._key)]
        except OSError as error:
            raise self._unusable(error) from None
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in found)

    def _fresh(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_alpn_protocols(["http/1.1"])
        self._load(context)
        return context

    def _load(self, context: ssl.SSLContext) -> None:
        try:
            # The password also keeps OpenSSL from asking for one on the terminal.
            context.load_cert_chain(self._certificate, self._key, lambda: self._passphrase)
        except (OSError, ValueError) as error:
            raise self._unusable(error) from None

    def _unusable(self, error: Exception) -> HomeError:
        return HomeError(
            f"the certificate {self._certificate} and the key {self._key} cannot be used "
            f"({error}); https_cert names a PEM file with the whole chain, https_key its key "
            "without a password"
        )


class _Strict:
    """ASGI middleware: adds Strict-Transport-Security to each answer (RFC 6797)."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"strict-transport-security", HSTS),
                ]
            await send(message)

        await self._app(scope, receive, told)


def open_tls(
    home: Home, settings: Settings, authority: Authority, passphrase: bytes
) -> ServerTls | None:
    """Return the TLS of the API, None when it speaks plain HTTP on loopback.

    Raises:
        HomeError: the certificate cannot be used.
    """
    return ServerTls(home, settings, authority, passphrase) if settings.secure else None


def refuse_plain(settings: Settings) -> None:
    """Make sure that nobody else hears what is said.

    Raises:
        HomeError: the API would speak plain HTTP where others can listen.
    """
    if settings.secure or settings.http.loopback:
        return
    raise HomeError(
        f"the API would speak plain HTTP on {settings.http}, where others can listen; set "
        "BOROUGH_HTTPS=true for a certificate of Borough's own authority, or BOROUGH_HTTPS_CERT "
        "and BOROUGH_HTTPS_KEY, or keep BOROUGH_HTTP on 127.0.0.1"
    )
