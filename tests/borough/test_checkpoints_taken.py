"""Checkpoints are taken in time, in steps, of each chain, and again after what failed."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from borough.audit_verify import verify
from borough.roles import sealing as module
from borough.roles.sealing import CHECKPOINTS_FILE, FILE_ENTRIES, FILE_S, Sealing
from ciaas.ports import RegistryError
from ciaas.storage.record import RecordFile
from security.aaa.checkpoints import Signer
from security.ports import Checkpoint

KEY = Ed25519PrivateKey.from_private_bytes(b"k" * 32)


class Shelf:
    """Keeps what it is given, unless it fails."""

    def __init__(self) -> None:
        self.kept: list[Checkpoint] = []
        self.failing = False

    def put_checkpoint(self, checkpoint: Checkpoint) -> None:
        if self.failing:
            raise RegistryError("locked")
        self.kept.append(checkpoint)

    def checkpoints(self) -> list[Checkpoint]:
        return self.kept


class Bench:
    def __init__(self, folder: Path) -> None:
        self.audit, self.shelf, self.now = folder / "audit", Shelf(), 0
        self.record = RecordFile(self.audit, lambda: 1)
        self.published: list[bytes] = []
        self.sealing = self.begun(None)

    def begun(self, elsewhere: Path | None) -> Sealing:
        sealing = Sealing(
            self.record, Signer(KEY), self.shelf, self.audit, lambda: self.now, elsewhere
        )
        sealing.publish = self.published.append
        sealing.begin()
        return sealing

    def told(self) -> list[dict[str, Any]]:
        path = self.audit / CHECKPOINTS_FILE
        return (
            [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []
        )

    def of_chain(self, chain: int) -> list[tuple[int, int]]:
        return [(one["first"], one["size"]) for one in self.told() if one.get("chain") == chain]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.record.close()


def test_each_minute_or_thousand_entries_each_chain_has_one(bench: Bench) -> None:
    bench.now = round(FILE_S * 1_000)
    bench.record.append_all([{"chain": 0}, {"chain": 3}, {"chain": 3}])
    bench.sealing.look()
    assert (bench.of_chain(0), bench.of_chain(3)) == ([(1, 1)], [(1, 2)])
    bench.record.append({"chain": 3})
    bench.sealing.look()
    assert bench.of_chain(3) == [(1, 2)], "it is not time yet"
    assert [one.size for one in bench.shelf.kept] == [3, 4], "the registry has it at once"
    bench.now += round(FILE_S * 1_000)
    bench.sealing.look()
    assert bench.of_chain(3) == [(1, 2), (3, 3)]
    bench.record.append_all([{"chain": 5}] * FILE_ENTRIES)
    bench.sealing.look()
    assert bench.of_chain(5) == [(1, FILE_ENTRIES)]
    assert verify(bench.audit, (), None, None).startswith("in order")


def test_what_is_written_is_published(bench: Bench) -> None:
    bench.record.append_all([{"chain": 0}, {"chain": 3}])
    bench.sealing.look(last=True)
    assert b"".join(bench.published) == (bench.audit / CHECKPOINTS_FILE).read_bytes()
    assert len(bench.published) == 3


def test_a_long_backlog_is_taken_in_steps(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "TREE_ENTRIES", 4)
    bench.record.append_all([{"chain": number % 2} for number in range(10)])
    bench.sealing.look(last=True)
    assert bench.of_chain(1) == [(1, 2), (3, 4), (5, 5)]
    assert verify(bench.audit, (), None, None).startswith("in order")


def test_a_failure_is_tried_again_and_leaves_no_gap(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.record.append({"chain": 3})
    bench.shelf.failing = True
    with monkeypatch.context() as patched:
        patched.setattr(module, "CHECKPOINTS_FILE", "no/such/folder")
        bench.sealing.look(last=True)
    assert (bench.told(), bench.shelf.kept) == ([], [])
    bench.shelf.failing = False
    bench.record.append({"chain": 3})
    bench.sealing.look(last=True)
    assert bench.of_chain(3) == [(1, 2)]
    assert [one.size for one in bench.shelf.kept] == [2]


def test_a_disk_that_takes_pieces_gets_whole_lines(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.pwrite
    bench.record.append({"chain": 3})
    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", lambda file, data, at: write(file, data[:100], at))
        bench.sealing.look(last=True)
    assert bench.of_chain(3) == [(1, 1)]
    assert verify(bench.audit, (), None, None).startswith("in order")


def test_a_disk_that_is_full_halfway_leaves_what_was_there(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    share = tmp_path / "share"
    share.mkdir()
    bench.sealing = bench.begun(share)
    bench.record.append({"chain": 3})
    bench.sealing.look(last=True)
    before = (bench.audit / CHECKPOINTS_FILE).read_bytes()
    write = os.pwrite

    def full(file: int, data: bytes, at: int) -> int:
        if at > len(before):
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(file, data[:100], at)

    bench.record.append({"chain": 3})
    with monkeypatch.context() as patched:
        patched.setattr("os.pwrite", full)
        bench.sealing.look(last=True)
    for folder in (bench.audit, share):
        assert (folder / CHECKPOINTS_FILE).read_bytes() == before
    bench.sealing.look(last=True)
    assert bench.of_chain(3) == [(1, 1), (2, 2)]
    copy = share / CHECKPOINTS_FILE
    assert verify(bench.audit, (copy,), None, share / "checkpoint.pub").startswith("in order")


def test_what_is_written_is_published_also_when_nothing_after_it_is(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(directory: Path, snapshot: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    bench.record.append({"chain": 3})
    monkeypatch.setattr(module, "write_snapshot", full)
    bench.sealing.look(last=True)
    assert b"".join(bench.published) == (bench.audit / CHECKPOINTS_FILE).read_bytes()
    assert len(bench.published) == 2


def test_a_start_goes_on_where_the_last_one_ended(bench: Bench) -> None:
    bench.record.append({"chain": 3})
    bench.sealing.look(last=True)
    bench.record.append({"chain": 3})
    bench.record.close()
    bench.record = RecordFile(bench.audit, lambda: 1)
    bench.sealing = bench.begun(None)
    bench.record.append({"chain": 3})
    bench.sealing.look(last=True)
    assert bench.of_chain(3) == [(1, 1), (2, 3)]
    assert verify(bench.audit, (), None, None).startswith("in order")


def test_the_second_place_has_them_too(bench: Bench, tmp_path: Path) -> None:
    share = tmp_path / "share"
    sealing = bench.begun(share)
    bench.record.append({"chain": 3})
    sealing.look(last=True)
    share.mkdir()
    sealing.look()  # at the next look, however far the next checkpoint is
    copy = share / CHECKPOINTS_FILE
    assert copy.read_bytes() == (bench.audit / CHECKPOINTS_FILE).read_bytes()
    assert verify(bench.audit, (copy,), None, share / "checkpoint.pub").startswith("in order")
