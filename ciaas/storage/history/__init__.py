"""History of samples on DuckDB: the hot tier.

One file, written by one process. Rows arrive in unsorted tails and are sealed into segments sorted
by point and time, beside the commits. See ``docs/architecture.md``.
"""

from ciaas.storage.history.bounds import Bounds
from ciaas.storage.history.migration import migrate
from ciaas.storage.history.refusal import (
    AnswerTooLarge,
    HistoryBusy,
    Interrupted,
    NoHistory,
    SchemaTooNew,
    SchemaTooOld,
)
from ciaas.storage.history.store import DuckHistory, open_history

__all__ = [
    "AnswerTooLarge",
    "Bounds",
    "DuckHistory",
    "HistoryBusy",
    "Interrupted",
    "NoHistory",
    "SchemaTooNew",
    "SchemaTooOld",
    "migrate",
    "open_history",
]
