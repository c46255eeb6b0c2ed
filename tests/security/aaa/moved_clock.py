"""A clock in the hands of a test."""

from __future__ import annotations

START_MS = 1_795_300_000_000


class MovedClock:
    """Time that stands still until a test moves it."""

    def __init__(self) -> None:
        self.ms = START_MS

    def now_ms(self) -> int:
        return self.ms

    def advance(self, seconds: float) -> None:
        self.ms += round(seconds * 1_000)
