"""A small reader and writer of the NATS client protocol, for the hot path.

nats-py spends more on one message than the whole of decoding and storing it costs, so the streams
that carry samples are read here: a receive buffer is parsed whole, acknowledgements are joined into
one write. Control traffic stays with nats-py.

Source: the NATS client protocol (INFO, CONNECT, PUB, HPUB, SUB, MSG, HMSG, PING, PONG, -ERR).
"""

from __future__ import annotations

import base64
import select
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from ciaas.computing.link import Delivery, WireError, WireTimeout, WireUnsupported
from ciaas.limits import (
    PULL_REQUESTS_IN_FLIGHT,
    WIRE_CONTROL_LINE_MAX,
    WIRE_RECEIVE_BYTES,
    WIRE_SEND_S,
)

_NO_HEADER = b""


class Credentials(NamedTuple):
    """Who connects: the public nkey and a function that signs the broker's nonce."""

    public: str
    sign: Callable[[bytes], bytes]
    name: str
    """Shown in the broker's connection list; also the prefix of this connection's inboxes."""


class Wire:
    """One connection to the broker. One thread receives; any thread may send."""

    def __init__(
        self,
        host: str,
        port: int,
        credentials: Credentials,
        *,
        tls: ssl.SSLContext | None = None,
        timeout_s: float = 5.0,
    ):
        """Connect and log in.

        Args:
            host: The broker's; its certificate has to name it when ``tls`` is given.
            port: For clients that speak NATS.
            credentials: Who we are.
            tls: Trusts the broker's authority; None speaks in clear. A broker that doesn't
                speak TLS is refused then: nothing is sent to it.
            timeout_s: For connecting and logging in.

        Raises:
            WireUnsupported: a NATS server that this reader cannot speak with.
            WireError: unreachable, refused, or not a NATS server.
        """
        self.inbox = b"_INBOX.%s.%s" % (
            credentials.name.encode(),
            base64.b32encode(time.time_ns().to_bytes(10, "big")).rstrip(b"="),
        )
        self.pulls = PULL_REQUESTS_IN_FLIGHT
        self._rest = b""
        self._sids = 0
        self._using = threading.Lock()
        """Held while sending, and with TLS while receiving: two calls at once would spoil it."""
        try:
            self._socket = socket.create_connection((host, port), timeout_s)
        except OSError as error:
            raise WireError(f"no connection to the broker at {host}:{port}: {error}") from error
        try:
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * WIRE_RECEIVE_BYTES)
            self._log_in(credentials, tls, host)
            self._arrivals = select.poll()
            self._arrivals.register(self._socket, select.POLLIN)
        except OSError as error:
            self._socket.close()
            if isinstance(error, WireError):
                raise
            raise WireError(f"no login to the broker at {host}:{port}: {error}") from error

    # -- sending

    def publish(
        self,
        subject: bytes,
        payload: bytes,
        reply: bytes = b"",
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Send one message; returns when it is handed to the network."""
        self._send(publishing(subject, payload, reply, headers))

    def acknowledge(self, replies: Iterable[bytes]) -> None:
        """Acknowledge messages, joined into one write."""
        self._send(b"".join([b"PUB %s 0\r\n\r\n" % reply for reply in replies]))

    def subscribe(self, subject: bytes) -> bytes:
        """Subscribe and return the subscription's id."""
        self._sids += 1
        sid = b"%d" % self._sids
        self._send(b"SUB %s %s\r\n" % (subject, sid))
        return sid

    def _send(self, data: bytes) -> None:
        try:
            with self._using:
                self._socket.settimeout(WIRE_SEND_S)
                self._socket.sendall(data)
        except OSError as error:
            raise WireError(f"the broker's connection broke while sending: {error}") from error

    # -- receiving

    def receive(self, timeout_s: float, marked: bytes = b"") -> list[Delivery]:
        """Return all that one read of the socket completes; see `Link.receive`."""
        try:
            chunk = self._read(timeout_s)
        except OSError as error:
            raise WireError(f"the broker's connection broke: {error}") from error
        if chunk is None:
            return []
        if not chunk:
            raise WireError("the broker closed the connection")
        deliveries, self._rest, errors, pings = parse(self._rest + chunk, marked)
        if pings:
            self._send(b"PONG\r\n" * pings)
        if errors:
            raise WireError(f"the broker said: {errors[0]}")
        return deliveries

    def _ready(self, timeout_s: float) -> bool:
        return bool(self._arrivals.poll(timeout_s * 1000))

    def _read(self, timeout_s: float) -> bytes | None:
        """Return what has come, None when nothing did in time, nothing at the connection's end."""
        if not isinstance(self._socket, ssl.SSLSocket):
            if not self._ready(timeout_s):
                return None
            return self._socket.recv(WIRE_RECEIVE_BYTES)
        if not self._socket.pending() and not self._ready(timeout_s):
            return None
        chunks: list[bytes] = []
        with self._using:
            self._socket.settimeout(0)
            try:
                # One record of TLS after another, as long as some are there.
                while sum(map(len, chunks)) < WIRE_RECEIVE_BYTES:
                    chunks.append(self._socket.recv(WIRE_RECEIVE_BYTES))
                    if not chunks[-1]:
                        break
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
        return b"".join(chunks) if chunks else None

    def request(self, subject: str, payload: object = None, *, timeout_s: float = 5.0) -> Any:
        """Ask the broker's JetStream API and return its JSON answer; see `Link.request`."""
        reply = self.inbox + b".ask"
        sid = self.subscribe(reply)
        body = b"" if payload is None else msgspec.json.encode(payload)
        self.publish(subject.encode(), body, reply)
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            for delivery in self.receive(left):
                if delivery.sid != sid:
                    continue
                self._send(b"UNSUB %s\r\n" % sid)
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

    def _log_in(self, credentials: Credentials, tls: ssl.SSLContext | None, host: str) -> None:
        line, self._rest = self._first_line()
        if not line.startswith(b"INFO "):
            raise WireError(f"this is no NATS server: it greeted with {line[:40]!r}")
        info = msgspec.json.decode(line[5:])
        if not info.get("headers") or not info.get("nonce"):
            raise WireUnsupported("the NATS server takes no headers, or no nkeys")
        if tls is not None:
            if not (info.get("tls_required") or info.get("tls_available")):
                raise WireError("the broker speaks no TLS, which this role demands")
            self._socket = tls.wrap_socket(self._socket, server_hostname=host)
        elif info.get("tls_required"):
            raise WireError("the broker demands TLS, and this role was told of none")
        nonce = info["nonce"].encode()
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
        self._send(b"CONNECT %s\r\nPING\r\n" % msgspec.json.encode(options))
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


def publishing(
    subject: bytes, payload: bytes, reply: bytes = b"", headers: Sequence[tuple[str, str]] = ()
) -> bytes:
    """Return the protocol text of one publish."""
    if not headers:
        return b"PUB %s %s %d\r\n%s\r\n" % (subject, reply, len(payload), payload)
    lines = "".join(f"{name}:{value}\r\n" for name, value in headers)
    head = f"NATS/1.0\r\n{lines}\r\n".encode()
    size = len(head)
    return b"HPUB %s %s %d %d\r\n%s%s\r\n" % (
        subject, reply, size, size + len(payload), head, payload,
    )  # fmt: skip


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
