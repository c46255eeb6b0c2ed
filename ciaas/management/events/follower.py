"""Commits in order from any number on: from memory where they are new, else from history."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from ciaas.limits import CATCH_UP_AT_ONCE, CATCH_UP_COMMITS, CATCH_UP_ROWS, HUB_TAKE_COMMITS
from ciaas.management.events.hub import Hub, Recent

_reading = threading.BoundedSemaphore(CATCH_UP_AT_ONCE)
"""Whoever is far behind reads history; all of them together leave it to the queries of people."""


class Follower:
    """One position in the sequence of commits. For one thread, or for coroutines of one loop."""

    def __init__(self, hub: Hub, after: int) -> None:
        self._hub = hub
        self.after = after
        """Number of the last commit that was taken."""
        self.live = False
        """True once it stands where the next commit is in memory."""

    @property
    def lost(self) -> bool:
        """True when what comes next was in memory when it came, and is no more: it was too slow."""
        return (
            self.live
            and self._hub.after(self.after) is None
            and self._hub.newest() - self.after > HUB_TAKE_COMMITS
        )

    async def next(self, wait_s: float) -> Sequence[Recent]:
        """Return the next commits, none when none came within the time.

        Raises:
            HistoryError: they could not be read; try again.
        """
        found = self._hub.after(self.after)
        if found is not None and not found:
            await self._hub.sleep(self.after, wait_s)
            found = self._hub.after(self.after)
        if found is None:
            found = await asyncio.to_thread(self._from_history)
        elif not found and self._unannounced():
            found = await asyncio.to_thread(self._from_history)
        return self._taken(found)

    def next_blocking(self, wait_s: float) -> Sequence[Recent]:
        """Return as `next`, for a thread."""
        found = self._hub.after(self.after)
        if found is not None and not found:
            self._hub.wait(self.after, wait_s)
            found = self._hub.after(self.after)
        if found is None or (not found and self._unannounced()):
            found = self._from_history()
        return self._taken(found)

    def _taken(self, found: Sequence[Recent]) -> Sequence[Recent]:
        if found:
            self.after = found[-1].number
        self.live = self._hub.after(self.after) is not None
        return found

    def _unannounced(self) -> bool:
        """Tell whether a commit was recorded and its announcement was lost on the way."""
        return self._hub.history.last_commit() > self.after

    def _from_history(self) -> Sequence[Recent]:
        found: list[Recent] = []
        rows = 0
        with _reading:
            for commit in self._hub.history.commits(self.after):
                found.append(Recent(commit, self._hub.write))
                rows += len(commit.frame)
                if rows >= CATCH_UP_ROWS or len(found) >= CATCH_UP_COMMITS:
                    break
        return found
