"""Clients of the HTTP API who ask again as soon as they have an answer, all in one thread."""

from __future__ import annotations

import re
import selectors
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass

from borough.bench.rig.child import BenchError
from borough.settings import Listen

_ANSWER_S = 30.0
_READ_BYTES = 262_144
_LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@dataclass(slots=True)
class _Client:
    """One connection, with what has come of the answer."""

    socket: socket.socket
    data: bytes = b""


class Saturation:
    """So many connections that ask for one path over and over.

    Args:
        listen: Whom they ask.
        path: What they ask for.
        token: With which token.
        clients: How many.
    """

    def __init__(self, listen: Listen, path: str, token: str, clients: int) -> None:
        self._request = (
            f"GET {path} HTTP/1.1\r\nHost: {listen.host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        ).encode()
        self._listen, self._clients = listen, clients

    def run(self, window_s: float) -> float:
        """Return how many answers come per second; ends with every question answered.

        Raises:
            BenchError: an answer was no 200, or none came.
        """
        # Opened for each run: the API closes what says nothing for some seconds.
        sockets = [socket.create_connection(self._listen, _ANSWER_S) for _ in range(self._clients)]
        with ExitStack() as stack:
            for one in sockets:
                stack.enter_context(closing(one))
            return self._saturate([_Client(one) for one in sockets], window_s)

    def _saturate(self, clients: Sequence[_Client], window_s: float) -> float:
        answers, waiting = 0, len(clients)
        with selectors.DefaultSelector() as selector:
            for client in clients:
                selector.register(client.socket, selectors.EVENT_READ, client)
                client.socket.sendall(self._request)
            begun = time.perf_counter()
            while waiting:
                ready = selector.select(_ANSWER_S)
                if not ready:
                    raise BenchError(f"no answer came within {_ANSWER_S:g} s")
                for key, _ in ready:
                    if not self._answered(key.data):
                        continue
                    answers += 1
                    if time.perf_counter() < begun + window_s:
                        key.data.socket.sendall(self._request)
                    else:
                        waiting -= 1
            return answers / (time.perf_counter() - begun)

    def _answered(self, client: _Client) -> bool:
        """Take what has come; True when the answer is whole."""
        chunk = client.socket.recv(_READ_BYTES)
        if not chunk:
            raise BenchError("the API closed a connection")
        client.data += chunk
        end = client.data.find(b"\r\n\r\n")
        if end < 0:
            return False
        if not client.data.startswith(b"HTTP/1.1 200 "):
            raise BenchError(f"the API answered {client.data[:300]!r}")
        length = _LENGTH.search(client.data[: end + 4])
        if length is None:
            raise BenchError("an answer does not say how long it is")
        if len(client.data) < end + 4 + int(length[1]):
            return False
        client.data = b""
        return True
