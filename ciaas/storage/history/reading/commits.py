"""Commits read back in order, for the live stream to go on after a crash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from string import Template
from typing import NamedTuple

import numpy as np

from ciaas.kernel.sample import Frame
from ciaas.ports import Commit
from ciaas.storage.history.columns import STORED, to_frame
from ciaas.storage.history.database import Cursor
from ciaas.storage.history.segments.layout import Layout
from ciaas.storage.history.segments.tables import SampleTables

_PAGE = """
    SELECT number, epoch_ms(recorded_at), rows, repeats FROM "commit" WHERE number > ?
    QUALIFY number = ? + 1 OR sum(rows) OVER (ORDER BY number) <= ?
    ORDER BY number
"""
_BEFORE = 'SELECT coalesce(max(number), 0) FROM "commit" WHERE epoch_ms(recorded_at) < ?'
_ROWS = Template(
    """
    SELECT * FROM $tables WHERE commit_no BETWEEN $first AND $last
    ORDER BY commit_no, point_id, observed_at, revision
    """
)


class _Head(NamedTuple):
    number: int
    recorded_at: int
    rows: int
    repeats: int


def commits(tables: SampleTables, after: int, page_rows: int) -> Iterator[Commit]:
    """Yield the commits above a number as `record` returned them, some at a time.

    No cursor is held between two pages, so a slow reader keeps nothing from going on.
    """
    while True:
        with tables.reading() as (cursor, layout):
            page = [
                _Head(*row) for row in cursor.execute(_PAGE, [after, after, page_rows]).fetchall()
            ]
            frame = _rows(cursor, layout, page) if page else Frame.empty()
        if not page:
            return
        start = 0
        for head in page:
            rows = frame.select(np.arange(start, start + head.rows))
            start += head.rows
            yield Commit(head.number, rows, head.repeats, head.recorded_at)
        after = page[-1].number


def commit_before(tables: SampleTables, at_ms: int) -> int:
    """Return the newest commit recorded before a time, 0 when there is none."""
    with tables.reading() as (cursor, _):
        (found,) = cursor.execute(_BEFORE, [at_ms]).fetchall()
    return int(found[0])


def _rows(cursor: Cursor, layout: Layout, page: Sequence[_Head]) -> Frame:
    first, last = page[0].number, page[-1].number
    union = layout.committed_within(first, last).union(", ".join([*STORED.values(), "commit_no"]))
    query = _ROWS.substitute(tables=union, first=first, last=last)
    frame = to_frame(cursor.execute(query).fetchnumpy())
    assert len(frame) == sum(head.rows for head in page), "a commit has lost rows"
    return frame
