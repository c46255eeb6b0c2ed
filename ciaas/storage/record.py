"""The record's files: one JSON object per line, appended durably and never altered."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import json
import os
import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ciaas.limits import (
    RECORD_ENTRY_BYTES_MAX,
    RECORD_FILE_BYTES_MAX,
    RECORD_GROUP_BYTES_MAX,
    RECORD_READ_MAX,
)
from ciaas.storage.chains import (
    BEGINNING,
    Position,
    Snapshot,
    chain_of,
    follow,
    read_snapshot,
)
from security.aaa.chain import EMPTY, KEPT, SEALED, Head, digest_of, is_unchained, lines_of

_FILE = re.compile(r"record-(\d{12})\.jsonl", re.ASCII)


class RecordDamaged(Exception):
    """A line of the record is not what was written there."""


class RecordFile:
    """The record of one home, under a directory of its own.

    Files are named after the sequence of their first entry, ``record-000000000001.jsonl``, and hold
    one line per sequence, chained as `security.aaa.chain` says; an entry's ``chain`` is a project's
    number, and the platform's without one. Entries of callers that come at the same time share one
    write and one fsync, whatever chains they are for.

    Args:
        directory: Made when missing; held by this process alone until `close`.
        clock_ms: Milliseconds since 1970 UTC.

    Raises:
        OSError: the directory cannot be used, or another process writes there.
    """

    def __init__(self, directory: Path, clock_ms: Callable[[], int]) -> None:
        self.directory = self._directory = directory
        self._clock_ms = clock_ms
        self._head = EMPTY
        self._chains: dict[int, Head] = {}
        self.kept = BEGINNING
        """What was kept beside the record and fits it: how far its checkpoints go."""
        self._file = -1
        self._length = 0
        self._torn = False
        self._waiting: list[_Waiting] = []
        self._led = False
        self._joining = threading.Lock()
        self._writing = threading.Lock()
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._held = _hold(directory)
        try:
            self._resume()
        except OSError:
            self.close()
            raise

    @property
    def sequence(self) -> int:
        """Sequence of the last entry on disk, 0 when there is none."""
        return self._head.size

    @property
    def head(self) -> Head:
        """The last entry on disk."""
        return self._head

    @property
    def waiting(self) -> int:
        """How many entries wait for the write that is under way to end."""
        return len(self._waiting)

    def append(self, entry: Mapping[str, Any]) -> None:
        """Return after the entry is on disk (fsync).

        Raises:
            ValueError, TypeError: it is no JSON, too long, or uses a key that the record sets.
            OSError: it could not be written, and nothing of it is left in the file.
        """
        self.append_all((entry,))

    def append_all(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Append several in their order; returns and raises as `append`.

        When one of them is refused or fails, the others may be on disk.
        """
        for entry in entries:
            if not KEPT.isdisjoint(entry):
                raise ValueError(f"the record itself sets {', '.join(sorted(KEPT))}")
        own = [_Waiting(dict(entry)) for entry in entries]
        if not own:
            return
        with self._joining:
            self._waiting.extend(own)
            leads, self._led = not self._led, True
        if not leads:
            # Until the entries are written, or until it is this caller's turn to write for all.
            # With one lock for everybody, 16 callers got a third of the entries per second. The
            # first stands for its own: entries that joined together are written together.
            own[0].turn.acquire()
        if not own[0].done:
            self._lead()
        for waiting in own:
            if waiting.error is not None:
                raise waiting.error

    def read(self, after: int, limit: int) -> Iterator[dict[str, Any]]:
        """Yield the entries on disk whose sequence is above ``after``, at most ``limit``, in order.

        Raises:
            ValueError: the limit is not 1 to RECORD_READ_MAX.
            RecordDamaged: a line was altered; its number is in the message.
        """
        if not 0 < limit <= RECORD_READ_MAX:
            raise ValueError(f"a read of the record takes 1 to {RECORD_READ_MAX} entries")
        return self._read(after, min(self._head.size, after + limit))

    def lines(self, position: Position | None, limit: int) -> Iterator[tuple[Position, bytes]]:
        """Yield lines behind a position, None for the first, each with the position behind it.

        At most ``limit``, only what is on disk when the reading begins, without a look at what the
        lines hold. A position in a file that is no longer there begins at the next one.
        """
        last, left = self._head.size, limit
        for path in self._paths():
            first = _first_sequence(path)
            if position is not None and first < position.file:
                continue
            at = position if position is not None and first == position.file else None
            with path.open("rb") as file:
                here = at or Position(first - 1, first, 0)
                file.seek(here.offset)
                for line in file:
                    if not left or here.sequence >= last:
                        return
                    here = Position(here.sequence + 1, first, here.offset + len(line))
                    left -= 1
                    yield here, line

    def line(self, file: int, offset: int, length: int) -> bytes:
        """Return one line whose place is known from `lines`; empty when its file has gone."""
        try:
            with (self._directory / _file_name(file)).open("rb") as lines:
                lines.seek(offset)
                return lines.read(length)
        except FileNotFoundError:
            return b""

    def extent(self) -> list[tuple[Path, int]]:
        """Return the files and how many bytes of each are whole entries on disk."""
        with self._writing:
            paths = self._paths()
            return [
                *((path, path.stat().st_size) for path in paths[:-1]),
                *((path, self._length) for path in paths[-1:]),
            ]

    def close(self) -> None:
        """Let go of the directory; further entries are refused."""
        with self._writing:
            for descriptor in (self._file, self._held):
                if descriptor >= 0:
                    os.close(descriptor)
            self._file = self._held = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- writing -----------------------------------------------------------------------------

    def _lead(self) -> None:
        """Write for all who wait, wake them, and pass the lead to the first who came since."""
        with self._joining:
            everyone, self._waiting = self._waiting, []
        try:
            with self._writing:
                self._write_groups(everyone)
        finally:
            for waiting in everyone:
                waiting.done = True
                waiting.turn.release()
            with self._joining:
                if self._waiting:
                    self._waiting[0].turn.release()
                else:
                    self._led = False

    def _write_groups(self, everyone: list[_Waiting]) -> None:
        while everyone:
            everyone, group, lines, head, chains = self._next_group(everyone)
            if not lines:
                continue
            try:
                self._write(b"".join(lines), head)
                self._chains |= chains
            except OSError as error:
                reason = f"the record cannot be written: {error.strerror}"
                for waiting in group:
                    waiting.error = OSError(error.errno, reason)
            else:
                for waiting in group:
                    waiting.error = None

    def _next_group(
        self, everyone: list[_Waiting]
    ) -> tuple[list[_Waiting], list[_Waiting], list[bytes], Head, dict[int, Head]]:
        """Return who has to wait, whose entries share the next write, their lines, and the heads.

        The heads, of all lines and of the chains written to, are those after the write.
        """
        group: list[_Waiting] = []
        lines: list[bytes] = []
        size = 0
        at, head = self._clock_ms(), self._head
        chains: dict[int, Head] = {}
        for number, waiting in enumerate(everyone):
            try:
                chain = chain_of(waiting.entry)
                own = chains.get(chain) or self._chains.get(chain, EMPTY)
                line, linked = _lines(waiting.entry, at, head, chain, own)
            except (TypeError, ValueError, RecursionError) as error:
                waiting.error = error
                continue
            size += len(line)
            if size > RECORD_GROUP_BYTES_MAX:
                return everyone[number:], group, lines, head, chains
            group.append(waiting)
            lines.append(line)
            head = Head(head.size + 1, digest_of(line))
            chains[chain] = Head(own.size + 1, digest_of(linked))
        return [], group, lines, head, chains

    def _write(self, data: bytes, head: Head) -> None:
        """Append and fsync; what fails is cut off again, at once or before the next write."""
        if self._file < 0:
            raise OSError(errno.EBADF, "it has been closed")
        if self._torn:
            self._cut()
        if self._length and self._length + len(data) > RECORD_FILE_BYTES_MAX:
            self._begin_file()
        self._torn = True
        try:
            write_all(self._file, data, self._length)
            os.fsync(self._file)
        except OSError:
            self._cut()
            raise
        self._torn = False
        self._length += len(data)
        self._head = head

    def _cut(self) -> None:
        os.ftruncate(self._file, self._length)
        self._torn = False

    def _begin_file(self) -> None:
        path = self._directory / _file_name(self._head.size + 1)
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Nothing of this name can hold an entry: the sequence has not been given out.
            os.ftruncate(file, 0)
            os.fsync(self._held)
        except OSError:
            os.close(file)
            raise
        if self._file >= 0:
            os.close(self._file)
        self._file, self._length = file, 0

    # -- opening -----------------------------------------------------------------------------

    def _resume(self) -> None:
        """Go on behind the last entry; what a crash left half-written is cut off and recorded."""
        paths = self._paths()
        if not paths:
            self._begin_file()
            return
        path = paths[-1]
        self._file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        size = os.fstat(self._file).st_size
        self._length = _whole_length(self._file, size)
        sequence = _first_sequence(path) - 1 + _count_lines(self._file, self._length)
        last = self._last_line(paths)
        self._head = Head(sequence, digest_of(last)) if last else EMPTY
        cut = size - self._length
        self._cut()
        # Lines that a killed process wrote without waiting for the disk count from now on.
        os.fsync(self._file)
        self._chains = self._followed()
        if last and is_unchained(last):
            digest = _digest_of_all(paths)
            self.append({"action": SEALED, "entries": sequence, "digest": digest})
        if cut:
            self.append({"action": "record.cut", "file": path.name, "bytes": cut})

    def _followed(self) -> dict[int, Head]:
        """Return the heads of all chains: what was kept of them, and the lines behind that."""
        kept = read_snapshot(self._directory)
        if kept is not None and self._fits(kept):
            self.kept = kept
        start = self.kept.position if self.kept.position.sequence else None
        return follow(self.kept.heads, (line for _, line in self.lines(start, self._head.size)))

    def _fits(self, kept: Snapshot) -> bool:
        """Tell whether the record has, where the snapshot ends, the line that it ends with."""
        position = kept.position
        if position.sequence != kept.whole.size or position.sequence > self._head.size:
            return False
        start = max(0, position.offset - RECORD_ENTRY_BYTES_MAX - 1)
        before = self.line(position.file, start, position.offset - start)
        line = before[before.rfind(b"\n", 0, -1) + 1 :]
        return digest_of(line) == kept.whole.digest

    def _last_line(self, paths: Sequence[Path]) -> bytes:
        """Return the last whole line; a file that was only just begun has none."""
        if self._length or len(paths) < 2:
            return _last_line(self._file, self._length)
        file = os.open(paths[-2], os.O_RDONLY | os.O_CLOEXEC)
        try:
            return _last_line(file, os.fstat(file).st_size)
        finally:
            os.close(file)

    # -- reading -----------------------------------------------------------------------------

    def _read(self, after: int, last: int) -> Iterator[dict[str, Any]]:
        paths = self._paths()
        firsts = [_first_sequence(path) for path in paths]
        for path, first, following in zip(paths, firsts, [*firsts[1:], last + 1], strict=True):
            sequence = max(first, after + 1)
            if sequence >= following or sequence > last:
                continue
            with path.open("rb") as lines:
                for line in islice(lines, sequence - first, min(following, last + 1) - first):
                    yield _entry(line, sequence, path)
                    sequence += 1
            if sequence < min(following, last + 1):
                raise RecordDamaged(f"entry {sequence} is missing from {path.name}")

    def _paths(self) -> list[Path]:
        return sorted(path for path in self._directory.iterdir() if _FILE.fullmatch(path.name))


class _Waiting:
    """One caller's entry on its way to the disk."""

    __slots__ = ("done", "entry", "error", "turn")

    def __init__(self, entry: Mapping[str, Any]) -> None:
        self.entry = entry
        self.done = False
        # Stays when the caller that writes for this one is interrupted.
        self.error: Exception | None = OSError(errno.EINTR, "the record was not written; try again")
        self.turn = threading.Lock()
        self.turn.acquire()


def _lines(
    entry: Mapping[str, Any], at: int, head: Head, chain: int, own: Head
) -> tuple[bytes, bytes]:
    lines = lines_of(entry, at, head, chain, own)
    if len(lines[0]) > RECORD_ENTRY_BYTES_MAX:
        raise ValueError(f"an entry of the record has at most {RECORD_ENTRY_BYTES_MAX} bytes")
    return lines


def _entry(line: bytes, sequence: int, path: Path) -> dict[str, Any]:
    try:
        entry = json.loads(line)
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or entry.get("seq") != sequence:
        raise RecordDamaged(f"entry {sequence} in {path.name} is not what was written there")
    return entry


def _hold(directory: Path) -> int:
    """Return a descriptor of the directory, locked until it is closed; its name is on disk."""
    parent = os.open(directory.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(parent)
    finally:
        os.close(parent)
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise OSError(
            error.errno, f"another process writes the record in {directory}; stop it first"
        ) from error
    return descriptor


def _file_name(sequence: int) -> str:
    return f"record-{sequence:012d}.jsonl"


def _first_sequence(path: Path) -> int:
    return int(path.stem.removeprefix("record-"))


def write_all(file: int, data: bytes, offset: int) -> None:
    """Write all of it, also when the disk takes it in pieces; raises OSError."""
    view = memoryview(data)
    while view:
        written = os.pwrite(file, view, offset)
        view, offset = view[written:], offset + written


def _whole_length(file: int, size: int) -> int:
    """Return the length up to which the lines are whole.

    A killed process leaves a last line without its end. A power loss may leave zeros for pages of
    the last write that never reached the disk; no line holds a zero byte. What is behind them was
    in the same write, so nobody was told that it is on disk. Any other damage stays where it is,
    for a verifier to find.
    """
    start = max(0, size - RECORD_GROUP_BYTES_MAX - RECORD_ENTRY_BYTES_MAX)
    tail = os.pread(file, size - start, start)
    zero = tail.find(b"\0")
    return start + tail.rfind(b"\n", 0, len(tail) if zero < 0 else zero) + 1


def _count_lines(file: int, length: int) -> int:
    counted = 0
    for start in range(0, length, RECORD_GROUP_BYTES_MAX):
        counted += os.pread(file, min(RECORD_GROUP_BYTES_MAX, length - start), start).count(b"\n")
    return counted


def _last_line(file: int, length: int) -> bytes:
    start = max(0, length - RECORD_ENTRY_BYTES_MAX - 1)
    tail = os.pread(file, length - start, start)
    return tail[tail.rfind(b"\n", 0, -1) + 1 :]


def _digest_of_all(paths: Sequence[Path]) -> str:
    """Return the SHA-256 of the bytes of all files one after another, hex."""
    digest = hashlib.sha256()
    for path in paths:
        with path.open("rb") as file:
            while part := file.read(RECORD_GROUP_BYTES_MAX):
                digest.update(part)
    return digest.hexdigest()
