"""A recorded series moved to today: weekday and hour stay right, or the season does."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

import numpy as np

from ciaas.kernel.sample import Millis, Numbers

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
WEEK_MS = 7 * DAY_MS
YEAR_DAYS = 365.2425
"""Mean length of a Gregorian year."""
_CITY_ZONE = ZoneInfo("Europe/Helsinki")


class Signal(Protocol):
    """A quantity as a function of time."""

    @property
    def step_ms(self) -> int:
        """Interval of its own measurements; multiples of it since 1970 UTC are measured."""
        ...

    def at(self, times: Millis) -> Numbers:
        """Return the value at each time, NaN where there is none.

        Times are milliseconds since 1970 UTC; the same time always gives the same value.
        """
        ...


class Replay:
    """One column of a recording, repeated for ever.

    Args:
        wall: times of the recording in milliseconds of its civil clock, read as if it were UTC;
            ascending, without repeats.
        values: as recorded, NaN where the recording has none.
        step_ms: modal interval of the recording.
        season: keep the time of year instead of the day of the week.
        interpolated: go straight from one sample to the next instead of holding the last.
    """

    def __init__(
        self,
        wall: Millis,
        values: Numbers,
        step_ms: int,
        *,
        season: bool = False,
        interpolated: bool = False,
    ) -> None:
        if len(wall) < 2 or not bool(np.all(np.diff(wall) > 0)):
            raise ValueError("a recording needs at least two samples in ascending order")
        self.step_ms = step_ms
        self._wall = wall
        self._values = values
        self._interpolated = interpolated
        length = int(wall[-1] - wall[0]) + step_ms
        if season:
            self._cycle = max(1, round(length / DAY_MS / YEAR_DAYS)) * YEAR_DAYS * DAY_MS
            self._unit = DAY_MS
        else:
            self._cycle = float(max(1, length // WEEK_MS) * WEEK_MS)
            self._unit = WEEK_MS

    def at(self, times: Millis) -> Numbers:
        """Return the values at these times; NaN in a gap of the recording."""
        wall = self.recorded_wall(times)
        before = np.clip(np.searchsorted(self._wall, wall, side="right") - 1, 0, None)
        values = self._values[before]
        age = wall - self._wall[before]
        if self._interpolated:
            after = np.minimum(before + 1, len(self._wall) - 1)
            width = np.maximum(self._wall[after] - self._wall[before], 1)
            slope = np.where(width <= 1.5 * self.step_ms, self._values[after] - values, 0.0)
            # Without a neighbour to go to, the sample is held as in a stepped series.
            values = values + np.nan_to_num(slope) * np.clip(age / width, 0.0, 1.0)
        # A season's cycle is up to a day longer or shorter than the file: its ends are held.
        reach = DAY_MS if self._unit == DAY_MS else 0
        gap = (age >= 1.5 * self.step_ms) & (wall <= self._wall[-1])
        return np.where(gap | (age >= 1.5 * self.step_ms + reach), np.nan, values)

    def recorded_wall(self, times: Millis) -> Millis:
        """Return when in the recording, on its civil clock, each time is taken from."""
        wall = wall_clock(times)
        rounds = np.floor((wall - self._wall[0]) / self._cycle)
        shift = np.floor(rounds * self._cycle / self._unit).astype(np.int64) * self._unit
        return np.asarray(wall - shift, np.int64)


def measured_times(step_ms: int, start: int, end: int) -> Millis:
    """Return the multiples of a step from ``start`` on, before ``end``; all in milliseconds."""
    return np.arange(-(-start // step_ms) * step_ms, end, step_ms, dtype=np.int64)


def wall_clock(times: Millis) -> Millis:
    """Return the city's civil time, read as if it were UTC, in milliseconds."""
    hours, place = np.unique(times // HOUR_MS, return_inverse=True)
    offsets = np.array([_offset_ms(hour) for hour in hours.tolist()], np.int64)
    return np.asarray(times + offsets[place.reshape(-1)], np.int64)


@lru_cache(maxsize=4_096)
def _offset_ms(hour: int) -> int:
    """Return the zone's offset in an hour counted since 1970; Europe changes it on whole hours."""
    offset = datetime.fromtimestamp(hour * 3_600, UTC).astimezone(_CITY_ZONE).utcoffset()
    assert offset is not None
    return int(offset.total_seconds() * 1_000)
