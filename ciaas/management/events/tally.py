"""What a live feed or a webhook has told, for the record: each minute and at its end."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Uint32s
from ciaas.limits import FEED_RECORDED_EACH_S
from ciaas.ports import Clock
from security.aaa.accesses import told_points


class Tally:
    """Counts the samples that one reader was sent, and remembers of which points.

    One thread at a time.

    Args:
        entry: Who reads what, as the record has it of each request.
        note: Takes an entry for the record and returns at once.
        clock: Of this machine.
    """

    def __init__(
        self, entry: Mapping[str, Any], note: Callable[[Mapping[str, Any]], None], clock: Clock
    ) -> None:
        self._entry, self._note, self._clock = entry, note, clock
        self._since = clock.now_ms()
        self._seen: NDArray[np.bool_] = np.zeros(1024, np.bool_)
        self._samples = self._events = 0

    def samples(self, points: Uint32s) -> None:
        """Count samples of these points, each as often as it was sent."""
        if len(points):
            self._mark(points, int(points.max()))
            self._samples += len(points)

    def event(self, point: int | None) -> None:
        """Count another event; it tells of a point where one is given."""
        self._events += 1
        if point is not None:
            self._mark(point, point)

    def look(self, *, last: bool = False) -> None:
        """Hand over what was counted when it is time for it, and at the end."""
        now = self._clock.now_ms()
        if not (last or now - self._since >= FEED_RECORDED_EACH_S * 1_000):
            return
        since, self._since = self._since, now
        if not (self._samples or self._events):
            return
        about = {"reads": True, "since": since, "samples": self._samples, "events": self._events}
        self._note({**self._entry, "about": about | told_points(np.flatnonzero(self._seen))})
        self._seen[:] = False
        self._samples = self._events = 0

    def _mark(self, points: Uint32s | int, highest: int) -> None:
        if highest >= len(self._seen):
            more = np.zeros(max(highest + 1, 2 * len(self._seen)) - len(self._seen), np.bool_)
            self._seen = np.concatenate([self._seen, more])
        self._seen[points] = True
