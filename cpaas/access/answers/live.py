"""A live feed as its reader sees it: what happens in its order, and why the feed ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence

import msgspec

from ciaas.limits import FEED_EVENT_ROWS_MAX
from ciaas.management.events.feed import LiveFeeds, Place, Start
from ciaas.management.events.follower import Follower
from ciaas.management.events.hub import Recent
from ciaas.management.events.selection import Selection
from ciaas.management.events.tally import Tally
from ciaas.ports import HistoryError, RegistryError
from cpaas.access.answers.event_stream import array, event, position
from cpaas.access.answers.tails import Tail
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
        tally: Told what is sent.
        samples: False for a feed without samples.
        tails: What is sent beside them; begun already.
    """

    def __init__(
        self,
        feeds: LiveFeeds,
        selection: Selection,
        start: Start,
        *,
        every_s: float,
        prove: Callable[[], object],
        tally: Tally,
        samples: bool = True,
        tails: Sequence[Tail] = (),
    ) -> None:
        self._feeds, self._selection, self._start = feeds, selection, start
        self._every_s, self._prove, self._tally = every_s, prove, tally
        self._samples, self._tails = samples, tails
        self._follower = Follower(feeds.hub, start.after)
        self._more = False
        """True while a tail may have more to tell than it did."""
        self._wrote = time.monotonic()

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """Yield what is sent, until something ends the feed."""
        try:
            yield _RETRY + self._greeting()
            while (ending := self._ending()) is None:
                commits = await self._take()
                await self._selection.keep_current()
                block = await self._written(commits) + await self._told()
                if block:
                    self._wrote = time.monotonic()
                    yield block
                    await self._rest()
                elif time.monotonic() - self._wrote >= self._feeds.alive_s:
                    self._wrote = time.monotonic()
                    yield position(str(self._here()))
                self._tally.look()
            reason, detail = ending
            self._feeds.dropped[reason] += 1
            yield event("end", msgspec.json.encode({"reason": reason, "detail": detail}))
        finally:  # also when the reader has gone
            self._tally.look(last=True)

    def _here(self) -> Place:
        place = Place(self._follower.after)
        for tail in self._tails:
            place = tail.placed(place)
        return place

    def _greeting(self) -> bytes:
        """Return the first block: the position, and what is missing before it."""
        here = str(self._here())
        gaps: list[dict[str, object]] = []
        if self._start.gap:
            gaps.append(
                {
                    "reason": "not-kept",
                    "detail": "what was asked for is no longer kept for the live feed; ask "
                    "/history for what lies before",
                    "from": here,
                }
            )
        if kinds := [tail.kind for tail in self._tails if tail.missed]:
            gaps.append(
                {
                    "reason": "not-counted",
                    "detail": "the id that was given does not say how far you are with these, or "
                    "what lies behind it is no longer kept; look them up once, then follow",
                    "kinds": kinds,
                    "from": here,
                }
            )
        if not gaps:
            return position(here)
        return b"".join(event("gap", msgspec.json.encode(gap), here) for gap in gaps)

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
            return await self._follower.next(0.0 if self._more else LIVE_LOOK_S)
        except HistoryError:  # it is read again: the position has not moved
            await asyncio.sleep(LIVE_LOOK_S)
            return ()

    async def _told(self) -> bytes:
        """Return the events beside samples, empty when there are none for this reader."""
        events = []
        for tail in self._tails:  # one after the other: an id tells what was sent before it
            try:
                found = await tail.take()
            except RegistryError:  # it is read again: the position has not moved
                continue
            here = self._here()
            for told in found:
                events.append(event(tail.kind, told.data, str(tail.placed(here, told.mark))))
                self._tally.event(told.point)
        self._more = bool(events)
        return b"".join(events)

    async def _written(self, commits: Sequence[Recent]) -> bytes:
        if not self._samples:
            return b""
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
            self._tally.samples(commit.frame.point[rows])
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
                str(self._here()) if first == last else None,
            )
            for first in range(0, len(lines), FEED_EVENT_ROWS_MAX)
        )

    async def _rest(self) -> None:
        """Let samples gather until it is time for the next event."""
        while (left_s := self._wrote + self._every_s - time.monotonic()) > 0:
            await asyncio.sleep(min(left_s, LIVE_LOOK_S))
            if self._ending() is not None:
                return
