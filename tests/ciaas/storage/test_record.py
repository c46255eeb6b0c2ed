"""The record's files: what was acknowledged is there, whatever happens to process or disk."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from ciaas.limits import RECORD_ENTRY_BYTES_MAX, RECORD_READ_MAX
from ciaas.storage import record as record_module
from ciaas.storage.record import RecordDamaged, RecordFile
from security.aaa.chain import GENESIS, digest_of

AT = 1_795_300_000_000
FIRST = "record-000000000001.jsonl"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "home" / "audit"


def open_record(directory: Path) -> RecordFile:
    return RecordFile(directory, lambda: AT)


@pytest.fixture
def record(directory: Path) -> Iterator[RecordFile]:
    with open_record(directory) as opened:
        yield opened


def numbers(record: RecordFile, after: int = 0, limit: int = RECORD_READ_MAX) -> list[int]:
    return [entry["n"] for entry in record.read(after, limit)]


def fill(directory: Path, entries: int) -> None:
    with open_record(directory) as record:
        for number in range(1, entries + 1):
            record.append({"n": number})


class TestLines:
    def test_are_canonical(self, record: RecordFile, directory: Path) -> None:
        record.append({"user": 7, "action": "read", "place": "Zürich\n\u2028", "share": 0.5})
        assert (directory / FIRST).read_bytes() == (
            b'{"action":"read","at":1795300000000,"chain":0,"cseq":1,"link":"'
            + GENESIS.encode()
            + b'","place":"Z\\u00fcrich\\n\\u2028","prev":"'
            + GENESIS.encode()
            + b'","seq":1,"share":0.5,"user":7}\n'
        )

    def test_carry_any_text_that_a_stranger_sends(self, record: RecordFile) -> None:
        text = '\ud800\x00\x7f\r\n"\\ \U0010ffff'
        record.append({"text": text})
        assert [entry["text"] for entry in record.read(0, 1)] == [text]

    def test_are_for_the_owner_alone(self, record: RecordFile, directory: Path) -> None:
        record.append({})
        assert (directory / FIRST).stat().st_mode & 0o777 == 0o600
        assert directory.stat().st_mode & 0o777 == 0o700

    @pytest.mark.parametrize("key", ["seq", "at", "prev", "cseq", "link"])
    def test_keys_of_the_record_itself_are_refused(self, record: RecordFile, key: str) -> None:
        with pytest.raises(ValueError, match="the record itself sets at, cseq, link, prev, seq"):
            record.append({key: 1})

    @pytest.mark.parametrize("value", [float("nan"), b"bytes", {1, 2}, object()])
    def test_what_is_no_json_is_refused_and_takes_no_number(
        self, record: RecordFile, value: object
    ) -> None:
        with pytest.raises((TypeError, ValueError)):
            record.append({"value": value})
        record.append({"n": 1})
        assert record.sequence == 1 and numbers(record) == [1]

    def test_nesting_without_end_is_refused(self, record: RecordFile) -> None:
        nested: list[Any] = []
        for _ in range(100_000):
            nested = [nested]
        with pytest.raises(RecursionError):
            record.append({"nested": nested})

    def test_their_length_is_bounded(self, record: RecordFile, directory: Path) -> None:
        kept = '{"at":1795300000000,"chain":0,"cseq":1,"link":"","prev":"","seq":1,"text":""}\n'
        empty = len(kept + 2 * GENESIS)
        record.append({"text": "x" * (RECORD_ENTRY_BYTES_MAX - empty)})
        assert (directory / FIRST).stat().st_size == RECORD_ENTRY_BYTES_MAX
        with pytest.raises(ValueError, match="at most 65536 bytes"):
            record.append({"text": "x" * (RECORD_ENTRY_BYTES_MAX - empty + 1)})


class TestReading:
    def test_pages_through_everything(self, record: RecordFile) -> None:
        for number in range(1, 8):
            record.append({"n": number})
        assert numbers(record) == [1, 2, 3, 4, 5, 6, 7]
        assert numbers(record, after=3, limit=2) == [4, 5]
        assert numbers(record, after=7) == numbers(record, after=99) == []

    @pytest.mark.parametrize("limit", [0, -1, RECORD_READ_MAX + 1])
    def test_is_bounded(self, record: RecordFile, limit: int) -> None:
        with pytest.raises(ValueError, match="1 to 10000 entries"):
            record.read(0, limit)

    def test_stops_at_what_was_written_when_it_began(self, record: RecordFile) -> None:
        record.append({"n": 1})
        reading = record.read(0, 10)
        record.append({"n": 2})
        assert [entry["n"] for entry in reading] == [1]

    @pytest.mark.parametrize(
        "damage",
        [
            lambda lines: [lines[0], b"nonsense\n", lines[2]],
            lambda lines: [lines[0], b"[]\n", lines[2]],
            lambda lines: [lines[0], lines[2], lines[2]],
        ],
        ids=["unreadable", "no object", "another entry"],
    )
    def test_names_a_line_that_was_altered(
        self, directory: Path, damage: Callable[[list[bytes]], list[bytes]]
    ) -> None:
        fill(directory, 3)
        path = directory / FIRST
        path.write_bytes(b"".join(damage(path.read_bytes().splitlines(keepends=True))))
        with open_record(directory) as record:
            reading = record.read(0, 10)
            assert next(reading)["n"] == 1
            with pytest.raises(RecordDamaged, match="entry 2 in record-000000000001"):
                next(reading)
            record.append({"n": 4})
            assert numbers(record, after=3) == [4]

    def test_names_a_line_that_is_gone(self, directory: Path) -> None:
        with open_record(directory) as record:
            for number in range(1, 4):
                record.append({"n": number})
            path = directory / FIRST
            path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:2]))
            with pytest.raises(RecordDamaged, match="entry 3 is missing"):
                numbers(record)


class TestChain:
    def test_each_line_names_the_one_before_over_files_and_starts(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record_module, "RECORD_FILE_BYTES_MAX", 620)
        fill(directory, 4)
        with open_record(directory) as record:
            record.append_all([{"n": 5}, {"n": 6}])
            head = record.head
        lines = b"".join(p.read_bytes() for p in sorted(directory.iterdir())).splitlines()
        previous = [json.loads(line)["prev"] for line in lines]
        assert previous == [GENESIS, *map(digest_of, lines[:-1])]
        assert head == (6, digest_of(lines[-1]))

    def test_goes_on_behind_what_was_not_written(
        self, record: RecordFile, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record.append({"n": 1})
        with monkeypatch.context() as broken, fsync_fails(broken):
            with pytest.raises(OSError, match="Input/output error"):
                record.append({"lost": 1})
        record.append({"n": 2})
        lines = (directory / FIRST).read_bytes().splitlines()
        assert json.loads(lines[1])["prev"] == digest_of(lines[0])

    def test_begins_at_a_file_that_was_only_begun(self, directory: Path) -> None:
        fill(directory, 2)
        (directory / "record-000000000003.jsonl").touch()
        fill(directory, 1)
        last = (directory / FIRST).read_bytes().splitlines()[1]
        third = json.loads((directory / "record-000000000003.jsonl").read_bytes())
        assert (third["prev"], third["seq"]) == (digest_of(last), 3)

    def test_closes_what_was_written_before_there_was_one_and_only_once(
        self, directory: Path
    ) -> None:
        directory.mkdir(parents=True)
        old = b'{"at":1,"n":1,"seq":1}\n{"at":2,"n":2,"seq":2}\n'
        (directory / FIRST).write_bytes(old)
        fill(directory, 1)
        fill(directory, 1)
        lines = (directory / FIRST).read_bytes().splitlines()
        assert len(lines) == 5
        assert json.loads(lines[2]) == {
            "action": "record.sealed",
            "at": AT,
            "digest": hashlib.sha256(old).hexdigest(),
            "entries": 2,
            "prev": digest_of(lines[1]),
            "seq": 3,
            "chain": 0,
            "cseq": 1,
            "link": GENESIS,
        }


class TestLinesByPosition:
    def test_follow_from_where_a_reader_was(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record_module, "RECORD_FILE_BYTES_MAX", 620)
        fill(directory, 7)
        with open_record(directory) as record:
            some = list(record.lines(None, 4))
            rest = list(record.lines(some[-1][0], 100))
            assert [json.loads(line)["n"] for _, line in some + rest] == list(range(1, 8))
            assert [position.sequence for position, _ in some + rest] == list(range(1, 8))
            assert list(record.lines(rest[-1][0], 100)) == []
            record.append({"n": 8})
            [(position, line)] = record.lines(rest[-1][0], 100)
            place = (position.file, position.offset - len(line), len(line))
            assert record.line(*place) == line
            assert record.line(99, 0, 10) == b""


class TestFiles:
    def test_a_full_one_is_followed_by_the_next(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record_module, "RECORD_FILE_BYTES_MAX", 620)
        fill(directory, 7)
        (directory / "notes.txt").touch()
        names = sorted(path.name for path in directory.glob("record-*"))
        assert names == [f"record-{first:012d}.jsonl" for first in (1, 4, 7)]
        assert all(path.stat().st_size <= 620 for path in directory.iterdir())
        with open_record(directory) as record:
            assert record.sequence == 7
            assert numbers(record) == [1, 2, 3, 4, 5, 6, 7]
            assert numbers(record, after=2, limit=3) == [3, 4, 5]
            assert numbers(record, after=6) == [7]

    def test_one_that_was_only_begun_is_used(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        fill(directory, 2)
        (directory / "record-000000000003.jsonl").touch()
        with open_record(directory) as record:
            record.append({"n": 3})
            assert numbers(record) == [1, 2, 3]

    def test_the_next_that_cannot_be_begun_refuses_the_entry(
        self, record: RecordFile, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record_module, "RECORD_FILE_BYTES_MAX", 50)
        record.append({"n": 1})
        obstacle = directory / "record-000000000002.jsonl"
        obstacle.mkdir()
        with pytest.raises(IsADirectoryError):
            record.append({"n": 2})
        obstacle.rmdir()
        record.append({"n": 2})
        assert numbers(record) == [1, 2]

    def test_the_next_whose_name_is_not_on_disk_refuses_the_entry(
        self, record: RecordFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record_module, "RECORD_FILE_BYTES_MAX", 50)
        record.append({"n": 1})
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        with fsync_fails(monkeypatch), pytest.raises(OSError, match="cannot be written"):
            record.append({"n": 2})
        assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
        record.append({"n": 2})
        assert numbers(record) == [1, 2]

    def test_one_process_writes(self, record: RecordFile, directory: Path) -> None:
        with pytest.raises(BlockingIOError, match="another process writes the record"):
            open_record(directory)

    def test_closing_lets_go_and_refuses(self, directory: Path) -> None:
        record = open_record(directory)
        record.close()
        record.close()
        with pytest.raises(OSError, match="it has been closed") as refused:
            record.append({"n": 1})
        assert refused.value.errno == errno.EBADF
        fill(directory, 1)

    def test_a_directory_that_cannot_be_made_is_an_error(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with pytest.raises(NotADirectoryError):
            open_record(tmp_path / "file" / "audit")


@contextmanager
def fsync_fails(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Stand in for a disk that reports an error, which cannot be had from a healthy one."""

    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", fail)
        yield


@contextmanager
def files_end_at(bytes_max: int) -> Iterator[None]:
    """Let the kernel end every file of this process there: a write comes back short, then fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (bytes_max, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


class TestFullDisk:
    def test_refuses_and_leaves_nothing_half_written(
        self, record: RecordFile, directory: Path
    ) -> None:
        record.append({"n": 1})
        before = (directory / FIRST).read_bytes()
        with files_end_at(len(before) + 10):
            for _ in range(2):
                with pytest.raises(OSError, match="the record cannot be written: File too large"):
                    record.append({"n": 2})
                assert (directory / FIRST).read_bytes() == before
            assert numbers(record) == [1]
        record.append({"n": 2})
        assert numbers(record) == [1, 2] and record.sequence == 2

    def test_an_entry_that_may_not_be_on_disk_is_cut_off(
        self, record: RecordFile, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record.append({"n": 1})
        before = (directory / FIRST).read_bytes()
        with fsync_fails(monkeypatch), pytest.raises(OSError, match="Input/output error"):
            record.append({"n": 2})
        assert (directory / FIRST).read_bytes() == before

    def test_a_cut_that_fails_is_made_before_the_next_write(
        self, record: RecordFile, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        record.append({"n": 1})

        def fail(_descriptor: int, _length: int) -> None:
            raise OSError(errno.EIO, os.strerror(errno.EIO))

        with monkeypatch.context() as patched, fsync_fails(monkeypatch):
            patched.setattr(os, "ftruncate", fail)
            for number in range(2):
                with pytest.raises(OSError, match="Input/output error"):
                    record.append({"refused": "x" * 100 * (2 - number)})
        record.append({"n": 2})
        assert numbers(record) == [1, 2]


class TestCrash:
    @pytest.mark.parametrize("torn", [b'{"n":3,"se', b"x", b"\0" * 5_000, b'{"n"\0\0\0:3}\n{}\n'])
    def test_a_torn_end_is_cut_off_and_recorded(self, directory: Path, torn: bytes) -> None:
        fill(directory, 2)
        with (directory / FIRST).open("ab") as file:
            file.write(torn)
        with open_record(directory) as record:
            [cut] = record.read(2, 10)
            assert cut.pop("prev") == digest_of((directory / FIRST).read_bytes().splitlines()[1])
            assert (cut.pop("chain"), cut.pop("cseq"), len(cut.pop("link"))) == (0, 3, 64)
            assert cut == {
                "action": "record.cut", "bytes": len(torn), "file": FIRST, "at": AT, "seq": 3
            }  # fmt: skip
            record.append({"n": 4})
            assert record.sequence == 4
        with open_record(directory) as record:
            assert record.sequence == 4
            assert [entry["seq"] for entry in record.read(0, 10)] == [1, 2, 3, 4]

    def test_a_first_entry_torn_leaves_an_empty_record(self, directory: Path) -> None:
        fill(directory, 0)
        (directory / FIRST).write_bytes(b'{"n"')
        with open_record(directory) as record:
            assert [entry["action"] for entry in record.read(0, 10)] == ["record.cut"]

    def test_a_disk_too_full_to_record_the_cut_is_an_error(self, directory: Path) -> None:
        fill(directory, 2)
        size = (directory / FIRST).stat().st_size
        with (directory / FIRST).open("ab") as file:
            file.write(b'{"n"')
        with files_end_at(size + 20), pytest.raises(OSError, match="cannot be written"):
            open_record(directory)
        with open_record(directory) as record:
            assert numbers(record) == [1, 2]

    def test_long_files_are_counted_whole(
        self, directory: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(record_module, "RECORD_GROUP_BYTES_MAX", 380)
        monkeypatch.setattr(record_module, "RECORD_ENTRY_BYTES_MAX", 380)
        fill(directory, 30)
        with (directory / FIRST).open("ab") as file:
            file.write(b"torn")
        with open_record(directory) as record:
            assert record.sequence == 31

    def test_what_was_acknowledged_before_a_kill_is_there(self, directory: Path) -> None:
        for round_number in range(3):
            acknowledged = kill_while_appending(directory, after_lines=100, name=round_number)
            with open_record(directory) as record:
                entries = list(record.read(0, RECORD_READ_MAX))
            assert [entry["seq"] for entry in entries] == list(range(1, len(entries) + 1))
            recorded = {(entry["name"], entry["n"]) for entry in entries if "n" in entry}
            assert len(acknowledged) >= 100 and acknowledged <= recorded


def kill_while_appending(directory: Path, after_lines: int, name: int) -> set[tuple[int, int]]:
    """Return what a writer of several threads said it had recorded before SIGKILL ended it."""
    program = """
import sys, threading
from pathlib import Path
from ciaas.storage.record import RecordFile
record = RecordFile(Path(sys.argv[1]), lambda: 0)
saying = threading.Lock()
def work(start):
    for number in range(start, 10**9, 8):
        record.append({"n": number, "name": int(sys.argv[2]), "text": "x" * 3000})
        with saying:
            print(number, flush=True)
for start in range(8):
    threading.Thread(target=work, args=(start,)).start()
"""
    acknowledged: set[tuple[int, int]] = set()
    with subprocess.Popen(
        [sys.executable, "-c", program, directory, str(name)], stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            if line.endswith("\n"):
                acknowledged.add((name, int(line)))
            if len(acknowledged) == after_lines:
                writer.send_signal(signal.SIGKILL)
    assert writer.returncode == -signal.SIGKILL
    return acknowledged


def test_the_line_is_on_disk_before_the_caller_goes_on(directory: Path) -> None:
    """The order of system calls, as the kernel sees it, is write, then fsync."""
    calls: list[str] = []
    with open_record(directory) as record:
        pwrite, fsync = os.pwrite, os.fsync

        def watch_write(descriptor: int, data: memoryview, offset: int) -> int:
            calls.append("write")
            return pwrite(descriptor, data, offset)

        def watch_sync(descriptor: int) -> None:
            calls.append("fsync")
            fsync(descriptor)

        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(os, "pwrite", watch_write)
            patched.setattr(os, "fsync", watch_sync)
            record.append({"n": 1})
            calls.append("returned")
    assert calls == ["write", "fsync", "returned"]
    assert json.loads((directory / FIRST).read_text())["n"] == 1
