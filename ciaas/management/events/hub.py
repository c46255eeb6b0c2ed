"""The newest commits in memory, for all who follow them in this process."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from itertools import islice
from typing import Protocol

from ciaas.kernel.sample import Frame
from ciaas.limits import HUB_BYTES_MAX, HUB_COMMITS_MAX, HUB_TAKE_COMMITS
from ciaas.ports import Commit

_ROW_BYTES = 96
"""Of the columns of a row, without its texts."""


class Commits(Protocol):
    """What the hub needs of history."""

    def commits(self, after: int) -> Iterator[Commit]:
        """Yield the commits above a number in order."""
        ...

    def last_commit(self) -> int:
        """Return the newest commit's number, from memory."""
        ...

    def commit_before(self, at_ms: int) -> int:
        """Return the newest commit recorded before a time, 0 when there is none."""
        ...


class Recent:
    """One commit and what its followers share: its rows are written as JSON once."""

    def __init__(self, commit: Commit, write: Callable[[Frame], Sequence[bytes]]) -> None:
        self.commit, self.number, self.frame = commit, commit.number, commit.frame
        self.recorded_at = commit.recorded_at
        self._write = write

    @cached_property
    def lines(self) -> Sequence[bytes]:
        """Each row as a JSON object."""
        return self._write(self.frame)

    @cached_property
    def whole(self) -> bytes:
        """All rows, joined by commas."""
        return b",".join(self.lines)


class Hub:
    """Keeps the newest commits, bounded by number and bytes, and wakes who waits for one.

    Followers pull: the hub holds nothing for any of them, so that a slow one costs no memory and
    keeps nobody waiting. `offer` belongs to the uplink and returns at once.

    Args:
        history: Where older commits are read.
        write: Writes rows as JSON objects.
        commits_max: Kept at most.
        bytes_max: Of the frames kept; the newest stays whatever its size.
    """

    def __init__(
        self,
        history: Commits,
        write: Callable[[Frame], Sequence[bytes]],
        *,
        commits_max: int = HUB_COMMITS_MAX,
        bytes_max: int = HUB_BYTES_MAX,
    ) -> None:
        self.history, self.write = history, write
        self._commits_max, self._bytes_max = commits_max, bytes_max
        self._kept: deque[Recent] = deque()
        self._bytes = 0
        self._turn = threading.Condition()
        self._sleepers: dict[asyncio.Future[None], asyncio.AbstractEventLoop] = {}
        self.closed = False

    def offer(self, commit: Commit) -> None:
        """Take a commit that was just recorded."""
        recent = Recent(commit, self.write)
        size = _bytes_of(commit.frame)
        with self._turn:
            if self._kept and self._kept[-1].number + 1 != commit.number:
                self._kept.clear()  # one was recorded and not announced: history has it
                self._bytes = 0
            self._kept.append(recent)
            self._bytes += size
            while len(self._kept) > 1 and (
                len(self._kept) > self._commits_max or self._bytes > self._bytes_max
            ):
                self._bytes -= _bytes_of(self._kept.popleft().frame)
            self._wake()

    def after(self, number: int) -> Sequence[Recent] | None:
        """Return the next commits after a number, none when there are none yet.

        None means that they are no longer kept here: read them from history.
        """
        with self._turn:
            if not self._kept:
                return None if self.history.last_commit() > number else []
            first = self._kept[0].number
            if number + 1 < first:
                return None
            start = number + 1 - first
            return list(islice(self._kept, start, start + HUB_TAKE_COMMITS))

    def forget(self) -> None:
        """Keep nothing in memory but what comes from now on; history has the rest."""
        with self._turn:
            self._kept.clear()
            self._bytes = 0

    def newest(self) -> int:
        """Return the number of the newest commit."""
        with self._turn:
            return self._kept[-1].number if self._kept else self.history.last_commit()

    def wait(self, number: int, wait_s: float) -> None:
        """Return when there is a commit after a number, or the time is over; for threads."""
        with self._turn:
            self._turn.wait_for(lambda: self.closed or self._has(number), wait_s)

    async def sleep(self, number: int, wait_s: float) -> None:
        """Return as `wait`; for coroutines of any event loop."""
        loop = asyncio.get_running_loop()
        woken = loop.create_future()
        with self._turn:
            if self.closed or self._has(number):
                return
            self._sleepers[woken] = loop
        try:
            await asyncio.wait([woken], timeout=wait_s)
        finally:
            with self._turn:
                self._sleepers.pop(woken, None)
            woken.cancel()

    def nudge(self) -> None:
        """Wake everybody for something else than a commit: a step of an alarm."""
        with self._turn:
            self._wake()

    def close(self) -> None:
        """Let every follower know that no more will come."""
        with self._turn:
            self.closed = True
            self._wake()

    def _has(self, number: int) -> bool:
        return bool(self._kept) and self._kept[-1].number > number

    def _wake(self) -> None:
        self._turn.notify_all()
        sleepers, self._sleepers = self._sleepers, {}
        by_loop: dict[asyncio.AbstractEventLoop, list[asyncio.Future[None]]] = {}
        for woken, loop in sleepers.items():
            by_loop.setdefault(loop, []).append(woken)
        for loop, together in by_loop.items():
            if not loop.is_closed():
                loop.call_soon_threadsafe(_wake_all, together)


def _wake_all(sleepers: Sequence[asyncio.Future[None]]) -> None:
    for woken in sleepers:
        if not woken.done():
            woken.set_result(None)


def _bytes_of(frame: Frame) -> int:
    size = _ROW_BYTES * len(frame)
    for column in (frame.txt, frame.raw):
        size += sum(map(len, filter(None, column.tolist())))
    return size
