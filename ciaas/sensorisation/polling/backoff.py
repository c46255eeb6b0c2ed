"""Waiting longer after each failure in a row, at random so that many devices do not return at once.

Source: M. Brooker, Exponential Backoff And Jitter, 2015 ("full jitter").
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from ciaas.limits import BACKOFF_S_MAX, BACKOFF_S_MIN


@dataclass(frozen=True, slots=True)
class Pace:
    """Bounds of the wait in seconds."""

    shortest_s: float = BACKOFF_S_MIN
    longest_s: float = BACKOFF_S_MAX


@dataclass(slots=True)
class Backoff:
    """Counts failures in a row of one device or link."""

    random: Random
    pace: Pace = field(default_factory=Pace)
    failures: int = 0

    def failed(self) -> float:
        """Count a failure and return the seconds to wait before the next attempt."""
        self.failures += 1
        ceiling = min(self.pace.longest_s, self.pace.shortest_s * 2.0 ** min(self.failures, 64))
        return self.random.uniform(self.pace.shortest_s, max(self.pace.shortest_s, ceiling))

    def succeeded(self) -> bool:
        """Forget the failures; True when there were any, that is, at the return."""
        returned = self.failures > 0
        self.failures = 0
        return returned
