"""The year of samples that the query bench records before it asks."""

from __future__ import annotations

from itertools import count

import numpy as np
import pytest

from borough.bench.rig.past import (
    BUCKET_MS,
    BUCKETS,
    DAY_MS,
    MINUTE_MS,
    YEAR_MS,
    Past,
    PastClock,
    past_end_ms,
    record,
)
from ciaas.ports import Resample, Span
from ciaas.storage.history import open_history

YEAR = YEAR_MS // MINUTE_MS


class Now:
    def now_ms(self) -> int:
        return 1_790_000_000_123


END = past_end_ms(Now())


def test_the_end_is_an_edge_of_a_bucket_older_than_what_the_live_stream_keeps() -> None:
    assert END % BUCKET_MS == 0
    assert DAY_MS < Now().now_ms() - END < 3 * DAY_MS
    assert BUCKETS * BUCKET_MS == YEAR_MS


def test_deep_points_have_a_year_and_the_others_the_rest() -> None:
    past = Past([3, 4], [7, 8, 9], 2 * YEAR + 3 * 100, END)
    batches = list(past.batches())
    points = np.concatenate([frame.point for frame in batches])
    times = np.concatenate([frame.observed for frame in batches])
    assert {p: int((points == p).sum()) for p in (3, 4, 7, 8, 9)} == {
        3: YEAR, 4: YEAR, 7: 100, 8: 100, 9: 100,
    }  # fmt: skip
    assert (np.diff(times) >= 0).all()
    assert (times.min(), times.max()) == (past.start_ms, END - MINUTE_MS)
    assert len(np.unique(times[points == 3])) == YEAR


def test_a_total_that_the_points_cannot_hold_is_refused() -> None:
    with pytest.raises(AssertionError, match="does not fit"):
        list(Past([1], [2], 3 * YEAR, END).batches())


def test_history_answers_a_day_by_the_minute_and_the_year_in_buckets() -> None:
    clock = PastClock()
    with open_history(None, clock=clock) as history:
        past = Past([5], [6], YEAR + 2_000, END)
        assert record(past, history, clock, within_s=60) == YEAR + 2_000
        assert clock.at_ms == END - MINUTE_MS
        point = np.array([5], np.uint32)
        day = history.series(Span(point, END - DAY_MS, END - 1, 1_440))
        buckets = Resample(BUCKET_MS * 10**6, "MEAN", "NONE")
        year = history.series(Span(point, past.start_ms, END - 1, BUCKETS, buckets))
    assert (len(day.point), day.truncated) == (1_440, False)
    assert (len(year.point), year.truncated) == (BUCKETS, False)


def test_recording_ends_early_when_it_takes_too_long() -> None:
    clock, seconds = PastClock(), count()
    with open_history(None, clock=clock) as history:
        past = Past([5], [], YEAR, END)
        stored = record(past, history, clock, within_s=0.5, monotonic=lambda: next(seconds))
        assert 0 < stored < YEAR
        assert history.counts()["samples"] == stored
