"""Sealing keeps every row, keeps commits going, and comes back after a fatal error."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest

from ciaas.kernel.sample import Frame
from ciaas.limits import HISTORY_SORT_NICENESS
from ciaas.ports import HistoryError, Span
from ciaas.storage.history import Bounds, DuckHistory, Interrupted, open_history
from ciaas.storage.history.segments import sealing
from ciaas.storage.history.segments.layout import Segment
from ciaas.storage.history.segments.sealing import Sealer

Reopen = Callable[..., DuckHistory]
Numbers = Callable[..., Frame]


class Clock:
    def now_ms(self) -> int:
        return 0


def tables(path: Path) -> list[tuple[int, int, int]]:
    """Return number, level and rows of the segments and tails in a closed file."""
    with duckdb.connect(str(path), read_only=True) as connection:
        listed = connection.execute("SELECT number, level FROM segment ORDER BY number").fetchall()
        named = connection.execute(
            "SELECT table_name FROM duckdb_tables() WHERE table_name LIKE 'sample_%'"
        ).fetchall()
        assert sorted(named) == sorted((f"sample_{number}",) for number, _ in listed)
        return [
            (number, level, connection.table(f"sample_{number}").count("*").fetchall()[0][0])
            for number, level in listed
        ]


def test_full_tails_become_segments_and_segments_merge(
    path: Path, reopened: Reopen, numbers: Numbers
) -> None:
    history = reopened(segment_rows=10, fan_in=3, levels=3)
    for at in range(100):
        history.record(numbers([3, 1], [at, 1000 - at]))
    history.seal()
    history.close()

    found = tables(path)

    assert sum(rows for _, _, rows in found) == 200
    assert max(level for _, level, _ in found) == 3
    levels = [level for _, level, rows in found if rows >= 10]
    # Fewer than three of each level below the last, and at most one tail that is not full.
    assert all(levels.count(level) < 3 for level in (1, 2))
    with duckdb.connect(str(path), read_only=True) as connection:
        for number, level, _ in found:
            keys = connection.execute(f"SELECT point_id, observed_at FROM sample_{number}")
            rows = keys.fetchall()
            assert level == 0 or rows == sorted(rows)


def test_a_reader_keeps_the_tables_of_its_snapshot(reopened: Reopen, numbers: Numbers) -> None:
    """A page of commits is read from a snapshot; sealing in between drops its tables."""
    history = reopened(segment_rows=5, fan_in=2, levels=4, commits_page_rows=4)
    for at in range(40):
        history.record(numbers([1, 2], [at, at]))
    reading = history.commits(0)
    seen = [next(reading).number for _ in range(3)]
    history.seal()
    seen += [commit.number for commit in reading]

    assert seen == [*range(1, 41)]


def test_commits_and_queries_go_on_while_it_seals(reopened: Reopen, numbers: Numbers) -> None:
    history = reopened(segment_rows=50, fan_in=2, levels=5)
    done = threading.Event()
    errors: list[BaseException] = []
    counts: list[int] = []

    def read() -> None:
        try:
            while not done.is_set():
                counts.append(len(history.series(Span(np.array([1]), None, None, 10_000)).point))
        except BaseException as error:
            errors.append(error)
            raise

    reader = threading.Thread(target=read)
    reader.start()
    for at in range(120):
        history.record(numbers([1] * 20, range(at * 20, at * 20 + 20)))
    done.set()
    reader.join()

    assert errors == []
    assert counts == sorted(counts)
    assert len(history.series(Span(np.array([1]), None, None, 10_000)).point) == 2400


def test_a_fatal_error_is_healed_by_the_next_call(reopened: Reopen, numbers: Numbers) -> None:
    history = reopened(segment_rows=10)
    for at in range(30):
        history.record(numbers([1, 2], [at, at]))
    with history._database.lend() as cursor:
        cursor.execute("SET debug_checkpoint_abort = 'before_header'")

    # DuckDB's own switch: the checkpoint fails half-way, and the database refuses all further use.
    with pytest.raises(Interrupted, match="repeat the call"):
        history.seal()
    assert len(history.series(Span(np.array([1]), None, None, 100)).point) == 30

    commit = history.record(numbers([1], [99]))
    assert commit.number == 31
    history = reopened()
    assert [len(commit.frame) for commit in history.commits(0)] == [2] * 30 + [1]


def test_a_history_in_memory_says_that_it_is_lost(numbers: Numbers) -> None:
    with open_history(None, clock=Clock()) as history:
        history.record(numbers([1], [1]))
        history._database.poisoned = True
        with pytest.raises(HistoryError, match="in memory"):
            history.record(numbers([1], [2]))


def test_a_checkpoint_waits_for_a_change_in_hand(
    reopened: Reopen, numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A transaction that makes a table forbids a checkpoint; after some tries it waits."""
    history = reopened()
    history.record(numbers([1], [1]))
    history.seal()
    monkeypatch.setattr(sealing, "HISTORY_CHECKPOINT_TRIES", 2)
    checkpoint = threading.Thread(target=history._sealer._checkpoint)
    with history._database.lend() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("CREATE TABLE in_hand (a INTEGER)")
        checkpoint.start()
        checkpoint.join(0.2)
        assert checkpoint.is_alive()
        cursor.execute("ROLLBACK")
    checkpoint.join()
    assert history.record(numbers([1], [2])).number == 2


def test_sealing_that_failed_is_tried_again(
    reopened: Reopen,
    numbers: Numbers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(sealing, "HISTORY_SEAL_RETRY_S", 0.01)
    history = reopened(segment_rows=4)
    history.seal()
    with history._database.lend() as cursor:
        cursor.execute("ALTER TABLE segment RENAME TO hidden")
    for at in range(10):
        history.record(numbers([1], [at]))
    until(lambda: "tried again later" in caplog.text)
    assert not history._tables.layout.segments

    with history._database.lend() as cursor:
        cursor.execute("ALTER TABLE hidden RENAME TO segment")
    until(lambda: len(history._tables.layout.segments) > 0)
    assert history.series(Span(np.array([1]), None, None, 99)).observed.tolist() == [*range(10)]


def until(reached: Callable[[], bool]) -> None:
    """Wait for what another thread is about to do; the test's own timeout ends it if not."""
    pause = threading.Event()
    while not reached():
        pause.wait(0.005)


def test_closing_breaks_a_long_sort_off(path: Path, numbers: Numbers) -> None:
    """Each full tail waits for the one sealer: closing leaves the rest to the next start."""
    bounds = Bounds(segment_rows=20_000, fan_in=2, levels=6)
    with open_history(path, clock=Clock(), bounds=bounds) as history:
        for part in range(15):
            history.record(numbers(np.arange(20_000) % 97, np.arange(20_000) + part * 20_000))
    assert sum(rows for _, _, rows in tables(path)) == 300_000


def test_a_full_tail_is_sealed_without_waiting_for_the_next_commit(
    reopened: Reopen, numbers: Numbers
) -> None:
    history = reopened(segment_rows=4)
    history.seal()
    history.record(numbers([1] * 4, range(4)))
    until(lambda: len(history._tables.layout.segments) == 1)
    assert history.series(Span(np.array([1]), None, None, 99)).observed.tolist() == [*range(4)]


def test_a_tail_that_was_found_full_is_sealed(reopened: Reopen, numbers: Numbers) -> None:
    reopened(segment_rows=99).record(numbers([1] * 4, range(4)))
    history = reopened(segment_rows=4)
    until(lambda: len(history._tables.layout.segments) == 1)
    assert history.record(numbers([1], [9])).number == 2


def test_sorting_gives_way_unless_it_is_behind(
    path: Path, numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a thread's priority was, by the rows that it sorted."""
    seen: dict[int, int] = {}
    really = Sealer._sorted

    def noted(sealer: Sealer, cursor: Any, tables: Sequence[int], level: int) -> Segment:
        segment = really(sealer, cursor, tables, level)
        seen[segment.rows] = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
        return segment

    monkeypatch.setattr(Sealer, "_sorted", noted)
    usual = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with open_history(path, clock=Clock(), bounds=Bounds(segment_rows=10, fan_in=2)) as history:
        for rows in (11, 12, 41):
            history.seal()
            history.record(numbers([1] * rows, np.arange(rows) + rows * 100))
            history.seal()
        monkeypatch.setattr(sealing, "HISTORY_SORT_BEHIND", 0)
        history.record(numbers([1] * 3, [9_001, 9_002, 9_003]))
        history.seal()
        history.record(numbers([1] * 7, np.arange(7) + 9_100))
        history.seal()
    below = min(19, usual + HISTORY_SORT_NICENESS)
    assert seen == {11: below, 12: below, 23: below, 41: usual, 10: usual, 51: usual, 74: usual}
