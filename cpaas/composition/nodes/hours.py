"""Local time of day, in columns."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ciaas.kernel.sample import Millis, Numbers
from cpaas.composition.nodes.contract import Params
from cpaas.limits import LOCAL_QUARTERS_CACHED

_QUARTER_MS = 900_000
"""Every change of a zone's offset in use lies on a quarter of an hour."""
_DAY_MIN = 1_440

Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]


class Hours(Params):
    """A part of each day in the mashup's time zone; over midnight when it ends before it begins."""

    from_: Annotated[Clock, Field(alias="from", description="such as 22:00")]
    to: Annotated[Clock, Field(description="such as 06:00; not included")]

    def __str__(self) -> str:
        return f"between {self.from_} and {self.to}"

    def hold(self, time: Millis, zone: ZoneInfo) -> NDArray[np.bool_]:
        """Return which times lie in it."""
        minute = local_minutes(time, zone) % _DAY_MIN
        begin, end = _minutes(self.from_), _minutes(self.to)
        if begin <= end:
            return (minute >= begin) & (minute < end)
        return (minute >= begin) | (minute < end)


def local_minutes(time: Millis, zone: ZoneInfo) -> Numbers:
    """Return minutes since 1970 of the zone's own clock."""
    quarters, rows = np.unique(time // _QUARTER_MS, return_inverse=True)
    offsets = np.array([_offset_min(int(quarter), zone) for quarter in quarters], np.float64)
    return time / 60_000 + (offsets[rows] if len(offsets) else 0.0)


def hour(time: Millis, zone: ZoneInfo) -> Numbers:
    """Return the hour of the day with its fraction, 0 to below 24."""
    return local_minutes(time, zone) % _DAY_MIN / 60


def weekday(time: Millis, zone: ZoneInfo) -> Numbers:
    """Return 1 for Monday to 7 for Sunday."""
    return (local_minutes(time, zone) // _DAY_MIN + 3) % 7 + 1


@lru_cache(LOCAL_QUARTERS_CACHED)
def _offset_min(quarter: int, zone: ZoneInfo) -> float:
    moment = datetime.fromtimestamp(quarter * _QUARTER_MS / 1000, UTC).astimezone(zone)
    offset = moment.utcoffset()
    assert offset is not None
    return offset.total_seconds() / 60


def _minutes(clock: str) -> int:
    hours, minutes = clock.split(":")
    return 60 * int(hours) + int(minutes)
