"""A child process of the bench: many readers of the live feed, who look for one point's values.

The value of that point is the time of its publish, in milliseconds of the machine's monotonic
clock, which all processes share. Whatever else comes is read and passed over.
"""

from __future__ import annotations

import json
import os
import re
import selectors
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from borough.bench.limits import LINE_BYTES_MAX
from borough.bench.load.generator import answer

_CONNECT_S = 10.0
_READ_BYTES = 262_144
_TAIL_BYTES = 512
"""Longer than a sample's address and value: what may be cut in two by a read."""


class ReaderError(Exception):
    """A reader was not served; the message says why."""


class Reader:
    """One connection to the live feed."""

    def __init__(self, host: str, port: int, token: str, wanted: re.Pattern[bytes]):
        """Connect and ask; returns when the feed has begun."""
        self._wanted, self._tail = wanted, b""
        self._socket = socket.create_connection((host, port), _CONNECT_S)
        self._socket.sendall(
            f"GET /api/v1/live HTTP/1.1\r\nHost: {host}\r\n"
            f"Authorization: Bearer {token}\r\n\r\n".encode()
        )
        head = self._socket.recv(_READ_BYTES)
        if not head.startswith(b"HTTP/1.1 200 "):
            self.close()
            raise ReaderError(f"the live feed was answered {head[:200]!r}")
        self._socket.setblocking(False)

    def fileno(self) -> int:
        """Return the socket's descriptor, for a selector."""
        return self._socket.fileno()

    def close(self) -> None:
        """End the connection."""
        self._socket.close()

    def read(self) -> list[float]:
        """Return the latencies, in milliseconds, of the values that have come."""
        chunk = self._socket.recv(_READ_BYTES)
        now_ms = time.monotonic_ns() / 1e6
        if not chunk:
            raise ReaderError("the live feed has ended")
        text = self._tail + chunk
        found = list(self._wanted.finditer(text))
        done = found[-1].end() if found else 0
        self._tail = text[max(done, len(text) - _TAIL_BYTES) :]
        return [now_ms - float(match[1]) for match in found]


class Readers:
    """All of them, in one loop."""

    def __init__(self, readers: Sequence[Reader]):
        self._selector = selectors.DefaultSelector()
        for reader in readers:
            self._selector.register(reader, selectors.EVENT_READ, reader)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ)
        self._latencies: list[float] = []
        self._heard = b""

    def run(self) -> None:
        """Read until standard input ends; each line of it is answered with what came since."""
        while True:
            for key, _ in self._selector.select():
                if key.data is not None:
                    self._latencies += key.data.read()
                elif not self._hear():
                    return

    def _hear(self) -> bool:
        chunk = os.read(sys.stdin.fileno(), LINE_BYTES_MAX)
        *lines, self._heard = (self._heard + chunk).split(b"\n")
        for _ in lines:
            latencies, self._latencies = self._latencies, []
            answer({"latencies": [round(latency, 2) for latency in latencies]})
        return bool(chunk)


def pattern(address: str) -> re.Pattern[bytes]:
    """Return what finds the values of a point in the feed's events."""
    return re.compile(rb'"address":"%b","value":([0-9.]+),' % re.escape(address.encode()))


def main() -> None:
    """Open the readers that the argument, a JSON object, describes; then do what is told."""
    spec: Mapping[str, Any] = json.loads(sys.argv[1])
    wanted = pattern(spec["address"])
    try:
        readers = [
            Reader(spec["host"], spec["port"], spec["token"], wanted)
            for _ in range(spec["readers"])
        ]
        answer({"open": len(readers)})
        Readers(readers).run()
    except (ReaderError, OSError) as error:
        answer({"error": f"a reader of the live feed: {error}"})


if __name__ == "__main__":
    main()
