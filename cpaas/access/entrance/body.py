"""Keeps requests from being larger than they may be."""

from __future__ import annotations

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cpaas.access.problems import Problem, answer
from cpaas.limits import BODY_BYTES_MAX

_TOO_LARGE = f"a request has at most {BODY_BYTES_MAX} bytes; send it in parts"


class BodyLimit:
    """ASGI middleware: a body beyond BODY_BYTES_MAX is answered 413, unread where it says so."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a ``receive`` that counts."""
        if scope["type"] == "http" and _announced(scope) > BODY_BYTES_MAX:
            refusal = answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
            await refusal(scope, receive, send)
            return
        await self._app(scope, _counted(receive), send)


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)  # the HTTP parser has refused anything but digits
    return 0


def _counted(receive: Receive) -> Receive:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > BODY_BYTES_MAX:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE)
        return message

    return counted
