"""A process that runs many cloud.iO devices, each with its own certificate and connection.

Run as ``python -m borough.demo.devices.device_process SPEC``: the file says which things of the
quarter these are and where the platform is.
"""

from __future__ import annotations

import heapq
import json
import selectors
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path as FilePath
from typing import Any

import numpy as np

from borough.demo.city.plan import quarter
from borough.demo.city.thing import Path, Thing
from borough.demo.devices.backfill import Backfill
from borough.demo.devices.launch import Stop, hear_parent, report
from borough.demo.devices.ledger import Ledger
from borough.demo.devices.link import Identity, Link, State
from borough.demo.devices.probe import Probe
from borough.demo.devices.renewal import Renewal
from borough.demo.devices.sample import Outgoing, Reading, transaction, update
from borough.demo.limits import LEDGER_FLUSH_S, STOP_S_MAX
from borough.demo.recordings.library import Recordings

_SWEEP_S = 0.05
_REPORT_S = 0.5
_LEAVE_S_MAX = 2.0
EXIT_UNSENT = 3
"""Exit code when something was still unacknowledged at the end."""


@dataclass(frozen=True, slots=True)
class Spec:
    """What a device process does; all paths absolute."""

    name: str
    """Of its ledger and its note of the uploaded past."""
    things: tuple[str, ...]
    """Keys of things that run live."""
    past_only: tuple[str, ...]
    """Keys of polled things whose past is uploaded at their commissioning."""
    past: tuple[int, int]
    """From and to of the uploaded past, in milliseconds since 1970 UTC."""
    host: str
    port: int
    http: str
    """Base address of the API, such as ``http://127.0.0.1:8080``."""
    http_authority: str | None
    """PEM file to trust when ``http`` is https."""
    authority: str
    """File of the authority's certificate that the broker's is checked against."""
    identities: str
    """Folder with ``<uuid>.pem`` and ``<uuid>.key`` of each device."""
    ledgers: str
    """Folder of the ledgers."""
    est: str | None = None
    """Base address of the EST port; None renews nothing."""
    kept: str | None = None
    """Folder of the recordings that were read before."""
    period_s: float = 2.0
    """Pause between two values of a thing."""
    stop_s: float = STOP_S_MAX
    """How long to wait for outstanding acknowledgements when told to stop."""

    def write(self, path: FilePath) -> None:
        """Store it as JSON."""
        path.write_text(json.dumps(asdict(self)))

    @staticmethod
    def read(path: FilePath) -> Spec:
        """Return what `write` stored."""
        stored = json.loads(path.read_text())
        for key in ("things", "past_only", "past"):
            stored[key] = tuple(stored[key])
        return Spec(**stored)


class LiveDevice:
    """One thing that delivers its values at a steady pace."""

    def __init__(self, thing: Thing, link: Link, recordings: Recordings) -> None:
        self.thing = thing
        self.link = link
        self._signals = [(channel, channel.signal(recordings)) for channel in thing.channels]
        self._step_ms = thing.past_step_ms
        self._last_ms = 0

    def tick(self, now_ms: int) -> list[Reading]:
        """Send the present values; returns what was sent.

        When a measurement of its own fell due since the last time, its exact time is told: what
        lies between two of them is held or interpolated.
        """
        measured = now_ms // self._step_ms * self._step_ms
        at = measured if self._last_ms and measured > self._last_ms else now_ms
        at = max(at, self._last_ms + 1)
        self._last_ms = at
        readings = []
        for channel, signal in self._signals:
            value = round(float(signal.at(np.array([at], np.int64))[0]), channel.decimals)
            if np.isfinite(value):
                readings.append(Reading(self.thing.address(channel), at, value))
        if len(readings) == 1:
            self.link.offer(update(readings[0]))
        elif readings:
            self.link.offer(transaction(self.thing.uuid, readings))
        return readings


class DeviceProcess:
    """Runs the devices of a spec until told to stop."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._probe: Probe | None = None
        self._selector = selectors.DefaultSelector()
        self._recordings = Recordings(FilePath(spec.kept) if spec.kept else None)
        self._ledger = Ledger(FilePath(spec.ledgers), spec.name)
        self._sent = 0
        known = {thing.key: thing for thing in quarter()}
        self._links: dict[str, Link] = {}
        self._devices = []
        for key in spec.things:
            link = self._link(known[key], known[key].model())
            self._devices.append(LiveDevice(known[key], link, self._recordings))
        self._backfill = Backfill(
            [known[key] for key in (*spec.things, *spec.past_only)],
            spec.past,
            FilePath(spec.ledgers) / f"{spec.name}.uploaded",
            self._recordings,
            lambda thing: self._links.get(thing.uuid) or self._link(thing, None),
        )
        self._renewal = None if spec.est is None else Renewal(spec.est, self._identities)
        self._asleep = set(range(len(self._devices)))
        self._due: list[tuple[float, int]] = []
        self._swept = self._flushed = self._reported = 0.0

    def run(self, stop: Stop, probe: Probe | None) -> int:
        """Turn until told to stop, then until all is acknowledged; returns the exit code.

        ``probe`` measures how long a value takes to be readable; None measures nothing.
        """
        self._probe = probe
        while not stop:
            self._turn(live=True)
        deadline = time.monotonic() + self._spec.stop_s
        while self._outstanding and time.monotonic() < deadline:
            self._turn(live=False)
        unsent = self._outstanding
        for link in self._links.values():
            link.leave()
        deadline = time.monotonic() + _LEAVE_S_MAX
        while not all(link.gone for link in self._links.values()) and time.monotonic() < deadline:
            self._turn(live=False)
        if self._renewal is not None:
            self._renewal.close()
        self._ledger.close()
        self._report()
        return EXIT_UNSENT if unsent else 0

    @property
    def _outstanding(self) -> int:
        return sum(link.outstanding for link in self._links.values())

    def _turn(self, *, live: bool) -> None:
        """Serve sockets, send what is due, and put what was acknowledged on disk."""
        for key, events in self._selector.select(_SWEEP_S / 2):
            key.data.ready(events)
        now = time.monotonic()
        if now - self._swept >= _SWEEP_S:
            self._swept = now
            for link in list(self._links.values()):
                link.turn(now)
        if self._ledger.waiting and now - self._flushed >= LEDGER_FLUSH_S:
            self._ledger.flush()
            self._flushed = now
        if not self._ledger.waiting:
            self._backfill.recorded()
        # After the fsync, so that what is sent now does not wait for it on its way out.
        if live:
            self._tick(time.monotonic())
            self._upload()
        if now - self._reported >= _REPORT_S:
            self._reported = now
            self._report()

    def _tick(self, now: float) -> None:
        # A device that never was connected has not begun to measure.
        for number in [n for n in self._asleep if self._devices[n].link.state is State.UP]:
            self._asleep.remove(number)
            heapq.heappush(self._due, (now, number))
        while self._due and self._due[0][0] <= now:
            due, number = heapq.heappop(self._due)
            readings = self._devices[number].tick(round(time.time() * 1_000))
            self._sent += len(readings)
            if self._probe and readings and number == 0 and not self._backfill.left:
                self._probe.published(readings[0].address, readings[0].time_ms)
            # After a pause, such as a slow connect, it goes on from now instead of catching up.
            heapq.heappush(self._due, (max(due + self._spec.period_s, now), number))

    def _upload(self) -> None:
        self._backfill.step()
        for link in self._backfill.finished:
            if not any(device.link is link for device in self._devices):
                link.leave()
        self._backfill.finished.clear()

    def _link(self, thing: Thing, nodes: Mapping[str, Any] | None) -> Link:
        spec, folder = self._spec, FilePath(self._spec.identities)
        identity = Identity(
            uuid=thing.uuid,
            certificate=folder / f"{thing.uuid}.pem",
            key=folder / f"{thing.uuid}.key",
            authority=FilePath(spec.authority),
            host=spec.host,
            port=spec.port,
            cbor=thing.cbor,
        )
        link = Link(identity, nodes, self._selector, self._acknowledged)
        self._links[thing.uuid] = link
        return link

    def _identities(self) -> list[Identity]:
        return [link.identity for link in list(self._links.values())]

    def _acknowledged(self, message: Outgoing) -> None:
        self._ledger.add(message.readings)
        self._backfill.acknowledged(message)

    def _report(self) -> None:
        links = self._links.values()
        report(
            sent=self._sent + self._backfill.sent,
            acked=self._ledger.counted,
            resent=sum(link.resent for link in links),
            dropped=sum(link.dropped for link in links),
            up=sum(device.link.state is State.UP for device in self._devices),
            past_left=self._backfill.left,
            refused=next((link.refused for link in links if link.refused), ""),
            latency_ms=self._probe.take() if self._probe else [],
            missed=self._probe.missed if self._probe else 0,
        )


def main() -> None:
    """Run the process that the spec named in the arguments describes."""
    stop = Stop()
    try:
        spec = Spec.read(FilePath(sys.argv[1]))
    except (IndexError, OSError):
        raise SystemExit("this process is started by `./run demo`, which writes its spec") from None
    polled = [t.key for t in quarter() if t.path is not Path.MQTT and t.key in spec.things]
    assert not polled, f"polled things cannot run live: {polled}"
    devices = DeviceProcess(spec)
    told = hear_parent()
    probe = Probe(spec.http, told["token"], spec.http_authority) if told.get("token") else None
    code = devices.run(stop, probe)
    if probe is not None:
        probe.close()
    sys.exit(code)


if __name__ == "__main__":
    main()
