"""Each bound of history is reached once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ciaas.kernel.sample import Frame
from ciaas.limits import HISTORY_TIME_MS_MAX
from ciaas.ports import Aside, HistoryError, Intake, JournalLine, Receipt, Resample, Span, StreamId
from ciaas.storage.history import AnswerTooLarge, Bounds, DuckHistory, Interrupted, open_history
from ciaas.storage.history.writing.coverage import Coverage, Range, runs

Reopen = Callable[..., DuckHistory]
Numbers = Callable[..., Frame]
STREAM = StreamId("S", "1")


def test_a_point_id_beyond_the_arrays_is_refused(reopened: Reopen, numbers: Numbers) -> None:
    history = reopened(point_id=5000)
    assert history.record(numbers([5000], [1])).number == 1

    with pytest.raises(HistoryError, match="HISTORY_POINT_ID_MAX"):
        history.record(numbers([5001], [1]))
    assert history.counts()["samples"] == 1


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_time_beyond_reckoning_is_refused(reopened: Reopen, numbers: Numbers, sign: int) -> None:
    history = reopened()
    far = sign * HISTORY_TIME_MS_MAX
    history.record(numbers([1], [far], [2.0]))
    with pytest.raises(HistoryError, match="away from 1970"):
        history.record(numbers([1], [far + sign]))

    span = Span(np.array([1]), -(2**62), 2**62, 9)
    assert history.series(span).observed.tolist() == [far]
    history.seal()
    assert reopened().latest(np.array([1])).observed.tolist() == [far]


def test_revisions_beyond_the_last_number_are_kept_under_it(
    reopened: Reopen, numbers: Numbers
) -> None:
    """A clock that stands still gives every value the same time."""
    history = reopened(revision=3, segment_rows=4, fan_in=2)
    for value in range(8):
        history.record(numbers([1], [10], [float(value)]))
    history.seal()
    history = reopened(revision=3)

    assert history.record(numbers([1], [10], [6.0])).repeats == 1
    everything = history.series(Span(np.array([1]), None, None, 99, None, True))
    assert everything.num.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0]
    assert history.series(Span(np.array([1]), None, None, 99)).num.tolist() == [7.0]
    assert history.latest(np.array([1])).num.tolist() == [7.0]


def test_an_answer_has_a_bound(reopened: Reopen, numbers: Numbers) -> None:
    history = reopened(series_rows=20)
    history.record(numbers([1] * 12 + [2] * 12, [*range(12)] * 2))
    both = np.array([1, 2], np.uint32)

    assert len(history.series(Span(both, None, None, 10)).point) == 20
    with pytest.raises(AnswerTooLarge, match="fewer points"):
        history.series(Span(both, None, None, 11))
    with pytest.raises(AnswerTooLarge):
        history.series(Span(both, None, None, 99, Resample(10**6, "MAX", "NONE")))
    with pytest.raises(AnswerTooLarge):
        history.series(Span(both, 0, 1000, 15, Resample(10**7, "MAX", "NULL")))
    with pytest.raises(AnswerTooLarge):
        history.series(Span(both[:1], 0, 1000, 99, Resample(10**7, "MAX", "NULL")))


def test_the_oldest_set_aside_are_dropped_and_counted(reopened: Reopen) -> None:
    history = reopened(aside_rows=3, aside_bytes=1_000, aside_page=5)
    for number in range(5):
        history.record(Frame.empty(), None, [part(b"x" * 10, number)])
    history.seal()
    assert [number for number, _ in history.aside(None, 5, None)] == [5, 4, 3]

    history.record(Frame.empty(), None, [part(b"y" * 995, 6)])
    history.seal()
    assert [number for number, _ in history.aside(None, 5, None)] == [6]
    assert history.counts() == reopened(aside_rows=3).counts()
    history = reopened(aside_page=5)
    assert (history.counts()["aside"], history.counts()["aside_dropped"]) == (6, 5)
    with pytest.raises(HistoryError, match="ask in pages"):
        history.aside(None, 6, None)


def test_the_oldest_lines_of_the_journal_are_dropped(reopened: Reopen) -> None:
    history = reopened(journal_rows=3)
    for at in range(5):
        line = JournalLine("e", at, "WARN", at, str(at), "", "")
        history.record(Frame.empty(), journal=[line])
    history.seal()
    assert [line.message for line in history.journal("e", ["WARN"], None, None, 9)] == list("432")


def part(payload: bytes, sequence: int) -> Aside:
    return Aside(1, sequence, "t", "malformed", "", payload)


def test_receipts_are_kept_by_number_and_by_age(
    reopened: Reopen, numbers: Numbers, clock: Any
) -> None:
    history = reopened(receipts=2, receipt_age_ms=1000)
    receipts = [Receipt(f"k{n}", "00" * 32) for n in range(4)]
    for at, receipt in enumerate(receipts[:3]):
        clock.now += 10
        history.record(numbers([1], [at]), receipt=receipt)
    history.seal()
    assert [history.answered(receipt) for receipt in receipts] == [None, 2, 3, None]

    clock.now += 995
    history.seal()
    assert [history.answered(receipt) for receipt in receipts] == [None, None, 3, None]
    assert reopened().answered(receipts[2]) == 3

    with pytest.raises(HistoryError, match="200 characters"):
        reopened().record(numbers([1], [9]), receipt=Receipt("k" * 201, "00" * 32))


def test_ranges_are_coalesced_now_and_then(reopened: Reopen, numbers: Numbers) -> None:
    history = reopened(tidy_commits=10)
    for sequence in range(1, 40):
        intake = Intake(STREAM, np.array([sequence], np.uint64), np.array([sequence]))
        history.record(Frame.empty(), intake)
    history.seal()

    with history._database.lend() as cursor:
        rows = cursor.execute("SELECT seq_from, seq_to, epoch_ms(received_to) FROM ingested")
        assert rows.fetchall() == [(1, 39, 39)]


def test_of_too_many_gaps_the_oldest_are_closed() -> None:
    coverage = Coverage()
    for sequence in range(1, 21, 2):
        coverage = coverage.add([Range(sequence, sequence)], 1, 4)

    assert coverage.ranges() == [Range(1, 13), Range(15, 15), Range(17, 17), Range(19, 19)]


def test_coverage_is_a_set_of_numbers() -> None:
    random = np.random.default_rng(20261103)
    for _ in range(200):
        coverage, naive = Coverage(), set[int]()
        for _ in range(random.integers(1, 8)):
            taken = random.integers(1, 40, random.integers(1, 12)).astype(np.uint64)
            coverage = coverage.add(runs(taken), 5, 1000)
            naive |= {*taken.tolist()}
            if random.random() < 0.2:
                last = int(random.integers(0, 40))
                coverage = coverage.clip(last)
                naive = {sequence for sequence in naive if sequence <= last}
        asked = np.arange(0, 45, dtype=np.uint64)
        assert coverage.holds(asked, np.full(45, 5)).tolist() == [n in naive for n in range(45)]
        assert coverage.position == max(naive, default=0)
        ranges = coverage.ranges()
        assert all(left.last + 1 < right.first for left, right in pairwise(ranges))


def test_readers_wait_for_their_turn(clock: Any, numbers: Numbers) -> None:
    with open_history(None, clock=clock, bounds=Bounds(cursors=2)) as history:
        history.record(numbers([1], [1]))
        found: list[int] = []

        def read() -> None:
            found.append(len(history.series(Span(np.array([1]), None, None, 1)).point))

        threads = [threading.Thread(target=read) for _ in range(6)]
        with history._database.lend(), history._database.lend():
            for thread in threads:
                thread.start()
            assert found == []
        for thread in threads:
            thread.join()
        assert found == [1] * 6


def test_little_memory_is_enough_or_says_so(clock: Any, numbers: Numbers, tmp_path: Path) -> None:
    refused = 0
    with open_history(tmp_path / "history.duckdb", clock=clock, memory_limit_mb=20) as history:
        for part in range(60):
            at = np.arange(20_000) + part * 20_000
            try:
                history.record(numbers(at % 97, at, np.sin(at)))
            except (AnswerTooLarge, Interrupted):
                refused += 1
        assert history.counts()["samples"] == (60 - refused) * 20_000
        assert history.last_commit() == 60 - refused > 0
        assert len(history.series(Span(np.array([1]), None, None, 10)).point) == 10


def test_half_a_surrogate_pair_is_stored_as_a_question_mark(
    reopened: Reopen, numbers: Numbers
) -> None:
    history = reopened()
    frame = numbers([1], [10])
    frame.raw[0] = "a\ud800"

    history.record(frame)

    assert history.last_commit() == 1
    assert [commit.frame.raw.tolist() for commit in history.commits(0)] == [["a?"]]
