"""One publishing device: MQTT 3.1.1, by TLS with its own certificate, many messages under way."""

from __future__ import annotations

import socket
import ssl
import time
from dataclasses import dataclass
from pathlib import Path

from borough.bench.load.packets import (
    CONNACK_ACCEPTED,
    IDS,
    PACKET_IDS,
    PUBACK_BYTES,
    connect,
    pubacks,
    publish_head,
)
from borough.bench.load.traffic import Traffic, declaration

_CONNECT_S = 10.0
_RECEIVE_BYTES = 65_536


class LoadError(Exception):
    """The load cannot go on; the message says what the broker did."""


@dataclass(frozen=True, slots=True)
class Broker:
    """Where devices connect, and the authority that they trust; None connects without TLS."""

    host: str
    port: int
    authority: Path | None


class Device:
    """A connection that stays open. After `open`, its socket does not block."""

    def __init__(self, uuid: str, identity: Path, broker: Broker):
        """``identity`` is a PEM file with certificate and key."""
        self.uuid = uuid
        self.sent = self.acked = 0
        self._identity, self._broker = identity, broker
        self._next_id = self._awaited_id = 1
        self._out = bytearray()
        self._in = b""

    @property
    def under_way(self) -> int:
        """Messages sent, or waiting to be, and not yet acknowledged."""
        return self.sent - self.acked

    @property
    def stuck(self) -> bool:
        """True while the network has not taken everything."""
        return bool(self._out)

    def fileno(self) -> int:
        """Return the socket's descriptor, for a selector."""
        return self._socket.fileno()

    def open(self) -> None:
        """Connect and declare the data model; returns after its PUBACK.

        Raises:
            LoadError: no connection, or not admitted.
        """
        address = (self._broker.host, self._broker.port)
        try:
            plain = socket.create_connection(address, _CONNECT_S)
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket = self._secured(plain)
            self._socket.sendall(connect(self.uuid))
            self._expect(CONNACK_ACCEPTED)
            self.publish(f"@online/{self.uuid}", declaration(), retain=True)
            deadline = time.monotonic() + _CONNECT_S
            while self.under_way and time.monotonic() < deadline:
                self.receive()
        except OSError as error:
            raise LoadError(f"device {self.uuid} cannot connect: {error}") from error
        if self.under_way:
            raise LoadError(f"device {self.uuid}: its declaration was not acknowledged")
        self._socket.setblocking(False)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Send one message."""
        head = publish_head(topic, len(payload), retain=retain)
        self._send(head + PACKET_IDS[self._next_id] + payload, 1)

    def send(self, traffic: Traffic, count: int, *, volatile: bool = False) -> None:
        """Send so many messages in one write; what the network does not take waits.

        Volatile ones, of QoS 0, are never acknowledged and count as acknowledged at once.
        """
        packets = traffic.take(count, self._next_id)
        if not volatile:
            self._send(packets, count)
            return
        self.sent += count
        self.acked += count
        self._out += packets
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as the network takes it.

        Raises:
            LoadError: the connection is gone.
        """
        try:
            while self._out:
                del self._out[: self._socket.send(self._out)]
        except (ssl.SSLWantWriteError, ssl.SSLWantReadError, BlockingIOError):
            return
        except OSError as error:
            raise self._lost(error) from error

    def receive(self) -> int:
        """Take what has come in; returns how many messages were acknowledged.

        Raises:
            LoadError: the connection is gone, or what came is no acknowledgement in order.
        """
        chunks = [self._in]
        try:
            while True:
                chunk = self._socket.recv(_RECEIVE_BYTES)
                if not chunk:
                    raise self._lost("the broker closed it")
                chunks.append(chunk)
                if not (isinstance(self._socket, ssl.SSLSocket) and self._socket.pending()):
                    break
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError, BlockingIOError):
            pass  # everything is read
        except OSError as error:
            raise self._lost(error) from error
        data = b"".join(chunks)
        count = len(data) // PUBACK_BYTES
        whole, self._in = data[: count * PUBACK_BYTES], data[count * PUBACK_BYTES :]
        if count > self.under_way or whole != pubacks(self._awaited_id, count):
            raise LoadError(f"device {self.uuid}: no acknowledgements in order: {whole[:16].hex()}")
        self._awaited_id = (self._awaited_id + count - 1) % IDS + 1
        self.acked += count
        return count

    def close(self) -> None:
        """Leave with a DISCONNECT where the network still takes it."""
        try:
            self._socket.send(b"\xe0\x00")
        except OSError:
            pass  # it is gone already
        self._socket.close()

    def _send(self, packets: bytes, count: int) -> None:
        self._next_id = (self._next_id + count - 1) % IDS + 1
        self.sent += count
        self._out += packets
        self.flush()

    def _secured(self, plain: socket.socket) -> socket.socket:
        if self._broker.authority is None:
            return plain
        context = ssl.create_default_context(cafile=str(self._broker.authority))
        context.load_cert_chain(self._identity)
        return context.wrap_socket(plain, server_hostname=self._broker.host)

    def _expect(self, answer: bytes) -> None:
        got = b""
        while len(got) < len(answer):
            chunk = self._socket.recv(len(answer) - len(got))
            if not chunk:
                raise LoadError(f"device {self.uuid} was not admitted: the broker closed")
            got += chunk
        if got != answer:
            raise LoadError(f"device {self.uuid} was not admitted: {got.hex()}")

    def _lost(self, error: object) -> LoadError:
        return LoadError(f"device {self.uuid} lost its connection: {error}")
