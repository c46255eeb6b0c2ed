"""A copy of the whole history while it is in use.

``COPY FROM DATABASE`` reads one snapshot and writes a file of its own: commits go on beside it,
which copying the file would not allow, since a checkpoint rewrites it. 5 million rows took 2.3 s.
"""

from __future__ import annotations

import os
import threading
from contextlib import AbstractContextManager
from pathlib import Path

import duckdb

from ciaas.limits import HISTORY_COPY_RELEASE_S
from ciaas.ports import Interrupted
from ciaas.storage.history.database import Database, undone_on_error

_LOOK_S = 0.05


def write_copy(database: Database, target: Path, holding: AbstractContextManager[None]) -> Path:
    """Write the snapshot that is taken within ``holding``; return the file, synced and closed."""
    _discard(target)
    with database.lend() as cursor:
        ours = str(cursor.execute("SELECT current_database()").fetchall()[0][0])
        cursor.execute(f"ATTACH '{_quoted(target)}' AS copied")
        try:
            with holding:
                cursor.execute("BEGIN")
            with undone_on_error(cursor):
                cursor.execute(f'COPY FROM DATABASE "{ours}" TO copied')
                cursor.execute("COMMIT")
        finally:
            cursor.execute("DETACH copied")
    _settle(target)
    descriptor = os.open(target, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return target


def _settle(target: Path) -> None:
    """Write the copy's own log back into it.

    Detaching cannot: transactions that began meanwhile, in every file attached, still have it open.

    Raises:
        Interrupted: one of them did not end in time.
    """
    for _ in range(round(HISTORY_COPY_RELEASE_S / _LOOK_S)):
        try:
            duckdb.connect(str(target)).close()
        except duckdb.BinderException:
            threading.Event().wait(_LOOK_S)
            continue
        if not target.with_name(target.name + ".wal").exists():
            return
    raise Interrupted("a long query has the copy of history open; make the backup again later")


def _discard(target: Path) -> None:
    for suffix in ("", ".wal"):
        target.with_name(target.name + suffix).unlink(missing_ok=True)


def _quoted(path: Path) -> str:
    return str(path).replace("'", "''")
