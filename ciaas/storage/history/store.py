"""The history store: numbered commits, series, latest values, what was set aside."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

from numpy.typing import NDArray

from ciaas.kernel.sample import Frame, Millis, Uint32s, Uint64s
from ciaas.limits import HISTORY_COPY_WAIT_S, HISTORY_MEMORY_MB, HISTORY_THREADS
from ciaas.ports import (
    Aside,
    Clock,
    Commit,
    HistoryError,
    Intake,
    Interrupted,
    JournalLine,
    Receipt,
    Series,
    Span,
    StreamId,
    Veil,
    Windows,
    WindowsPart,
)
from ciaas.storage.history.bounds import Bounds
from ciaas.storage.history.copying import write_copy
from ciaas.storage.history.database import Database
from ciaas.storage.history.reading.commits import commit_before, commits
from ciaas.storage.history.reading.partials import PartialsKept
from ciaas.storage.history.reading.series import series
from ciaas.storage.history.reading.watch import Watch
from ciaas.storage.history.reading.windows import windows
from ciaas.storage.history.segments.sealing import Sealer
from ciaas.storage.history.segments.tables import SampleTables
from ciaas.storage.history.writing import asides
from ciaas.storage.history.writing import journal as journals
from ciaas.storage.history.writing.coverage import Coverage
from ciaas.storage.history.writing.memory import Memory, remember
from ciaas.storage.history.writing.recording import Recorder
from ciaas.storage.history.writing.tidying import tidy


def open_history(
    path: Path | None,
    *,
    clock: Clock,
    memory_limit_mb: int = HISTORY_MEMORY_MB,
    threads: int = HISTORY_THREADS,
    bounds: Bounds | None = None,
) -> DuckHistory:
    """Open the store, making it when it is not there yet; close it at the end.

    Args:
        path: The DuckDB file; None keeps everything in memory and nothing after `close`.
        clock: Gives the time of each commit.
        memory_limit_mb: What DuckDB may use beside the memory of this process.
        threads: Worker threads of DuckDB.
        bounds: None means those of `ciaas.limits`.

    Raises:
        HistoryBusy: another process has the file.
        SchemaTooOld, SchemaTooNew: another version wrote it; `migrate` brings an older one up.
        NoHistory: it is something else, or damaged.
        DiskFull: there is no room to open it.
    """
    chosen = bounds or Bounds()
    database = Database(
        path, memory_limit_mb=memory_limit_mb, threads=threads, cursors=chosen.cursors
    )
    return DuckHistory(database, clock, chosen)


class DuckHistory:
    """`HistoryStore` on DuckDB. One thread writes at a time; any thread may read.

    A batch that stores no row uses no commit number: `record` then returns the last number with
    an empty frame, and so it does for an idempotency key that was answered already. The rows of a
    commit are ordered by point, time and revision, and `commits` gives them back just so.
    """

    def __init__(self, database: Database, clock: Clock, bounds: Bounds) -> None:
        self._database = database
        self._clock = clock
        self._bounds = bounds
        self._tables = SampleTables(database, bounds.segment_rows)
        self._sealer = Sealer(database, self._tables, bounds, self._tidy)
        self._writing = threading.Lock()
        self._watch = Watch()
        self._memory = Memory()
        self._veil: Veil | None = None
        try:
            self._load()
        except BaseException:
            database.close()
            raise
        self._sealer.start()

    def __enter__(self) -> DuckHistory:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Finish the step in hand, write the log back into the file, and let it go."""
        self._sealer.stop()
        with self._writing:
            self._database.close()
        self._watch.stop()

    # -- confidential values

    def cover(self, veil: Veil) -> None:
        """Pass every value through a veil from now on; what `sealed` gives lies beneath it."""
        self._veil = veil

    @property
    def sealed(self) -> SealedCommits:
        """The commits as they lie on the disk, for what stores them a second time."""
        return SealedCommits(self)

    # -- the stream's side

    def stored(self, stream: StreamId, sequences: Uint64s, received: Millis) -> NDArray[Any]:
        """Return a mask of the sequences that an earlier commit already covers.

        A sequence with a later time than any recorded of its stream is another message under a
        number that the broker gave again after a power loss: it is not covered.
        """
        return self._memory.coverage.get(stream, Coverage()).holds(sequences, received)

    def rewind(self, stream: StreamId, last_sequence: int) -> None:
        """Forget sequences above the last one the broker has; durable when it returns."""
        with self._writing:
            self._heal()
            self._recorder.rewind(stream, last_sequence)

    def position(self, stream: StreamId) -> int:
        """Return the highest sequence covered, 0 for an unknown stream."""
        return self._memory.coverage.get(stream, Coverage()).position

    def record(
        self,
        frame: Frame,
        intake: Intake | None = None,
        aside: Sequence[Aside] = (),
        receipt: Receipt | None = None,
        journal: Sequence[JournalLine] = (),
    ) -> Commit:
        """Store one batch in one transaction; returns after fsync.

        Raises:
            KeyReused: the receipt's key is known with another digest.
            DiskFull: nothing was stored; the same call succeeds once there is room.
            Interrupted: the database failed; the same call may be repeated.
        """
        with self._writing:
            self._heal()
            if self._veil is None:
                return self._recorder.record(frame, intake, aside, receipt, journal)
            sealed = self._veil.seal(frame)
            commit = self._recorder.record(sealed, intake, aside, receipt, journal)
            return replace(commit, frame=self._veil.open(commit.frame))

    def answered(self, receipt: Receipt) -> int | None:
        """Return the commit that already answered this key, None when it is new.

        Raises:
            KeyReused: the key is known with another digest.
        """
        return self._memory.answered(receipt)

    # -- the reader's side

    def commits(self, after: int) -> Iterator[Commit]:
        """Yield the commits above a number in order, each as `record` returned it."""
        found = self._sealed_commits(after)
        veil = self._veil
        if veil is None:
            return found
        return (replace(commit, frame=veil.open(commit.frame)) for commit in found)

    def _sealed_commits(self, after: int) -> Iterator[Commit]:
        self._heal_for_reading()
        return commits(self._tables, after, self._bounds.commits_page_rows)

    def commit_before(self, at_ms: int) -> int:
        """Return the newest commit recorded before a time (ms, UTC), 0 when there is none."""
        self._heal_for_reading()
        return commit_before(self._tables, at_ms)

    def last_commit(self) -> int:
        """Return the newest commit's number, 0 before the first."""
        return self._memory.last_commit

    def latest(self, points: Uint32s) -> Frame:
        """Return the newest observed sample of each point that has one, in the order asked."""
        found = self._memory.latest.frame(points)
        return found if self._veil is None else self._veil.open(found)

    def series(self, span: Span) -> Series:
        """Answer a span with the newest revision of each sample.

        Raises:
            AnswerTooLarge: the answer would have more than HISTORY_SERIES_ROWS_MAX rows.
            HistoryError: an unknown function or fill, an interval that is not positive, or figures
                of a confidential point.
        """
        if self._veil is not None and span.resample is not None:
            self._veil.refuse(span.points)
        self._heal_for_reading()
        with self._tables.reading() as (cursor, layout):
            found = series(cursor, layout, span, self._bounds.series_rows, self._kept)
        return found if self._veil is None else self._veil.open_series(found)

    def windows(self, question: Windows) -> Iterator[WindowsPart]:
        """Answer group after group, some at a time; nothing is held between two parts.

        Each part is a snapshot of its own.

        Raises:
            AnswerTooLarge: a group has too many samples for a measure that needs all at once.
            TooSlow: the time for it is over.
            HistoryError: there is no such function, the edges do not ascend, or a point is
                confidential.
        """
        if self._veil is not None:
            self._veil.refuse(question.points)
        self._heal_for_reading()
        return windows(self._tables, question, self._bounds, self._watch)

    def aside(
        self, endpoints: Sequence[str] | None, limit: int, before: int | None
    ) -> Sequence[tuple[int, Aside]]:
        """Return set-aside parts newest first with their number, those of given endpoints only.

        Raises:
            HistoryError: more than HISTORY_ASIDE_PAGE_MAX at once.
        """
        if limit > self._bounds.aside_page:
            raise HistoryError(f"at most {self._bounds.aside_page} parts at a time; ask in pages")
        self._heal_for_reading()
        with self._tables.reading() as (cursor, _):
            return asides.listed(cursor, endpoints, limit, before)

    def journal(
        self,
        endpoint: str,
        levels: Sequence[str],
        start: int | None,
        end: int | None,
        limit: int,
    ) -> Sequence[JournalLine]:
        """Return an endpoint's lines of these levels, newest first by the device's clock."""
        self._heal_for_reading()
        with self._tables.reading() as (cursor, _):
            return journals.listed(cursor, endpoint, levels, start, end, limit)

    def counts(self) -> Mapping[str, int]:
        """Return totals since the first start: samples, repeats, aside, aside_dropped, commits."""
        return self._memory.counts()

    def seal(self) -> None:
        """Do at once what the sealer would do in its time, and write the log into the file."""
        self._heal_for_reading()
        self._sealer.work()
        with self._writing:  # a tail that was filled while there was no other to go on to
            self._tables.layout.active(self._bounds.segment_rows)
        self._sealer.work()

    def copy(self, held: Callable[[], None]) -> Path:
        """Write all that is committed into a fresh file beside the store, and return its path.

        Commits go on but for the moment of ``held``; sealing waits for the end.

        Args:
            held: Called at the moment that the copy is of, while no commit can be made: what it
                copies of other stores belongs to exactly this history.

        Raises:
            Interrupted: the store is being healed; repeat the call.
            DiskFull: there is no room for the copy.
            HistoryError: it is in memory.
        """
        if self._database.copy_path is None:
            raise HistoryError("a history in memory is not copied")
        self._heal_for_reading()
        with self._sealer.turn:
            return write_copy(self._database, self._database.copy_path, self._holding(held))

    @contextmanager
    def _holding(self, held: Callable[[], None]) -> Iterator[None]:
        """Keep commits waiting for the block, and call what was handed over behind it."""
        # Whoever heals holds this lock and waits for the sealer's: one of both has to give way.
        if not self._writing.acquire(timeout=HISTORY_COPY_WAIT_S):
            raise Interrupted("history is held up; try again")
        try:
            yield
            held()
        finally:
            self._writing.release()

    # -- private pieces

    def _load(self) -> None:
        """Read everything that is kept in memory from the file."""
        self._tables.load()
        # Numbers of tables that a failed change has used may be given again.
        self._kept = PartialsKept(
            self._bounds.partials_bytes,
            self._bounds.partials_buckets,
            self._bounds.partials_samples,
        )
        with self._tables.reading() as (cursor, layout):
            self._memory = remember(cursor, layout, self._bounds.coverage_ranges)
        self._recorder = Recorder(
            self._tables, self._memory, self._sealer, self._clock, self._bounds
        )

    def _heal(self) -> None:
        """Open the database again after a fatal error; the caller holds the writer's lock."""
        if self._database.poisoned:
            with self._sealer.turn:
                self._database.reopen()
                self._load()
            self._sealer.wake()

    def _heal_for_reading(self) -> None:
        if self._database.poisoned:
            with self._writing:
                self._heal()

    def _tidy(self) -> None:
        tidy(self._tables, self._memory, self._clock, self._bounds)


class SealedCommits:
    """Commits of a history as they lie on the disk: `ciaas.computing.live.Commits`."""

    def __init__(self, history: DuckHistory) -> None:
        self._history = history

    def commits(self, after: int) -> Iterator[Commit]:
        """Yield the commits above a number in order."""
        return self._history._sealed_commits(after)

    def last_commit(self) -> int:
        """Return the newest commit's number."""
        return self._history.last_commit()

    def commit_before(self, at_ms: int) -> int:
        """Return the newest commit recorded before a time, 0 when there is none."""
        return self._history.commit_before(at_ms)

    def of(self, commit: Commit) -> Commit:
        """Return a commit that `record` or `commits` gave as it lies on the disk."""
        veil = self._history._veil
        if veil is None or not len(commit.frame):
            return commit
        if veil.keeps(commit.frame.point):
            return replace(commit, frame=veil.seal(commit.frame))
        return next(self.commits(commit.number - 1))
