"""Turns at something costly: few at a time, some waiting, the rest turned away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from anyio import CapacityLimiter, to_thread

from cpaas.limits import QUERIES_AT_ONCE, QUERIES_WAITING_MAX, QUERY_WAIT_S_MAX
from cpaas.processing.errors import Crowded

_Result = TypeVar("_Result")


class Turns:
    """Runs work in threads of its own, so that other requests keep theirs; for one event loop.

    Args:
        at_once: Pieces of work under way.
        waiting_max: Pieces waiting for a turn.
        wait_s: How long one waits.
    """

    def __init__(
        self,
        at_once: int = QUERIES_AT_ONCE,
        waiting_max: int = QUERIES_WAITING_MAX,
        wait_s: float = QUERY_WAIT_S_MAX,
    ):
        self._turn = asyncio.Semaphore(at_once)
        self._threads = CapacityLimiter(at_once)
        self._waiting, self._waiting_max, self._wait_s = 0, waiting_max, wait_s

    async def run(self, work: Callable[[], _Result]) -> _Result:
        """Return what a piece of work returns.

        Raises:
            Crowded: too many wait already, or its turn did not come in time.
        """
        async with self.turn():
            return await to_thread.run_sync(work, limiter=self._threads)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold a turn for the length of a block.

        Raises:
            Crowded: as `run`.
        """
        await self._wait()
        try:
            yield
        finally:
            self._turn.release()

    async def _wait(self) -> None:
        if self._waiting >= self._waiting_max:
            raise Crowded("too many of these requests are waiting; try again in a moment")
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_s):
                await self._turn.acquire()
        except TimeoutError:
            raise Crowded(
                "other requests of this kind take all the time there is; try again"
            ) from None
        finally:
            self._waiting -= 1
