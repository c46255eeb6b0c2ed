"""What every history store does, whatever it is built on."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ciaas.kernel.sample import Frame, Kind, Reason, Verdict
from ciaas.ports import (
    Aside,
    HistoryError,
    HistoryStore,
    KeyReused,
    Receipt,
    Resample,
    StreamId,
)
from ciaas.storage.history import Bounds, open_history
from tests.contract.history_rows import (
    DEVICES,
    Value,
    frame,
    intake,
    points,
    span,
    stored,
    values,
)


class FixedClock:
    def now_ms(self) -> int:
        return 1_800_000_000_000


@pytest.fixture(params=["memory", "file", "file sealed at once"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[HistoryStore]:
    path = None if request.param == "memory" else tmp_path / "history.duckdb"
    bounds = Bounds(segment_rows=2, fan_in=2) if "sealed" in request.param else None
    with open_history(path, clock=FixedClock(), bounds=bounds) as store:
        yield store


# -- commits


def test_an_empty_store_answers_with_nothing(history: HistoryStore) -> None:
    assert history.last_commit() == 0
    assert [*history.commits(0)] == []
    assert len(history.latest(points(1, 2))) == 0
    assert values(history.series(span(1))) == []
    assert history.aside(None, 10, None) == []
    assert history.position(DEVICES) == 0
    assert history.counts()["samples"] == 0


def test_commits_are_numbered_from_one_without_a_gap(history: HistoryStore) -> None:
    numbers = [history.record(frame((1, at, 1.0))).number for at in range(5)]

    assert numbers == [1, 2, 3, 4, 5]
    assert history.last_commit() == 5


def test_a_batch_without_new_rows_uses_no_number_and_yet_covers_its_sequences(
    history: HistoryStore,
) -> None:
    history.record(frame((1, 10, 1.0)), intake(1))

    commit = history.record(frame((1, 10, 1.0)), intake(2))
    nothing = history.record(Frame.empty(), intake(3))

    assert (commit.number, len(commit.frame), commit.repeats) == (1, 0, 1)
    assert (nothing.number, len(nothing.frame), nothing.repeats) == (1, 0, 0)
    assert stored(history, 1, 2, 3, 4) == [True, True, True, False]
    assert history.record(frame((1, 11, 1.0))).number == 2
    assert history.counts()["repeats"] == 1


def test_commits_are_read_back_exactly_as_they_were_recorded(history: HistoryStore) -> None:
    recorded = [
        history.record(
            frame((2, 20, 1.5), (1, 30, "on"), (1, 10, True), (1, 10, None), (3, 5, 2**60)),
        ),
        history.record(
            frame((1, 10, 7.0), (1, 10, True), received=5, raw=["7 %", None], verdict=[2, 0]),
        ),
        history.record(frame((9, 1, 1.0))),
    ]

    assert [*map(comparable, history.commits(0))] == [*map(comparable, recorded)]
    assert [*map(comparable, history.commits(2))] == [comparable(recorded[2])]
    assert [*history.commits(3)] == []


def comparable(commit: Any) -> Any:
    columns = [
        [None if cell != cell else cell for cell in getattr(commit.frame, name).tolist()]
        for name in Frame.__slots__
    ]
    return commit.number, commit.repeats, commit.recorded_at, columns


# -- repeats and revisions


def test_a_repeat_is_dropped_and_counted(history: HistoryStore) -> None:
    rows: list[tuple[int, int, Value]] = [
        (1, 10, 1.5), (2, 10, "on"), (3, 10, None), (4, 10, True), (5, 10, 2**53 + 2), (6, 10, 0.0),
    ]  # fmt: skip
    history.record(frame(*rows))
    history.record(frame((1, 20, 1.0), (2, 20, "x")))

    again = history.record(frame(*rows[:5], (6, 10, -0.0)))

    assert (len(again.frame), again.repeats) == (0, 6)
    assert history.counts()["samples"] == 8
    assert history.counts()["repeats"] == 6


def test_a_repeat_within_one_batch_is_dropped(history: HistoryStore) -> None:
    commit = history.record(frame((1, 10, 1.0), (2, 10, 1.0), (1, 10, 1.0), (1, 10, 2.0)))

    assert values(commit.frame) == [(1, 10, 1.0), (1, 10, 2.0), (2, 10, 1.0)]
    assert commit.repeats == 1


def test_another_value_at_the_same_time_is_the_next_revision(history: HistoryStore) -> None:
    history.record(frame((1, 10, 1.0)))
    history.record(frame((1, 20, 5.0)))

    second = history.record(frame((1, 10, "a"), (1, 10, "b"), (1, 10, 1.0), (1, 20, 6.0)))

    assert second.frame.revision.tolist() == [1, 2, 1]
    assert values(history.series(span(1))) == [(1, 10, "b"), (1, 20, 6.0)]
    assert values(history.series(span(1, all_revisions=True))) == [
        (1, 10, 1.0), (1, 10, "a"), (1, 10, "b"), (1, 20, 5.0), (1, 20, 6.0),
    ]  # fmt: skip


def test_kinds_are_different_values(history: HistoryStore) -> None:
    commit = history.record(frame((1, 10, 1.0), (1, 10, 1), (1, 10, True), (1, 10, "1")))

    assert commit.frame.revision.tolist() == [0, 1, 2, 3]
    assert history.record(frame((1, 10, 1))).repeats == 1


def test_what_only_raw_tells_apart_is_kept(history: HistoryStore) -> None:
    exact = ["9007199254740993", "9007199254740994"]
    history.record(frame((1, 10, 2**53), (2, 10, None), raw=[exact[0], "inf"]))
    history.record(frame((1, 11, 0), (2, 11, 0)))

    commit = history.record(
        frame(
            (1, 10, 2**53), (1, 10, 2**53), (2, 10, None), (2, 10, None), raw=[*exact, "inf", "nan"]
        )
    )

    assert commit.frame.raw.tolist() == [exact[1], "nan"]
    assert commit.repeats == 2


def test_raw_does_not_make_another_value_of_an_exact_number(history: HistoryStore) -> None:
    history.record(frame((1, 10, 21.5), raw=["215"]))

    assert history.record(frame((1, 10, 21.5), raw=["0215"])).repeats == 1


# -- the stream's position


def test_a_gap_below_the_position_is_not_stored(history: HistoryStore) -> None:
    """A restarted broker delivers new messages before old ones: a watermark would lose these."""
    history.record(frame((1, 1, 1.0)), intake(1, 2, 3))
    history.record(frame((1, 2, 1.0)), intake(7, 8))

    assert history.position(DEVICES) == 8
    assert stored(history, 1, 3, 4, 6, 7, 8, 9) == [True, True, False, False, True, True, False]

    history.record(frame((1, 3, 1.0)), intake(6, 4, 5))
    assert stored(history, *range(1, 10)) == [True] * 8 + [False]


def test_a_recreated_stream_starts_anew(history: HistoryStore) -> None:
    history.record(frame((1, 1, 1.0)), intake(1, 2, 3))
    recreated = StreamId(DEVICES.name, "2026-12-24T00:00:00Z")

    assert history.position(recreated) == 0
    asked = intake(1)
    assert not history.stored(recreated, asked.sequences, asked.received).any()


def test_a_sequence_given_again_after_a_power_loss_is_not_stored(history: HistoryStore) -> None:
    history.record(frame((1, 1, 1.0)), intake(1, 2, 3, received=100))

    assert stored(history, 2, 3, received=101) == [False, False]
    assert stored(history, 2, 3, received=100) == [True, True]

    history.record(frame((1, 2, 1.0)), intake(3, received=101))
    assert history.position(DEVICES) == 3
    assert stored(history, 2, 3, received=101) == [True, True]


def test_lower_sequences_are_free_again_once_one_was_given_again(history: HistoryStore) -> None:
    history.record(frame((1, 1, 1.0)), intake(*range(1, 11), received=100))

    history.record(frame((1, 2, 1.0)), intake(6, received=200))

    assert stored(history, 5, 6, 7, received=150) == [True, True, False]


def test_rewind_forgets_what_the_broker_has_lost(history: HistoryStore) -> None:
    history.record(frame((1, 1, 1.0)), intake(1, 2, 3, 8, 9))

    history.rewind(DEVICES, 8)
    assert history.position(DEVICES) == 8
    history.rewind(DEVICES, 5)
    assert history.position(DEVICES) == 3
    history.rewind(DEVICES, 5)
    assert stored(history, 1, 3, 8, 9) == [True, True, False, False]


# -- latest


def test_latest_is_the_newest_observed_in_the_order_asked(history: HistoryStore) -> None:
    history.record(frame((1, 20, 2.0), (2, 10, "a"), (3000, 5, None)))
    history.record(frame((1, 10, 1.0), (2, 10, "b"), (2, 9, "c")))

    latest = history.latest(points(3000, 4, 2, 1, 99_999))

    assert values(latest) == [(3000, 5, None), (2, 10, "b"), (1, 20, 2.0)]
    assert latest.revision.tolist() == [0, 1, 0]
    assert latest.source.tolist() == [7, 7, 7]


# -- series


def test_a_series_includes_both_ends_and_is_ordered_by_time(history: HistoryStore) -> None:
    history.record(frame((1, 30, 3.0), (1, 10, 1.0), (2, 20, 9.0)))
    history.record(frame((1, 20, 2.0), (1, 40, 4.0)))

    assert values(history.series(span(1, start=20, end=30))) == [(1, 20, 2.0), (1, 30, 3.0)]
    assert values(history.series(span(1, start=31))) == [(1, 40, 4.0)]
    assert values(history.series(span(1, end=10))) == [(1, 10, 1.0)]
    assert values(history.series(span(1, start=-(10**18), end=10**18, limit=1))) == [(1, 10, 1.0)]
    assert values(history.series(span(77))) == []


def test_a_series_carries_the_judgement(history: HistoryStore) -> None:
    history.record(
        frame((1, 10, 1.0), verdict=[Verdict.BAD], reason=[Reason.OUT_OF_RANGE], raw=["1 bar"])
    )

    series = history.series(span(1))

    assert series.verdict.tolist() == [Verdict.BAD]
    assert series.reason.tolist() == [Reason.OUT_OF_RANGE]


@pytest.mark.parametrize("count", [2, 40])
def test_points_come_in_the_order_asked_each_once(history: HistoryStore, count: int) -> None:
    history.record(frame(*((point, 10, float(point)) for point in range(0, 3 * count, 3))))
    asked = [*range(3 * count - 3, -1, -3)]

    series = history.series(span(*asked, 1, asked[0]))

    assert series.point.tolist() == asked


def test_limit_keeps_the_oldest_of_each_point_and_says_so(history: HistoryStore) -> None:
    history.record(frame(*((point, at, 0.0) for point in (1, 2) for at in range(3 + point))))

    cut = history.series(span(2, 1, limit=4))
    whole = history.series(span(2, 1, limit=5))

    assert cut.observed.tolist() == [0, 1, 2, 3, 0, 1, 2, 3]
    assert cut.truncated
    assert not whole.truncated
    assert len(history.series(span(1, limit=0)).point) == 0


# -- thinned-out series

SAMPLES = frame(
    (1, 0, 4.0), (1, 1000, 2.0), (1, 2000, 2.0), (1, 9000, 10.0),
    (1, 31000, 3.0), (1, 32000, None), (1, 33000, 1.0), (1, 45000, 7.0),
    verdict=[0, 1, 0, 0, 0, 2, 0, 0], reason=[0, 1, 0, 0, 0, 6, 0, 0],
)  # fmt: skip
"""Buckets of 10 s: at 0 (4, 2, 2, 10), 30 s (3, null, 1) and 40 s (7); two are empty."""


def test_functions_of_numbers(history: HistoryStore) -> None:
    history.record(SAMPLES)
    expected: dict[str, Sequence[float]] = {
        "COUNT": [4, 2, 1],
        "SUM": [18, 4, 7],
        "MEAN": [4.5, 2, 7],
        "MEDIAN": [3, 2, 7],
        "MODE": [2, 3, 7],
        "SPREAD": [8, 2, 0],
        "FIRST": [4, 3, 7],
        "LAST": [10, 1, 7],
        "MAX": [10, 3, 7],
        "MIN": [2, 1, 7],
    }

    for function, numbers in expected.items():
        series = history.series(span(1, resample=Resample(10 * 10**9, function, "NONE")))
        assert series.observed.tolist() == [0, 30000, 40000], function
        assert series.num.tolist() == pytest.approx(numbers), function
        assert series.kind.tolist() == [Kind.NUMBER] * 3, function
        assert series.verdict.tolist() == [Verdict.UNCERTAIN, Verdict.BAD, Verdict.GOOD], function
        assert series.reason.tolist() == [Reason.NO_TIMESTAMP, Reason.READ_ERROR, 0], function


def test_stddev_is_that_of_a_sample_and_needs_two(history: HistoryStore) -> None:
    history.record(SAMPLES)

    series = history.series(span(1, resample=Resample(10 * 10**9, "STDDEV", "NONE")))

    assert series.observed.tolist() == [0, 30000]
    assert series.num.tolist() == pytest.approx([3.7859389, 1.4142136])


def test_distinct_gives_each_value_of_a_bucket_once(history: HistoryStore) -> None:
    history.record(frame((1, 0, "b"), (1, 1, "a"), (1, 2, "b"), (1, 10, 1.0), (1, 11, None)))

    series = history.series(span(1, resample=Resample(10 * 10**6, "DISTINCT", "NONE")))

    assert values(series) == [(1, 0, "b"), (1, 0, "a"), (1, 10, 1.0)]


def test_integral_is_the_area_in_value_seconds(history: HistoryStore) -> None:
    """From InfluxQL: trapezoids, cut where a bucket ends."""
    history.record(frame((1, 0, 0.0), (1, 5000, 10.0), (1, 15000, 20.0), (1, 40000, 20.0)))

    series = history.series(span(1, resample=Resample(10 * 10**9, "INTEGRAL", "NONE")))

    # 0-5 s: 25; 5-10 s from 10 to 15: 62.5 | 10-15 s from 15 to 20: 87.5; 15-20 s at 20: 100 |
    # the line over the empty buckets belongs to the bucket at its end: 20-40 s at 20: 400.
    assert values(series) == [(1, 0, 87.5), (1, 10000, 187.5), (1, 40000, 400.0)]


def test_functions_of_text(history: HistoryStore) -> None:
    history.record(frame((1, 0, "off"), (1, 1, "on"), (1, 2, "on")))
    expected: dict[str, Value] = {"FIRST": "off", "LAST": "on", "MODE": "on", "COUNT": 3.0}

    for function, kept in expected.items():
        series = history.series(span(1, resample=Resample(10**9, function, "NONE")))
        assert values(series) == [(1, 0, kept)], function
    for function in ("MEAN", "SUM", "INTEGRAL", "MAX"):
        series = history.series(span(1, resample=Resample(10**9, function, "NONE")))
        assert values(series) == [], function


def test_fill_between_both_ends(history: HistoryStore) -> None:
    history.record(SAMPLES)
    gone = math.nan
    expected: dict[str, Sequence[float]] = {
        "NULL": [gone, 18, gone, gone, 4, 7, gone],
        "ZERO": [0, 18, 0, 0, 4, 7, 0],
        "PREVIOUS": [gone, 18, 18, 18, 4, 7, 7],
        "LINEAR": [gone, 18, 40 / 3, 26 / 3, 4, 7, gone],
    }
    estimated = {"NULL": [], "ZERO": [0, 2, 3, 6], "PREVIOUS": [2, 3, 6], "LINEAR": [2, 3]}

    for fill, numbers in expected.items():
        resample = Resample(10 * 10**9, "SUM", fill)
        series = history.series(span(1, start=-10000, end=55000, resample=resample))
        assert series.observed.tolist() == [*range(-10000, 60000, 10000)], fill
        assert series.num.tolist() == pytest.approx(numbers, nan_ok=True), fill
        assert (series.kind == Kind.NULL).tolist() == np.isnan(series.num).tolist(), fill
        assert np.flatnonzero(series.reason == Reason.ESTIMATED).tolist() == estimated[fill], fill
        assert series.verdict[[0, 2, 3, 6]].tolist() == [Verdict.UNCERTAIN] * 4, fill


def test_fill_stays_between_the_first_and_last_bucket_of_an_open_interval(
    history: HistoryStore,
) -> None:
    history.record(frame((1, 25, 1.0), (1, 41, 2.0), (2, 10, "x"), (2, 35, "y")))

    series = history.series(span(1, 2, resample=Resample(10 * 10**6, "LAST", "PREVIOUS")))

    assert values(series) == [
        (1, 20, 1.0), (1, 30, 1.0), (1, 40, 2.0), (2, 10, "x"), (2, 20, "x"), (2, 30, "y"),
    ]  # fmt: skip


def test_limit_counts_filled_buckets(history: HistoryStore) -> None:
    history.record(frame((1, 0, 1.0), (1, 10**12, 2.0)))

    series = history.series(span(1, limit=3, resample=Resample(10**7, "MAX", "ZERO")))

    assert values(series) == [(1, 0, 1.0), (1, 10, 0.0), (1, 20, 0.0)]
    assert series.truncated


def test_buckets_before_1970_are_aligned_too(history: HistoryStore) -> None:
    history.record(frame((1, -1, 1.0), (1, -10, 2.0), (1, -11, 3.0)))

    series = history.series(span(1, resample=Resample(10**7, "COUNT", "NONE")))

    assert values(series) == [(1, -20, 1.0), (1, -10, 2.0)]


def test_thinning_out_takes_the_newest_revision(history: HistoryStore) -> None:
    history.record(frame((1, 0, 1.0)))
    history.record(frame((1, 0, 5.0)))
    resample = Resample(10**9, "SUM", "NONE")

    assert values(history.series(span(1, resample=resample))) == [(1, 0, 5.0)]
    assert values(history.series(span(1, resample=resample, all_revisions=True))) == [(1, 0, 6.0)]


def test_what_is_no_resampling_is_refused(history: HistoryStore) -> None:
    history.record(frame((1, 0, 1.0)))

    for resample in (
        Resample(10**9, "AVG(num); DROP TABLE current; --", "NONE"),
        Resample(10**9, "mean", "NONE"),
        Resample(10**9, "MEAN", "none"),
        Resample(0, "MEAN", "NONE"),
        Resample(-5, "MEAN", "NONE"),
        Resample(10**30, "MEAN", "NONE"),
    ):
        with pytest.raises(HistoryError):
            history.series(span(1, resample=resample))
    assert values(history.series(span(1))) == [(1, 0, 1.0)]


# -- receipts


def test_an_idempotency_key_is_answered_once(history: HistoryStore) -> None:
    receipt = Receipt("app:42", "aa" * 32)
    assert history.answered(receipt) is None

    first = history.record(frame((1, 10, 1.0)), receipt=receipt)
    history.record(frame((1, 11, 1.0)))
    again = history.record(frame((1, 12, 1.0)), receipt=receipt)

    assert history.answered(receipt) == first.number == again.number == 1
    assert len(again.frame) == 0
    assert history.counts()["samples"] == 2


def test_an_idempotency_key_with_another_body_is_refused(history: HistoryStore) -> None:
    history.record(frame((1, 10, 1.0)), receipt=Receipt("app:42", "aa" * 32))
    other = Receipt("app:42", "bb" * 32)

    with pytest.raises(KeyReused, match="new key"):
        history.answered(other)
    with pytest.raises(KeyReused):
        history.record(frame((1, 11, 1.0)), receipt=other)
    assert history.counts()["samples"] == 1


# -- set aside


def test_what_was_set_aside_is_listed_newest_first(history: HistoryStore) -> None:
    parts = [
        Aside(100 + n, n, f"@update/{n}", "malformed", "no JSON", b"\x00\xff{", endpoint)
        for n, endpoint in enumerate(["a", "b", "a", ""])
    ]
    history.record(Frame.empty(), intake(1, 2), parts[:3])
    history.record(frame((1, 10, 1.0)), intake(3), parts[3:])

    assert history.aside(None, 10, None) == [(4 - n, parts[3 - n]) for n in range(4)]
    assert history.aside(["a"], 10, None) == [(3, parts[2]), (1, parts[0])]
    assert history.aside(["a", "b"], 1, 3) == [(2, parts[1])]
    assert history.aside([], 10, None) == []
    assert history.counts()["aside"] == 4


# -- threads


def test_readers_see_whole_commits_while_one_thread_writes(history: HistoryStore) -> None:
    """Each commit adds one sample to each of three points; a reader never sees less of one."""
    done = threading.Event()
    torn: list[object] = []

    def read() -> None:
        while not done.is_set():
            series = history.series(span(1, 2, 3))
            counts = np.unique(series.point, return_counts=True)[1].tolist()
            if len(set(counts)) > 1 or len(counts) not in (0, 3):
                torn.append(counts)
            latest = history.latest(points(1, 2, 3)).observed.tolist()
            if len(set(latest)) > 1:
                torn.append(latest)

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for at in range(60):
        history.record(frame(*((point, at, float(at)) for point in (1, 2, 3))))
    done.set()
    for reader in readers:
        reader.join()

    assert torn == []
    assert len(history.series(span(1, 2, 3)).point) == 180
