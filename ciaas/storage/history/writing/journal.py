"""What devices tell about themselves: log lines and the output of jobs."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ciaas.ports import JournalLine
from ciaas.storage.history.columns import millis, texts
from ciaas.storage.history.database import Cursor

_LISTED = """
    SELECT endpoint, epoch_ms(received_at), level, epoch_ms(logged_at), message, logger, source
    FROM journal
    WHERE endpoint = ? AND level IN (SELECT unnest(?::VARCHAR[]))
        AND logged_at BETWEEN make_timestamp_ms(?) AND make_timestamp_ms(?)
    ORDER BY logged_at DESC, received_at DESC LIMIT ?
"""
_DROP = """
    DELETE FROM journal WHERE received_at < (
        SELECT received_at FROM journal ORDER BY received_at DESC LIMIT 1 OFFSET ?
    )
"""
_EARLIEST, _LATEST = 0, 253_402_300_799_999


def append(cursor: Cursor, lines: Sequence[JournalLine]) -> None:
    """Add lines in the order given."""
    table = pa.table(
        {
            "endpoint": texts([line.endpoint for line in lines]),
            "received_at": millis([line.received for line in lines]),
            "level": texts([line.level for line in lines]),
            "logged_at": millis([line.logged for line in lines]),
            "message": texts([line.message for line in lines]),
            "logger": texts([line.logger for line in lines]),
            "source": texts([line.source for line in lines]),
        }
    )
    cursor.register("lines", table)
    try:
        cursor.execute("INSERT INTO journal SELECT * FROM lines")
    finally:
        cursor.unregister("lines")


def listed(
    cursor: Cursor,
    endpoint: str,
    levels: Sequence[str],
    start: int | None,
    end: int | None,
    limit: int,
) -> list[JournalLine]:
    """Return lines newest first; see `HistoryStore.journal`."""
    first, last = _EARLIEST if start is None else start, _LATEST if end is None else end
    rows = cursor.execute(_LISTED, [endpoint, list(levels), first, last, limit]).fetchall()
    return [JournalLine(*row) for row in rows]


def drop_oldest(cursor: Cursor, kept: int) -> None:
    """Keep the newest ``kept`` lines, and those that came with the last of them."""
    cursor.execute(_DROP, [kept - 1])
