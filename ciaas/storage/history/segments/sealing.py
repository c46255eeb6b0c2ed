"""Seal full tails into sorted segments, merge small segments, and checkpoint, in a thread.

Each step is one transaction: killed at any moment, the file holds the same rows as before it or
after it. Commits go on meanwhile; they only insert, and inserts don't wait for a checkpoint.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from string import Template

import duckdb

from ciaas.limits import (
    HISTORY_CHECKPOINT_TRIES,
    HISTORY_SEAL_RETRY_S,
    HISTORY_SORT_BEHIND,
    HISTORY_SORT_NICENESS,
)
from ciaas.ports import HistoryError
from ciaas.storage.history.bounds import Bounds
from ciaas.storage.history.database import Cursor, Database
from ciaas.storage.history.segments.fold import newest_of
from ciaas.storage.history.segments.layout import Layout, Segment, Tail
from ciaas.storage.history.segments.tables import SampleTables, extent

log = logging.getLogger(__name__)

_SORT = Template(
    """
    CREATE TABLE sample_$number AS
    SELECT * FROM ($rows) ORDER BY point_id, observed_at, revision, commit_no
    """
)
_CHECKPOINT_WAIT_S = 0.005
_STOP_LOOK_S = 0.05


class Sealer:
    """Works off what is due whenever it is woken.

    Args:
        database: For checkpoints.
        tables: The layout that it changes.
        bounds: Fan-in and levels.
        tidy: Drops what is out of date, in a transaction of its own; called with `turn` held.
    """

    def __init__(
        self,
        database: Database,
        tables: SampleTables,
        bounds: Bounds,
        tidy: Callable[[], None],
    ) -> None:
        self.turn = threading.Lock()
        """Held while ranges, receipts or tables are rewritten: whoever deletes rows takes it."""
        self._database = database
        self._tables = tables
        self._bounds = bounds
        self._tidy = tidy
        self._sorting: Cursor | None = None
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="history sealer", daemon=True)

    def start(self) -> None:
        """Begin; what is due already is done first."""
        # Python ends daemon threads in the middle of a call into DuckDB, which aborts the process.
        atexit.register(self.stop)
        self._wake.set()
        self._thread.start()

    def wake(self) -> None:
        """Have it look again, at once."""
        self._wake.set()

    def stop(self) -> None:
        """End; a step in hand is broken off and done again after the next start."""
        atexit.unregister(self.stop)
        self._stopping.set()
        self._wake.set()
        while self._thread.is_alive():
            if (cursor := self._sorting) is not None:
                cursor.interrupt()
            self._thread.join(_STOP_LOOK_S)

    def work(self) -> None:
        """Do everything that is due, in the calling thread."""
        while not self._stopping.is_set() and self._step():
            pass
        with self.turn:
            self._tidy()
        self._checkpoint()

    def _run(self) -> None:
        while True:
            self._wake.wait()
            self._wake.clear()
            if self._stopping.is_set():
                return
            try:
                self.work()
            except (HistoryError, duckdb.Error) as error:
                if self._stopping.is_set():
                    return
                # Nothing is lost: the rows stay in the tail, where they are found more slowly.
                log.warning("sealing is tried again later: %s", error)
                if self._stopping.wait(HISTORY_SEAL_RETRY_S):
                    return
                self._wake.set()

    def _step(self) -> bool:
        """Do the most urgent step and return True; False when nothing is due."""
        with self.turn:
            layout = self._tables.layout
            left = [tail for tail in layout.tails if tail.left]
            if layout.wants_tail():
                self._tables.replace(self._tables.add_tail)
            elif left:
                self._sort(partial(self._seal, left[0]))
            elif group := self._due(layout.segments):
                self._sort(partial(self._merge, group))
            else:
                return False
        return True

    def _sort(self, work: Callable[[Cursor, Layout], Layout]) -> None:
        """Do a step that sorts, giving way to everything else unless too much waits for it.

        What it changes takes effect by a commit of the calling thread's, which waits for nobody.
        """
        layout = self._tables.layout
        levels = Counter(s.level for s in layout.segments if s.level < self._bounds.levels)
        behind = (
            layout.unsorted > HISTORY_SORT_BEHIND * self._bounds.segment_rows
            or max(levels.values(), default=0) > HISTORY_SORT_BEHIND * self._bounds.fan_in
        )
        self._tables.replace(work if behind else partial(_unhurried, work))

    def _seal(self, tail: Tail, cursor: Cursor, layout: Layout) -> Layout:
        cursor.execute("CREATE OR REPLACE TABLE current AS " + newest_of([tail.number]))
        segment = self._sorted(cursor, [tail.number], 1)
        tails = [other for other in layout.tails if other is not tail]
        return Layout(tails, (*layout.segments, segment))

    def _due(self, segments: Sequence[Segment]) -> Sequence[Segment]:
        """Return neighbours in time, as many as are merged into one, of the lowest full level."""
        levels = defaultdict(list)
        for segment in sorted(segments, key=lambda s: (s.observed_from, s.number)):
            levels[segment.level].append(segment)
        for level in range(1, self._bounds.levels):
            if len(levels[level]) >= self._bounds.fan_in:
                return levels[level][: self._bounds.fan_in]
        return ()

    def _merge(self, group: Sequence[Segment], cursor: Cursor, layout: Layout) -> Layout:
        segment = self._sorted(cursor, [old.number for old in group], group[0].level + 1)
        rest = [other for other in layout.segments if other not in group]
        return Layout(layout.tails, (*rest, segment))

    def _sorted(self, cursor: Cursor, numbers: Sequence[int], level: int) -> Segment:
        """Move the rows of some tables into one new sorted table."""
        number = self._tables.new_number()
        rows = " UNION ALL ".join(f"TABLE sample_{old}" for old in numbers)
        self._sorting = cursor
        try:
            cursor.execute(_SORT.substitute(number=number, rows=rows))
        finally:
            self._sorting = None
        segment = Segment(number, level, *extent(cursor, number))
        for old in numbers:
            cursor.execute(f"DROP TABLE sample_{old}")
            cursor.execute("DELETE FROM segment WHERE number = ?", [old])
        cursor.execute(
            "INSERT INTO segment VALUES "
            "(?, ?, ?, make_timestamp_ms(?), make_timestamp_ms(?), ?, ?, ?)",
            [*segment],
        )
        return segment

    def _checkpoint(self) -> None:
        """Write the log back into the file, between two commits if one can be found."""
        # A forced checkpoint would end a copy that is being made.
        with self.turn, self._database.lend() as cursor:
            for _ in range(HISTORY_CHECKPOINT_TRIES):
                try:
                    cursor.execute("CHECKPOINT")
                    return
                except duckdb.TransactionException:
                    self._stopping.wait(_CHECKPOINT_WAIT_S)
            cursor.execute("FORCE CHECKPOINT")


def _unhurried(work: Callable[[Cursor, Layout], Layout], cursor: Cursor, layout: Layout) -> Layout:
    """Do a piece of work in a thread that gives way to all others of the machine."""
    done: Future[Layout] = Future()

    def run() -> None:
        try:
            if sys.platform == "linux":  # elsewhere a priority is that of the whole process
                os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), HISTORY_SORT_NICENESS)
            done.set_result(work(cursor, layout))
        except BaseException as error:  # the one who waits is the one to be told
            done.set_exception(error)

    threading.Thread(target=run, name="history sorter", daemon=True).start()
    return done.result()
