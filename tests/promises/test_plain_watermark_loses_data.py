"""Why the uplink resets its consumer and keeps a set: a plain watermark loses acknowledged data.

A writer dies with a batch in hand that it has neither recorded nor acknowledged. The next one is
given newer messages first, unless it resets the consumer; the old ones come once their time to be
acknowledged is over. To whom the highest number recorded is all that counts, they are known.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from borough.clock import MachineClock
from ciaas.computing.intake import Attach, Position, StreamReader, attach_durable
from ciaas.computing.wire import Wire
from ciaas.kernel.sample import Frame, Kind, Millis, Uint32s, Uint64s
from ciaas.kernel.uplink import Uplink
from ciaas.ports import Aside, JournalLine, Message, StreamId
from ciaas.storage.history import Bounds, DuckHistory
from ciaas.storage.history.database import Database
from tests.ciaas.computing.city import City, until
from tests.ciaas.computing.test_wire import credentials

_STREAM, _CONSUMER = "SENT", "ingest"
_OLD, _NEW = range(1, 11), range(11, 21)


class Watermark(DuckHistory):
    """A history that takes everything up to its highest sequence for stored."""

    def stored(self, stream: StreamId, sequences: Uint64s, received: Millis) -> NDArray[Any]:
        return np.asarray(sequences <= self.position(stream), bool)


def attach_as_it_is(wire: Wire, position: Position) -> tuple[StreamId, str]:
    """Take hold of the consumer without resetting it."""
    info = wire.request(f"$JS.API.STREAM.INFO.{_STREAM}")
    return StreamId(_STREAM, info["created"]), _CONSUMER


@dataclass(frozen=True)
class Decoded:
    """Each message is one sample: its number is its time and its value."""

    frame: Frame
    aside: Sequence[Aside] = ()
    journal: Sequence[JournalLine] = ()


def decode(messages: Sequence[Message]) -> Decoded:
    rows = len(messages)
    numbers = np.array([int(message.payload) for message in messages])
    return Decoded(
        Frame(
            point=np.ones(rows, np.uint32),
            observed=numbers.astype(np.int64),
            received=np.array([message.received for message in messages], np.int64),
            kind=np.full(rows, Kind.NUMBER, np.uint8),
            num=numbers.astype(np.float64),
            txt=np.full(rows, None, np.object_),
            verdict=np.zeros(rows, np.uint8),
            reason=np.zeros(rows, np.uint16),
            raw=np.full(rows, None, np.object_),
            source=np.zeros(rows, np.uint32),
            revision=np.zeros(rows, np.uint16),
        )
    )


class AllKnown:
    def knows(self, points: Uint32s) -> NDArray[np.bool_]:
        return np.ones(len(points), bool)


class Nothing:
    """A source on which nothing comes."""

    def take(self) -> Any:
        return []

    def acknowledge(self, batch: object) -> None: ...

    def purge(self, batch: object) -> None: ...


class Harness:
    """A broker with a stream, a writer that dies and one that takes its place."""

    def __init__(self, folder: Path, attach: Attach, kind: type[DuckHistory]) -> None:
        self._attach = attach
        self._city = City(folder)
        self._city.start()
        database = Database(None, memory_limit_mb=256, threads=1, cursors=8)
        self.history = kind(database, MachineClock(), Bounds())
        self._wire = self._dial()
        self._ask(f"STREAM.CREATE.{_STREAM}", {"name": _STREAM, "subjects": ["sent"]})
        consumer = {"durable_name": _CONSUMER, "ack_policy": "explicit"}
        body = {"stream_name": _STREAM, "config": consumer}
        self._ask(f"CONSUMER.DURABLE.CREATE.{_STREAM}.{_CONSUMER}", body)

    def crash_and_go_on(self) -> list[int]:
        """Let a writer die with the old messages in hand; returns what the next one recorded."""
        self._send(_OLD)
        dying = self._reader()
        held = [message.reply for message in self._take(dying, len(_OLD))]
        dying.stop()
        # Or the broker may still give the new ones to a pull of the dead one.
        until(lambda: self._info()["num_waiting"] == 0, "the end of the dead one's pulls")
        self._send(_NEW)
        reader = self._reader()
        uplink = self._uplink(reader)
        uplink.start()
        try:
            until(lambda: self._recorded(_NEW), "the record of the new messages")
            # What the broker does by itself when their time to be acknowledged is over. Of those
            # that a reset gave out once more it takes no notice.
            for reply in held:
                self._wire.publish(reply, b"-NAK")
            until(lambda: self._info()["num_ack_pending"] == 0, "all acknowledgements")
            assert self._info()["num_pending"] == 0
        finally:
            uplink.stop()
            reader.stop()
        return self._numbers()

    def end(self) -> None:
        self._wire.close()
        self.history.close()
        self._city.end()

    def _uplink(self, reader: StreamReader) -> Uplink:
        return Uplink(
            devices=reader,
            roles=Nothing(),
            volatile=Nothing(),
            decode=decode,
            judge=lambda frame: frame,
            history=self.history,
            publish=lambda commit: None,
            known=AllKnown(),
            doorbell=self._doorbell,
            failed=lambda error: None,
        )

    def _reader(self) -> StreamReader:
        self._doorbell = threading.Event()
        reader = StreamReader(self._dial, self._attach, self.history, self._doorbell)
        reader.start()
        assert reader.wait_attached(10)
        return reader

    def _take(self, reader: StreamReader, count: int) -> list[Message]:
        taken: list[Message] = []

        def enough() -> bool:
            if batch := reader.take():
                taken.extend(batch.messages)
            return len(taken) == count

        until(enough, f"{count} messages")
        return taken

    def _send(self, numbers: Sequence[int]) -> None:
        for number in numbers:
            self._wire.publish(b"sent", b"%d" % number)
        last = numbers[-1]
        until(lambda: self._ask(f"STREAM.INFO.{_STREAM}")["state"]["last_seq"] == last, "storage")

    def _recorded(self, numbers: Sequence[int]) -> bool:
        return set(numbers) <= set(self._numbers())

    def _numbers(self) -> list[int]:
        frames = [commit.frame for commit in self.history.commits(0)]
        return [int(number) for frame in frames for number in frame.num]

    def _info(self) -> Any:
        return self._ask(f"CONSUMER.INFO.{_STREAM}.{_CONSUMER}")

    def _ask(self, what: str, body: object = None) -> Any:
        return self._wire.request(f"$JS.API.{what}", body)

    def _dial(self) -> Wire:
        return Wire("127.0.0.1", self._city.configuration.nats.port, credentials(self._city))


RESET = attach_durable(_STREAM, _CONSUMER)


@pytest.fixture
def harness(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Harness]:
    harness = Harness(tmp_path, *request.param)
    try:
        yield harness
    finally:
        harness.end()


@pytest.mark.parametrize("harness", [(attach_as_it_is, Watermark)], indirect=True)
def test_a_plain_watermark_loses_the_batch_that_a_dead_writer_held(harness: Harness) -> None:
    assert harness.crash_and_go_on() == [*_NEW]


@pytest.mark.parametrize("harness", [(attach_as_it_is, DuckHistory)], indirect=True)
def test_a_set_of_sequences_keeps_it_but_out_of_order(harness: Harness) -> None:
    assert harness.crash_and_go_on() == [*_NEW, *_OLD]


@pytest.mark.parametrize("harness", [(RESET, DuckHistory)], indirect=True)
def test_a_reset_and_a_set_keep_it_and_its_order(harness: Harness) -> None:
    assert harness.crash_and_go_on() == [*_OLD, *_NEW]
