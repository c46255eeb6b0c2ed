"""Coalesce what commits only append to, and drop what is out of date."""

from __future__ import annotations

from ciaas.ports import Clock
from ciaas.storage.history.bounds import Bounds
from ciaas.storage.history.database import Cursor
from ciaas.storage.history.segments.tables import SampleTables
from ciaas.storage.history.writing import asides, ingested, journal
from ciaas.storage.history.writing.memory import Memory, tallied

_OUT_OF_DATE = """
    SELECT key FROM receipt
    QUALIFY answered_at < make_timestamp_ms(?)
        OR row_number() OVER (ORDER BY answered_at DESC, key) > ?
"""


def tidy(tables: SampleTables, memory: Memory, clock: Clock, bounds: Bounds) -> None:
    """Do a round, in one transaction beside the commits.

    It sees the rows of its snapshot only, so that what is committed meanwhile stays as it is.
    """
    with tables.writing() as (cursor, _):
        dropped = asides.drop_oldest(cursor, bounds.aside_rows, bounds.aside_bytes)
        journal.drop_oldest(cursor, bounds.journal_rows)
        forgotten = _forget_receipts(cursor, clock.now_ms() - bounds.receipt_age_ms, bounds)
        for stream, coverage in ingested.covered(cursor, bounds.coverage_ranges).items():
            ingested.replace(cursor, stream, coverage)
        for name, count in _taken(cursor):
            cursor.execute("INSERT INTO tally VALUES (?, ?)", [name, count])
    memory.aside_dropped += dropped
    for key in forgotten:
        memory.answers.pop(key, None)


def _forget_receipts(cursor: Cursor, before: int, bounds: Bounds) -> list[str]:
    keys = [key for (key,) in cursor.execute(_OUT_OF_DATE, [before, bounds.receipts]).fetchall()]
    if keys:
        cursor.execute("DELETE FROM receipt WHERE key IN (SELECT unnest(?::VARCHAR[]))", [keys])
    return keys


def _taken(cursor: Cursor) -> list[tuple[str, int]]:
    sums = tallied(cursor)
    cursor.execute("DELETE FROM tally")
    return [*sums.items()]
