"""The process that runs the devices: ``python -m borough.bench.load.generator SPEC``.

It is told what to do by lines of JSON on standard input and answers each with one.
"""

from __future__ import annotations

import json
import os
import selectors
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from borough.bench.limits import (
    LINE_BYTES_MAX,
    PACED_MESSAGES,
    WINDOW_BYTES,
    WINDOW_MESSAGES,
)
from borough.bench.load.device import Broker, Device, LoadError
from borough.bench.load.traffic import Clock, Kind, Traffic, traffic

_TICK_S = 0.002
_IDLE_S = 0.5
_BURST_RATE = 10_000.0
"""Messages per second above which a device sends several at a time."""
_BURST_MAX = 8
_REFILL_PART = 4
"""A window is filled up again when at least one in so many of its messages is acknowledged."""


class Generator:
    """Devices that send nothing, as much as they can, or at a steady rate."""

    def __init__(self, devices: Sequence[Device]):
        """The devices are open."""
        self._devices = devices
        clocks = [Clock() for _ in devices]
        self._kinds: dict[Kind, list[Traffic]] = {
            kind: [traffic(d.uuid, kind, clock) for d, clock in zip(devices, clocks, strict=True)]
            for kind in Kind
        }
        self._kind = Kind.SINGLE
        self._window = window(self._kind)
        self._rate: float | None = 0.0
        """Messages per second over all devices; None for as many as the windows allow."""
        self._since = time.monotonic()
        self._given = 0
        """Messages of the present rate sent so far."""
        self._turn = 0
        self._values_before = self._acked_before = 0
        self._selector = selectors.DefaultSelector()
        for number, device in enumerate(devices):
            self._selector.register(device, selectors.EVENT_READ, number)
        self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, None)
        self._heard = b""

    def run(self) -> None:
        """Do what is told until standard input ends; raises LoadError when a connection does."""
        while True:
            timeout_s = _TICK_S if self._rate else _IDLE_S
            for key, events in self._selector.select(timeout_s):
                if key.data is None:
                    if not self._hear():
                        return
                else:
                    self._serve(key.data, events)
            if self._rate:
                self._keep_pace()

    def obey(self, told: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do one thing: ``saturate``, ``pace``, ``hold`` or ``count``; returns the counts."""
        counts = self._counts()
        match told["do"]:
            case "saturate":
                self._start(Kind(told["kind"]), None)
                for number in range(len(self._devices)):
                    self._refill(number)
            case "pace":
                self._start(Kind(told["kind"]), float(told["rate"]))
            case "hold":
                self._rate = 0.0
        return counts

    # -- private pieces

    def _start(self, kind: Kind, rate: float | None) -> None:
        if kind is not self._kind:
            counts = self._counts()
            assert counts["sent"] == counts["acked"], "hold until all is acknowledged first"
            self._values_before, self._acked_before = counts["values"], counts["acked"]
            self._kind, self._window = kind, window(kind)
        self._rate, self._since, self._given = rate, time.monotonic(), 0

    def _counts(self) -> dict[str, int]:
        """Return messages sent and acknowledged and values acknowledged, declarations apart."""
        declared = len(self._devices)
        acked = sum(device.acked for device in self._devices) - declared
        return {
            "sent": sum(device.sent for device in self._devices) - declared,
            "acked": acked,
            "values": self._values_before + (acked - self._acked_before) * self._kind.values,
        }

    def _serve(self, number: int, events: int) -> None:
        device = self._devices[number]
        if events & selectors.EVENT_WRITE:
            device.flush()
        if events & selectors.EVENT_READ:
            device.receive()
        if self._rate is None:
            self._refill(number)
        self._watch(number)

    def _refill(self, number: int) -> None:
        device = self._devices[number]
        free = self._window - device.under_way
        # Many in one write cost the load, and the broker, a fraction of as many writes.
        if free * _REFILL_PART >= self._window and not device.stuck:
            self._send(number, free)

    def _keep_pace(self) -> None:
        assert self._rate is not None
        due = int((time.monotonic() - self._since) * self._rate) - self._given
        burst = min(max(1, int(self._rate / _BURST_RATE)), _BURST_MAX)
        for _ in range(min(due, len(self._devices) * PACED_MESSAGES) // burst):
            number = self._turn
            device = self._devices[number]
            if device.under_way + burst > PACED_MESSAGES or device.stuck:
                return  # the broker is behind; what is owed follows when it has caught up
            self._send(number, burst)
            self._given += burst
            self._turn = (number + 1) % len(self._devices)

    def _send(self, number: int, count: int) -> None:
        device = self._devices[number]
        volatile = self._kind is Kind.VOLATILE
        device.send(self._kinds[self._kind][number], count, volatile=volatile)
        self._watch(number)

    def _watch(self, number: int) -> None:
        device = self._devices[number]
        wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if device.stuck else 0)
        if self._selector.get_key(device).events != wanted:
            self._selector.modify(device, wanted, number)

    def _hear(self) -> bool:
        chunk = os.read(sys.stdin.fileno(), LINE_BYTES_MAX)
        *lines, self._heard = (self._heard + chunk).split(b"\n")
        for line in lines:
            answer(self.obey(json.loads(line)))
        return bool(chunk)


def window(kind: Kind) -> int:
    """Return how many messages of a kind one device has under way."""
    return max(1, min(WINDOW_MESSAGES, WINDOW_BYTES // kind.message_bytes))


def answer(facts: Mapping[str, Any]) -> None:
    """Tell the bench, one line of JSON."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


def main() -> None:
    """Open the devices that the argument, a JSON object, describes; then do what is told."""
    spec = json.loads(sys.argv[1])
    authority = spec["authority"] and Path(spec["authority"])
    broker = Broker(spec["host"], spec["port"], authority)
    identities = Path(spec["identities"])
    devices = [Device(uuid, identities / f"{uuid}.pem", broker) for uuid in spec["devices"]]
    try:
        for device in devices:
            device.open()
        generator = Generator(devices)
        answer({"open": len(devices)})
        generator.run()
    except LoadError as error:
        answer({"error": str(error)})
        sys.exit(1)
    for device in devices:
        device.close()


if __name__ == "__main__":
    main()
