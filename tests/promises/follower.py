"""A subscriber of the live stream that goes on where it was, whatever is killed."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from ciaas.computing.link import Delivery, WireError
from ciaas.computing.live import CHUNK_HEADER, COMMIT_HEADER, STREAM
from ciaas.computing.wire import Credentials, Wire
from ciaas.kernel.columns import decode
from ciaas.kernel.sample import Frame
from security.encryption.keyring import Role
from tests.promises.platform import Platform

_PULL = 200
_EXPIRES_S = 1.0


class Chunk(NamedTuple):
    """One message of the live stream."""

    sequence: int
    commit: int
    number: int
    of: int
    payload: bytes


class Follower:
    """Reads ``LIVE.0`` from its first message on; by the next sequence after each reconnect."""

    def __init__(self, platform: Platform) -> None:
        self._platform = platform
        self._ending = threading.Event()
        self.chunks: list[Chunk] = []
        self.connections = 0
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="follower")

    def __enter__(self) -> Follower:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    @property
    def last_commit(self) -> int:
        """Highest commit of which all chunks came."""
        if self._failure:
            raise self._failure
        return max((c.commit for c in self.chunks if c.number == c.of), default=0)

    def commits(self) -> Mapping[int, Frame]:
        """Return the rows of each commit, in the order in which they became complete."""
        parts: dict[int, dict[int, Frame]] = {}
        for chunk in self.chunks:
            parts.setdefault(chunk.commit, {})[chunk.number] = decode(chunk.payload)
        sizes = {chunk.commit: chunk.of for chunk in self.chunks}
        return {
            commit: Frame.concat([found[number] for number in range(1, sizes[commit] + 1)])
            for commit, found in parts.items()
        }

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                self._follow()
            except (WireError, FileNotFoundError):
                self._ending.wait(0.1)
            except BaseException as failure:
                self._failure = failure  # for the test's own thread to raise
                return

    def _follow(self) -> None:
        keys = self._platform.keys()
        address = json.loads((self._platform.files / "run/bus.json").read_text())
        credentials = Credentials(
            keys.public(Role.CORE), lambda nonce: keys.sign(Role.CORE, nonce), "core"
        )
        wire = Wire(address["host"], address["port"], credentials)
        try:
            self.connections += 1
            after = self.chunks[-1].sequence if self.chunks else 0
            config = {
                "ack_policy": "none",
                "deliver_policy": "by_start_sequence",
                "opt_start_seq": after + 1,
                "inactive_threshold": 60_000_000_000,
            }
            made = wire.request(
                f"$JS.API.CONSUMER.CREATE.{STREAM}", {"stream_name": STREAM, "config": config}
            )
            sid = wire.subscribe(wire.inbox + b".live")
            while not self._ending.is_set():
                self._pull(wire, sid, made["name"])
        finally:
            wire.close()

    def _pull(self, wire: Wire, sid: bytes, consumer: str) -> None:
        ask = msgspec.json.encode({"batch": _PULL, "expires": int(_EXPIRES_S * 1e9)})
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{consumer}".encode()
        wire.publish(subject, ask, wire.inbox + b".live")
        left = _PULL
        heard = time.monotonic()
        while left:
            deliveries = wire.receive(_EXPIRES_S)
            if deliveries:
                heard = time.monotonic()
            elif time.monotonic() - heard > 5 * _EXPIRES_S:
                raise WireError("the broker is silent")
            for delivery in deliveries:
                if delivery.status == 408:
                    return
                if delivery.status:
                    raise WireError(f"the pull was refused: {delivery.header!r}")
                self._take(delivery)
                left -= 1

    def _take(self, delivery: Delivery) -> None:
        lines = delivery.header.decode().split("\r\n")[1:]
        headers = {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}
        number, _, of = headers[CHUNK_HEADER].partition("/")
        sequence = int(delivery.reply.split(b".")[5])
        commit = int(headers[COMMIT_HEADER])
        self.chunks.append(Chunk(sequence, commit, int(number), int(of), delivery.payload))
