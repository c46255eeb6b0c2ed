"""What sensorisation needs from outside: somewhere to hand its samples over to."""

from __future__ import annotations

from typing import Protocol

from ciaas.kernel.sample import Frame


class OutletUnavailable(Exception):
    """The stream cannot be reached now; the same frame may be published later."""


class OutletFull(Exception):
    """The stream refused the frame because it is full; the same frame may be published later."""


class Outlet(Protocol):
    """The durable stream that core reads. One call at a time."""

    async def publish(self, frame: Frame, message_id: str) -> None:
        """Return after the stream stored the frame, or recognised the id as a repeat.

        Raises:
            OutletUnavailable: nothing can be said about whether the frame arrived.
            OutletFull: it was not stored.
        """
        ...
