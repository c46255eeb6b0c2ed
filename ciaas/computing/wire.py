"""A small reader and writer of the NATS client protocol, for the hot path.

nats-py spends more on one message than the whole of decoding and storing it costs, so the streams
that carry samples are read here: a receive buffer is parsed whole, acknowledgements are joined into
one write. Control traffic stays with nats-py.

Source: the NATS client protocol (INFO, CONNECT, PUB, HPUB, SUB, MSG, HMSG, PING, PONG, -ERR).
"""

from __future__ import annotations

import base64
import socket
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import msgspec

from ciaas.limits import WIRE_CONTROL_LINE_MAX, WIRE_RECEIVE_BYTES

_NO_HEADER = b""
_PLAIN_HEADER_END = 0x0D


class WireError(ConnectionError):
    """The connection is gone or never came up; the message carries the broker's words."""


class WireTimeout(WireError):
    """No answer came in time."""


class Delivery(NamedTuple):
    """One message as it came: ``header`` is empty, or starts with ``NATS/1.0``."""

    sid: bytes
    subject: bytes
    reply: bytes
    header: bytes
    payload: bytes

    @property
    def status(self) -> int:
        """Return the status a header line carries, such as 408, or 0 for an ordinary message."""
        if len(self.header) < 12 or self.header[8] == _PLAIN_HEADER_END:
            return 0
        return int(self.header[9:12])


class Credentials(NamedTuple):
    """Who connects: the public nkey and a function that signs the broker's nonce."""

    public: str
    sign: Callable[[bytes], bytes]
    name: str
    """Shown in the broker's connection list; also the prefix of this connection's inboxes."""


class Wire:
    """One connection to the broker. One thread receives; any thread may send."""

    def __init__(self, host: str, port: int, credentials: Credentials, *, timeout_s: float = 5.0):
        """Connect and log in.

        Raises:
            WireError: unreachable, refused, or not a NATS server.
        """
        self.inbox = b"_INBOX.%s.%s" % (
            credentials.name.encode(),
            base64.b32encode(time.time_ns().to_bytes(10, "big")).rstrip(b"="),
        )
        self._rest = b""
        self._sids = 0
        self._sending = threading.Lock()
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except OSError as error:
            raise WireError(f"no connection to the broker at {host}:{port}: {error}") from error
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * WIRE_RECEIVE_BYTES)
            self._log_in(credentials)
        except OSError as error:
            self._socket.close()
            raise WireError(f"no login to the broker at {host}:{port}: {error}") from error

    # -- sending

    def send(self, data: bytes) -> None:
        """Write protocol text that `publishing` and its siblings made, in one piece."""
        try:
            with self._sending:
                self._socket.sendall(data)
        except OSError as error:
            raise WireError(f"the broker's connection broke while sending: {error}") from error

    def publish(self, subject: bytes, payload: bytes, reply: bytes = b"") -> None:
        """Send one message; returns when it is handed to the network."""
        self.send(publishing(subject, payload, reply))

    def subscribe(self, subject: bytes) -> bytes:
        """Subscribe and return the subscription's id."""
        self._sids += 1
        sid = b"%d" % self._sids
        self.send(b"SUB %s %s\r\n" % (subject, sid))
        return sid

    # -- receiving

    def receive(self, timeout_s: float, marked: bytes = b"") -> list[Delivery]:
        """Return all that one read of the socket completes; empty when nothing came in time.

        Args:
            timeout_s: Seconds to wait for the first byte.
            marked: Text that a message's header must contain; others with a header are skipped.

        Raises:
            WireError: the connection ended or the broker sent an error.
        """
        try:
            self._socket.settimeout(timeout_s)
            chunk = self._socket.recv(WIRE_RECEIVE_BYTES)
        except TimeoutError:
            return []
        except OSError as error:
            raise WireError(f"the broker's connection broke: {error}") from error
        if not chunk:
            raise WireError("the broker closed the connection")
        deliveries, self._rest, errors, pings = parse(self._rest + chunk, marked)
        if pings:
            self.send(b"PONG\r\n" * pings)
        if errors:
            raise WireError(f"the broker said: {errors[0]}")
        return deliveries

    def request(self, subject: str, payload: object = None, *, timeout_s: float = 5.0) -> Any:
        """Ask the broker's JetStream API and return its JSON answer.

        Only for use before `receive` has its own thread: other deliveries would be dropped.

        Raises:
            WireTimeout: no answer.
            WireError: the answer is an error; the message holds the broker's description.
        """
        reply = self.inbox + b".ask"
        sid = self.subscribe(reply)
        body = b"" if payload is None else msgspec.json.encode(payload)
        self.publish(subject.encode(), body, reply)
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            for delivery in self.receive(left):
                if delivery.sid != sid:
                    continue
                self.send(b"UNSUB %s\r\n" % sid)
                if delivery.status:
                    raise WireError(f"{subject}: nobody answers (status {delivery.status})")
                answer = msgspec.json.decode(delivery.payload)
                if "error" in answer:
                    raise WireError(f"{subject}: {answer['error'].get('description', answer)}")
                return answer
        raise WireTimeout(f"{subject}: no answer from the broker within {timeout_s:g} s")

    def close(self) -> None:
        """End the connection; a thread in `receive` gets a WireError."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # already gone: nothing left to shut
        self._socket.close()

    def _log_in(self, credentials: Credentials) -> None:
        line, self._rest = self._first_line()
        if not line.startswith(b"INFO "):
            raise WireError(f"this is no NATS server: it greeted with {line[:40]!r}")
        nonce = msgspec.json.decode(line[5:]).get("nonce", "").encode()
        signature = base64.urlsafe_b64encode(credentials.sign(nonce)).rstrip(b"=")
        options = {
            "verbose": False,
            "pedantic": False,
            "headers": True,
            "no_responders": True,
            "protocol": 1,
            "lang": "python",
            "version": "1",
            "name": credentials.name,
            "nkey": credentials.public,
            "sig": signature.decode(),
        }
        self.send(b"CONNECT %s\r\nPING\r\n" % msgspec.json.encode(options))
        pong, rest = self._first_line()
        if pong != b"PONG":
            raise WireError(f"the broker refused the login: {pong.decode(errors='replace')}")
        self._rest = rest

    def _first_line(self) -> tuple[bytes, bytes]:
        buffer = self._rest
        while b"\r\n" not in buffer:
            if len(buffer) > WIRE_CONTROL_LINE_MAX:
                raise WireError("the broker's greeting is too long")
            chunk = self._socket.recv(WIRE_RECEIVE_BYTES)
            if not chunk:
                raise WireError("the broker closed the connection during the login")
            buffer += chunk
        line, _, rest = buffer.partition(b"\r\n")
        return line, rest


def publishing(subject: bytes, payload: bytes, reply: bytes = b"") -> bytes:
    """Return the protocol text of one publish without headers."""
    return b"PUB %s %s %d\r\n%s\r\n" % (subject, reply, len(payload), payload)


def publishing_with_headers(
    subject: bytes, payload: bytes, headers: Iterable[tuple[str, str]], reply: bytes
) -> bytes:
    """Return the protocol text of one publish with headers."""
    head = "NATS/1.0\r\n" + "".join(f"{name}:{value}\r\n" for name, value in headers) + "\r\n"
    size = len(head.encode())
    return b"HPUB %s %s %d %d\r\n%s%s\r\n" % (
        subject, reply, size, size + len(payload), head.encode(), payload,
    )  # fmt: skip


def acknowledging(replies: Iterable[bytes]) -> bytes:
    """Return the protocol text that acknowledges messages, joined into one write."""
    return b"".join([b"PUB %s 0\r\n\r\n" % reply for reply in replies])


def parse(data: bytes, marked: bytes = b"") -> tuple[list[Delivery], bytes, list[str], int]:
    """Parse a whole receive buffer; messages whose header lacks ``marked`` are skipped.

    Returns:
        The complete deliveries, the unparsed rest, the broker's errors, and how many pings came.
    """
    deliveries: list[Delivery] = []
    errors: list[str] = []
    pings = 0
    position, end = 0, len(data)
    find, add = data.find, deliveries.append
    while position < end:
        line_end = find(b"\r\n", position)
        if line_end < 0:
            if end - position > WIRE_CONTROL_LINE_MAX:
                errors.append("a control line without end")
            break
        first = data[position]
        if first == 0x48:  # HMSG subject sid [reply] header-size total-size
            words = data[position:line_end].split(b" ")
            body = line_end + 2
            split, stop = body + int(words[-2]), body + int(words[-1])
            if stop + 2 > end:
                break
            position = stop + 2
            if find(marked, body, split) >= 0:
                reply = words[3] if len(words) == 6 else b""
                add(Delivery(words[2], words[1], reply, data[body:split], data[split:stop]))
        elif first == 0x4D:  # MSG subject sid [reply] size
            words = data[position:line_end].split(b" ")
            body = line_end + 2
            stop = body + int(words[-1])
            if stop + 2 > end:
                break
            reply = words[3] if len(words) == 5 else b""
            add(Delivery(words[2], words[1], reply, _NO_HEADER, data[body:stop]))
            position = stop + 2
        else:
            line = data[position:line_end]
            if line == b"PING":
                pings += 1
            elif line.startswith(b"-ERR"):
                errors.append(line[5:].decode(errors="replace").strip("' "))
            position = line_end + 2  # PONG, +OK and INFO ask for nothing
    return deliveries, data[position:], errors, pings
