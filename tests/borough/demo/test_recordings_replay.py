"""A recording moved to today keeps weekday and hour, or the season, and its own gaps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from borough.demo.recordings.replay import (
    DAY_MS,
    HOUR_MS,
    WEEK_MS,
    Replay,
    measured_times,
    wall_clock,
)
from ciaas.kernel.sample import Millis

HELSINKI = ZoneInfo("Europe/Helsinki")
MONDAY = int(datetime(2024, 1, 1, tzinfo=UTC).timestamp() * 1_000)


def hourly(weeks: float, start: int = MONDAY) -> Millis:
    return np.arange(start, start + int(weeks * WEEK_MS), HOUR_MS, dtype=np.int64)


def at(replay: Replay, moment: datetime) -> float:
    return float(replay.at(np.array([moment.timestamp() * 1_000], np.int64))[0])


@pytest.mark.parametrize("month", range(1, 13))
@pytest.mark.parametrize("year", [2026, 2031])
def test_weekday_and_hour_are_those_of_the_citys_clock(year: int, month: int) -> None:
    wall = hourly(5.5)
    code = (wall - MONDAY) // HOUR_MS % 168
    replay = Replay(wall, code.astype(np.float64), HOUR_MS)
    moment = datetime(year, month, 11, 15, 59, tzinfo=HELSINKI)
    assert at(replay, moment) == moment.weekday() * 24 + 15


def test_hour_left_out_and_hour_doubled_by_summer_time() -> None:
    wall = hourly(2)
    replay = Replay(wall, (wall // HOUR_MS % 24).astype(np.float64), HOUR_MS)
    spring = datetime(2026, 3, 29, tzinfo=UTC)
    autumn = datetime(2026, 10, 25, tzinfo=UTC)
    assert [at(replay, spring + timedelta(hours=h)) for h in range(3)] == [2, 4, 5]
    assert [at(replay, autumn + timedelta(hours=h)) for h in range(3)] == [3, 3, 4]


def test_season_is_kept_over_many_years() -> None:
    start = int(datetime(2013, 1, 1, tzinfo=UTC).timestamp() * 1_000)
    wall = hourly(365 / 7, start)
    day_of_year = (wall - start) // DAY_MS
    replay = Replay(wall, day_of_year.astype(np.float64), HOUR_MS, season=True)
    for year in range(2026, 2041):
        moment = datetime(year, 7, 15, 12, tzinfo=HELSINKI)
        assert abs(at(replay, moment) - (moment.timetuple().tm_yday - 1)) <= 1
        assert not np.isnan(at(replay, datetime(year, 12, 31, 23, 30, tzinfo=HELSINKI)))


def test_gap_of_the_recording_stays_a_gap() -> None:
    wall = np.delete(hourly(1), [10, 11, 12])
    replay = Replay(wall, np.ones(len(wall)), HOUR_MS)
    monday = datetime(2026, 11, 23, tzinfo=HELSINKI)
    seen = [at(replay, monday + timedelta(hours=h)) for h in (9, 10, 11, 12, 13)]
    assert np.isnan(seen).tolist() == [False, False, True, True, False]
    assert np.isnan(at(replay, monday + timedelta(hours=10, minutes=31)))


def test_value_is_held_or_interpolated() -> None:
    wall = hourly(1)
    values = np.arange(len(wall), dtype=np.float64)
    monday = datetime(2026, 11, 23, tzinfo=HELSINKI)
    moment = monday + timedelta(hours=3, minutes=15)
    assert at(Replay(wall, values, HOUR_MS), moment) == 3
    assert at(Replay(wall, values, HOUR_MS, interpolated=True), moment) == 3.25


def test_interpolation_holds_before_a_missing_value_and_misses_in_it() -> None:
    wall = hourly(1)
    values = np.arange(len(wall), dtype=np.float64)
    values[4] = np.nan
    replay = Replay(wall, values, HOUR_MS, interpolated=True)
    monday = datetime(2026, 11, 23, tzinfo=HELSINKI)
    assert at(replay, monday + timedelta(hours=3, minutes=15)) == 3
    assert np.isnan(at(replay, monday + timedelta(hours=4, minutes=15)))


def test_same_times_give_same_values_whatever_is_asked_with_them() -> None:
    wall = hourly(4)
    generator = np.random.default_rng(1)
    replay = Replay(wall, generator.random(len(wall)), HOUR_MS, interpolated=True)
    times = MONDAY + 150 * WEEK_MS + generator.integers(0, 8 * WEEK_MS, 200)
    together = replay.at(times)
    assert together.tolist() == [float(replay.at(np.array([t]))[0]) for t in times]


def test_recording_out_of_order_or_too_short_is_refused() -> None:
    for wall in (np.array([2, 1]), np.array([1, 1]), np.array([1])):
        with pytest.raises(ValueError, match="ascending"):
            Replay(wall.astype(np.int64), np.zeros(len(wall)), HOUR_MS)


def test_measured_times_are_whole_steps_from_start_before_end() -> None:
    assert measured_times(10, 11, 40).tolist() == [20, 30]
    assert measured_times(10, 10, 41).tolist() == [10, 20, 30, 40]
    assert measured_times(10, 11, 19).tolist() == []


def test_wall_clock_adds_the_offset_of_each_time() -> None:
    winter = int(datetime(2026, 1, 5, 12, tzinfo=UTC).timestamp() * 1_000)
    summer = int(datetime(2026, 7, 5, 12, tzinfo=UTC).timestamp() * 1_000)
    shift = wall_clock(np.array([winter, summer])) - [winter, summer]
    assert (shift // HOUR_MS).tolist() == [2, 3]
