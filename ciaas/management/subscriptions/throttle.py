"""At most one sample of a point in each interval."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Frame
from ciaas.limits import THROTTLE_POINTS_MAX


class Throttle:
    """Lets the first sample of each point and interval pass; intervals are counted from 1970.

    What passed last is remembered in memory: after a restart a point may pass once more in the
    interval that was under way.
    """

    def __init__(self, interval_ms: int) -> None:
        self._interval_ms = interval_ms
        self._last: dict[int, int] = {}

    def passing(self, frame: Frame, rows: NDArray[np.intp]) -> NDArray[np.intp]:
        """Return the rows of a commit that pass; they are ordered by point and time."""
        if not self._interval_ms or not len(rows):
            return rows
        points = frame.point[rows]
        intervals = frame.observed[rows] // self._interval_ms
        first = np.ones(len(rows), np.bool_)
        first[1:] = (points[1:] != points[:-1]) | (intervals[1:] != intervals[:-1])
        if len(self._last) > THROTTLE_POINTS_MAX:
            self._last = {}
        last, passed = self._last, []
        places = np.flatnonzero(first)
        for place, point, interval in zip(
            places.tolist(), points[places].tolist(), intervals[places].tolist(), strict=True
        ):
            if interval > last.get(point, interval - 1):
                last[point] = interval
                passed.append(place)
        return rows[passed]
