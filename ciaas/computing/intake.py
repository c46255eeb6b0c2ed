"""Reads a stream of the broker for the one writer: standing pulls, joined acknowledgements.

Source of the rules: a consumer is reset whenever a reader (re)connects, because otherwise the
broker delivers new messages before the old unacknowledged ones, and what lies between is taken for
known (see ``docs/architecture.md``, "Nothing lost, nothing doubled").
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from ciaas.computing.link import Delivery, Dial, Link, WireError
from ciaas.limits import (
    PULL_BYTES,
    PULL_EXPIRES_S,
    PULL_MESSAGES,
    RECONNECT_WAIT_S_MAX,
    UPLINK_BATCH_BYTES,
    UPLINK_BATCH_MESSAGES,
    UPLINK_WAITING_MESSAGES,
    WIRE_PULSE_S,
)
from ciaas.ports import Batch, HistoryError, Message, StreamId

log = logging.getLogger(__name__)

_NS_PER_MS = 1_000_000
_PULL = {
    "batch": PULL_MESSAGES,
    "max_bytes": PULL_BYTES,
    "expires": int(PULL_EXPIRES_S * 1e9),
    "idle_heartbeat": int(PULL_EXPIRES_S * 1e9 / 3),
}
_IDLE_HEARTBEAT = 100
_SILENCE_S = PULL_EXPIRES_S
_LOOK_AGAIN_S = 0.02


class Position(Protocol):
    """What the reader needs of history: where it was, and to forget what the broker lost."""

    def position(self, stream: StreamId) -> int:
        """Return the highest sequence covered, 0 for an unknown stream."""
        ...

    def rewind(self, stream: StreamId, last_sequence: int) -> None:
        """Forget sequences above the last one the broker has."""
        ...


class Attach(Protocol):
    """How a reader takes hold of its stream on a fresh connection."""

    def __call__(self, wire: Link, position: Position) -> tuple[StreamId, str]:
        """Return the stream's identity and the consumer to pull from."""
        ...


def attach_durable(stream: str, consumer: str) -> Attach:
    """Take hold of a durable explicit-ack consumer: rewind what the broker lost, then reset."""

    def attach(wire: Link, position: Position) -> tuple[StreamId, str]:
        identity = _identify(wire, stream, position)
        wire.request(f"$JS.API.CONSUMER.RESET.{stream}.{consumer}", {})
        return identity, consumer

    return attach


def attach_position(stream: str) -> Attach:
    """Read without acknowledgements from the own position on; what is stored is purged later."""

    def attach(wire: Link, position: Position) -> tuple[StreamId, str]:
        identity = _identify(wire, stream, position)
        made = wire.request(
            f"$JS.API.CONSUMER.CREATE.{stream}",
            {
                "stream_name": stream,
                "config": {
                    "ack_policy": "none",
                    "deliver_policy": "by_start_sequence",
                    "opt_start_seq": position.position(identity) + 1,
                    "inactive_threshold": int(2 * PULL_EXPIRES_S * 1e9),
                },
            },
        )
        return identity, str(made["name"])

    return attach


def _identify(wire: Link, stream: str, position: Position) -> StreamId:
    info = wire.request(f"$JS.API.STREAM.INFO.{stream}")
    identity = StreamId(stream, info["created"])
    position.rewind(identity, info["state"]["last_seq"])
    return identity


@dataclass(slots=True)
class _Waiting:
    """Messages read and not yet taken by the writer, all of one connection."""

    stream: StreamId
    generation: int
    messages: deque[Message] = field(default_factory=deque)


class StreamReader:
    """Keeps pulls standing on one consumer and hands batches to the writer, over reconnects."""

    def __init__(
        self,
        dial: Dial,
        attach: Attach,
        position: Position,
        doorbell: threading.Event,
        *,
        strip: bytes = b"",
    ):
        """``doorbell`` is set when a batch is waiting; ``strip`` is cut off every subject."""
        self._dial, self._attach, self._position = dial, attach, position
        self._doorbell, self._strip = doorbell, len(strip)
        self._lock = threading.Lock()
        self._waiting = _Waiting(StreamId("", ""), 0)
        self._wire: Link | None = None
        self._stopping = threading.Event()
        self._attached = threading.Event()
        self.pending = 0
        """Messages the broker still holds for us, as of the last delivery."""
        self.last_error = ""
        self._thread = threading.Thread(target=self._run, name="stream-reader", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def wait_attached(self, timeout_s: float) -> bool:
        """Return True once pulls stand on the consumer."""
        return self._attached.wait(timeout_s)

    @property
    def attached(self) -> bool:
        """True while pulls stand on the consumer."""
        return self._attached.is_set()

    def take(self) -> Batch | None:
        """Return the next batch, up to the named bounds, or None when nothing waits."""
        with self._lock:
            waiting = self._waiting
            if not waiting.messages:
                return None
            taken: list[Message] = []
            size = 0
            while waiting.messages and len(taken) < UPLINK_BATCH_MESSAGES:
                if taken and size >= UPLINK_BATCH_BYTES:
                    break
                message = waiting.messages.popleft()
                taken.append(message)
                size += len(message.payload)
            return Batch(waiting.stream, taken, waiting.generation)

    def acknowledge(self, batch: Batch) -> None:
        """Acknowledge in one write; on a newer connection the broker delivers them once more."""
        with self._lock:
            wire = self._wire
            if wire is None or batch.generation != self._waiting.generation:
                return
        try:
            wire.acknowledge([message.reply for message in batch.messages])
        except WireError as error:
            log.info("acknowledgements not sent, the broker will repeat them: %s", error)

    def purge(self, batch: Batch) -> None:
        """Let the broker drop what is stored, up to the batch's end (position readers only)."""
        with self._lock:
            wire = self._wire
        if wire is None:
            return
        body = msgspec.json.encode({"seq": batch.messages[-1].sequence + 1})
        subject = f"$JS.API.STREAM.PURGE.{batch.stream.name}".encode()
        try:
            wire.publish(subject, body, wire.inbox + b".purged")
        except WireError as error:
            log.info("stream %s not purged now, a later commit will: %s", batch.stream.name, error)

    def stop(self) -> None:
        """End the reading; what was not taken stays with the broker."""
        self._stopping.set()
        wire = self._wire
        if wire is not None:
            wire.close()
        if self._thread.is_alive():
            self._thread.join()

    # -- the reading thread

    def _run(self) -> None:
        wait_s = 0.05
        while not self._stopping.is_set():
            try:
                wire = self._dial()
                self._wire = wire
                self._read(wire)
            except (WireError, HistoryError) as error:
                if self._stopping.is_set():
                    return
                if self._attached.is_set():
                    wait_s = 0.05
                    log.warning("reading stopped, will reconnect: %s", error)
                self.last_error = str(error)
            finally:
                self._attached.clear()
                if self._wire is not None:
                    self._wire.close()
            self._stopping.wait(wait_s)
            wait_s = min(2 * wait_s, RECONNECT_WAIT_S_MAX)

    def _read(self, wire: Link) -> None:
        stream, consumer = self._attach(wire, self._position)
        with self._lock:
            self._waiting = _Waiting(stream, self._waiting.generation + 1)
        pulls = _Pulls(wire, stream.name, consumer)
        self._attached.set()
        heard = time.monotonic()
        while not self._stopping.is_set():  # `stop` may have come while we connected
            deliveries = wire.receive(_LOOK_AGAIN_S if pulls.over else 1.0)
            if deliveries:
                heard = time.monotonic()
                self._hand_over(pulls.admit(deliveries))
            if len(self._waiting.messages) < UPLINK_WAITING_MESSAGES:
                pulls.renew()
            if deliveries:
                self._stopping.wait(WIRE_PULSE_S)
            if time.monotonic() - heard > _SILENCE_S and not pulls.over:
                raise WireError("the broker's heartbeat stopped")

    def _hand_over(self, deliveries: Sequence[Delivery]) -> None:
        if not deliveries:
            return
        strip = self._strip
        messages = []
        tokens: list[bytes] = []
        for delivery in deliveries:
            # $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<ns>.<pending>
            tokens = delivery.reply.split(b".")
            messages.append(
                Message(
                    delivery.subject[strip:],
                    delivery.payload,
                    int(tokens[5]),
                    int(tokens[7]) // _NS_PER_MS,
                    delivery.reply,
                )
            )
        self.pending = int(tokens[8])
        with self._lock:
            self._waiting.messages.extend(messages)
        self._doorbell.set()


class _Pulls:
    """The standing pull requests of one connection."""

    def __init__(self, wire: Link, stream: str, consumer: str):
        self._wire = wire
        self._subject = f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}".encode()
        self._body = msgspec.json.encode(_PULL)
        self._left: dict[bytes, int] = {}
        self._inboxes: dict[bytes, bytes] = {}
        self.over: set[bytes] = set()
        """Pulls that are used up and wait for `renew`."""
        for number in range(wire.pulls):
            inbox = b"%s.%d" % (wire.inbox, number)
            sid = wire.subscribe(inbox)
            self._inboxes[sid] = inbox
            self._ask(sid)

    def admit(self, deliveries: Sequence[Delivery]) -> list[Delivery]:
        """Return the messages among deliveries; note which pulls are used up or over."""
        left, admitted, over = self._left, [], self.over
        for delivery in deliveries:
            header = delivery.header
            if header and len(header) > 10 and header[8] != 0x0D:
                if delivery.status != _IDLE_HEARTBEAT:
                    self._check(delivery)
                    over.add(delivery.sid)
                continue
            admitted.append(delivery)
            left[delivery.sid] -= 1
            if not left[delivery.sid]:
                over.add(delivery.sid)
        return admitted

    def renew(self) -> None:
        """Ask again in place of each pull that is over."""
        for sid in self.over:
            self._ask(sid)
        self.over.clear()

    def _check(self, delivery: Delivery) -> None:
        # 404 no messages, 408 expired, 409 byte bound or maximum reached: the pull is simply over
        text = delivery.header.split(b"\r\n", 1)[0].decode(errors="replace")
        if delivery.status not in (404, 408, 409) or "Deleted" in text:
            raise WireError(f"the consumer refused a pull: {text}")

    def _ask(self, sid: bytes) -> None:
        self._left[sid] = PULL_MESSAGES
        self._wire.publish(self._subject, self._body, self._inboxes[sid])
