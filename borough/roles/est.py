"""The port for EST: the API's routes for devices alone, with the certificate they show."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from borough.roles.guard import guarded
from borough.roles.http import serving
from borough.settings import Listen
from borough.tls.est import EstTls
from cpaas.access.entrance.authentication import EST
from cpaas.access.problems import answer


@contextlib.asynccontextmanager
async def serving_est(app: ASGIApp, listen: Listen, tls: EstTls) -> AsyncIterator[None]:
    """Serve for the length of the block; certificates renew meanwhile."""
    following = guarded(tls.follow())
    try:
        async with serving(_EstAlone(app), listen, tls.context, KnownPeer):
            yield
    finally:
        following.cancel()


class KnownPeer(HttpToolsProtocol):
    """Tells the application which certificate the other side has shown.

    uvicorn itself does not. Source: the TLS extension of ASGI, ``client_cert_chain``.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Remember the certificate; the handshake has verified it."""
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        der = tls.getpeercert(binary_form=True)
        self._tls = {"client_cert_chain": [] if der is None else [ssl.DER_cert_to_PEM_cert(der)]}

    def on_message_begin(self) -> None:
        """Begin a request, with the certificate in its scope."""
        super().on_message_begin()
        scope: Any = self.scope
        scope["extensions"] = {"tls": self._tls}


class _EstAlone:
    """ASGI: nothing else of the API is reached here."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and not scope["path"].startswith(EST):
            refusal = answer(HTTPStatus.NOT_FOUND, f"this port serves what lies below {EST} alone")
            await refusal(scope, receive, send)
            return
        await self._app(scope, receive, send)
