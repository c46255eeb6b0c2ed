"""Sending: frames leave the spool for the stream, in order, one after the other."""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress

from ciaas.limits import SPOOL_PAGE_FRAMES
from ciaas.sensorisation.handover.spool import Spool, SpoolFailed
from ciaas.sensorisation.polling.backoff import Backoff
from ciaas.sensorisation.ports import Outlet, OutletFull, OutletUnavailable

_log = logging.getLogger(__name__)
_TIDY_S = 2.0
"""Without a new frame for so long, what was handed over leaves the disk by a write of its own."""


class Sending:
    """Publishes until cancelled; a lost stream makes it wait, and nothing else."""

    def __init__(self, spool: Spool, outlet: Outlet, backoff: Backoff) -> None:
        self._spool, self._outlet, self._backoff = spool, outlet, backoff
        self._stored = asyncio.Event()
        self._stored.set()
        self._resting = asyncio.Event()
        self.samples = 0
        """Handed over since the start."""
        self.last_error = ""
        """Why the stream takes nothing now; empty while it does."""

    def wake(self) -> None:
        """Say that a frame reached the spool."""
        self._stored.set()

    async def rest(self) -> None:
        """Return when nothing waits any more, or the stream takes nothing now."""
        if not self.last_error:
            self._resting.clear()
            self._stored.set()
            await self._resting.wait()

    async def run(self) -> None:
        """Hand over whatever waits, in order, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_TIDY_S):
                    await self._stored.wait()
            except TimeoutError:
                await self._tidy()
                continue
            self._stored.clear()
            try:
                while await self._page():
                    pass
            except (OutletUnavailable, OutletFull, SpoolFailed) as error:
                await self._pause(str(error) or type(error).__name__)
            # a bug of the outlet must not end the handing over: the frames stay in the spool
            except Exception as bug:
                _log.exception("bug in the outlet")
                await self._pause(f"bug: {bug!r}")
            else:
                if self._backoff.succeeded():
                    _log.info("handing over again")
                self.last_error = ""
                if not self._stored.is_set():
                    self._resting.set()

    async def _page(self) -> bool:
        """Hand over one page; False when no more waited when it was read."""
        waiting = self._spool.at_hand()
        if waiting is None:
            waiting = await asyncio.to_thread(self._spool.waiting)
        done = 0
        try:
            for sequence, samples, body in waiting:
                await self._outlet.send(body, f"field:{self._spool.source}:{sequence}")
                done = sequence
                self.samples += samples
        finally:
            self._spool.handed_over(done)
        return len(waiting) == SPOOL_PAGE_FRAMES

    async def _tidy(self) -> None:
        """Let what was handed over leave the disk, when no new frame has taken it along."""
        with suppress(SpoolFailed):  # it stays there until a frame can be written
            await asyncio.shield(asyncio.to_thread(self._spool.tidy))

    async def _pause(self, reason: str) -> None:
        if not self.last_error:
            _log.warning("samples wait in the spool: %s", reason)
        self.last_error = reason
        self._stored.set()
        self._resting.set()
        await asyncio.sleep(self._backoff.failed())
