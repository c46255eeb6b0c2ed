"""A live feed as its reader sees it: samples in the order of commits, and why it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence

import msgspec

from ciaas.limits import FEED_EVENT_ROWS_MAX
from ciaas.management.events.feed import LiveFeeds, Start, event_id
from ciaas.management.events.follower import Follower
from ciaas.management.events.hub import Recent
from ciaas.management.events.selection import Selection
from ciaas.ports import HistoryError
from cpaas.access.answers.event_stream import array, event, position
from cpaas.limits import LIVE_LOOK_S, LIVE_LOOP_ROWS_MAX
from security.aaa.errors import NotAuthenticated

_RETRY = b"retry: 2000\n\n"


class LiveStream:
    """One reader of the live feed.

    Args:
        feeds: Whose commits it follows.
        selection: Which rows it gets.
        start: Where it begins.
        every_s: Least time between two events with samples; 0 sends each commit at once.
        prove: Raises NotAuthenticated as soon as the reader's token counts no more.
    """

    def __init__(
        self,
        feeds: LiveFeeds,
        selection: Selection,
        start: Start,
        every_s: float,
        prove: Callable[[], object],
    ) -> None:
        self._feeds, self._selection, self._start = feeds, selection, start
        self._every_s, self._prove = every_s, prove
        self._follower = Follower(feeds.hub, start.after)
        self._wrote = time.monotonic()

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """Yield what is sent, until something ends the feed."""
        yield _RETRY + self._greeting()
        while (ending := self._ending()) is None:
            commits = await self._take()
            await self._selection.keep_current()
            if block := await self._written(commits):
                self._wrote = time.monotonic()
                yield block
                await self._rest()
            elif time.monotonic() - self._wrote >= self._feeds.alive_s:
                self._wrote = time.monotonic()
                yield position(event_id(self._follower.after))
        reason, detail = ending
        self._feeds.dropped[reason] += 1
        yield event("end", msgspec.json.encode({"reason": reason, "detail": detail}))

    def _greeting(self) -> bytes:
        """Return the first block: the position, and that commits are missing where they are."""
        here = event_id(self._start.after)
        if not self._start.gap:
            return position(here)
        missing = {
            "reason": "not-kept",
            "detail": "what was asked for is no longer kept for the live feed; ask /history for "
            "what lies before",
            "from": here,
        }
        return event("gap", msgspec.json.encode(missing), here)

    def _ending(self) -> tuple[str, str] | None:
        """Return why the feed ends now, None while it goes on."""
        if self._feeds.hub.closed:
            return "stopping", "the platform is stopping; connect again in a moment"
        if self._follower.lost:
            return "slow", (
                "you read more slowly than samples come; connect again from the last id with a "
                "narrower filter, or with every="
            )
        try:
            self._prove()
        except NotAuthenticated as error:
            return "token", str(error)
        return None

    async def _take(self) -> Sequence[Recent]:
        try:
            return await self._follower.next(LIVE_LOOK_S)
        except HistoryError:  # it is read again: the position has not moved
            await asyncio.sleep(LIVE_LOOK_S)
            return ()

    async def _written(self, commits: Sequence[Recent]) -> bytes:
        if sum(len(commit.frame) for commit in commits) <= LIVE_LOOP_ROWS_MAX:
            return self._block(commits)
        return await asyncio.to_thread(self._block, commits)

    def _block(self, commits: Sequence[Recent]) -> bytes:
        """Return the events of some commits, empty when no row is for this reader.

        Only the last event of a commit carries its id: a feed that is resumed in the middle of a
        large commit gets all of it again.
        """
        lines: list[bytes] = []
        for commit in commits:
            rows = self._selection.rows(commit.frame)
            if len(rows) == len(commit.frame):
                lines += commit.lines
            else:
                lines += map(commit.lines.__getitem__, rows.tolist())
        if not lines:
            return b""
        last = (len(lines) - 1) // FEED_EVENT_ROWS_MAX * FEED_EVENT_ROWS_MAX
        return b"".join(
            event(
                "samples",
                array(lines[first : first + FEED_EVENT_ROWS_MAX]),
                event_id(commits[-1].number) if first == last else None,
            )
            for first in range(0, len(lines), FEED_EVENT_ROWS_MAX)
        )

    async def _rest(self) -> None:
        """Let samples gather until it is time for the next event."""
        while (left_s := self._wrote + self._every_s - time.monotonic()) > 0:
            await asyncio.sleep(min(left_s, LIVE_LOOK_S))
            if self._ending() is not None:
                return
