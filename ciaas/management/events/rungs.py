"""Rungs of commands in their order: the newest from memory, older ones from the store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from ciaas.kernel.downlink.ports import Reached
from ciaas.limits import RUNGS_PAGE


class RungStore(Protocol):
    """What is asked of the commands' store."""

    def last_rung(self) -> int:
        """Return the number of the newest rung, 0 when there is none."""
        ...

    def rungs(self, after: int, limit: int) -> Sequence[Reached]:
        """Return the next rungs after a number, in their order."""
        ...

    def rungs_kept(self, after: int) -> bool:
        """Tell whether every rung after a number is still kept."""
        ...


class Rungs:
    """What live feeds of commands follow, by the number of a rung; for one event loop.

    However many follow, a new rung is read from the store once.

    Args:
        store: Holds all of them.
        nudge: Wakes who follows.
    """

    def __init__(self, store: RungStore, nudge: Callable[[], None]) -> None:
        self._store, self._nudge = store, nudge
        self._recent: deque[Reached] = deque(maxlen=RUNGS_PAGE)
        self._newest = store.last_rung()
        self._behind = False
        self._turn = asyncio.Lock()

    def changed(self) -> None:
        """Take note that rungs were stored; from any thread, returns at once."""
        self._behind = True
        self._nudge()

    def newest(self) -> int:
        """Return the number of the newest rung; reads the store."""
        return self._store.last_rung()

    def kept(self, after: int) -> bool:
        """Tell whether every rung after a number is still kept; reads the store."""
        return self._store.rungs_kept(after)

    async def after(self, number: int) -> Sequence[Reached]:
        """Return the next rungs after a number, none when there are none yet.

        Raises:
            RegistryError: they could not be read; try again.
        """
        while self._behind:
            async with self._turn:
                await self._catch_up()
        if number >= self._newest:
            return ()
        recent = list(self._recent)
        if recent and recent[0].number <= number + 1:
            return [one for one in recent if one.number > number]
        return await asyncio.to_thread(self._store.rungs, number, RUNGS_PAGE)

    async def _catch_up(self) -> None:
        if not self._behind:
            return
        self._behind = False  # before reading: what comes meanwhile is read by the next round
        try:
            found = await asyncio.to_thread(self._store.rungs, self._newest, RUNGS_PAGE)
        except BaseException:
            self._behind = True
            raise
        if found:
            self._recent.extend(found)
            self._newest = found[-1].number
        if len(found) == RUNGS_PAGE:
            self._behind = True
