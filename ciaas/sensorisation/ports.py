"""What sensorisation needs from outside: somewhere to hand its samples over to."""

from __future__ import annotations

from typing import Protocol


class OutletUnavailable(Exception):
    """The stream cannot be reached now; the same frame may be published later."""


class OutletFull(Exception):
    """The stream refused the frame because it is full; the same frame may be published later."""


class Outlet(Protocol):
    """The durable stream that core reads. One call at a time."""

    async def send(self, body: bytes, message_id: str) -> None:
        """Return after the stream stored a frame, or recognised the id as a repeat.

        ``body`` is the frame as `ciaas.kernel.columns.encode` gives it.

        Raises:
            OutletUnavailable: nothing can be said about whether the frame arrived.
            OutletFull: it was not stored.
        """
        ...
