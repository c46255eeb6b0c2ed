"""Publishes numbered commits, in order, to the durable live stream.

A commit is published after it is recorded. At start the stream is continued after the last commit
that is in it, so that a crash between the two loses nothing downstream. A subscriber takes a
commit as complete when all its chunks are there, and drops a chunk that comes twice.
"""

from __future__ import annotations

import base64
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import Protocol

import msgspec
import numpy as np

from ciaas.computing.link import Dial, Link, WireError
from ciaas.kernel.columns import encode
from ciaas.kernel.sample import Frame
from ciaas.limits import LIVE_CHUNK_BYTES, LIVE_COMMITS_WAITING, RECONNECT_WAIT_S_MAX
from ciaas.ports import Commit, HistoryError

log = logging.getLogger(__name__)

STREAM = "LIVE"
COMMIT_HEADER = "Borough-Commit"
CHUNK_HEADER = "Borough-Chunk"
"""``<chunk>/<chunks>``, counted from 1."""

_ACK_WAIT_S = 5.0
_LOOK_EACH_S = 0.5
_ROWS_BYTES_GUESS = 64
"""Arrow bytes of a row without text; only decides where to cut first."""


class Commits(Protocol):
    """What the publisher needs of history."""

    def commits(self, after: int) -> Iterator[Commit]:
        """Yield the commits above a number in order."""
        ...

    def last_commit(self) -> int:
        """Return the newest commit's number."""
        ...

    def commit_before(self, at_ms: int) -> int:
        """Return the newest commit recorded before a time, 0 when there is none."""
        ...


class LivePublisher:
    """Keeps ``LIVE.<shard>`` level with history; never holds up the writer."""

    def __init__(
        self,
        dial: Dial,
        commits: Commits,
        *,
        shard: int,
        max_age_s: float,
        now_ms: Callable[[], int],
    ):
        """``max_age_s`` is the stream's own bound: what is older need not be published again."""
        self._dial, self._commits, self._now_ms = dial, commits, now_ms
        self._shard, self._max_age_ms = shard, int(max_age_s * 1000)
        self._subject = f"{STREAM}.{shard}".encode()
        self._waiting: deque[Commit] = deque(maxlen=LIVE_COMMITS_WAITING)
        self._turn = threading.Condition()
        self._stopping = False
        self.published = 0
        """Number of the last commit that the stream holds whole."""
        self.last_error = ""
        self._thread = threading.Thread(target=self._run, name="live", daemon=True)

    def start(self) -> None:
        """Begin to publish."""
        self._thread.start()

    def offer(self, commit: Commit) -> None:
        """Take a commit that was just recorded; older ones in hand may be read back later."""
        with self._turn:
            self._waiting.append(commit)
            self._turn.notify()

    def stop(self, timeout_s: float) -> None:
        """Publish what is recorded, as far as the time allows, and end."""
        deadline = time.monotonic() + timeout_s
        last = self._commits.last_commit()
        while self.published < last and time.monotonic() < deadline and self._thread.is_alive():
            threading.Event().wait(0.01)
        with self._turn:
            self._stopping = True
            self._turn.notify()
        self._thread.join(max(0.1, deadline - time.monotonic()))

    # -- the publishing thread

    def _run(self) -> None:
        wait_s = 0.05
        while not self._stopping:
            wire = None
            try:
                wire = self._dial()
                acks = _Acks(wire)
                self.published = self._resume(wire)
                while not self._stopping:
                    for commit in self._next():
                        self._publish(wire, acks, commit)
                        self.published = commit.number
                    wait_s = 0.05
            except (WireError, HistoryError) as error:
                if not self._stopping:
                    log.warning("live stream interrupted, will go on: %s", error)
                self.last_error = str(error)
            finally:
                if wire is not None:
                    wire.close()
            if not self._stopping:
                threading.Event().wait(wait_s)
                wait_s = min(2 * wait_s, RECONNECT_WAIT_S_MAX)

    def _resume(self, wire: Link) -> int:
        """Return the last commit that the stream holds whole."""
        state = wire.request(f"$JS.API.STREAM.INFO.{STREAM}")["state"]
        if not state["messages"]:
            return self._commits.commit_before(self._now_ms() - self._max_age_ms)
        last = wire.request(
            f"$JS.API.STREAM.MSG.GET.{STREAM}", {"last_by_subj": self._subject.decode()}
        )
        headers = _headers(base64.b64decode(last["message"]["hdrs"]))
        number = int(headers[COMMIT_HEADER])
        chunk, _, chunks = headers[CHUNK_HEADER].partition("/")
        return number if chunk == chunks else number - 1

    def _next(self) -> Iterator[Commit]:
        """Yield the commits that follow: those in hand, or read back where they are no more."""
        in_hand = None
        with self._turn:  # never while one is being published: the writer must not wait for us
            while self._waiting and self._waiting[0].number <= self.published:
                self._waiting.popleft()
            if not self._waiting and self._commits.last_commit() <= self.published:
                self._turn.wait(_LOOK_EACH_S)
            if self._waiting and self._waiting[0].number == self.published + 1:
                in_hand = self._waiting.popleft()
        if in_hand is not None:
            yield in_hand
        elif self._commits.last_commit() > self.published:
            for commit in self._commits.commits(self.published):
                if self._stopping:
                    return
                yield commit

    def _publish(self, wire: Link, acks: _Acks, commit: Commit) -> None:
        chunks = list(_chunks(commit.frame))
        for number, payload in enumerate(chunks, 1):
            headers = (
                ("Nats-Msg-Id", f"{self._shard}:{commit.number}:{number}"),
                (COMMIT_HEADER, str(commit.number)),
                (CHUNK_HEADER, f"{number}/{len(chunks)}"),
            )
            wire.publish(self._subject, payload, acks.inbox, headers)
        acks.wait(len(chunks))


class _Acks:
    """The stream's acknowledgements of what this connection published."""

    def __init__(self, wire: Link):
        self._wire = wire
        self.inbox = wire.inbox + b".acks"
        self._sid = wire.subscribe(self.inbox)

    def wait(self, count: int) -> None:
        """Return when so many publishes are stored.

        Raises:
            WireError: one was refused, or no answer came in time.
        """
        deadline = time.monotonic() + _ACK_WAIT_S
        while count > 0:
            left = deadline - time.monotonic()
            if left <= 0:
                raise WireError("the live stream did not acknowledge in time")
            for delivery in self._wire.receive(left):
                if delivery.sid != self._sid:
                    continue
                if delivery.status:
                    raise WireError("nothing stores the live stream")
                answer = msgspec.json.decode(delivery.payload)
                if "error" in answer:
                    raise WireError(f"the live stream refused: {answer['error']['description']}")
                count -= 1


def _headers(text: bytes) -> dict[str, str]:
    lines = text.decode().split("\r\n")[1:]
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def _chunks(frame: Frame) -> Iterator[bytes]:
    """Yield the frame as Arrow IPC streams, each below LIVE_CHUNK_BYTES unless it is one row."""
    rows = max(1, LIVE_CHUNK_BYTES // _ROWS_BYTES_GUESS)
    for start in range(0, len(frame), rows):
        yield from _halved(frame.select(np.arange(start, min(start + rows, len(frame)))))


def _halved(frame: Frame) -> Iterator[bytes]:
    payload = encode(frame)
    if len(payload) <= LIVE_CHUNK_BYTES or len(frame) == 1:
        yield payload
        return
    middle = len(frame) // 2
    yield from _halved(frame.select(np.arange(middle)))
    yield from _halved(frame.select(np.arange(middle, len(frame))))
