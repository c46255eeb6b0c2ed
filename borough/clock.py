"""The machine's clock."""

from __future__ import annotations

import time


class MachineClock:
    """Wall-clock time of this machine."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970 UTC."""
        return time.time_ns() // 1_000_000
