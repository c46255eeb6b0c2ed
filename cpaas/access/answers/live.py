"""A live feed as its reader sees it: samples and alarms in their order, and why it ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Callable, Sequence

import msgspec

from ciaas.limits import FEED_EVENT_ROWS_MAX
from ciaas.management.alarms.document import step_document
from ciaas.management.alarms.steps import Steps
from ciaas.management.events.feed import LiveFeeds, Place, Start
from ciaas.management.events.follower import Follower
from ciaas.management.events.hub import Recent
from ciaas.management.events.selection import Selection
from ciaas.ports import HistoryError, RegistryError
from cpaas.access.answers.event_stream import array, event, position
from cpaas.limits import LIVE_LOOK_S, LIVE_LOOP_ROWS_MAX
from security.aaa.errors import NotAuthenticated

_RETRY = b"retry: 2000\n\n"


class AlarmTail:
    """The alarms of a live feed: the steps of those whose point is in its selection."""

    def __init__(
        self, steps: Steps, selection: Selection, after: int | None, address: Callable[[int], str]
    ) -> None:
        self._steps, self._selection, self._address = steps, selection, address
        newest = steps.newest
        self.after = newest if after is None else min(after, newest)
        """Number of the last step that was taken."""

    async def take(self) -> Sequence[tuple[int, bytes]]:
        """Return the next steps for this reader, each with its number."""
        steps = await self._steps.after(self.after)
        found = []
        for step in steps:
            self.after = step.number
            if self._selection.has(step.alarm.point):
                document = step_document(step, self._address(step.alarm.point))
                found.append((step.number, msgspec.json.encode(document)))
        return found


class LiveStream:
    """One reader of the live feed.

    Args:
        feeds: Whose commits it follows.
        selection: Which rows it gets.
        start: Where it begins.
        every_s: Least time between two events with samples; 0 sends each commit at once.
        prove: Raises NotAuthenticated as soon as the reader's token counts no more.
        samples: False for a feed of alarms alone.
        alarms: None for a feed without alarms.
    """

    def __init__(
        self,
        feeds: LiveFeeds,
        selection: Selection,
        start: Start,
        *,
        every_s: float,
        prove: Callable[[], object],
        samples: bool = True,
        alarms: AlarmTail | None = None,
    ) -> None:
        self._feeds, self._selection, self._start = feeds, selection, start
        self._every_s, self._prove = every_s, prove
        self._samples, self._alarms = samples, alarms
        self._follower = Follower(feeds.hub, start.after)
        self._wrote = time.monotonic()

    async def blocks(self) -> AsyncGenerator[bytes, None]:
        """Yield what is sent, until something ends the feed."""
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
                yield position(self._here())
        reason, detail = ending
        self._feeds.dropped[reason] += 1
        yield event("end", msgspec.json.encode({"reason": reason, "detail": detail}))

    def _here(self) -> str:
        step = None if self._alarms is None else self._alarms.after
        return str(Place(self._follower.after, step))

    def _greeting(self) -> bytes:
        """Return the first block: the position, and that commits are missing where they are."""
        if not self._start.gap:
            return position(self._here())
        missing = {
            "reason": "not-kept",
            "detail": "what was asked for is no longer kept for the live feed; ask /history for "
            "what lies before",
            "from": self._here(),
        }
        return event("gap", msgspec.json.encode(missing), self._here())

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

    async def _told(self) -> bytes:
        """Return the events of alarms, empty when there are none for this reader."""
        if self._alarms is None:
            return b""
        try:
            steps = await self._alarms.take()
        except RegistryError:  # as above
            return b""
        at = self._follower.after
        return b"".join(event("alarm", data, str(Place(at, number))) for number, data in steps)

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
                self._here() if first == last else None,
            )
            for first in range(0, len(lines), FEED_EVENT_ROWS_MAX)
        )

    async def _rest(self) -> None:
        """Let samples gather until it is time for the next event."""
        while (left_s := self._wrote + self._every_s - time.monotonic()) > 0:
            await asyncio.sleep(min(left_s, LIVE_LOOK_S))
            if self._ending() is not None:
                return
