"""Copies of SQLite files that are in use."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from pathlib import Path

from ciaas.limits import COPY_BUSY_S

_SQLITE = b"SQLite format 3\0"


def is_sqlite(path: Path) -> bool:
    """Tell whether a file is a SQLite database."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database as of one moment, whoever else has it open; for its owner alone to read.

    Raises:
        sqlite3.Error: unreadable, locked for longer than COPY_BUSY_S, or the disk is full.
    """
    target.unlink(missing_ok=True)
    target.touch(0o600)
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        deadline = time.monotonic() + COPY_BUSY_S

        def look(status: int, remaining: int, total: int) -> None:
            # Without this the call would wait for ever for a file that another process locks.
            if status != sqlite3.SQLITE_DONE and time.monotonic() > deadline:
                raise sqlite3.OperationalError(f"{source} is locked by another process")

        old.backup(new, progress=look, sleep=0.05)
        # A log beside a file that is packed alone would be missed.
        new.execute("PRAGMA journal_mode = DELETE")
