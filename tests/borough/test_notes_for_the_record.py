"""Entries that nobody waits for: in order, in groups, within a bound, and kept over a full disk."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from borough.roles import notes as module
from borough.roles.notes import NOTES_WAITING_MAX, Notes
from ciaas.storage.record import RecordFile


class Door:
    """A record file behind a door: shut, callers wait; full, they are refused."""

    def __init__(self, file: RecordFile) -> None:
        self.file = file
        self.open, self.tried = threading.Event(), threading.Event()
        self.open.set()
        self.full = False

    def append(self, entry: Mapping[str, Any]) -> None:
        self.append_all((entry,))

    def append_all(self, entries: Sequence[Mapping[str, Any]]) -> None:
        self.tried.set()
        self.open.wait(30)
        if self.full:
            raise OSError(errno.ENOSPC, "no space left")
        self.file.append_all(entries)

    def numbers(self) -> list[int]:
        return [entry["number"] for entry in self.file.read(0, 10_000) if "number" in entry]


@pytest.fixture
def door(tmp_path: Path) -> Iterator[Door]:
    with RecordFile(tmp_path / "audit", lambda: 0) as file:
        yield Door(file)


def until(condition: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(2_000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError("it did not come")


def test_entries_are_recorded_in_their_order_and_all_before_the_end(door: Door) -> None:
    notes = Notes(door)
    notes.start()
    for number in range(500):
        notes.add({"number": number})
    notes.stop()
    assert door.numbers() == list(range(500))


def test_beyond_the_bound_entries_are_counted_and_the_count_is_recorded(door: Door) -> None:
    door.open.clear()
    notes = Notes(door)
    notes.start()
    for number in range(NOTES_WAITING_MAX + 7):
        notes.add({"number": number})
    door.open.set()
    notes.stop()
    assert door.numbers() == list(range(NOTES_WAITING_MAX))
    (last,) = door.file.read(NOTES_WAITING_MAX, 10)
    assert (last["kind"], last["count"]) == ("notes-not-kept", 7)


def test_a_full_disk_delays_entries(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_AGAIN_S", 0.01)
    door.full = True
    notes = Notes(door)
    notes.start()
    notes.add({"number": 1})
    assert door.tried.wait(10)
    notes.add({"number": 2})
    door.full = False
    until(lambda: door.file.sequence == 2)
    notes.stop()
    assert door.numbers() == [1, 2]


def test_what_a_full_disk_does_not_take_at_the_end_is_in_the_log(
    door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    door.full = True
    notes = Notes(door)
    notes.start()
    notes.add({"number": 1})
    notes.stop()
    assert "not recorded" in caplog.text
    assert "'number': 1" in caplog.text
