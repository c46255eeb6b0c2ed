"""Copies of SQLite files that are in use."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_SQLITE = b"SQLite format 3\0"


def is_sqlite(path: Path) -> bool:
    """Tell whether a file is a SQLite database."""
    with path.open("rb") as file:
        return file.read(len(_SQLITE)) == _SQLITE


def copy_sqlite(source: Path, target: Path) -> None:
    """Copy a database as of one moment, whoever else has it open; for its owner alone to read.

    Raises:
        sqlite3.Error: it cannot be read, or the disk is full.
    """
    target.unlink(missing_ok=True)
    target.touch(0o600)
    with (
        closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
        # A log beside a file that is packed alone would be missed.
        new.execute("PRAGMA journal_mode = DELETE")
