"""Following the live stream: each commit once and in order, over kills, repeats and gaps."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from ciaas.computing import following as module
from ciaas.computing.following import LiveFollower, Passage, Place
from ciaas.computing.live import STREAM
from ciaas.kernel.columns import encode
from ciaas.kernel.sample import Frame
from tests.ciaas.computing.city import City
from tests.ciaas.computing.test_live import Stage

READS = 100


@pytest.fixture
def stage(city: City) -> Iterator[Stage]:
    stage = Stage(city)
    try:
        yield stage
    finally:
        stage.end()


def follow(stage: Stage, place: Place | None = None) -> LiveFollower:
    return LiveFollower(stage.dial, place or Place())


def read(follower: LiveFollower, commit: int) -> list[Passage]:
    """Return what came up to this commit."""
    passages: list[Passage] = []
    for _ in range(READS):
        if follower.place.whole >= commit:
            return passages
        if (passage := follower.read(0.5)) is not None:
            passages.append(passage)
    raise AssertionError(f"commit {commit} did not come: {follower.last_error}")


def observed(passages: list[Passage]) -> list[int]:
    times: list[int] = Frame.concat([passage.frame for passage in passages]).observed.tolist()
    return times


def published(stage: Stage, *rows: int) -> list[int]:
    """Record and publish commits; return all times observed."""
    commits = [stage.record(count) for count in rows]
    for commit in commits:
        stage.put(commit, "1/1", encode(commit.frame))
    return [at for commit in commits for at in commit.frame.observed.tolist()]


def test_it_goes_on_where_it_was(stage: Stage) -> None:
    first = published(stage, 3, 2)
    follower = follow(stage)
    assert observed(read(follower, 2)) == first
    place = follower.place
    follower.close()
    more = published(stage, 4)
    again = follow(stage, place)
    [passage] = read(again, 3)
    assert observed([passage]) == more and passage.missed == 0
    assert again.read(0.05) is None
    again.close()


def test_it_goes_on_after_the_broker_was_killed(stage: Stage) -> None:
    published(stage, 1)
    follower = follow(stage)
    read(follower, 1)
    stage.city.kill()
    assert follower.read(0.2) is None and not follower.attached
    stage.city.start()
    more = published(stage, 2)
    assert observed(read(follower, 2)) == more
    follower.close()


def test_a_commit_in_parts_comes_whole_and_a_repeated_part_once(stage: Stage) -> None:
    commit = stage.record(4)
    halves = [commit.frame.select(np.arange(2)), commit.frame.select(np.arange(2, 4))]
    stage.put(commit, "1/2", encode(halves[0]))
    follower = follow(stage)
    first = follower.read(5.0)
    assert first is not None and (first.place.commit, first.place.whole) == (1, 0)
    wire = stage.dial()
    for part, half in (("1/2", halves[0]), ("2/2", halves[1])):
        headers = (("Borough-Commit", "1"), ("Borough-Chunk", part))  # no id: stored again
        wire.publish(f"{STREAM}.0".encode(), encode(half), b"none", headers)
    rest = read(follower, 1)
    wire.close()
    assert observed([first, *rest]) == commit.frame.observed.tolist()
    follower.close()


def test_what_the_stream_holds_no_more_is_counted(stage: Stage) -> None:
    published(stage, 1)
    follower = follow(stage)
    read(follower, 1)
    place = follower.place
    follower.close()
    published(stage, 1, 1, 1)
    wire = stage.dial()
    wire.request(f"$JS.API.STREAM.PURGE.{STREAM}", {"seq": 4})
    wire.close()
    later = follow(stage, place)
    assert sum(passage.missed for passage in read(later, 4)) == 2
    later.close()


def test_one_that_never_read_begins_at_a_time(stage: Stage) -> None:
    published(stage, 1)
    follower = follow(stage)
    follower.origin = 4_000_000_000_000  # far ahead: nothing that is there
    assert follower.read(0.5) is None
    assert follower.attached and follower.place.commit == 0
    follower.close()


def test_one_read_is_bounded(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FOLLOW_CHUNKS", 2)
    published(stage, *[1] * 5)
    follower = follow(stage)
    passages = read(follower, 5)
    assert max(len(passage.frame) for passage in passages) <= 2
    assert passages[0].pending >= 3
    follower.close()
