"""Reading with acknowledgements and by position: what tells the two apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ciaas.computing.intake import attach_position
from ciaas.ports import Batch, DiskFull
from tests.ciaas.computing.city import until
from tests.ciaas.computing.streams import STREAM, Streams, collect, numbers


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Streams]:
    bench = Streams(tmp_path)
    try:
        yield bench
    finally:
        bench.end()


def test_what_was_acknowledged_does_not_come_again(bench: Streams) -> None:
    bench.make_stream(retention="interest")
    bench.send(10)
    first = bench.read()
    collect(first, 10)
    until(lambda: bench.left() == 0, "the acknowledgements")
    first.stop()
    bench.send(1)
    assert numbers(collect(bench.read(), 1)) == [10]


def test_an_acknowledgement_of_an_earlier_connection_is_not_sent(bench: Streams) -> None:
    bench.make_stream()
    bench.send(1)
    reader = bench.read()
    batch = until(reader.take, "the message")
    stale = Batch(batch.stream, batch.messages, batch.generation - 1)
    reader.acknowledge(stale)
    reader.stop()
    assert numbers(collect(bench.read(), 1)) == [0]


def test_a_position_reader_begins_behind_what_is_stored_and_purges(bench: Streams) -> None:
    bench.make_stream()
    bench.send(10)
    reader = bench.read(attach_position(STREAM))
    batch = until(reader.take, "the messages")
    bench.memory.at[batch.stream] = batch.messages[-1].sequence
    reader.purge(batch)
    until(lambda: bench.left() <= 10 - len(batch.messages), "the purge")
    reader.stop()
    bench.send(5)
    again = collect(bench.read(attach_position(STREAM)), 15 - len(batch.messages))
    assert numbers(again) == list(range(len(batch.messages), 15))


def test_a_position_that_cannot_be_told_is_asked_for_again(bench: Streams) -> None:
    bench.make_stream()
    bench.memory.failures.append(DiskFull("no room to note what the broker lost"))
    bench.send(1)
    reader = bench.read()
    assert reader.last_error == "no room to note what the broker lost"
    assert numbers(collect(reader, 1)) == [0]


def test_a_stream_that_lost_its_end_rewinds_the_position(bench: Streams) -> None:
    bench.make_stream()
    bench.send(3)
    identity = bench.read().take
    batch = until(identity, "the messages")
    bench.memory.at[batch.stream] = 500
    bench.read(attach_position(STREAM))
    assert bench.memory.at[batch.stream] == 3
