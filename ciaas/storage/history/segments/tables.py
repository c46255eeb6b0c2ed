"""The tables of samples in the file, and the layout that names them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from string import Template
from typing import NamedTuple

from ciaas.storage.history.database import Cursor, Database, undone_on_error
from ciaas.storage.history.schema import CREATE_SAMPLES
from ciaas.storage.history.segments.layout import Layout, Segment, Tail

_SEGMENTS = """
    SELECT number, level, rows, epoch_ms(observed_from), epoch_ms(observed_to), commit_from,
        commit_to, revised
    FROM segment ORDER BY number
"""
_EXTENT = Template(
    """
    SELECT count(*), epoch_ms(min(observed_at)), epoch_ms(max(observed_at)), min(commit_no),
        max(commit_no), coalesce(max(revision) > 0, false)
    FROM sample_$number
    """
)


class SampleTables:
    """Keeps the layout in step with the file: a snapshot always finds the tables it was told of.

    Args:
        database: Lends the cursors.
        tail_rows: Rows of a full tail.
    """

    def __init__(self, database: Database, tail_rows: int) -> None:
        self._database = database
        self._tail_rows = tail_rows
        self._turn = threading.Lock()
        self._next = 1
        self.layout = Layout((), ())

    @contextmanager
    def reading(self) -> Iterator[tuple[Cursor, Layout]]:
        """Give a cursor in a snapshot, and the tables that exist in it."""
        with self._begun() as (cursor, layout):
            yield cursor, layout
            cursor.execute("ROLLBACK")

    @contextmanager
    def writing(self) -> Iterator[tuple[Cursor, Layout]]:
        """As `reading`, in a transaction that is durable when the block has ended."""
        with self._begun() as (cursor, layout):
            yield cursor, layout
            cursor.execute("COMMIT")

    def replace(self, change: Callable[[Cursor, Layout], Layout]) -> None:
        """Run a change of tables in one transaction and put its layout in force with its commit.

        One caller at a time.
        """
        with self._begun() as (cursor, layout):
            changed = change(cursor, layout)
            with self._turn:
                cursor.execute("COMMIT")
                self.layout = changed

    def load(self) -> None:
        """Read the layout from the file; of the tails with rows, one may be filled further."""
        with self._database.lend() as cursor:
            rows = cursor.execute(_SEGMENTS).fetchall()
            segments = [Segment(*row) for row in rows if row[1] > 0]
            tails = [_tail(cursor, row[0]) for row in rows if row[1] == 0]
        self._next = max((row[0] for row in rows), default=0) + 1
        filled = [tail for tail in tails if tail.rows]
        for tail in filled:
            tail.left = tail is not filled[-1] or tail.rows >= self._tail_rows
        self.layout = Layout(tails, segments)
        while self.layout.wants_tail():
            self.replace(self.add_tail)

    def add_tail(self, cursor: Cursor, layout: Layout) -> Layout:
        """Create one more empty tail."""
        number = self.new_number()
        cursor.execute(CREATE_SAMPLES.substitute(number=number))
        cursor.execute("INSERT INTO segment (number, level) VALUES (?, 0)", [number])
        return Layout((*layout.tails, Tail(number)), layout.segments)

    def new_number(self) -> int:
        """Return a number that no table has had; those of failed changes stay unused."""
        number, self._next = self._next, self._next + 1
        return number

    @contextmanager
    def _begun(self) -> Iterator[tuple[Cursor, Layout]]:
        with self._database.lend() as cursor:
            with self._turn:
                cursor.execute("BEGIN")
                layout = self.layout
            with undone_on_error(cursor):
                yield cursor, layout


class Extent(NamedTuple):
    """What a sample table holds; both ends of its bounds are included, and null without rows."""

    rows: int
    observed_from: int
    observed_to: int
    commit_from: int
    commit_to: int
    revised: bool


def extent(cursor: Cursor, number: int) -> Extent:
    """Look through one sample table."""
    return Extent(*cursor.execute(_EXTENT.substitute(number=number)).fetchall()[0])


def _tail(cursor: Cursor, number: int) -> Tail:
    found = extent(cursor, number)
    if not found.rows:
        return Tail(number)
    return Tail(
        number,
        rows=found.rows,
        observed_from=found.observed_from,
        observed_to=found.observed_to,
        revised=found.revised,
    )
