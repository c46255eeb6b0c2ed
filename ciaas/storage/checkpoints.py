"""Which checkpoint of a chain covers an entry: an index over the file of checkpoints.

It is made from that file alone; without it, or when it does not fit the file, it is made anew.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from ciaas.limits import CHECKPOINTS_READ_BYTES
from ciaas.storage.derived import changing, open_derived
from security.aaa.checkpoints import ChainCheckpoint

_TABLES = (
    "CREATE TABLE position (offset INTEGER)",
    """CREATE TABLE checkpoint (
        chain INTEGER, size INTEGER, first INTEGER, offset INTEGER, length INTEGER,
        PRIMARY KEY (chain, size)
    ) WITHOUT ROWID""",
    "INSERT INTO position VALUES (0)",
)


class _Place(NamedTuple):
    chain: int
    size: int
    first: int
    offset: int
    length: int


class CheckpointIndex:
    """Finds checkpoints of chains. From any thread.

    Args:
        path: The SQLite file; made, or made anew, when it cannot be used.
        source: The file of checkpoints, which only grows.
    """

    def __init__(self, path: Path, source: Path) -> None:
        self._source = source
        self._turn = threading.Lock()
        self._file = open_derived(path, _TABLES, self._fits)

    def covering(self, chain: int, number: int) -> ChainCheckpoint | None:
        """Return the checkpoint whose tree has an entry, None when there is none yet."""
        with self._turn:
            self._catch_up()
            row = self._file.execute(
                "SELECT first, offset, length FROM checkpoint WHERE chain = ? AND size >= ? "
                "ORDER BY size LIMIT 1",
                [chain, number],
            ).fetchone()
        if row is None or row[0] > number:
            return None
        with self._source.open("rb") as file:
            file.seek(row[1])
            return _parsed(file.read(row[2]))

    def covered(self, chain: int) -> int:
        """Return the last entry of a chain that a checkpoint covers, 0 when there is none."""
        with self._turn:
            self._catch_up()
            (size,) = self._file.execute(
                "SELECT coalesce(max(size), 0) FROM checkpoint WHERE chain = ?", [chain]
            ).fetchone()
        return int(size)

    def close(self) -> None:
        """Close the file."""
        with self._turn:
            self._file.close()

    # -- private pieces

    def _fits(self, file: sqlite3.Connection) -> bool:
        (offset,) = file.execute("SELECT offset FROM position").fetchone()
        return bool(offset <= (self._source.stat().st_size if self._source.exists() else 0))

    def _catch_up(self) -> None:
        """Read what the file of checkpoints got since the last time, some at a time."""
        while True:
            (offset,) = self._file.execute("SELECT offset FROM position").fetchone()
            if not self._source.exists():
                return
            with self._source.open("rb") as source:
                source.seek(offset)
                data = source.read(CHECKPOINTS_READ_BYTES)
            whole = data.rfind(b"\n") + 1
            if not whole:
                return
            rows = list(_places(data[:whole], offset))
            with changing(self._file):
                self._file.executemany("INSERT OR REPLACE INTO checkpoint VALUES (?,?,?,?,?)", rows)
                self._file.execute("UPDATE position SET offset = ?", [offset + whole])


def _places(data: bytes, offset: int) -> Iterator[_Place]:
    """Yield where the checkpoints of chains lie; those of the whole record are passed over."""
    for line in data.splitlines(keepends=True):
        if (found := _parsed(line)) is not None:
            yield _Place(found.chain, found.size, found.first, offset, len(line))
        offset += len(line)


def _parsed(line: bytes) -> ChainCheckpoint | None:
    """Return the checkpoint of a line, None when it is none of a chain."""
    try:
        return ChainCheckpoint(**json.loads(line))
    except (ValueError, TypeError):
        return None
