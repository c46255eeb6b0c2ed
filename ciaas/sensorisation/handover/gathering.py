"""Gathering: rows of many devices become frames in the spool, without any device waiting for it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Sequence

import numpy as np

from ciaas.kernel.sample import DTYPES, Frame
from ciaas.limits import FRAME_ROWS_MAX, ROWS_WAITING_MAX
from ciaas.sensorisation.handover.spool import Gap, Spool, SpoolFailed
from ciaas.sensorisation.polling.points import Row

_log = logging.getLogger(__name__)
_GATHER_S = 0.2
"""Rows wait so long for company. What kill -9 of the process can lose is no more than this."""
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
        self._rows: deque[Row] = deque()
        self._arrived = asyncio.Event()
        self._dropped: Gap | None = None
        self._failing = False

    @property
    def waiting(self) -> int:
        """Rows not yet on disk."""
        return len(self._rows)

    def deliver(self, rows: Sequence[Row]) -> None:
        """Take rows; never waits. Above the bound the oldest go, and the gap is recorded."""
        self._rows.extend(rows)
        if (excess := len(self._rows) - self._rows_max) > 0:
            self._drop([self._rows.popleft() for _ in range(excess)])
        self._arrived.set()

    async def run(self) -> None:
        """Move rows to the spool until cancelled."""
        while True:
            await self._arrived.wait()
            await asyncio.sleep(_GATHER_S)
            self._arrived.clear()
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
            storing = asyncio.ensure_future(asyncio.to_thread(self._spool.append, to_frame(rows)))
            try:
                # a thread cannot be cancelled: wait for its outcome, or rows would be stored twice
                await asyncio.shield(storing)
            except asyncio.CancelledError:
                if isinstance((await asyncio.wait([storing]))[0].pop().exception(), SpoolFailed):
                    self._rows.extendleft(reversed(rows))
                raise
            except SpoolFailed:
                self._rows.extendleft(reversed(rows))
                raise
            self._stored()

    def _drop(self, rows: Sequence[Row]) -> None:
        observed = [row.observed for row in rows]
        samples, first, last = len(rows), min(observed), max(observed)
        if self._dropped is not None:
            samples += self._dropped.samples
            first, last = min(first, self._dropped.first), max(last, self._dropped.last)
        self._dropped = Gap(samples, first, last, "disk refused")


def to_frame(rows: Sequence[Row]) -> Frame:
    """Return rows as columns. ``received`` is the time of observation until the stream sets it."""
    values = [row.value for row in rows]
    observed = [row.observed for row in rows]
    columns: dict[str, Iterable[object]] = {
        "point": [row.point for row in rows],
        "observed": observed,
        "received": observed,
        "kind": [value.kind for value in values],
        "num": [value.num for value in values],
        "txt": [value.txt for value in values],
        "verdict": [value.verdict for value in values],
        "reason": [value.reason for value in values],
        "raw": [value.raw for value in values],
        "source": [row.source for row in rows],
        "revision": [0] * len(rows),
    }
    return Frame(**{name: np.array(column, DTYPES[name]) for name, column in columns.items()})
