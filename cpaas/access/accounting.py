"""Leaves a record of every request before it is answered."""

from __future__ import annotations

import logging
from http import HTTPStatus
from typing import Any

from anyio import to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cpaas.access.problems import Problem, answer
from cpaas.limits import BODY_BYTES_MAX
from security.ports import Record

log = logging.getLogger(__name__)

_UNRECORDED = frozenset({"/api/v1/health"})
"""Asked each second by supervision; it tells nothing of the city."""
_SECRET = "/api/v1/provision/"  # noqa: S105 - the route whose next level is a token, not a secret


class Accounting:
    """ASGI middleware: who asked for what, when, and what was answered. Reads too.

    A request whose record cannot be written is answered 503, and what changes something is refused
    while the record cannot be written at all.
    """

    def __init__(self, app: ASGIApp, record: Record):
        self._app, self._record = app, record
        self._failing = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; record it when the answer begins."""
        if scope["type"] != "http" or scope["path"] in _UNRECORDED:
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})
        if self._failing and scope["method"] not in ("GET", "HEAD") and not await self._probe():
            refusal = answer(
                HTTPStatus.SERVICE_UNAVAILABLE,
                "the record of accesses cannot be written, so nothing may be changed; "
                "make room on the disk of the home",
            )
            await refusal(scope, receive, send)
            return
        begun = refused = False

        async def recorded(message: Message) -> None:
            nonlocal begun, refused
            if message["type"] == "http.response.start" and not begun:
                begun = True
                refused = not await self._append(scope, message["status"])
                if refused:
                    refusal = answer(
                        HTTPStatus.SERVICE_UNAVAILABLE,
                        "this access could not be recorded and is not answered; try again later",
                    )
                    await refusal(scope, receive, send)
            if not refused:
                await send(message)

        await self._app(scope, bounded(receive), recorded)

    async def _append(self, scope: Scope, status: int) -> bool:
        state = scope["state"]
        path = scope["path"]
        if path.startswith(_SECRET):
            path = _SECRET + "…"
        entry: dict[str, Any] = {
            "kind": "access",
            "who": state.get("who", ""),
            "from": (scope.get("client") or ("", 0))[0],
            "verb": scope["method"],
            "path": path,
            "query": scope["query_string"].decode(errors="replace"),
            "status": status,
        }
        if about := state.get("about"):
            entry["about"] = about
        return await self._try(entry)

    async def _probe(self) -> bool:
        return await self._try({"kind": "record-probe"})

    async def _try(self, entry: dict[str, Any]) -> bool:
        try:
            await to_thread.run_sync(self._record.append, entry)
        except OSError as error:
            if not self._failing:
                log.error("the record cannot be written: %s", error)
            self._failing = True
            return False
        self._failing = False
        return True


def bounded(receive: Receive) -> Receive:
    """Return a ``receive`` that ends a request whose body passes BODY_BYTES_MAX with a 413."""
    size = 0

    async def counted() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > BODY_BYTES_MAX:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"a request has at most {BODY_BYTES_MAX} bytes; send it in parts",
            )
        return message

    return counted
