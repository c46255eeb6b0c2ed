"""The newest observed sample of every point, in memory."""

from __future__ import annotations

import threading
from dataclasses import fields

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import DTYPES, Frame, Millis, Uint32s

NEVER = np.iinfo(np.int64).min
"""Stands for the time of a point that has no sample yet."""
_POINTS_AT_FIRST = 1_024


class Latest:
    """Columns indexed by point id, grown by doubling. Any thread may read."""

    def __init__(self) -> None:
        self._columns: Frame = _unknown(_POINTS_AT_FIRST)
        self._lock = threading.Lock()

    def observed(self, points: Uint32s) -> Millis:
        """Return the newest time stored of each point, `NEVER` where there is none."""
        self._grow(points)
        return self._columns.observed[points]

    def of_known(self, points: Uint32s) -> Frame:
        """Return one row per point given; those that have no sample are undefined."""
        return self._columns.select(points)

    def frame(self, points: Uint32s) -> Frame:
        """Return one row per point given that has a sample, in the order given."""
        with self._lock:
            columns = self._columns
            inside = points[points < len(columns)]
            return columns.select(inside[columns.observed[inside] != NEVER])

    def update(self, frame: Frame) -> None:
        """Take in stored rows, which are ordered by point, time and revision."""
        if not len(frame):
            return
        self._grow(frame.point)
        last = np.append(frame.point[1:] != frame.point[:-1], True)
        newest = frame.select(np.flatnonzero(last))
        with self._lock:
            columns = self._columns
            known, revision = columns.observed[newest.point], columns.revision[newest.point]
            newer = (newest.observed > known) | (
                (newest.observed == known) & (newest.revision >= revision)
            )
            chosen = newest.select(newer)
            for field in fields(Frame):
                getattr(columns, field.name)[chosen.point] = getattr(chosen, field.name)

    def _grow(self, points: NDArray[np.uint32]) -> None:
        size = len(self._columns)
        needed = int(points.max()) + 1 if len(points) else 0
        if needed <= size:
            return
        while size < needed:
            size *= 2
        grown = Frame.concat([self._columns, _unknown(size - len(self._columns))])
        with self._lock:
            self._columns = grown


def _unknown(size: int) -> Frame:
    columns = {name: np.zeros(size, dtype) for name, dtype in DTYPES.items()}
    columns["observed"].fill(NEVER)
    columns["txt"].fill(None)
    columns["raw"].fill(None)
    return Frame(**columns)
