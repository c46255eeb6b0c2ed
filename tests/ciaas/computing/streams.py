"""A broker with one stream, and readers of it, for tests of the port `Source`."""

from __future__ import annotations

import ssl
import threading
from pathlib import Path

from ciaas.computing.client_link import ClientLink
from ciaas.computing.intake import Attach, StreamReader, attach_durable
from ciaas.computing.link import Link
from ciaas.computing.wire import Wire
from ciaas.ports import HistoryError, Message, StreamId
from tests.ciaas.computing.city import City, until
from tests.ciaas.computing.test_wire import credentials

STREAM = "TEST"


class Memory:
    """A position that lasts as long as the test."""

    def __init__(self) -> None:
        self.at: dict[StreamId, int] = {}
        self.failures: list[HistoryError] = []
        """Raised by the next calls, the last one first."""

    def position(self, stream: StreamId) -> int:
        return self.at.get(stream, 0)

    def rewind(self, stream: StreamId, last_sequence: int) -> None:
        if self.failures:
            raise self.failures.pop()
        self.at[stream] = min(self.at.get(stream, 0), last_sequence)


class Streams:
    """A broker with one stream, and readers of it."""

    def __init__(self, folder: Path, client: str = "wire", *, tls: bool = False) -> None:
        self.city = City(folder, roles_tls=tls)
        self._client = client
        self.city.start()
        self.memory = Memory()
        self.readers: list[StreamReader] = []
        self.sent = 0
        self._publisher: Link | None = None

    def dial(self) -> Link:
        if self._client == "wire":
            return self._own()
        url = f"nats://{self.city.configuration.nats}"
        return ClientLink(url, self.city.seeds["core"], "core", tls=self._tls())

    def _own(self) -> Wire:
        """Return a connection for the test itself: the quick one."""
        host, port = self.city.configuration.nats
        return Wire(host, port, credentials(self.city), tls=self._tls())

    def _tls(self) -> ssl.SSLContext | None:
        if not self.city.configuration.roles_tls:
            return None
        return ssl.create_default_context(cafile=str(self.city.ca_file))

    def make_stream(self, **changes: object) -> None:
        wire = self._own()
        stream = {"name": STREAM, "subjects": ["test.>"], "retention": "limits"} | changes
        wire.request(f"$JS.API.STREAM.CREATE.{STREAM}", stream)
        wire.request(
            f"$JS.API.CONSUMER.DURABLE.CREATE.{STREAM}.ingest",
            {
                "stream_name": STREAM,
                "config": {
                    "durable_name": "ingest",
                    "ack_policy": "explicit",
                    "max_ack_pending": 20_000,
                    "ack_wait": 30_000_000_000,
                },
            },
        )
        wire.close()

    def send(self, count: int) -> None:
        wire = self._own()
        for _ in range(count):
            wire.publish(b"test.up", b"%d" % self.sent)
            self.sent += 1
        until(lambda: self.stored() == self.sent, "storage of what was sent")
        wire.close()

    def stored(self) -> int:
        wire = self._own()
        try:
            last: int = wire.request(f"$JS.API.STREAM.INFO.{STREAM}")["state"]["last_seq"]
            return last
        finally:
            wire.close()

    def left(self) -> int:
        wire = self._own()
        try:
            messages: int = wire.request(f"$JS.API.STREAM.INFO.{STREAM}")["state"]["messages"]
            return messages
        finally:
            wire.close()

    def read(self, attach: Attach | None = None) -> StreamReader:
        reader = StreamReader(
            self.dial,
            attach or attach_durable(STREAM, "ingest"),
            self.memory,
            threading.Event(),
            strip=b"test.",
        )
        reader.start()
        assert reader.wait_attached(10)
        self.readers.append(reader)
        return reader

    def end(self) -> None:
        for reader in self.readers:
            reader.stop()
        self.city.end()


def collect(reader: StreamReader, count: int, *, acknowledge: bool = True) -> list[Message]:
    messages: list[Message] = []

    def more() -> bool:
        if batch := reader.take():
            messages.extend(batch.messages)
            if acknowledge:
                reader.acknowledge(batch)
        return len(messages) >= count

    until(more, f"{count} messages")
    return messages


def numbers(messages: list[Message]) -> list[int]:
    return [int(message.payload) for message in messages]
