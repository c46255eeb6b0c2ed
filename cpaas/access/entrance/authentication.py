"""Lets nobody past without a token but where a door is meant to be open."""

from __future__ import annotations

from functools import partial

from anyio import to_thread
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from cpaas.access.city import City
from cpaas.access.entrance.cookie import from_our_page, session_of
from cpaas.access.problems import unauthenticated
from security.aaa.errors import NotAuthenticated
from security.aaa.tokens import is_token

_PREFIX = "/api/v1"
_OPEN = frozenset(
    f"{_PREFIX}/{path}"
    for path in ("health", "openapi.json", "setup", "login", "session", "invitations/accept")
)
_PROVISION = f"{_PREFIX}/provision/"
_PROVIDER = ("/oauth2/", "/.well-known/openid-configuration")
"""Where people and applications prove themselves by means of their own."""
EST = "/.well-known/est/"
"""Devices prove themselves there by means of their own."""


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
            try:
                # Remembered tokens are answered from memory; another costs two short reads.
                token = _bearer(scope) or _of_browser(scope)
                prove = partial(self._city.accounts.authenticate, token)
                # A signature takes longer, and the first one of all imports what looks at it.
                quick = is_token(token) or self._city.accounts.remembers(token)
                principal = prove() if quick else await to_thread.run_sync(prove)
            except NotAuthenticated as error:
                await unauthenticated(str(error))(scope, receive, send)
                return
            source = (scope.get("client") or ("", 0))[0]
            self._city.people.sessions.used(principal, source)
            scope["state"] |= {
                "principal": principal,
                "who": principal.user.name,
                "token": principal.token,
                "app": principal.application,
                "prove": prove,  # an answer that goes on for long asks again
            }
        await self._app(scope, receive, send)


def _is_open(path: str) -> bool:
    return path in _OPEN or path.startswith((_PROVISION, EST, *_PROVIDER))


def _of_browser(scope: Scope) -> str:
    """Return the token of a browser's session.

    Raises:
        NotAuthenticated: there is none, or a page of another site tries to make use of it.
    """
    headers = Headers(scope=scope)
    session = session_of(headers)
    if session is None:
        raise NotAuthenticated("send a token: Authorization: Bearer …")
    if not from_our_page(scope, headers):
        raise NotAuthenticated(
            "a session counts for the console's own pages alone; "
            "programs send a token: Authorization: Bearer …"
        )
    return session


def _bearer(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" else None
    return None
