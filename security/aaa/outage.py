"""Whether the record can be written, for those who have to be told when it cannot."""

from __future__ import annotations

from collections.abc import Callable

OUTAGE_TOLD_S = 60.0
"""How long an outage is told of after its end, so that who looks now and then sees a short one."""


class Outage:
    """An outage of the record; set by one thread, read by any.

    Args:
        clock_ms: Milliseconds since 1970 UTC.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._last: int | None = None
        self.failing = False
        """True from an entry that could not be written to the next that could."""

    def failed(self) -> None:
        """Note that an entry could not be written."""
        self.failing, self._last = True, self._clock_ms()

    def ended(self) -> None:
        """Note that entries are written again."""
        self.failing = False

    @property
    def recent(self) -> bool:
        """True during an outage and for OUTAGE_TOLD_S after it."""
        if self._last is None:
            return False
        return self.failing or self._clock_ms() - self._last < OUTAGE_TOLD_S * 1_000
