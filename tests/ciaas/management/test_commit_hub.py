"""The hub keeps the newest commits within its bounds; who falls behind reads history."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator, Sequence

import numpy as np
import pytest

from borough.clock import MachineClock
from ciaas.kernel.address import PointAddress
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.sample import DTYPES, Frame, Kind
from ciaas.limits import (
    CATCH_UP_COMMITS,
    CATCH_UP_ROWS,
    HUB_BYTES_MAX,
    HUB_COMMITS_MAX,
    HUB_TAKE_COMMITS,
    LINE_ADDRESSES_CACHED,
    THROTTLE_POINTS_MAX,
)
from ciaas.management.events.feed import LiveFeeds
from ciaas.management.events.follower import Follower
from ciaas.management.events.hub import Hub
from ciaas.management.events.line import LineWriter
from ciaas.management.subscriptions.throttle import Throttle
from ciaas.ports import Commit, Point


def frame(rows: int = 1, text: str | None = None, point: int = 1) -> Frame:
    columns = {name: np.zeros(rows, kind) for name, kind in DTYPES.items()}
    columns["point"] = np.full(rows, point, np.uint32)
    columns["observed"] = np.arange(rows, dtype=np.int64)
    columns["kind"] = np.full(rows, Kind.NUMBER if text is None else Kind.TEXT, np.uint8)
    columns["txt"] = np.full(rows, text, np.object_)
    columns["raw"] = np.full(rows, None, np.object_)
    return Frame(**columns)


class Past:
    """Commits that history has."""

    def __init__(self) -> None:
        self.recorded: list[Commit] = []
        self.read = 0

    def record(self, rows: int = 1, text: str | None = None) -> Commit:
        number = len(self.recorded) + 1
        self.recorded.append(Commit(number, frame(rows, text), 0, 1_000 + number))
        return self.recorded[-1]

    def commits(self, after: int) -> Iterator[Commit]:
        for commit in self.recorded[after:]:
            self.read += 1
            yield commit

    def last_commit(self) -> int:
        return len(self.recorded)

    def commit_before(self, at_ms: int) -> int:
        return sum(commit.recorded_at < at_ms for commit in self.recorded)


def unwritten(frame: Frame) -> Sequence[bytes]:
    raise AssertionError("nobody asked for it")


@pytest.fixture
def past() -> Past:
    return Past()


@pytest.fixture
def hub(past: Past) -> Hub:
    return Hub(past, unwritten)


def take_all(follower: Follower) -> list[int]:
    taken: list[int] = []
    while found := follower.next_blocking(0.0):
        taken += [recent.number for recent in found]
    return taken


def test_commits_come_in_order_from_memory(past: Past, hub: Hub) -> None:
    follower = Follower(hub, 0)
    for _ in range(HUB_TAKE_COMMITS + 3):
        hub.offer(past.record())
    assert len(follower.next_blocking(0.0)) == HUB_TAKE_COMMITS
    assert take_all(follower) == [HUB_TAKE_COMMITS + n for n in (1, 2, 3)]
    assert not past.read
    assert follower.live and not follower.lost


def test_memory_holds_so_many_commits_and_no_more(past: Past, hub: Hub) -> None:
    for _ in range(HUB_COMMITS_MAX + 5):
        hub.offer(past.record())
    assert hub.after(4) is None
    kept = hub.after(5)
    assert kept is not None and kept[0].number == 6


def test_memory_holds_so_many_bytes_and_no_more(past: Past) -> None:
    hub = Hub(past, unwritten, bytes_max=100_000)
    for _ in range(50):
        hub.offer(past.record(text="x" * 9_904))
    assert hub.after(39) is None
    kept = hub.after(40)
    assert kept is not None and [one.number for one in kept] == list(range(41, 51))
    hub.offer(past.record(text="x" * 200_000))
    newest = hub.after(50)
    assert newest is not None and len(newest) == 1
    assert hub.after(49) is None
    assert HUB_BYTES_MAX > 100_000


def test_who_is_behind_reads_history_in_bounded_parts(past: Past, hub: Hub) -> None:
    for _ in range(CATCH_UP_COMMITS + 1):
        past.record()
    past.record(CATCH_UP_ROWS + 1)
    past.record()
    follower = Follower(hub, 0)
    parts = [[one.number for one in follower.next_blocking(0.0)] for _ in range(3)]
    assert [len(part) for part in parts] == [CATCH_UP_COMMITS, 2, 1]
    assert [number for part in parts for number in part] == list(range(1, past.last_commit() + 1))
    hub.offer(past.record())
    assert take_all(follower) == [past.last_commit()]
    assert follower.live


def test_a_commit_whose_announcement_was_lost_comes_all_the_same(past: Past, hub: Hub) -> None:
    follower = Follower(hub, 0)
    hub.offer(past.record())
    assert take_all(follower) == [1]
    past.record()
    assert take_all(follower) == [2]
    past.record()
    hub.offer(past.record())
    assert take_all(follower) == [3, 4]
    assert not follower.lost


def test_who_was_level_and_fell_out_of_memory_is_lost(past: Past, hub: Hub) -> None:
    follower = Follower(hub, 0)
    hub.offer(past.record())
    take_all(follower)
    for _ in range(HUB_TAKE_COMMITS + 1):
        hub.offer(past.record())
    assert not follower.lost
    hub.forget()
    assert follower.lost


def test_threads_and_coroutines_wake_up_for_a_commit_and_at_the_end(past: Past, hub: Hub) -> None:
    async def follow() -> list[int]:
        follower, taken = Follower(hub, 0), list[int]()
        threading.Timer(0.05, lambda: hub.offer(past.record())).start()
        taken += [one.number for one in await follower.next(10.0)]
        threading.Timer(0.05, hub.nudge).start()
        assert await follower.next(10.0) == []
        threading.Timer(0.05, hub.close).start()
        assert await follower.next(10.0) == []
        return taken

    async def within() -> list[int]:
        async with asyncio.timeout(5.0):
            return await follow()

    assert asyncio.run(within()) == [1]
    hub.wait(1, 10.0)


def test_addresses_are_remembered_within_a_bound() -> None:
    address = PointAddress("00000000-0000-4000-8000-000000000000/n/o/a")
    asked: list[int] = []

    def point(number: int) -> Point:
        asked.append(number)
        return Point(number, address, Constraint.MEASURE, ValueType.NUMBER)

    write = LineWriter(point)
    for _ in range(2):
        write(frame(3))
    assert asked == [1]
    many = frame(LINE_ADDRESSES_CACHED)
    many.point[:] = np.arange(2, LINE_ADDRESSES_CACHED + 2)
    write(many)
    write(frame())
    assert asked.count(1) == 2


def test_a_throttle_remembers_within_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    assert THROTTLE_POINTS_MAX > 2
    monkeypatch.setattr("ciaas.management.subscriptions.throttle.THROTTLE_POINTS_MAX", 2)
    throttle = Throttle(1_000)
    for point in (1, 2, 3):
        assert len(throttle.passing(frame(point=point), np.array([0]))) == 1
    assert len(throttle.passing(frame(point=1), np.array([0]))) == 1
    assert len(throttle.passing(frame(point=1), np.array([0]))) == 0


def test_the_clock_says_what_is_still_kept(past: Past, hub: Hub) -> None:
    for _ in range(3):
        hub.offer(past.record())
    feeds = LiveFeeds(hub, 0.0, MachineClock())
    assert feeds.start(None) == (3, False)
    assert feeds.start(1) == (3, True)
    assert feeds.start(99) == (3, True)
    assert LiveFeeds(hub, 1e11, MachineClock()).start(1) == (1, False)
