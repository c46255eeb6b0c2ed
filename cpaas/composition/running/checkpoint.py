"""Checkpoints: how far compose has come, what each mashup remembers, what is still to be sent.

All of it is replaced in one transaction. What comes after the last checkpoint is read and computed
again after a crash, and gives the same: history drops repeats, core knows the keys of commands.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

_TABLES = """
CREATE TABLE IF NOT EXISTS place (id INTEGER PRIMARY KEY CHECK (id = 1), body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS state (
    mashup TEXT PRIMARY KEY, version INTEGER NOT NULL, outputs INTEGER NOT NULL,
    start INTEGER NOT NULL, snapshot BLOB NOT NULL
);
CREATE TABLE IF NOT EXISTS waiting (id INTEGER PRIMARY KEY, body BLOB NOT NULL);
"""
_BUSY_S = 5.0


class CheckpointFailed(Exception):
    """Nothing was kept: the disk is full or the file damaged. The same call may succeed later."""


class Kept(NamedTuple):
    """What one mashup remembers."""

    version: int
    outputs: int
    start: int
    snapshot: bytes


class Checkpoint:
    """The file of one compose role; for one thread at a time."""

    def __init__(self, folder: Path):
        """Open or make it.

        Raises:
            CheckpointFailed: it cannot be used.
        """
        self._path = folder / "state.sqlite"
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            self._file = sqlite3.connect(
                self._path, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
            )
            self._file.execute("PRAGMA journal_mode = WAL")
            self._file.execute("PRAGMA synchronous = FULL")
            self._file.executescript(_TABLES)
        except (OSError, sqlite3.Error) as error:
            raise CheckpointFailed(f"{self._path}: {error}") from error

    def read(self) -> tuple[bytes | None, dict[str, Kept], list[bytes]]:
        """Return the place, what each mashup remembers, and what is still to be sent.

        Raises:
            CheckpointFailed: it cannot be read.
        """
        try:
            place = self._file.execute("SELECT body FROM place").fetchone()
            states = self._file.execute(
                "SELECT mashup, version, outputs, start, snapshot FROM state"
            ).fetchall()
            waiting = self._file.execute("SELECT body FROM waiting ORDER BY id").fetchall()
        except sqlite3.Error as error:
            raise CheckpointFailed(f"{self._path}: {error}") from error
        kept = {mashup: Kept(*rest) for mashup, *rest in states}
        return None if place is None else place[0], kept, [body for (body,) in waiting]

    def write(
        self,
        place: bytes,
        changed: Mapping[str, Kept],
        present: Iterable[str],
        waiting: Sequence[bytes] | None,
    ) -> None:
        """Keep all of it at once; returns after fsync.

        Args:
            place: how far everything is dealt with.
            changed: mashups that remember something else than before.
            present: every mashup there is; others are forgotten.
            waiting: what is still to be sent, None when nothing changed.

        Raises:
            CheckpointFailed: nothing was kept.
        """
        file = self._file
        try:
            with self._transaction():
                file.execute("INSERT OR REPLACE INTO place VALUES (1, ?)", (place,))
                file.executemany(
                    "INSERT OR REPLACE INTO state VALUES (?, ?, ?, ?, ?)",
                    [(mashup, *kept) for mashup, kept in changed.items()],
                )
                known = {mashup for (mashup,) in file.execute("SELECT mashup FROM state")}
                file.executemany(
                    "DELETE FROM state WHERE mashup = ?",
                    [(mashup,) for mashup in known - set(present)],
                )
                if waiting is not None:
                    file.execute("DELETE FROM waiting")
                    file.executemany(
                        "INSERT INTO waiting (body) VALUES (?)", [(body,) for body in waiting]
                    )
        except sqlite3.Error as error:
            raise CheckpointFailed(f"{self._path}: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._file.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._file.execute("COMMIT")
        except BaseException:
            if self._file.in_transaction:
                self._file.execute("ROLLBACK")
            raise
