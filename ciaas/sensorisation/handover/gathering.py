"""Gathering: rows of many devices become frames in the spool, without any device waiting for it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress

import numpy as np

from ciaas.kernel.sample import DTYPES, Frame
from ciaas.limits import FRAME_ROWS_MAX, ROWS_WAITING_MAX
from ciaas.sensorisation.handover.spool import Gap, Spool, SpoolFailed
from ciaas.sensorisation.polling.points import Row, Stored

_log = logging.getLogger(__name__)
_GATHER_S = 0.2
"""Rows wait so long for company. What kill -9 of the process can lose is no more than this."""
_PROMPT_S = 0.02
"""Where somebody waits to hear that his rows are stored: a broker sends only so much ahead."""
_RETRY_S = 1.0


class Gathering:
    """Bounded rows in memory, written to the spool each fifth of a second."""

    def __init__(
        self,
        spool: Spool,
        stored: Callable[[], None],
        rows_max: int = ROWS_WAITING_MAX,
    ) -> None:
        """``stored`` is called after each frame that reached the spool."""
        self._spool, self._stored, self._rows_max = spool, stored, rows_max
        self.remembered: set[int] = set()
        """Sources of whose points the last value is kept over a restart."""
        self._rows: deque[Row] = deque()
        self._arrived = asyncio.Event()
        self._taken = 0
        """Rows taken since the start, whatever became of them."""
        self._settled = 0
        """Of these, how many are on disk or given up; they are dealt with in order."""
        self._given_up = 0
        """Dropped while a frame was on its way to the disk: they come after it."""
        self._storing = 0
        self._waiters: deque[tuple[int, Stored]] = deque()
        self._prompt = asyncio.Event()
        self._dropped: Gap | None = None
        self._failing = False

    @property
    def waiting(self) -> int:
        """Rows not yet on disk."""
        return len(self._rows)

    def deliver(self, rows: Sequence[Row], stored: Stored | None = None) -> None:
        """Take rows; never waits. Above the bound the oldest go, and the gap is recorded."""
        self._rows.extend(rows)
        self._taken += len(rows)
        if stored is not None:
            self._waiters.append((self._taken, stored))
            self._prompt.set()
        if (excess := len(self._rows) - self._rows_max) > 0:
            self._drop([self._rows.popleft() for _ in range(excess)], "disk refused")
            self._given_up += excess
            self._settle(0)
        self._arrived.set()

    async def run(self) -> None:
        """Move rows to the spool until cancelled."""
        while True:
            await self._arrived.wait()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._prompt.wait(), _GATHER_S)
                await asyncio.sleep(_PROMPT_S)
            self._arrived.clear()
            self._prompt.clear()
            try:
                await self.flush()
            except SpoolFailed as error:
                if not self._failing:
                    _log.error("readings wait in memory: %s", error)
                self._failing = True
                self._arrived.set()
                await asyncio.sleep(_RETRY_S)
            else:
                self._failing = False

    async def flush(self) -> None:
        """Store everything gathered so far; returns after fsync.

        Raises:
            SpoolFailed: the rows are kept.
        """
        if self._dropped is not None:
            await asyncio.to_thread(self._spool.record_gap, self._dropped)
            self._dropped = None
        while self._rows:
            rows = [self._rows.popleft() for _ in range(min(FRAME_ROWS_MAX, len(self._rows)))]
            frame = to_frame(rows)
            kept = self._kept(frame) if self.remembered else None
            storing = asyncio.ensure_future(asyncio.to_thread(self._spool.append, frame, kept))
            self._storing = len(rows)
            try:
                # a thread cannot be cancelled: wait for its outcome, or rows would be stored twice
                await asyncio.shield(storing)
            except asyncio.CancelledError:
                if isinstance((await asyncio.wait([storing]))[0].pop().exception(), SpoolFailed):
                    self._rows.extendleft(reversed(rows))
                else:
                    self._storing = 0
                    self._settle(len(rows))
                raise
            except SpoolFailed:
                self._rows.extendleft(reversed(rows))
                raise
            finally:
                self._storing = 0
            self._settle(len(rows))
            self._stored()

    def _kept(self, frame: Frame) -> Frame:
        return frame.select(np.isin(frame.source, list(self.remembered)))

    def lost(self, samples: int, first: int, last: int) -> None:
        """Record readings that were dropped before they became rows."""
        self._widen(samples, first, last, "device too fast")
        self._arrived.set()

    def _settle(self, rows: int) -> None:
        """Tell those whose rows are all dealt with."""
        self._settled += rows
        if not self._storing:
            self._settled += self._given_up
            self._given_up = 0
        while self._waiters and self._waiters[0][0] <= self._settled:
            self._waiters.popleft()[1]()

    def _drop(self, rows: Sequence[Row], reason: str) -> None:
        observed = [row.observed for row in rows]
        self._widen(len(rows), min(observed), max(observed), reason)

    def _widen(self, samples: int, first: int, last: int, reason: str) -> None:
        if self._dropped is not None:
            samples += self._dropped.samples
            first, last = min(first, self._dropped.first), max(last, self._dropped.last)
        self._dropped = Gap(samples, first, last, reason)


def to_frame(rows: Sequence[Row]) -> Frame:
    """Return rows as columns. ``received`` is the time of observation until the stream sets it."""
    point, observed, values, source = zip(*rows, strict=True)
    kind, num, txt, verdict, reason, raw = zip(*values, strict=True)
    columns: dict[str, Sequence[object]] = {
        "point": point,
        "observed": observed,
        "received": observed,
        "kind": kind,
        "num": num,
        "txt": txt,
        "verdict": verdict,
        "reason": reason,
        "raw": raw,
        "source": source,
    }
    made = {name: np.array(column, DTYPES[name]) for name, column in columns.items()}
    return Frame(**made, revision=np.zeros(len(rows), DTYPES["revision"]))
