"""Keeps requests from being larger than they may be."""

from __future__ import annotations

from http import HTTPStatus

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ciaas.limits import OBJECT_BYTES_MAX
from cpaas.access.problems import Problem, answer
from cpaas.limits import BODY_BYTES_MAX

_OBJECTS = "/api/v1/objects/"
_TOO_LARGE = "a request has at most {} bytes; send it in parts"


class BodyLimit:
    """ASGI middleware: a body beyond its bound is answered 413, unread where it says so.

    The bound is BODY_BYTES_MAX, and OBJECT_BYTES_MAX for an object, which is stored as it comes.
    """

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on with a ``receive`` that counts."""
        bound = _bound(scope)
        if scope["type"] == "http" and _announced(scope) > bound:
            told = _TOO_LARGE.format(bound)
            refusal = answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, told)
            await refusal(scope, receive, send)
            return
        await self._app(scope, _counted(receive, bound), send)


def _bound(scope: Scope) -> int:
    is_object = scope["type"] == "http" and scope["path"].startswith(_OBJECTS)
    return OBJECT_BYTES_MAX if is_object and scope["method"] == "PUT" else BODY_BYTES_MAX


def _announced(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value)  # the HTTP parser has refused anything but digits
    return 0


def _counted(receive: Receive, bound: int) -> Receive:
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > bound:
            raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, _TOO_LARGE.format(bound))
        return message

    return counted
