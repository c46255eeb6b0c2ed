"""One commit: the main flow of writing."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from string import Template
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from ciaas.kernel.sample import Frame
from ciaas.limits import HISTORY_RECEIPT_KEY_CHARS_MAX as RECEIPT_KEY_CHARS_MAX
from ciaas.limits import HISTORY_TIME_MS_MAX
from ciaas.ports import Aside, Clock, Commit, HistoryError, Intake, JournalLine, Receipt, StreamId
from ciaas.storage.history.bounds import Bounds
from ciaas.storage.history.columns import to_arrow
from ciaas.storage.history.database import Cursor
from ciaas.storage.history.segments.layout import Tail
from ciaas.storage.history.segments.sealing import Sealer
from ciaas.storage.history.segments.tables import SampleTables
from ciaas.storage.history.writing import asides, ingested, journal
from ciaas.storage.history.writing.coverage import Coverage, Range, runs
from ciaas.storage.history.writing.memory import Answer, Memory
from ciaas.storage.history.writing.repeats import Sifted, sift

_COMMIT = Template('INSERT INTO "commit" VALUES ($number, make_timestamp_ms($now), $rows, $twice)')
"""Numbers in the text: binding them takes longer than reading them."""
_RECEIPT = "INSERT INTO receipt VALUES (?, ?, ?, make_timestamp_ms(?))"


class _Covered(NamedTuple):
    """What a batch adds to the coverage of its stream."""

    stream: StreamId
    before: Coverage
    after: Coverage
    ranges: Sequence[Range]
    newest: int
    clipped: bool
    """The broker counts anew: what lay above was taken out first."""


class Recorder:
    """The one writer. Its calls are serialised by the store."""

    def __init__(
        self, tables: SampleTables, memory: Memory, sealer: Sealer, clock: Clock, bounds: Bounds
    ) -> None:
        self._tables = tables
        self._memory = memory
        self._sealer = sealer
        self._clock = clock
        self._bounds = bounds
        self._since_tidy = 0
        self._aside_bytes = 0

    def record(
        self,
        frame: Frame,
        intake: Intake | None,
        aside: Sequence[Aside],
        receipt: Receipt | None,
        lines: Sequence[JournalLine],
    ) -> Commit:
        """Store one batch in one transaction; returns after fsync. See `HistoryStore.record`."""
        memory = self._memory
        now = self._clock.now_ms()
        self._check(frame, receipt)
        if receipt is not None and (answered := memory.answered(receipt)) is not None:
            return Commit(answered, Frame.empty(), 0, now)
        covered = self._cover(intake)
        tail = self._tables.layout.active(self._bounds.segment_rows)
        sifted = self._write(frame, covered, aside, receipt, lines, tail, now)
        self._keep(sifted, covered, aside, receipt, now)
        self._call_sealer(tail, sifted.fresh, aside)
        return Commit(memory.last_commit, sifted.fresh, sifted.repeats, now)

    def rewind(self, stream: StreamId, last_sequence: int) -> None:
        """See `HistoryStore.rewind`."""
        before = self._memory.coverage.get(stream, Coverage())
        if before.position <= last_sequence:
            return
        after = before.clip(last_sequence)
        with self._sealer.turn, self._tables.writing() as (cursor, _):
            ingested.replace(cursor, stream, after)
        self._memory.coverage[stream] = after

    # -- pieces of `record`, in their order

    def _check(self, frame: Frame, receipt: Receipt | None) -> None:
        if len(frame) and int(frame.point.max()) > self._bounds.point_id:
            raise HistoryError(
                f"point {int(frame.point.max())} is above the highest id that history takes, "
                f"{self._bounds.point_id}: raise HISTORY_POINT_ID_MAX"
            )
        if len(frame) and int(np.abs(frame.observed).max()) > HISTORY_TIME_MS_MAX:
            raise HistoryError(
                f"a sample was observed more than {HISTORY_TIME_MS_MAX} ms away from 1970: set it "
                "aside instead"
            )
        if receipt is not None and len(receipt.key) > RECEIPT_KEY_CHARS_MAX:
            raise HistoryError(f"an idempotency key has at most {RECEIPT_KEY_CHARS_MAX} characters")

    def _cover(self, intake: Intake | None) -> _Covered | None:
        if intake is None or not len(intake.sequences):
            return None
        before = self._memory.coverage.get(intake.stream, Coverage())
        reused = before.reused(intake.sequences, intake.received)
        kept = before if reused is None else before.clip(reused - 1)
        ranges = runs(intake.sequences)
        newest = int(intake.received.max())
        after = kept.add(ranges, newest, self._bounds.coverage_ranges)
        return _Covered(intake.stream, kept, after, ranges, newest, reused is not None)

    def _write(
        self,
        frame: Frame,
        covered: _Covered | None,
        aside: Sequence[Aside],
        receipt: Receipt | None,
        lines: Sequence[JournalLine],
        tail: Tail,
        now: int,
    ) -> Sifted:
        """Do all of it in the database: it is durable when this returns."""
        memory = self._memory
        rows = 0
        # Deleting ranges may not cross the sealer's doing the same; anything else only inserts.
        turn = self._sealer.turn if covered is not None and covered.clipped else nullcontext()
        try:
            with turn, self._tables.writing() as (cursor, layout):
                sifted = sift(frame, memory.latest, cursor, layout, self._bounds.revision)
                rows = len(sifted.fresh)
                number = memory.last_commit + bool(rows)
                if rows:
                    tail.widen(sifted.fresh)
                    _insert_samples(cursor, tail.number, number, sifted.fresh)
                    cursor.execute(
                        _COMMIT.substitute(number=number, now=now, rows=rows, twice=sifted.repeats)
                    )
                elif sifted.repeats:
                    cursor.execute("INSERT INTO tally VALUES ('repeats', ?)", [sifted.repeats])
                if covered is not None:
                    if covered.clipped:
                        ingested.replace(cursor, covered.stream, covered.before)
                    ingested.append(cursor, covered.stream, covered.ranges, covered.newest)
                if aside:
                    asides.append(cursor, memory.aside + 1, aside)
                if lines:
                    journal.append(cursor, lines)
                if receipt is not None:
                    cursor.execute(_RECEIPT, [receipt.key, receipt.digest, number, now])
        except BaseException:
            tail.rows -= rows
            raise
        return sifted

    def _keep(
        self,
        sifted: Sifted,
        covered: _Covered | None,
        aside: Sequence[Aside],
        receipt: Receipt | None,
        now: int,
    ) -> None:
        """Take what is now stored into memory."""
        memory = self._memory
        memory.latest.update(sifted.fresh)
        memory.samples += len(sifted.fresh)
        memory.repeats += sifted.repeats
        memory.aside += len(aside)
        if len(sifted.fresh):
            memory.last_commit += 1
        if covered is not None:
            memory.coverage[covered.stream] = covered.after
        if receipt is not None:
            memory.answers[receipt.key] = Answer(receipt.digest, memory.last_commit, now)

    def _call_sealer(self, tail: Tail, fresh: Frame, aside: Sequence[Aside]) -> None:
        """Wake the sealer when a tail was begun or filled, or much has gathered since it tidied up.

        A tail is left as soon as it is full: until it is sealed, every question reads all of it.
        """
        self._tables.layout.active(self._bounds.segment_rows)
        self._since_tidy += 1
        self._aside_bytes += sum(len(part.payload) for part in aside)
        begun = 0 < len(fresh) == tail.rows
        if (
            begun
            or tail.left
            or self._since_tidy >= self._bounds.tidy_commits
            or self._aside_bytes >= self._bounds.aside_bytes // 4
        ):
            self._since_tidy = self._aside_bytes = 0
            self._sealer.wake()


def _insert_samples(cursor: Cursor, tail: int, number: int, frame: Frame) -> None:
    numbers = pa.array(np.full(len(frame), number, np.uint64))
    rows = to_arrow(frame).append_column("commit", numbers)
    cursor.from_arrow(rows).insert_into(f"sample_{tail}")  # half of what a registered view costs
