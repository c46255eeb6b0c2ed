"""Schedule, backoff and reporting, each alone."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ciaas.kernel.sample import Kind, Reason, Verdict
from ciaas.limits import BACKOFF_S_MAX, BACKOFF_S_MIN
from ciaas.sensorisation.polling.backoff import Backoff
from ciaas.sensorisation.polling.decoding import READ_ERROR, Value
from ciaas.sensorisation.polling.reporting import Reporter
from ciaas.sensorisation.polling.schedule import Schedule
from ciaas.sensorisation.profile import Report


def test_turns_stay_on_their_grid_however_long_reading_takes() -> None:
    schedule = Schedule([(1.0, 0.0)], 100.0, Random(1))
    dues = []
    for _ in range(1_000):
        turn = schedule.next()
        dues.append(turn.due)
        schedule.done(turn, turn.due + 0.7)
    assert dues == [100.0 + place for place in range(1_000)]
    assert schedule.skipped == 0


def test_a_turn_that_takes_too_long_skips_and_counts() -> None:
    schedule = Schedule([(1.0, 0.0)], 100.0, Random(1))
    schedule.done(schedule.next(), 103.5)
    assert (schedule.next().due, schedule.skipped) == (104.0, 3)


def test_waking_a_little_early_does_not_repeat_a_turn() -> None:
    schedule = Schedule([(0.1, 0.0)], 0.3, Random(1))
    schedule.done(schedule.next(), 0.3 - 1e-9)
    assert schedule.next().due == pytest.approx(0.4)


def test_groups_take_turns_and_start_shifted() -> None:
    schedule = Schedule([(1.0, 1.0), (5.0, 1.0)], 0.0, Random(1))
    seen = []
    for _ in range(12):
        turn = schedule.next()
        seen.append(turn.group)
        schedule.done(turn, turn.due)
    assert seen.count(0) == 10
    assert all(0.0 <= grid.origin <= 1.0 for grid in schedule._grids)


def test_shifted_grids_of_many_devices_share_their_moments() -> None:
    chance = Random(1)
    dues = [Schedule([(1.0, 1.0)], 7.01, chance).next().due for _ in range(1_000)]
    assert min(dues) >= 7.01 and max(dues) <= 8.01
    moments = {round(due, 6) for due in dues}
    assert len(moments) == 21, "every twentieth of a second, and at once"
    assert max(dues.count(due) for due in set(dues)) < 100, "spread evenly all the same"


def test_after_an_outage_all_are_due_once_and_the_grid_stays() -> None:
    schedule = Schedule([(10.0, 0.0), (20.0, 0.0)], 0.0, Random(1))
    for _ in range(2):
        schedule.done(schedule.next(), 1.0)
    schedule.all_due(13.0)
    early = []
    for _ in range(2):
        turn = schedule.next()
        early.append(turn.due)
        schedule.done(turn, 13.1)
    assert early == [10.0, 13.0]
    assert schedule.next().due == 20.0


def test_backoff_grows_between_its_bounds_and_forgets_at_success() -> None:
    backoff = Backoff(Random(1))
    waits = [backoff.failed() for _ in range(200)]
    assert all(BACKOFF_S_MIN <= wait <= BACKOFF_S_MAX for wait in waits)
    assert max(waits[:3]) <= 8.0 < max(waits)
    assert backoff.succeeded() and not backoff.succeeded()
    assert backoff.failed() <= 2.0


def number(value: float) -> Value:
    return Value(Kind.NUMBER, value, None, Verdict.GOOD, Reason.NONE, None)


def text(value: str) -> Value:
    return Value(Kind.TEXT, float("nan"), value, Verdict.GOOD, Reason.NONE, None)


def sent(report: dict[str, Any], readings: list[tuple[int, Value]]) -> list[int]:
    reporter = Reporter(Report.model_validate(report))
    return [at for at, value in readings if reporter.wants(value, at * 1_000)]


@pytest.mark.parametrize(
    ("report", "expected"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"mode": "change"}, [0, 2, 3, 4]),
        ({"mode": "deadband", "deadband": 1}, [0, 4]),
        ({"mode": "deadband", "deadband": 1, "max_silence_s": 3}, [0, 3]),
    ],
)
def test_what_is_sent_of_a_number(report: dict[str, Any], expected: list[int]) -> None:
    values = [5.0, 5.0, 5.5, 5.9, 6.0]
    assert sent(report, [(at, number(value)) for at, value in enumerate(values)]) == expected


def test_a_slow_drift_adds_up_against_the_last_value_sent() -> None:
    values = [(at, number(at * 0.4)) for at in range(7)]
    assert sent({"mode": "deadband", "deadband": 1}, values) == [0, 3, 6]


def test_text_is_sent_when_it_changes() -> None:
    values = [(0, text("off")), (1, text("off")), (2, text("on"))]
    assert sent({"mode": "change"}, values) == [0, 2]


@pytest.mark.parametrize("mode", ["always", "change"])
def test_a_failure_is_sent_when_it_begins_and_then_rarely(mode: str) -> None:
    readings = [(0, number(1.0)), *((at, READ_ERROR) for at in range(1, 12)), (12, number(1.0))]
    assert sent({"mode": mode, "max_silence_s": 5}, readings) == [0, 1, 6, 11, 12]


def test_a_clock_set_back_does_not_silence_a_point() -> None:
    reporter = Reporter(Report.model_validate({"mode": "change"}))
    assert reporter.wants(number(1.0), 1_000_000)
    assert reporter.wants(number(1.0), 10_000)
