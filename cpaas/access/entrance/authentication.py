"""Lets nobody past without a token but where a door is meant to be open."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from cpaas.access.city import City
from cpaas.access.problems import unauthenticated
from security.aaa.errors import NotAuthenticated

_PREFIX = "/api/v1"
_OPEN = frozenset(f"{_PREFIX}/{path}" for path in ("health", "openapi.json", "setup", "login"))
_PROVISION = f"{_PREFIX}/provision/"


class Authentication:
    """ASGI middleware: a request without a valid token is answered 401 before its body is read.

    So a route that forgot to ask who calls is still no open one, and a path that does not exist
    reads as any other.
    """

    def __init__(self, app: ASGIApp, city: City):
        self._app, self._city = app, city

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with who makes it in its state."""
        if scope["type"] == "http" and not _is_open(scope["path"]):
            token = _bearer(scope)
            try:
                if token is None:
                    raise NotAuthenticated("send a token: Authorization: Bearer …")
                # Remembered tokens are answered from memory; another costs two short reads.
                principal = self._city.accounts.authenticate(token)
            except NotAuthenticated as error:
                await unauthenticated(str(error))(scope, receive, send)
                return
            scope["state"] |= {
                "principal": principal,
                "who": principal.user.name,
                "token": principal.token,
            }
        await self._app(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith(_PROVISION)


def _bearer(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" else None
    return None
