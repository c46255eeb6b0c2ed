"""What the watch role sees of the host and the roles, kept for core, which may be down just then.

One file for each start of the platform: a line of JSON for each change of state, and a first line
that says until when the start before was at work. Core takes the lines into the state store and
removes a file that is taken in whole and will not grow any more.
"""

from __future__ import annotations

import errno
import json
import logging
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from security.dependability.states import Resource, State, Transition

log = logging.getLogger(__name__)

ALIVE_EACH_S = 5.0
"""How far from the truth the end of a watch role that was killed may be."""
WATCHED_KINDS = ("host", "role")
_NAME = "watch-{:016d}.jsonl"


class StateJournal:
    """The writer: the watch role."""

    def __init__(self, folder: Path, now_ms: int):
        """Begin the file of this start."""
        folder.mkdir(mode=0o700, exist_ok=True)
        self._alive = folder / "alive"
        self._states: dict[str, State] = {}
        path = folder / _NAME.format(now_ms)
        self._fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        self._write({"at": now_ms, "seen": self._last_seen(now_ms)})

    def note(self, name: str, state: State, at_ms: int, cause: str = "") -> None:
        """Write down that a resource is in a state; one told again is not written again.

        That nothing is known of it yet is nothing to write.

        Raises:
            OSError: it could not be written; tell it again later.
        """
        if self._states.get(name, State.UNKNOWN) is state:
            return
        self._write({"at": at_ms, "resource": name, "state": state, "cause": cause})
        self._states[name] = state

    def alive(self, now_ms: int) -> None:
        """Say that we are at work; not synced, since only an end by force needs it."""
        fresh = self._alive.with_suffix(".new")
        fresh.write_text(str(now_ms))
        fresh.replace(self._alive)

    def close(self, now_ms: int) -> None:
        """Say that all is ended on purpose from now on."""
        for name in [*self._states]:
            self.note(name, State.UNKNOWN, now_ms, "stopped")
        self.alive(now_ms)
        os.close(self._fd)

    def _last_seen(self, now_ms: int) -> int:
        try:
            return min(int(self._alive.read_text()), now_ms)
        except (FileNotFoundError, ValueError):
            return now_ms

    def _write(self, line: Mapping[str, Any]) -> None:
        """Append one line, whole or not at all.

        Raises:
            OSError: the disk is full, or fails.
        """
        size = os.fstat(self._fd).st_size
        data = json.dumps(line).encode() + b"\n"
        try:
            if os.write(self._fd, data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(self._fd)
        except OSError:
            os.ftruncate(self._fd, size)
            raise


class Line(NamedTuple):
    """One line, and where it ends."""

    file: str
    end: int
    """Bytes of the file up to its end."""
    document: Mapping[str, Any]

    @property
    def start_of_watch(self) -> bool:
        """True for the first line of a start."""
        return "seen" in self.document

    def transition(self) -> Transition:
        """Return what the line says of a resource."""
        said = self.document
        return Transition(
            Resource.of(said["resource"]), State(said["state"]), said["at"], said["cause"]
        )


def unread(folder: Path, read: tuple[str, int]) -> Iterator[Line]:
    """Yield the lines after a position, over all files in their order; a torn last line waits."""
    file, read_to = read
    for path in _files(folder):
        if path.name < file:
            continue
        end = read_to if path.name == file else 0
        with path.open("rb") as lines:
            lines.seek(end)
            for text in lines:
                if not text.endswith(b"\n"):
                    break
                end += len(text)
                try:
                    document = json.loads(text)
                except ValueError:  # damaged on the disk: what it said is lost, not the rest
                    log.warning("%s: the line that ends at byte %d is damaged", path, end)
                    continue
                yield Line(path.name, end, document)


def tidy(folder: Path, read: tuple[str, int]) -> None:
    """Remove the files of earlier starts that are taken in whole."""
    file, read_to = read
    for path in _files(folder)[:-1]:
        if path.name < file or (path.name == file and path.stat().st_size == read_to):
            path.unlink()


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("watch-*.jsonl"))
