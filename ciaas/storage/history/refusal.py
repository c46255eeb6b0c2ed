"""What DuckDB's errors mean to the callers of history.

::

    HistoryError (ciaas.ports)
    ├── KeyReused        (ciaas.ports)
    ├── DiskFull         (ciaas.ports)
    ├── Interrupted      (ciaas.ports) the store had to be opened again; repeat the call
    ├── AnswerTooLarge   (ciaas.ports) ask for less
    ├── TooSlow          (ciaas.ports) broken off; ask for less
    ├── HistoryBusy      another process has the file
    ├── SchemaTooOld     migrate it
    ├── SchemaTooNew     a newer version wrote it
    └── NoHistory        the file is something else, or damaged
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from ciaas.ports import AnswerTooLarge, DiskFull, HistoryError, Interrupted, TooSlow

__all__ = [
    "AnswerTooLarge",
    "HistoryBusy",
    "Interrupted",
    "NoHistory",
    "SchemaTooNew",
    "SchemaTooOld",
    "is_fatal",
    "refusal",
    "refusal_to_open",
]


class HistoryBusy(HistoryError):
    """Another process has the file open."""


class SchemaTooOld(HistoryError):
    """The file was written by an older version and has to be migrated."""


class SchemaTooNew(HistoryError):
    """The file was written by a newer version."""


class NoHistory(HistoryError):
    """The file is no history store, or it is damaged."""


_NO_SPACE = re.compile(
    r"no space left|disk quota exceeded|file too large|not enough space", re.IGNORECASE
)
_NO_MEMORY = re.compile(r"block of size .* used\)", re.IGNORECASE)
"""A commit that finds no memory is told as a failed transaction."""
_POISONED = re.compile(r"database has been invalidated", re.IGNORECASE)
_HOLDER = re.compile(r"\(PID (\d+)\)")


def is_fatal(error: duckdb.Error) -> bool:
    """Tell whether every further statement on this database will fail."""
    return isinstance(error, duckdb.FatalException | duckdb.InternalException) or bool(
        _POISONED.search(str(error))
    )


def refusal(error: duckdb.Error) -> Exception:
    """Return what a caller of history is told; an error of ours comes back as it is."""
    text = str(error)
    if _NO_SPACE.search(text):
        return DiskFull("the disk of the history store is full; free some space, nothing was lost")
    if is_fatal(error):
        return Interrupted(f"history has to open its database again; repeat the call ({text})")
    if isinstance(error, duckdb.InterruptException):
        return TooSlow("the answer takes too long; ask for fewer points or a shorter time")
    if isinstance(error, duckdb.OutOfMemoryException) or _NO_MEMORY.search(text):
        return AnswerTooLarge("history needs more memory than it may use; ask for less at a time")
    if isinstance(error, duckdb.OutOfRangeException):
        return HistoryError(f"a result passes what a number can hold ({text})")
    return error


def refusal_to_open(error: duckdb.Error, path: Path) -> Exception:
    """Return the sentence for a file that can't be opened."""
    text = str(error)
    if _NO_SPACE.search(text):
        return refusal(error)
    if "lock on file" in text:
        holder = _HOLDER.search(text)
        who = f"process {holder[1]}" if holder else "another process"
        return HistoryBusy(f"history {path} is open in {who}; stop that one first")
    if "different configuration" in text:
        return HistoryBusy(f"history {path} is open in this process already; close that one first")
    if "version number" in text or "newer version" in text:
        return SchemaTooNew(f"history {path} was written by a newer DuckDB: {text}")
    if isinstance(error, duckdb.IOException) and "Permission denied" in text:
        return NoHistory(f"history {path} may not be opened: give this user read and write access")
    return NoHistory(f"history {path} can't be opened, restore it from a backup: {text}")
