"""Server-sent events: an answer that goes on until the reader or we end it.

Source: WHATWG HTML, section 9.2.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Sequence

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

_HEADERS = {
    "Cache-Control": "no-store",
    "X-Accel-Buffering": "no",  # nginx would hold events back until its buffer is full
}


class EventStream(Response):
    """Writes blocks as they come; a reader that takes nothing for too long is cut off.

    Args:
        blocks: What `event` and `comment` make. Closed at the end, however that comes.
        stall_s: How long one block may wait for the connection to take it.
        on_stall: Told when a reader was cut off.
        on_end: Told at the end, however it came.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        blocks: AsyncGenerator[bytes, None],
        *,
        stall_s: float,
        on_stall: Callable[[], None],
        on_end: Callable[[], None],
    ) -> None:
        super().__init__(headers=_HEADERS)
        del self.headers["content-length"]  # nobody knows it
        self._blocks, self._stall_s = blocks, stall_s
        self._on_stall, self._on_end = on_stall, on_end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the blocks end or the reader has gone."""
        writing = asyncio.create_task(self._write(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({writing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (writing, leaving):
                task.cancel()
            await asyncio.gather(writing, leaving, return_exceptions=True)
            await self._blocks.aclose()
            self._on_end()
        if not writing.cancelled() and (error := writing.exception()) is not None:
            raise error

    async def _write(self, send: Send) -> None:
        head = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
        await send(head)
        async for block in self._blocks:
            try:
                async with asyncio.timeout(self._stall_s):
                    await send({"type": "http.response.body", "body": block, "more_body": True})
            except TimeoutError:
                self._on_stall()
                return
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def event(kind: str, data: bytes, number: str | None = None) -> bytes:
    """Return one event; ``data`` is JSON on one line. Without a number the last id stays."""
    line = b"" if number is None else b"id: %b\n" % number.encode()
    return b"%bevent: %b\ndata: %b\n\n" % (line, kind.encode(), data)


def position(number: str) -> bytes:
    """Return what moves the last id on and is no event to the reader: also a sign of life."""
    return b": at\nid: %b\n\n" % number.encode()


def array(lines: Sequence[bytes]) -> bytes:
    """Return JSON values as a JSON array."""
    return b"[" + b",".join(lines) + b"]"


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
