"""The index over the record: made from it alone, whatever happens to its own file."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.limits import ACCESS_RANGES_MAX
from ciaas.storage import accesses as module
from ciaas.storage import record as record_module
from ciaas.storage.accesses import AccessIndex
from ciaas.storage.record import RecordFile
from security import limits
from security.aaa import accesses as words
from security.aaa.accesses import Asked, ranges_of_text, told_points


@pytest.fixture
def record(tmp_path: Path) -> Iterator[RecordFile]:
    times = iter(range(1_000, 10**9, 10))
    with RecordFile(tmp_path / "audit", lambda: next(times)) as opened:
        yield opened


def read(who: str, *points: int) -> dict[str, object]:
    return {"kind": "access", "who": who, "status": 200, "about": told_points(points)}


def found(index: AccessIndex, **asked: object) -> list[int]:
    return [entry["seq"] for entry in index.find(Asked(**{"limit": 100, **asked}))]  # type: ignore[arg-type] # as the test says


@given(st.sets(st.integers(0, 3_000), max_size=60))
def test_told_points_are_read_back(points: set[int]) -> None:
    told = told_points(sorted(points))
    ranges = ranges_of_text(str(told["points"]))
    assert {n for first, last in ranges for n in range(first, last + 1)} == points
    assert told["count"] == len(points)
    assert "exact" not in told


def test_more_ranges_than_may_be_told_close_the_smallest_gaps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert limits.ACCESS_RANGES_TOLD_MAX == ACCESS_RANGES_MAX
    monkeypatch.setattr(words, "ACCESS_RANGES_TOLD_MAX", 3)
    told = told_points(np.array([1, 3, 100, 102, 900], np.uint32))
    assert told == {"points": "1-3,100-102,900", "count": 5, "exact": False}
    monkeypatch.setattr(words, "ACCESS_RANGES_TOLD_MAX", 1)
    assert told_points([5, 1, 9])["points"] == "1-9"


def test_finds_by_point_subject_kind_and_time(tmp_path: Path, record: RecordFile) -> None:
    record.append(read("anna", *range(10, 20), 700))
    record.append(read("bert", 15))
    record.append({"kind": "presence", "who": "anna", "online": True})
    record.append(read("anna", 300) | {"status": 403})
    index = AccessIndex(tmp_path / "accesses.sqlite", record)
    assert found(index, point=15) == [2, 1]
    assert found(index, point=700) == [1]
    assert found(index, point=300) == found(index, point=20) == []
    assert found(index, point=15, subject="anna") == [1]
    assert found(index, kind="presence") == [3]
    assert found(index, subject="anna") == [4, 3, 1]
    assert found(index, start=1_010, end=1_020) == [3, 2]
    assert found(index, before=3, limit=1) == [2]
    record.append(read("anna", 15))
    assert found(index, point=15) == [5, 2, 1]
    index.close()


def test_an_entry_that_names_an_address_touches_its_point(
    tmp_path: Path, record: RecordFile
) -> None:
    record.append({"kind": "command", "who": "anna", "address": "a/b/c/d"})
    record.append({"kind": "command", "who": "anna", "address": "unknown"})
    index = AccessIndex(tmp_path / "accesses.sqlite", record, {"a/b/c/d": 7}.get)
    assert found(index, point=7) == [1]
    index.close()


def test_is_made_anew_when_it_is_gone_damaged_or_of_another_record(
    tmp_path: Path, record: RecordFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_module, "RECORD_FILE_BYTES_MAX", 900)
    for number in range(9):
        record.append(read("anna", number))
    path = tmp_path / "accesses.sqlite"
    for damage in (
        lambda: None,
        path.unlink,
        lambda: path.write_bytes(b"no database " * 1_000),
        lambda: alter(path, "UPDATE state SET sequence = 99"),
        lambda: alter(path, "UPDATE state SET form = 0"),
    ):
        damage()
        index = AccessIndex(path, record)
        assert found(index, point=4) == [5]
        assert index.begins() == 1
        assert path.stat().st_mode & 0o777 == 0o600
        index.close()


def alter(path: Path, statement: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute(statement)
    connection.commit()
    connection.close()


def test_keeps_the_newest_and_works_in_steps(
    tmp_path: Path, record: RecordFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACCESS_INDEX_ENTRIES_MAX", 4)
    monkeypatch.setattr(module, "ACCESS_INDEX_STEP", 3)
    for number in range(10):
        record.append(read("anna", number))
    index = AccessIndex(tmp_path / "accesses.sqlite", record)
    assert index.catch_up() == 10
    assert index.begins() == 7
    assert found(index) == [10, 9, 8, 7]
    assert found(index, point=2) == []
    index.close()


def test_a_kill_leaves_it_behind_the_record_and_never_beside_it(
    tmp_path: Path, record: RecordFile
) -> None:
    record.append_all([read(who, n) for n in range(3_000) for who in ("anna", "bert")[: 1 + n % 2]])
    program = """
import sys
from pathlib import Path
from ciaas.storage import accesses
from ciaas.storage.accesses import AccessIndex
accesses.ACCESS_INDEX_STEP = 20
class Lines:
    sequence = 10**9
    def __init__(self, folder): self.folder = folder
    def lines(self, position, limit):
        from ciaas.storage.record import Position
        at = position or Position(0, 1, 0)
        with (self.folder / "record-000000000001.jsonl").open("rb") as file:
            file.seek(at.offset)
            for line in file:
                if not limit: return
                limit -= 1
                at = Position(at.sequence + 1, 1, at.offset + len(line))
                yield at, line
index = AccessIndex(Path(sys.argv[1]), Lines(Path(sys.argv[2])))
print("begun", flush=True)
index.catch_up()
print("ended", flush=True)
"""
    path = tmp_path / "accesses.sqlite"
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(path), str(tmp_path / "audit")], stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"begun\n"
    while sequence_of(path) < 100:
        pass
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    index = AccessIndex(path, record)
    assert index.catch_up() == record.sequence
    assert found(index, point=2_999) == [record.sequence, record.sequence - 1]
    everything = index.find(Asked(limit=10_000))
    assert [entry["seq"] for entry in everything] == list(range(record.sequence, 0, -1))
    assert json.dumps(everything)
    index.close()


def sequence_of(path: Path) -> int:
    connection = sqlite3.connect(path, timeout=10)
    try:
        (sequence,) = connection.execute("SELECT sequence FROM state").fetchone()
    finally:
        connection.close()
    return int(sequence)


def test_commits_are_found_by_themselves_and_push_nothing_out(
    tmp_path: Path, record: RecordFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ACCESS_INDEX_ENTRIES_MAX", 3)
    index = AccessIndex(tmp_path / "accesses.sqlite", record)
    record.append(read("anna", 1))
    for number in range(10):
        record.append({"kind": "commit", "commit": number})
        index.catch_up()
    record.append_all([read("bert", 1), read("carl", 1)])
    assert found(index) == [13, 12, 1]
    assert found(index, kind="commit") == [11, 10, 9]
    assert found(index, point=1) == [13, 12, 1]
    record.append(read("dora", 1))
    assert found(index) == [14, 13, 12]
    assert found(index, point=1) == [14, 13, 12]
    index.close()
    again = AccessIndex(tmp_path / "accesses.sqlite", record)
    record.append(read("emma", 1))
    assert found(again) == [15, 14, 13]
    again.close()


def test_entries_are_found_by_chain_act_and_refusal(tmp_path: Path, record: RecordFile) -> None:
    index = AccessIndex(tmp_path / "accesses.sqlite", record)
    record.append_all(
        [
            {"kind": "access", "act": "read", "status": 200, "chain": 3},
            {"kind": "access", "act": "read", "status": 403},
            {"kind": "refusal", "act": "refusal", "chain": 3},
            {"kind": "access", "act": "write", "status": 200, "about": {"part": True}, "chain": 3},
        ]
    )
    assert found(index) == [3, 2, 1]  # parts stand in the platform's chain as a whole
    assert found(index, act="read") == [2, 1]
    assert found(index, refused=True) == [3, 2]
    own = index.find(Asked(100, chain=3))
    assert [(entry["cseq"], entry["act"]) for entry in own] == [
        (3, "write"), (2, "refusal"), (1, "read"),
    ]  # fmt: skip
    assert all("seq" not in entry and "prev" not in entry for entry in own)
    assert [e["cseq"] for e in index.find(Asked(100, chain=3, before=3))] == [2, 1]
    assert [number for number, _ in index.own(3, 2, 9)] == [2, 3]
    assert index.numbers(3, None, None) == (1, 3)
    assert index.numbers(3, 10**12, None) is None
    index.close()
