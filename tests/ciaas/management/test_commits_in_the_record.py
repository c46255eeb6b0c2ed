"""Each commit leaves one entry in the record, whatever is killed and whenever the disk is full."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from borough.clock import MachineClock
from ciaas.kernel.sample import DTYPES, Frame, Kind
from ciaas.limits import COMMITS_RECORDED_EACH_S
from ciaas.management.events import witness as module
from ciaas.management.events.fingerprint import digest_of
from ciaas.management.events.hub import Hub
from ciaas.management.events.witness import CommitWitness
from ciaas.storage.accesses import AccessIndex
from ciaas.storage.history import open_history
from ciaas.storage.record import RecordFile
from security.aaa.accesses import Asked


def frame(*values: float | str | None, observed: int = 1_000) -> Frame:
    size = len(values)
    columns: dict[str, Any] = {name: np.zeros(size, kind) for name, kind in DTYPES.items()}
    columns["point"] = np.arange(1, size + 1, dtype=np.uint32)
    columns["observed"] = np.full(size, observed, np.int64)
    columns["received"] = np.full(size, observed + 5, np.int64)
    columns["num"] = np.array([v if isinstance(v, float) else np.nan for v in values])
    columns["txt"] = np.array([v if isinstance(v, str) else None for v in values], np.object_)
    columns["raw"] = np.full(size, None, np.object_)
    columns["kind"] = np.array(
        [Kind.TEXT if isinstance(v, str) else Kind.NULL if v is None else Kind.NUMBER
         for v in values], np.uint8,
    )  # fmt: skip
    return Frame(**columns)


class Bench:
    """History and a record, followed by a witness that can be killed and begun anew."""

    def __init__(self, folder: Path) -> None:
        self.history = open_history(folder / "history.duckdb", clock=MachineClock())
        self.record = RecordFile(folder / "audit", lambda: 7)
        self.index = AccessIndex(folder / "accesses.sqlite", self.record)
        self.hub = Hub(self.history, lambda frame: [b"{}"] * len(frame))
        self.full = False
        self.failures: list[BaseException] = []

    def append(self, entry: Mapping[str, Any]) -> None:
        self.append_all([entry])

    def append_all(self, entries: Sequence[Mapping[str, Any]]) -> None:
        if self.full:
            raise OSError(errno.ENOSPC, "no space left")
        self.record.append_all(entries)

    def told(self) -> int | None:
        found = self.index.find(Asked(limit=1, kind="commit"))
        return int(found[0]["commit"]) if found else None

    def witness(self) -> CommitWitness:
        witness = CommitWitness(
            self.hub, self, self.told, self.history.sealed.of, self.failures.append
        )
        witness.start()
        return witness

    def commit(self, *values: float | str | None, observed: int, announced: bool = True) -> Frame:
        commit = self.history.record(frame(*values, observed=observed))
        if announced:
            self.hub.offer(commit)
        return commit.frame

    def entries(self) -> list[dict[str, Any]]:
        return [e for e in self.record.read(0, 1_000) if e.get("kind") == "commit"]

    def until(self, condition: Callable[[], bool]) -> None:
        for _ in range(2_000):
            if condition():
                return
            threading.Event().wait(0.005)
        raise AssertionError(f"it did not come: {self.entries()}, {self.failures}")


@pytest.fixture
def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    assert COMMITS_RECORDED_EACH_S <= 1.0
    monkeypatch.setattr(module, "COMMITS_RECORDED_EACH_S", 0.01)
    monkeypatch.setattr(module, "_AGAIN_S", 0.01)
    bench = Bench(tmp_path)
    yield bench
    bench.index.close()
    bench.record.close()
    bench.history.close()
    assert not bench.failures


def test_each_commit_leaves_its_number_extent_and_digest(bench: Bench) -> None:
    witness = bench.witness()
    first = bench.commit(1.5, "open", None, observed=1_000)
    bench.commit(2.5, observed=2_000)
    bench.until(lambda: len(bench.entries()) == 2)
    witness.stop()
    entry = bench.entries()[0]
    assert {key: entry[key] for key in ("kind", "who", "commit", "count")} == {
        "kind": "commit", "who": "core", "commit": 1, "count": 3,
    }  # fmt: skip
    assert (entry["observed"], entry["received"]) == ([1_000, 1_000], [1_005, 1_005])
    assert entry["digest"] == digest_of(first)


def test_what_a_kill_left_out_is_told_from_history_at_the_next_start(bench: Bench) -> None:
    witness = bench.witness()
    bench.commit(1.0, observed=1_000)
    bench.until(lambda: len(bench.entries()) == 1)
    witness.stop()
    for n in range(3):  # recorded, and nobody told the record
        bench.commit(float(n), "text", observed=2_000 + n, announced=False)
    again = bench.witness()
    bench.commit(9.0, observed=9_000)
    bench.until(lambda: len(bench.entries()) == 5)
    again.stop()
    entries = bench.entries()
    assert [entry["commit"] for entry in entries] == [1, 2, 3, 4, 5]
    assert [entry["digest"] for entry in entries] == [
        digest_of(commit.frame) for commit in bench.history.commits(0)
    ]


def test_a_full_disk_delays_the_entries_and_loses_none(bench: Bench) -> None:
    bench.full = True
    witness = bench.witness()
    for n in range(5):
        bench.commit(float(n), observed=1_000 + n)
    threading.Event().wait(0.05)
    assert bench.entries() == []
    bench.full = False
    bench.until(lambda: [e["commit"] for e in bench.entries()] == [1, 2, 3, 4, 5])
    witness.stop()


def test_everything_until_the_end_is_told(bench: Bench) -> None:
    witness = bench.witness()
    for n in range(200):
        bench.commit(float(n), observed=1_000 + n)
    witness.stop()
    assert [e["commit"] for e in bench.entries()] == list(range(1, 201))


def test_a_record_of_before_says_which_commits_it_does_not_tell_of(bench: Bench) -> None:
    for n in range(3):
        bench.commit(float(n), observed=1_000 + n, announced=False)
    witness = bench.witness()
    bench.until(lambda: len(bench.entries()) == 1)
    bench.commit(4.0, observed=4_000)
    bench.until(lambda: len(bench.entries()) == 2)
    witness.stop()
    assert (bench.entries()[0]["untold"], bench.entries()[1]["commit"]) == (3, 4)


def test_the_digest_tells_any_change_and_not_the_order(bench: Bench) -> None:
    whole = frame(1.5, "open", None)
    assert digest_of(whole) == digest_of(whole.select(np.array([2, 0, 1])))
    others = [
        frame(1.5, "shut", None), frame(1.5, "open", 0.0), frame(1.25, "open", None),
        frame(1.5, "open"), frame(1.5, "open", None, observed=1_001),
    ]  # fmt: skip
    assert len({digest_of(other) for other in (whole, *others)}) == 6
    assert digest_of(Frame.empty()) != digest_of(whole)
