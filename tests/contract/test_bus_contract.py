"""The port `Source` of the bus: one suite over both ways to read, both clients, and TLS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ciaas.computing.intake import Attach, attach_durable, attach_position
from ciaas.limits import PULL_MESSAGES, PULL_REQUESTS_IN_FLIGHT, UPLINK_WAITING_MESSAGES
from tests.ciaas.computing.city import until
from tests.ciaas.computing.streams import STREAM, Streams, collect, numbers

WAYS = {"acknowledged": attach_durable(STREAM, "ingest"), "by position": attach_position(STREAM)}


@pytest.fixture(params=list(WAYS))
def way(request: pytest.FixtureRequest) -> Attach:
    return WAYS[request.param]


@pytest.fixture(params=["wire", "wire, TLS", "nats-py", "nats-py, TLS"])
def bench(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Streams]:
    client, _, tls = request.param.partition(", ")
    bench = Streams(tmp_path, client, tls=bool(tls))
    try:
        yield bench
    finally:
        bench.end()


def test_messages_come_in_order_with_sequence_time_and_subject(bench: Streams, way: Attach) -> None:
    bench.make_stream()
    bench.send(3_500)
    messages = collect(bench.read(way), 3_500)
    assert numbers(messages) == list(range(3_500))
    assert [message.sequence for message in messages] == list(range(1, 3_501))
    assert {message.subject for message in messages} == {b"up"}
    assert all(1.6e12 < message.received < 4e12 for message in messages)


def test_what_was_not_recorded_comes_first_after_a_restart(bench: Streams, way: Attach) -> None:
    bench.make_stream()
    bench.send(10)
    first = bench.read(way)
    collect(first, 10, acknowledge=False)
    first.stop()
    bench.send(10)
    assert numbers(collect(bench.read(way), 20)) == list(range(20))


def test_reading_goes_on_after_the_broker_was_killed(bench: Streams, way: Attach) -> None:
    bench.make_stream()
    reader = bench.read(way)
    bench.send(5)
    assert numbers(collect(reader, 5, acknowledge=False)) == list(range(5))
    bench.city.kill()
    until(lambda: not reader.attached, "the loss of the connection")
    bench.city.start()
    assert reader.wait_attached(15)
    bench.send(5)
    # A connection that breaks once more in the broker's first moments brings the same again.
    came: list[int] = []

    def all_ten() -> bool:
        came.extend(numbers(collect(reader, 1)))
        return len(set(came)) == 10

    until(all_ten, "all ten")
    assert list(dict.fromkeys(came)) == list(range(10))


def test_a_slow_writer_bounds_what_is_read_ahead(bench: Streams, way: Attach) -> None:
    bench.make_stream()
    reader = bench.read(way)
    bench.send(18_000)
    most = UPLINK_WAITING_MESSAGES + PULL_REQUESTS_IN_FLIGHT * PULL_MESSAGES
    until(lambda: len(reader._waiting.messages) >= UPLINK_WAITING_MESSAGES, "reading ahead")
    threading.Event().wait(0.5)
    assert len(reader._waiting.messages) <= most < 18_000
    assert numbers(collect(reader, 18_000)) == list(range(18_000))
