"""Messages, or parts of them, that were set aside."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from ciaas.ports import Aside
from ciaas.storage.history.columns import millis, texts
from ciaas.storage.history.database import Cursor

_LISTED = """
    SELECT number, epoch_ms(received_at), sequence, topic, reason, detail, payload, endpoint
    FROM aside
    WHERE number < ? AND (? OR endpoint IN (SELECT unnest(?::VARCHAR[])))
    ORDER BY number DESC LIMIT ?
"""
_LAST_TO_DROP = """
    SELECT max(number), count(*) FROM (
        SELECT number, row_number() OVER newest_first AS kept,
            sum(bytes) OVER newest_first AS total
        FROM aside WINDOW newest_first AS (ORDER BY number DESC)
    ) WHERE kept > 1 AND (kept > ? OR total > ?)
"""
_NUMBERS_END = 2**63 - 1


def append(cursor: Cursor, number: int, aside: Sequence[Aside]) -> None:
    """Add parts, the first of them under ``number``."""
    table = pa.table(
        {
            "number": pa.array(range(number, number + len(aside)), pa.uint64()),
            "received_at": millis([part.received for part in aside]),
            "sequence": pa.array([part.sequence for part in aside], pa.uint64()),
            "topic": texts([part.topic for part in aside]),
            "reason": texts([part.reason for part in aside]),
            "detail": texts([part.detail for part in aside]),
            "payload": pa.array([part.payload for part in aside], pa.binary()),
            "endpoint": texts([part.endpoint for part in aside]),
            "bytes": pa.array([len(part.payload) for part in aside], pa.uint32()),
        }
    )
    cursor.register("parts", table)
    try:
        cursor.execute("INSERT INTO aside SELECT * FROM parts")
    finally:
        cursor.unregister("parts")


def listed(
    cursor: Cursor, endpoints: Sequence[str] | None, limit: int, before: int | None
) -> Sequence[tuple[int, Aside]]:
    """Return parts newest first; see `HistoryStore.aside`."""
    below = _NUMBERS_END if before is None else before
    rows = cursor.execute(
        _LISTED, [below, endpoints is None, list(endpoints or ()), limit]
    ).fetchall()
    return [(number, Aside(*part)) for number, *part in rows]


def drop_oldest(cursor: Cursor, rows_kept: int, bytes_kept: int) -> int:
    """Keep the newest within both bounds, at least one; returns how many were dropped."""
    last, count = cursor.execute(_LAST_TO_DROP, [rows_kept, bytes_kept]).fetchall()[0]
    if count:
        cursor.execute("DELETE FROM aside WHERE number <= ?", [last])
        cursor.execute("INSERT INTO tally VALUES ('aside_dropped', ?)", [count])
    return int(count)
