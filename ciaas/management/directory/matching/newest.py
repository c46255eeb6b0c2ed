"""The newest sample beside each point, also for those that never had one."""

from __future__ import annotations

from dataclasses import fields
from typing import Final

import numpy as np

from ciaas.kernel.sample import Frame, Kind, Uint32s
from ciaas.ports import HistoryStore

NEVER: Final = int(np.iinfo(np.int64).min)
"""The time of a sample that is not there."""
NO_VERDICT: Final = 255


def newest(history: HistoryStore, points: Uint32s) -> Frame:
    """Return one row a point in the order given; a point without a sample has a row of nothing."""
    found = history.latest(points)
    if len(found) == len(points):
        return found
    frame = _nothing(points)
    order = np.argsort(points, kind="stable")
    rows = order[np.searchsorted(points, found.point, sorter=order)]
    for column in fields(Frame):
        getattr(frame, column.name)[rows] = getattr(found, column.name)
    return frame


def _nothing(points: Uint32s) -> Frame:
    count = len(points)
    return Frame(
        point=points.copy(),
        observed=np.full(count, NEVER, np.int64),
        received=np.full(count, NEVER, np.int64),
        kind=np.full(count, Kind.NULL, np.uint8),
        num=np.full(count, np.nan),
        txt=np.full(count, None, np.object_),
        verdict=np.full(count, NO_VERDICT, np.uint8),
        reason=np.zeros(count, np.uint16),
        raw=np.full(count, None, np.object_),
        source=np.zeros(count, np.uint32),
        revision=np.zeros(count, np.uint16),
    )
