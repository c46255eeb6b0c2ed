"""The live stream over a real broker and a real history: order, resuming, chunks and bounds."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import NamedTuple

import msgspec
import numpy as np
import pytest

from ciaas.computing.live import CHUNK_HEADER, COMMIT_HEADER, STREAM, LivePublisher
from ciaas.computing.wire import Wire
from ciaas.kernel.columns import decode, encode
from ciaas.kernel.sample import Frame, Kind
from ciaas.limits import LIVE_CHUNK_BYTES, LIVE_COMMITS_WAITING
from ciaas.ports import Commit, Interrupted
from ciaas.storage.history import DuckHistory, open_history
from tests.ciaas.computing.city import City, until
from tests.ciaas.computing.test_wire import credentials

START = 1_795_300_000_000
MAX_AGE_S = 3_600.0


class HandClock:
    """Stands still until the test moves it; milliseconds since 1970 UTC."""

    def __init__(self) -> None:
        self.at = START

    def now_ms(self) -> int:
        return self.at


class Chunk(NamedTuple):
    """A message of the stream."""

    commit: int
    part: str
    """``<chunk>/<chunks>``."""
    payload: bytes


class Stage:
    """A history, an empty stream LIVE and publishers between them."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.clock = HandClock()
        self.history: DuckHistory = open_history(None, clock=self.clock)
        self._publishers: list[LivePublisher] = []
        self._observed = START
        wire = self.dial()
        wire.request(
            f"$JS.API.STREAM.CREATE.{STREAM}", {"name": STREAM, "subjects": [f"{STREAM}.*"]}
        )
        wire.close()

    def dial(self) -> Wire:
        return Wire("127.0.0.1", self.city.configuration.nats.port, credentials(self.city))

    def publisher(self) -> LivePublisher:
        """Return a publisher that works already."""
        publisher = LivePublisher(
            self.dial, self.history, shard=0, max_age_s=MAX_AGE_S, now_ms=self.clock.now_ms
        )
        self._publishers.append(publisher)
        publisher.start()
        return publisher

    def record(self, rows: int = 1, text: str | None = None) -> Commit:
        """Record a commit of new samples of one point."""
        observed = np.arange(self._observed, self._observed + rows)
        self._observed += rows
        kind = Kind.NUMBER if text is None else Kind.TEXT
        return self.history.record(
            Frame(
                point=np.ones(rows, np.uint32),
                observed=observed,
                received=observed,
                kind=np.full(rows, kind, np.uint8),
                num=np.arange(rows, dtype=np.float64) if text is None else np.full(rows, np.nan),
                txt=np.full(rows, text, np.object_),
                verdict=np.zeros(rows, np.uint8),
                reason=np.zeros(rows, np.uint16),
                raw=np.full(rows, None, np.object_),
                source=np.zeros(rows, np.uint32),
                revision=np.zeros(rows, np.uint16),
            )
        )

    def put(self, commit: Commit, part: str, payload: bytes) -> None:
        """Publish one chunk as a publisher that then dies."""
        headers = (
            ("Nats-Msg-Id", f"0:{commit.number}:{part.partition('/')[0]}"),
            (COMMIT_HEADER, str(commit.number)),
            (CHUNK_HEADER, part),
        )
        wire = self.dial()
        before = self.count(wire)
        wire.publish(f"{STREAM}.0".encode(), payload, b"none", headers)
        until(lambda: self.count(wire) == before + 1, "the chunk")
        wire.close()

    def count(self, wire: Wire) -> int:
        messages: int = wire.request(f"$JS.API.STREAM.INFO.{STREAM}")["state"]["messages"]
        return messages

    def chunks(self) -> list[Chunk]:
        """Return what the stream holds."""
        wire = self.dial()
        try:
            last = self.count(wire)
            return [self._chunk(wire, sequence) for sequence in range(1, last + 1)]
        finally:
            wire.close()

    def _chunk(self, wire: Wire, sequence: int) -> Chunk:
        message = wire.request(f"$JS.API.STREAM.MSG.GET.{STREAM}", {"seq": sequence})["message"]
        lines = base64.b64decode(message["hdrs"]).decode().split("\r\n")[1:]
        headers: Mapping[str, str] = {
            name: text.strip() for name, _, text in (line.partition(":") for line in lines)
        }
        assert message["subject"] == f"{STREAM}.0"
        payload = base64.b64decode(message["data"])
        return Chunk(int(headers[COMMIT_HEADER]), headers[CHUNK_HEADER], payload)

    def end(self) -> None:
        for publisher in self._publishers:
            publisher.stop(0.0)
        self.history.close()
        wire = self.dial()
        wire.request(f"$JS.API.STREAM.DELETE.{STREAM}")
        wire.close()


@pytest.fixture
def stage(city: City) -> Iterator[Stage]:
    stage = Stage(city)
    try:
        yield stage
    finally:
        stage.end()


def reached(publisher: LivePublisher, number: int) -> None:
    until(lambda: publisher.published == number, f"commit {number} in the stream")


def same(left: Frame, right: Frame) -> bool:
    return all(
        np.array_equal(getattr(left, f.name), getattr(right, f.name), equal_nan=f.name == "num")
        for f in fields(Frame)
    )


def test_commits_are_published_in_order_with_their_numbers(stage: Stage) -> None:
    publisher = stage.publisher()
    recorded = []
    for rows in (1, 7, 40):
        commit = stage.record(rows)
        recorded.append(commit)
        publisher.offer(commit)
    reached(publisher, 3)
    chunks = stage.chunks()
    assert [(chunk.commit, chunk.part) for chunk in chunks] == [(n, "1/1") for n in (1, 2, 3)]
    for chunk, commit in zip(chunks, recorded, strict=True):
        assert same(decode(chunk.payload), commit.frame)


def test_a_publisher_continues_after_the_last_commit_in_the_stream(stage: Stage) -> None:
    """As after a crash: what was recorded and never offered to anyone is read back."""
    first = stage.publisher()
    first.offer(stage.record())
    reached(first, 1)
    first.stop(0.0)
    missed = [stage.record(5), stage.record(6)]
    second = stage.publisher()
    second.offer(stage.record())
    reached(second, 4)
    chunks = stage.chunks()
    assert [chunk.commit for chunk in chunks] == [1, 2, 3, 4]
    assert same(decode(chunks[1].payload), missed[0].frame)
    assert same(decode(chunks[2].payload), missed[1].frame)


def test_a_commit_of_which_only_a_part_was_published_is_completed(stage: Stage) -> None:
    rows = 20_000
    whole = stage.publisher()
    for commit in (stage.record(), stage.record(rows)):
        whole.offer(commit)
    reached(whole, 2)
    expected = stage.chunks()
    assert len(expected) > 2
    whole.stop(0.0)
    cut = stage.record(rows)
    part = f"1/{len(expected) - 1}"
    stage.put(cut, part, encode(cut.frame.select(np.arange(10))))
    after = stage.publisher()
    reached(after, 3)
    mine = [chunk for chunk in stage.chunks() if chunk.commit == 3]
    assert [chunk.part for chunk in mine] == [
        f"{n}/{len(expected) - 1}" for n in range(1, len(expected))
    ]


def test_chunks_stay_below_their_bound_and_join_to_the_commit(stage: Stage) -> None:
    publisher = stage.publisher()
    long = stage.record(3_000, "a text of some length " * 20)
    numbers = stage.record(15_000)
    for commit in (long, numbers):
        publisher.offer(commit)
    reached(publisher, 2)
    chunks = stage.chunks()
    assert max(len(chunk.payload) for chunk in chunks) <= LIVE_CHUNK_BYTES
    for commit in (long, numbers):
        mine = [chunk for chunk in chunks if chunk.commit == commit.number]
        assert [chunk.part for chunk in mine] == [
            f"{n}/{len(mine)}" for n in range(1, len(mine) + 1)
        ]
        assert len(mine) > 1
        assert same(Frame.concat([decode(chunk.payload) for chunk in mine]), commit.frame)


def test_a_row_longer_than_the_bound_is_a_chunk_of_its_own(stage: Stage) -> None:
    publisher = stage.publisher()
    commit = stage.record(2, "x" * LIVE_CHUNK_BYTES)
    publisher.offer(commit)
    reached(publisher, 1)
    chunks = stage.chunks()
    assert [chunk.part for chunk in chunks] == ["1/2", "2/2"]
    assert same(Frame.concat([decode(chunk.payload) for chunk in chunks]), commit.frame)


def test_commits_beyond_those_kept_in_memory_are_read_back(stage: Stage) -> None:
    stage.city.kill()
    try:
        publisher = stage.publisher()
        count = LIVE_COMMITS_WAITING + 20
        for _ in range(count):
            publisher.offer(stage.record())
        assert len(publisher._waiting) == LIVE_COMMITS_WAITING
        assert publisher.published == 0
    finally:
        stage.city.start()
    reached(publisher, count)
    assert [chunk.commit for chunk in stage.chunks()] == list(range(1, count + 1))


def test_publishing_goes_on_after_the_broker_was_killed(stage: Stage) -> None:
    publisher = stage.publisher()
    publisher.offer(stage.record())
    reached(publisher, 1)
    stage.city.kill()
    publisher.offer(stage.record())
    stage.city.start()
    publisher.offer(stage.record())
    reached(publisher, 3)
    assert [chunk.commit for chunk in stage.chunks()] == [1, 2, 3]


def test_an_empty_stream_begins_with_what_it_would_still_hold(stage: Stage) -> None:
    stage.record()
    stage.record()
    stage.clock.at += int(MAX_AGE_S * 1000) + 1
    stage.record()
    reached(stage.publisher(), 3)
    assert [chunk.commit for chunk in stage.chunks()] == [3]


def test_stopping_publishes_what_is_recorded(stage: Stage) -> None:
    publisher = stage.publisher()
    for _ in range(50):
        publisher.offer(stage.record(100))
    publisher.stop(10.0)
    assert publisher.published == 50
    assert len(stage.chunks()) == 50


def test_a_stream_that_refuses_is_asked_again(stage: Stage) -> None:
    wire = stage.dial()
    config = {"name": STREAM, "subjects": [f"{STREAM}.*"], "max_msgs": 1, "discard": "new"}
    wire.request(f"$JS.API.STREAM.UPDATE.{STREAM}", config)
    publisher = stage.publisher()
    publisher.offer(stage.record())
    publisher.offer(stage.record())
    until(lambda: "refused" in publisher.last_error, "the refusal")
    assert publisher.published == 1
    wire.request(f"$JS.API.STREAM.UPDATE.{STREAM}", config | {"max_msgs": -1})
    wire.close()
    reached(publisher, 2)


def test_a_history_that_fails_once_is_read_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.record()
    read, failures = stage.history.commits, [Interrupted("the store failed in this call")]

    def commits(after: int) -> Iterator[Commit]:
        if failures:
            raise failures.pop()
        return read(after)

    monkeypatch.setattr(stage.history, "commits", commits)
    publisher = stage.publisher()
    reached(publisher, 1)
    assert publisher.last_error == "the store failed in this call"


def test_every_chunk_is_acknowledged_json(stage: Stage) -> None:
    """The stream's answer to a publish is what the publisher takes for stored."""
    wire = stage.dial()
    sid = wire.subscribe(wire.inbox + b".acks")
    wire.publish(f"{STREAM}.0".encode(), b"", wire.inbox + b".acks")
    (answer,) = [d for d in until(lambda: wire.receive(1.0), "an answer") if d.sid == sid]
    assert msgspec.json.decode(answer.payload)["stream"] == STREAM
    wire.close()
