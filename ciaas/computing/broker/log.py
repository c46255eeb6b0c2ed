"""The broker's log file as it grows: whole lines, across rotation and restarts of the broker."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import BinaryIO

from ciaas.limits import LOG_LINE_BYTES_MAX, LOG_READ_BYTES_MAX


class LogReader:
    """Reads what the broker has appended since the last call; not for several threads.

    The server rotates by renaming the file to ``<name>.<time>`` and going on in a new one. The
    file being read stays open meanwhile, so that none of its lines is missed.
    """

    def __init__(self, path: Path, offset: int | None = None):
        """``offset`` counts bytes of the file as it is now; None begins at its end."""
        self._path = path
        self._backup = re.compile(re.escape(path.name) + r"\.[0-9.]+")
        self._file: BinaryIO | None = None
        self._rest = b""
        self._overlong = False
        if file := self._open(path):
            size = _size(file)
            file.seek(size if offset is None or offset > size else offset)

    @property
    def offset(self) -> int:
        """Where in the current file the lines not yet returned begin."""
        return self._file.tell() - len(self._rest) if self._file else 0

    def read(self) -> bytes:
        """Return the new whole lines, at most about LOG_READ_BYTES_MAX; empty when there are none.

        A line longer than LOG_LINE_BYTES_MAX is left out.
        """
        data = self._rest + self._new_bytes(LOG_READ_BYTES_MAX)
        if self._overlong:
            _, newline, data = data.partition(b"\n")
            self._overlong = not newline
        cut = data.rfind(b"\n") + 1
        self._rest = data[cut:]
        if len(self._rest) > LOG_LINE_BYTES_MAX:
            self._rest, self._overlong = b"", True
        return data[:cut]

    def close(self) -> None:
        """Let go of the file."""
        if self._file:
            self._file.close()
            self._file = None

    def _new_bytes(self, count: int) -> bytes:
        file = self._file or self._open(self._path)
        if file is None:
            return b""
        if _size(file) < file.tell():
            file.seek(0)
        data = file.read(count)
        while len(data) < count and (successor := self._successor(file)):
            # Lines may have come between the last read and the renaming that we have just seen.
            data += file.read(count - len(data))
            if len(data) < count and (following := self._open(successor)):
                file = following
                data += file.read(count - len(data))
        return data

    def _successor(self, file: BinaryIO) -> Path | None:
        """Return the file that follows this one, None while it is the current one."""
        ours = os.fstat(file.fileno()).st_ino
        if _inode(self._path) == ours:
            return None
        backups = sorted(p for p in self._path.parent.iterdir() if self._backup.fullmatch(p.name))
        inodes = [_inode(backup) for backup in backups]
        # When ours is no longer among them the server has deleted it, and it deletes oldest first.
        after = inodes.index(ours) + 1 if ours in inodes else 0
        followers = [*backups[after:], *([self._path] if _inode(self._path) else [])]
        return followers[0] if followers else None

    def _open(self, path: Path) -> BinaryIO | None:
        try:
            file = path.open("rb")
        except FileNotFoundError:
            return None
        self.close()
        self._file = file
        return file


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _inode(path: Path) -> int:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return 0
