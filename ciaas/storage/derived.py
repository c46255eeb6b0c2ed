"""SQLite files made from others alone: without one, or when it does not fit, it is made anew."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

log = logging.getLogger(__name__)


def open_derived(
    path: Path, tables: Sequence[str], fits: Callable[[sqlite3.Connection], bool]
) -> sqlite3.Connection:
    """Return the open file with its tables; for any thread, one at a time.

    Args:
        path: Of the file.
        tables: Statements that make them, and the rows of an empty one.
        fits: Tells whether what is in the file belongs to what it is made from.
    """
    try:
        return _opened(path, tables, fits)
    except sqlite3.DatabaseError as error:
        log.warning("the index %s is made anew: %s", path, error)
        for suffix in ("", "-wal", "-shm", "-journal"):
            path.with_name(path.name + suffix).unlink(missing_ok=True)
        return _opened(path, tables, fits)


@contextmanager
def changing(file: sqlite3.Connection) -> Iterator[None]:
    """Do the block in one transaction, whole or not at all."""
    file.execute("BEGIN")
    try:
        yield
        file.execute("COMMIT")
    except BaseException:
        if file.in_transaction:
            file.execute("ROLLBACK")
        raise


def _opened(
    path: Path, tables: Sequence[str], fits: Callable[[sqlite3.Connection], bool]
) -> sqlite3.Connection:
    if not path.exists():
        path.touch(0o600)
    file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    try:
        file.execute("PRAGMA journal_mode = WAL")
        # Lost rows are read again from what they were made from: nobody waits for this file's disk.
        file.execute("PRAGMA synchronous = OFF")
        if not file.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
            with changing(file):
                for statement in tables:
                    file.execute(statement)
        if not fits(file):
            raise sqlite3.DatabaseError("it is of another form or made from something else")
    except BaseException:
        file.close()
        raise
    return file
