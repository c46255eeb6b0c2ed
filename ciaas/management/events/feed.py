"""Live feeds of people and apps: how many, from where each goes on, and when one is let go."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from typing import NamedTuple

from ciaas.limits import FEED_ALIVE_S, FEED_STALL_S, FEEDS_MAX, FEEDS_PER_USER_MAX
from ciaas.management.events.hub import Hub
from ciaas.ports import Clock

SHARD = 0


class FeedsFull(Exception):
    """No further feed is served now; the message says whether others or the own ones fill it."""


class Start(NamedTuple):
    """Where a feed begins."""

    after: int
    gap: bool
    """True when what was asked for is no longer kept, so that commits are missing before."""


class LiveFeeds:
    """Admission of live feeds, for one event loop.

    Args:
        hub: What they follow.
        kept_s: How far back a feed may be resumed.
        clock: Tells how old commits are.
        stall_s: How long a connection may take nothing before it is cut.
        alive_s: After so long without an event a reader gets a sign of life.
    """

    def __init__(
        self,
        hub: Hub,
        kept_s: float,
        clock: Clock,
        *,
        stall_s: float = FEED_STALL_S,
        alive_s: float = FEED_ALIVE_S,
        feeds_max: int = FEEDS_MAX,
        per_user_max: int = FEEDS_PER_USER_MAX,
    ) -> None:
        self.hub, self.stall_s, self.alive_s = hub, stall_s, alive_s
        self._kept_ms, self._clock = round(kept_s * 1000), clock
        self._feeds_max, self._per_user_max = feeds_max, per_user_max
        self._open: Counter[int] = Counter()
        self.dropped: Counter[str] = Counter()
        """Feeds that were ended by us, by reason."""

    def admit(self, user: int) -> Callable[[], None]:
        """Count a feed of a user as open, until what is returned is called.

        Raises:
            FeedsFull: a bound is reached.
        """
        if self._open[user] >= self._per_user_max:
            raise FeedsFull(
                f"you have {self._per_user_max} live feeds open already; close one, or let one "
                "feed serve several pages"
            )
        if self._open.total() >= self._feeds_max:
            raise FeedsFull(f"{self._feeds_max} live feeds are open already; try again later")
        self._open[user] += 1

        def leave() -> None:
            self._open[user] -= 1
            if not self._open[user]:
                del self._open[user]

        return leave

    def cut_off(self) -> None:
        """Note that a reader was cut off since it took nothing."""
        self.dropped["stalled"] += 1

    @property
    def open(self) -> int:
        """Feeds open now."""
        return self._open.total()

    def start(self, asked: int | None) -> Start:
        """Return where a feed begins that has everything up to a commit; reads history.

        None begins with what comes next.
        """
        newest = self.hub.newest()
        if asked is None:
            return Start(newest, False)
        if asked > newest:  # of another history, such as one before a restore
            return Start(newest, True)
        oldest = self.hub.history.commit_before(self._clock.now_ms() - self._kept_ms)
        return Start(max(asked, oldest), asked < oldest)


class Place(NamedTuple):
    """What an event id says: how far its reader has come. None for what its feed does not have."""

    commit: int
    step: int | None = None
    """Of alarms."""
    rung: int | None = None
    """Of commands."""
    change: str | None = None
    """Position among the changes of metadata."""

    def __str__(self) -> str:
        """Return the id: ``shard:commit[:step][:c<rung>][:m<change>]``."""
        parts = [str(SHARD), str(self.commit)]
        parts += [] if self.step is None else [str(self.step)]
        parts += [] if self.rung is None else [f"c{self.rung}"]
        parts += [] if self.change is None else [f"m{self.change}"]
        return ":".join(parts)

    @staticmethod
    def parse(text: str) -> Place:
        """Read an id.

        Raises:
            ValueError: it is none of ours.
        """
        match = _ID.fullmatch(text)
        if match is None:
            raise ValueError(
                f"{text!r:.40} is no event id; send the last one you got, such as {SHARD}:1234"
            )
        commit, step, rung, change = match.groups()
        return Place(
            int(commit),
            None if step is None else int(step),
            None if rung is None else int(rung),
            change,
        )


_NUMBER = r"\d{1,18}"
_ID = re.compile(
    rf"{SHARD}:({_NUMBER})(?::({_NUMBER}))?(?::c({_NUMBER}))?"
    r"(?::m(\d{1,15}(?:\.[0-3]\.\d{1,15})?))?",
    re.ASCII,
)
