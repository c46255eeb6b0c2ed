"""The record's reserve, on a disk that is really full."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from borough.home import FREE_BYTES_MIN
from borough.roles.reserve import RESERVE_BYTES, STEP_BYTES, ReservedRecord


class SmallDisk:
    """A record that takes an entry only while there is room; each needs one step."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.room = 0
        self.entries: list[Mapping[str, Any]] = []
        self.error = errno.ENOSPC
        self.given = 0

    def append(self, entry: Mapping[str, Any]) -> None:
        self.append_all((entry,))

    def append_all(self, entries: Sequence[Mapping[str, Any]]) -> None:
        reserved = self.path.stat().st_size if self.path.exists() else 0
        free = self.room + RESERVE_BYTES - reserved - self.given
        if free < STEP_BYTES or self.error != errno.ENOSPC:
            raise OSError(self.error, "the record cannot be written")
        self.given += STEP_BYTES
        self.entries += entries


class Usage(NamedTuple):
    total: int
    used: int
    free: int


@pytest.fixture
def disk(tmp_path: Path) -> SmallDisk:
    return SmallDisk(tmp_path / "record.reserve")


@pytest.fixture
def record(disk: SmallDisk) -> ReservedRecord:
    record = ReservedRecord(disk, disk.path)
    record.refill()
    return record


def test_the_reserve_takes_real_room_and_is_the_owners(
    record: ReservedRecord, disk: SmallDisk
) -> None:
    found = disk.path.stat()
    assert found.st_size == RESERVE_BYTES
    assert found.st_blocks * 512 >= RESERVE_BYTES
    assert found.st_mode & 0o777 == 0o600


def test_on_a_full_disk_entries_live_on_the_reserve_until_it_is_used_up(
    record: ReservedRecord, disk: SmallDisk, caplog: pytest.LogCaptureFixture
) -> None:
    steps = RESERVE_BYTES // STEP_BYTES
    for number in range(steps):
        record.append({"number": number})
    assert disk.path.stat().st_size < STEP_BYTES
    assert [entry["number"] for entry in disk.entries] == [*range(steps)]
    assert caplog.text.count("lives on its reserve") == 1
    with pytest.raises(OSError, match="cannot be written"):
        record.append({"number": "one too many"})
    assert disk.path.stat().st_size == 0


def test_many_entries_at_once_are_appended_together(
    record: ReservedRecord, disk: SmallDisk
) -> None:
    record.append_all([{"number": 1}, {"number": 2}])
    assert [entry["number"] for entry in disk.entries] == [1, 2]


def test_with_room_the_reserve_stays(record: ReservedRecord, disk: SmallDisk) -> None:
    disk.room = STEP_BYTES
    record.append({})
    assert disk.path.stat().st_size == RESERVE_BYTES


def test_another_failure_is_passed_on(record: ReservedRecord, disk: SmallDisk) -> None:
    disk.error = errno.EIO
    with pytest.raises(OSError, match="cannot be written"):
        record.append({})
    assert disk.path.stat().st_size == RESERVE_BYTES


def test_it_is_filled_up_as_soon_as_there_is_room_for_more_than_itself(
    record: ReservedRecord, disk: SmallDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    record.append({})
    left = disk.path.stat().st_size
    free = STEP_BYTES
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(0, 0, free))
    record.refill()
    assert disk.path.stat().st_size == left
    free = FREE_BYTES_MIN
    record.refill()
    assert disk.path.stat().st_size == RESERVE_BYTES


def test_a_disk_that_has_no_room_after_all_is_tried_again(
    disk: SmallDisk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    record = ReservedRecord(disk, disk.path)
    with monkeypatch.context() as patch:
        patch.setattr(os, "posix_fallocate", full)
        record.refill()
    assert "no room is kept for the record" in caplog.text
    record.refill()
    assert disk.path.stat().st_size == RESERVE_BYTES
