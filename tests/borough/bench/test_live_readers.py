"""How readers find one point's values in the live feed, however the network cuts it up."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from borough.bench.load.readers import Reader, ReaderError, pattern

OTHER = b'{"address":"u/s/p/p01","value":1.0,"verdict":"good"}'


def sample(value: float) -> bytes:
    return b'{"address":"u/s/p/p00","value":%s,"verdict":"good"}' % repr(value).encode()


@contextmanager
def served(answer: bytes) -> Iterator[tuple[Reader, socket.socket]]:
    """Give a reader and the other end of its connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    ends: list[socket.socket] = []

    def accept() -> None:
        end = listener.accept()[0]
        assert b"GET /api/v1/live" in end.recv(4096)
        end.sendall(answer)
        ends.append(end)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        reader = Reader("127.0.0.1", listener.getsockname()[1], "bor_x", pattern("u/s/p/p00"))
        try:
            thread.join()
            yield reader, ends[0]
        finally:
            reader.close()
    finally:
        thread.join()
        for end in ends:
            end.close()
        listener.close()


def read(reader: Reader, count: int) -> list[float]:
    found: list[float] = []
    deadline = time.monotonic() + 10
    while len(found) < count:
        assert time.monotonic() < deadline
        try:
            found += reader.read()
        except BlockingIOError:
            threading.Event().wait(0.005)
    return found


def test_each_value_of_the_point_is_found_once_wherever_it_is_cut() -> None:
    with served(b"HTTP/1.1 200 OK\r\n\r\n") as (reader, end):
        began = time.monotonic_ns() / 1e6
        text = (
            b"data: [" + b",".join([OTHER, sample(began), OTHER, sample(began + 1), OTHER]) + b"]"
        )
        found: list[float] = []
        for cut in range(0, len(text), 7):
            end.sendall(text[cut : cut + 7])
            try:
                found += reader.read()
            except BlockingIOError:
                continue
        found += read(reader, 2 - len(found))
        assert len(found) == 2
        assert found[0] >= 0


def test_a_feed_that_is_refused_is_an_error() -> None:
    with (
        pytest.raises(ReaderError, match="503"),
        served(b"HTTP/1.1 503 Service Unavailable\r\n\r\n"),
    ):
        pass


def test_a_feed_that_ends_is_an_error() -> None:
    with served(b"HTTP/1.1 200 OK\r\n\r\n") as (reader, end):
        end.close()
        with pytest.raises(ReaderError, match="ended"):
            read(reader, 1)
