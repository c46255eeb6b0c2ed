"""The table ``ingested``: the ranges of sequences that commits covered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import Template

import pyarrow as pa

from ciaas.ports import StreamId
from ciaas.storage.history.database import Cursor
from ciaas.storage.history.writing.coverage import Coverage, Range

_INSERT = """
    INSERT INTO ingested
    SELECT ?, ?, first, last, make_timestamp_ms(?) FROM ranges
"""
_INSERT_ONE = Template(
    "INSERT INTO ingested VALUES (?, ?, $first, $last, make_timestamp_ms($newest))"
)
_SELECT = """
    SELECT stream, created, list(seq_from ORDER BY seq_from), list(seq_to ORDER BY seq_from),
        max(epoch_ms(received_to))
    FROM ingested GROUP BY stream, created
"""


def append(cursor: Cursor, stream: StreamId, ranges: Sequence[Range], newest: int) -> None:
    """Add what one commit covered."""
    if len(ranges) == 1:
        (only,) = ranges
        statement = _INSERT_ONE.substitute(first=only.first, last=only.last, newest=newest)
        cursor.execute(statement, [*stream])
        return
    table = pa.table(
        {
            "first": pa.array([range.first for range in ranges], pa.uint64()),
            "last": pa.array([range.last for range in ranges], pa.uint64()),
        }
    )
    cursor.register("ranges", table)
    try:
        cursor.execute(_INSERT, [*stream, newest])
    finally:
        cursor.unregister("ranges")


def replace(cursor: Cursor, stream: StreamId, coverage: Coverage) -> None:
    """Put a stream's ranges in the place of those that the transaction sees."""
    cursor.execute("DELETE FROM ingested WHERE stream = ? AND created = ?", [*stream])
    append(cursor, stream, coverage.ranges(), coverage.newest)


def covered(cursor: Cursor, ranges_max: int) -> Mapping[StreamId, Coverage]:
    """Return the coverage of each stream."""
    return {
        StreamId(stream, created): Coverage().add([*map(Range, firsts, lasts)], newest, ranges_max)
        for stream, created, firsts, lasts, newest in cursor.execute(_SELECT).fetchall()
    }
