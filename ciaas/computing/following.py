"""Follows the live stream from a position of its own: each commit once, in order."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import msgspec

from ciaas.computing.link import Delivery, Dial, Link, WireError
from ciaas.computing.live import CHUNK_HEADER, COMMIT_HEADER, STREAM
from ciaas.kernel.columns import ColumnsError, decode
from ciaas.kernel.sample import Frame
from ciaas.limits import FOLLOW_CHUNKS, RECONNECT_WAIT_S_MAX

log = logging.getLogger(__name__)

_EXPIRES_S = 5.0
_SILENCE_S = 3 * _EXPIRES_S
_GATHER_S = 0.02
"""How long what keeps coming is gathered into one read: a read has its own costs."""


class Place(msgspec.Struct, frozen=True):
    """How far a follower has come: the last chunk that it took."""

    created: str = ""
    """Time of the stream's creation: a recreated one counts from 1 again. Empty: never read."""
    sequence: int = 0
    commit: int = 0
    chunk: int = 0
    chunks: int = 0

    @property
    def whole(self) -> int:
        """Number of the last commit of which every chunk was taken."""
        return self.commit if self.chunk == self.chunks else self.commit - 1


@dataclass(frozen=True, slots=True)
class Passage:
    """What one read brought."""

    frame: Frame
    """Rows in the order in which they were recorded."""
    place: Place
    pending: int
    """Messages that the broker still holds for us."""
    missed: int
    """Commits that the stream held no more when we came to them."""


class LiveFollower:
    """Reads ``LIVE.<shard>`` for one thread; connects and connects again by itself."""

    def __init__(self, dial: Dial, place: Place):
        """Begin after ``place``; one that was never read means from ``origin`` on."""
        self.origin = 0
        """Where to begin a stream never read, milliseconds since 1970 UTC: by what is stored then
        or later."""
        self._dial = dial
        self.place = place
        self._wire: Link | None = None
        self._pull = b""
        self._sid = b""
        self._left = 0
        self._heard = 0.0
        self._wait_s = 0.05
        self._not_before = 0.0
        self.last_error = ""

    def read(self, wait_s: float) -> Passage | None:
        """Return what came since the last read, None when nothing did within the time."""
        try:
            if self._wire is None:
                if (left := self._not_before - time.monotonic()) > wait_s:
                    _pause(wait_s)
                    return None
                _pause(left)
                self._attach()
            deliveries = self._receive(wait_s)
            return self._take(deliveries) if deliveries else None
        except (WireError, ColumnsError) as error:
            if str(error) != self.last_error:
                log.warning("following the live stream stopped, will go on: %s", error)
            self.last_error = str(error)
            self.close()
            self._not_before = time.monotonic() + self._wait_s
            self._wait_s = min(2 * self._wait_s, RECONNECT_WAIT_S_MAX)
            return None

    @property
    def attached(self) -> bool:
        """True while connected."""
        return self._wire is not None

    def close(self) -> None:
        """End the connection; the next read makes a new one."""
        if self._wire is not None:
            self._wire.close()
        self._wire = None

    def _attach(self) -> None:
        wire = self._dial()
        self._wire = wire
        info = wire.request(f"$JS.API.STREAM.INFO.{STREAM}")
        created, last = info["created"], int(info["state"]["last_seq"])
        never = not self.place.created
        if never:
            self.place = Place(created)
        elif self.place.created != created:
            self.place = msgspec.structs.replace(self.place, created=created, sequence=0)
        elif self.place.sequence > last:  # after a loss of power the stream may end earlier
            self.place = msgspec.structs.replace(self.place, sequence=last)
        config: dict[str, Any] = {
            "ack_policy": "none",
            "inactive_threshold": int(4 * _EXPIRES_S * 1e9),
        }
        if never:
            begin = datetime.fromtimestamp(self.origin / 1000, UTC).isoformat()
            config |= {"deliver_policy": "by_start_time", "opt_start_time": begin}
        else:
            config |= {
                "deliver_policy": "by_start_sequence", "opt_start_seq": self.place.sequence + 1,
            }  # fmt: skip
        made = wire.request(
            f"$JS.API.CONSUMER.CREATE.{STREAM}", {"stream_name": STREAM, "config": config}
        )
        self._pull = f"$JS.API.CONSUMER.MSG.NEXT.{STREAM}.{made['name']}".encode()
        self._sid = wire.subscribe(wire.inbox + b".live")
        self._left = 0
        self._heard = time.monotonic()
        self._wait_s, self.last_error = 0.05, ""

    def _receive(self, wait_s: float) -> list[Delivery]:
        """Return deliveries of the standing pull, and keep one standing."""
        assert self._wire is not None
        taken: list[Delivery] = []
        deadline = time.monotonic() + wait_s
        while len(taken) < FOLLOW_CHUNKS and (left := deadline - time.monotonic()) > 0:
            if not self._left:
                ask = {"batch": FOLLOW_CHUNKS, "expires": int(_EXPIRES_S * 1e9)}
                self._wire.publish(
                    self._pull, msgspec.json.encode(ask), self._wire.inbox + b".live"
                )
                self._left = FOLLOW_CHUNKS
            came = self._wire.receive(left)
            if came:
                self._heard = time.monotonic()
            elif time.monotonic() - self._heard > _SILENCE_S:
                raise WireError("the broker is silent")
            for delivery in came:
                if delivery.sid != self._sid:
                    continue
                if delivery.status in (404, 408, 409):
                    self._left = 0
                elif delivery.status:
                    raise WireError(f"the pull was refused: {delivery.header!r}")
                else:
                    self._left -= 1
                    taken.append(delivery)
            if taken:
                deadline = min(deadline, time.monotonic() + _GATHER_S)
        return taken

    def _take(self, deliveries: Sequence[Delivery]) -> Passage:
        place, missed, frames = self.place, 0, []
        pending = 0
        for delivery in deliveries:
            commit, chunk, chunks = _numbers(delivery)
            # $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>
            tokens = delivery.reply.split(b".")
            pending, sequence = int(tokens[8]), int(tokens[5])
            if (commit, chunk) <= (place.commit, place.chunk):  # published again after a crash
                place = msgspec.structs.replace(place, sequence=sequence)
                continue
            if place.commit and commit > place.whole + 1:
                missed += commit - place.whole - 1
                log.error("commits %d to %d are in the stream no more", place.whole + 1, commit - 1)
            place = Place(place.created, sequence, commit, chunk, chunks)
            frames.append(decode(delivery.payload))
        self.place = place
        return Passage(Frame.concat(frames), place, pending, missed)


def _numbers(delivery: Delivery) -> tuple[int, int, int]:
    lines = delivery.header.decode().split("\r\n")[1:]
    headers = {name: text.strip() for name, _, text in (line.partition(":") for line in lines)}
    chunk, _, chunks = headers[CHUNK_HEADER].partition("/")
    return int(headers[COMMIT_HEADER]), int(chunk), int(chunks)


def _pause(seconds: float) -> None:
    if seconds > 0:
        time.sleep(seconds)  # in a thread that does nothing else until the broker is back
