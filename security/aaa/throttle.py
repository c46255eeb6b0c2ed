"""Throttle: makes guessing slow, one key at a time, in bounded memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass

from security.aaa.errors import Throttled
from security.limits import (
    SIGN_IN_FAILURES_FREE,
    SIGN_IN_FORGET_S,
    SIGN_IN_NAMES_MAX,
    SIGN_IN_WAIT_S_FIRST,
    SIGN_IN_WAIT_S_MAX,
)


class Throttle:
    """Counts attempts per key; after the free ones each failure doubles the wait.

    An attempt counts as a failure from its beginning, so that many at once gain nothing.

    Args:
        clock_ms: Milliseconds of any clock; one that is set back lengthens no wait.
    """

    def __init__(self, clock_ms: Callable[[], int]) -> None:
        self._clock_ms = clock_ms
        self._failures: OrderedDict[Hashable, _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def attempt(self, key: Hashable) -> None:
        """Count an attempt.

        Raises:
            Throttled: it comes too early; it is not counted.
        """
        with self._lock:
            now_ms = self._clock_ms()
            failures = self._failures.get(key)
            if failures is None or now_ms - failures.last_ms > SIGN_IN_FORGET_S * 1_000:
                failures = _Failures()
            wait_ms = min(failures.free_at_ms - now_ms, SIGN_IN_WAIT_S_MAX * 1_000)
            if wait_ms > 0:
                failures.free_at_ms = now_ms + wait_ms
                raise Throttled(-(-wait_ms // 1_000))
            failures.count(now_ms)
            self._failures[key] = failures
            self._failures.move_to_end(key)
            if len(self._failures) > SIGN_IN_NAMES_MAX:
                self._failures.popitem(last=False)

    def succeed(self, key: Hashable) -> None:
        """Forget the failures of a key, since its owner has come."""
        with self._lock:
            self._failures.pop(key, None)

    def __len__(self) -> int:
        return len(self._failures)


@dataclass(slots=True)
class _Failures:
    number: int = 0
    last_ms: int = 0
    free_at_ms: int = 0

    def count(self, now_ms: int) -> None:
        self.number += 1
        self.last_ms = now_ms
        beyond = self.number - SIGN_IN_FAILURES_FREE
        if beyond >= 0:
            # The shift is capped: a long row of failures must not make a number of many digits.
            wait_s = min(SIGN_IN_WAIT_S_FIRST << min(beyond, 16), SIGN_IN_WAIT_S_MAX)
            self.free_at_ms = now_ms + wait_s * 1_000
