"""Reads QoS 0 messages of devices from a plain subscription: best effort, counted when dropped."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Sequence

from ciaas.computing.link import Dial, Link, WireError
from ciaas.limits import (
    RECONNECT_WAIT_S_MAX,
    UPLINK_BATCH_MESSAGES,
    VOLATILE_MESSAGES_MAX,
    WIRE_PULSE_S,
)
from ciaas.ports import Message

log = logging.getLogger(__name__)

VERBS = (
    "@online", "@offline", "@nodeAdded", "@nodeRemoved", "@update", "@didSet", "@transaction",
    "@delayed", "@logs", "@execOutput",
)  # fmt: skip
_QOS0 = b"Nmqtt-Pub:0"


class VolatileReader:
    """A plain subscription sees every publish; only those marked QoS 0 by the broker are ours."""

    def __init__(self, dial: Dial, doorbell: threading.Event, now_ms: Callable[[], int]):
        """``doorbell`` is set when messages wait."""
        self._dial, self._doorbell, self._now_ms = dial, doorbell, now_ms
        self._waiting: deque[Message] = deque()
        self._stopping = threading.Event()
        self._wire: Link | None = None
        self.dropped = 0
        """Messages dropped because VOLATILE_MESSAGES_MAX were waiting."""
        self._thread = threading.Thread(target=self._run, name="volatile-reader", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self._thread.start()

    def take(self) -> Sequence[Message]:
        """Return up to one batch of what waits."""
        waiting = self._waiting
        return [waiting.popleft() for _ in range(min(len(waiting), UPLINK_BATCH_MESSAGES))]

    def stop(self) -> None:
        """End the reading; what was not taken is gone, as QoS 0 allows."""
        self._stopping.set()
        if self._wire is not None:
            self._wire.close()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        wait_s = 0.05
        while not self._stopping.is_set():
            try:
                self._wire = self._dial()
                for verb in VERBS:
                    self._wire.subscribe(f"{verb}.>".encode())
                while not self._stopping.is_set():  # `stop` may have come while we connected
                    self._read(self._wire)
                    wait_s = 0.05
                    self._stopping.wait(WIRE_PULSE_S)
            except WireError as error:
                if not self._stopping.is_set():
                    log.info("QoS 0 reading stopped, will reconnect: %s", error)
            finally:
                if self._wire is not None:
                    self._wire.close()
            self._stopping.wait(wait_s)
            wait_s = min(2 * wait_s, RECONNECT_WAIT_S_MAX)

    def _read(self, wire: Link) -> None:
        found = False
        for delivery in wire.receive(1.0, _QOS0):
            if not delivery.header:
                continue  # published by a client that speaks NATS, not by a device
            if len(self._waiting) >= VOLATILE_MESSAGES_MAX:
                self.dropped += 1
                continue
            now = self._now_ms()
            self._waiting.append(Message(delivery.subject, delivery.payload, 0, now, b""))
            found = True
        if found:
            self._doorbell.set()
