"""Opening: other versions, other processes, other files, and what a second opening finds."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
import pytest

from ciaas.kernel.sample import Frame
from ciaas.ports import Aside, HistoryError, Intake, Receipt, Span, StreamId
from ciaas.storage.history import (
    DuckHistory,
    HistoryBusy,
    NoHistory,
    SchemaTooNew,
    SchemaTooOld,
    migrate,
    open_history,
    schema,
)

Reopen = Callable[..., DuckHistory]
Numbers = Callable[..., Frame]
STREAM = StreamId("S", "1")


class Clock:
    def now_ms(self) -> int:
        return 0


def test_everything_is_found_again(reopened: Reopen, numbers: Numbers) -> None:
    history = reopened()
    receipt = Receipt("app:1", "00" * 32)
    sequences = np.array([1, 2, 3, 9], np.uint64)
    intake = Intake(STREAM, sequences, np.full(4, 50, np.int64))
    part = Aside(1, 2, "@update/x", "malformed", "why", b"{", "e")
    history.record(numbers([1, 1, 2], [10, 10, 10], [1.0, 2.0, 3.0]), intake, [part], receipt)
    history.record(numbers([1, 1], [10, 10], [1.0, 2.0]))
    before = history.counts()

    history = reopened()

    assert history.counts() == before
    assert before == {"samples": 3, "repeats": 2, "aside": 1, "aside_dropped": 0, "commits": 1}
    assert history.stored(STREAM, sequences, intake.received).all()
    assert history.position(STREAM) == 9
    assert history.answered(receipt) == 1
    assert history.aside(None, 10, None) == [(1, part)]
    latest = history.latest(np.array([1, 2], np.uint32))
    assert (latest.num.tolist(), latest.revision.tolist()) == ([2.0, 3.0], [1, 0])
    assert history.record(numbers([1], [10], [1.0])).repeats == 1


def test_a_file_of_an_older_version_has_to_be_migrated(path: Path, numbers: Numbers) -> None:
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE schema_version AS SELECT 0::UINTEGER AS version")

    with pytest.raises(SchemaTooOld, match="borough up"):
        open_history(path, clock=Clock())
    assert migrate(path) == max(schema.steps())
    with open_history(path, clock=Clock()) as history:
        assert history.record(numbers([1], [10])).number == 1
    assert not [*path.parent.glob("*.migrating*")]


def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path, numbers: Numbers) -> None:
    with open_history(path, clock=Clock()) as history:
        history.record(numbers([1], [10]))
    before = path.read_bytes()

    with pytest.raises(duckdb.Error):
        migrate(path, {**schema.steps(), 2: "CREATE TABLE half (a INTEGER); SELECT 1 / x"})

    assert path.read_bytes() == before
    assert [*path.parent.iterdir()] == [path]


def test_a_file_of_a_newer_version_is_refused(path: Path, numbers: Numbers) -> None:
    with open_history(path, clock=Clock()) as history:
        history.record(numbers([1], [10]))
    newer = {**schema.steps(), 2: "CREATE TABLE novelty (a INTEGER)"}
    assert migrate(path, newer) == 2

    with pytest.raises(SchemaTooNew, match="newer version"):
        open_history(path, clock=Clock())
    with pytest.raises(SchemaTooNew):
        migrate(path)
    assert migrate(path, newer) == 2


def test_migrating_where_nothing_is_makes_nothing(path: Path) -> None:
    assert migrate(path) == max(schema.steps())
    assert not path.exists()


def test_another_process_with_the_file_is_named(path: Path) -> None:
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print(1, flush=True); input()",
            str(path),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        with pytest.raises(HistoryBusy, match=f"process {holder.pid}"):
            open_history(path, clock=Clock())
        with pytest.raises(HistoryBusy, match="stop that one first"):
            migrate(path)
        holder.communicate(b"\n")


def test_a_second_store_on_the_same_file_is_refused(path: Path) -> None:
    with (
        open_history(path, clock=Clock()),
        pytest.raises(HistoryBusy, match="in this process already"),
    ):
        open_history(path, clock=Clock())


def test_a_file_of_something_else_is_refused(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04" * 5000)
    with pytest.raises(NoHistory, match="can't be opened"):
        open_history(path, clock=Clock())
    path.unlink()
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE other (a INTEGER)")
    with pytest.raises(NoHistory, match="name another one"):
        open_history(path, clock=Clock())


def test_a_closed_store_says_so(path: Path) -> None:
    history = open_history(path, clock=Clock())
    history.close()
    history.close()

    with pytest.raises(HistoryError, match="closed"):
        history.series(Span(np.array([1], np.uint32), None, None, 1))


def test_a_name_of_a_file_may_hold_anything(tmp_path: Path, numbers: Numbers) -> None:
    path = tmp_path / "it's; a 'history' ü.duckdb"
    with open_history(path, clock=Clock()) as history:
        history.record(numbers([1], [10]))
    with open_history(path, clock=Clock()) as history:
        assert history.last_commit() == 1
    assert path.exists()
