"""Bench ``uplink``: values stored per second at saturation, with rights and verdicts on.

``json`` is held against a consumer on a broker of the same configuration, under the same load,
that only acknowledges; ``unread`` against such a broker without any consumer. ``tls`` is that
consumer's rate against its rate on a broker without TLS, so that nothing but TLS differs. The other
formats are held against our own rate of single values, ``qos0`` against what was sent, and ``cpu``
is the platform's processor time against its broker's.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import psutil

from borough.bench.limits import SETTLE_S_MAX, WAITING_BYTES_MAX
from borough.bench.load.traffic import (
    FIRST_OUT_OF_RANGE,
    POINTS,
    RANGE,
    SINGLE_POINTS,
    Kind,
    addresses,
)
from borough.bench.result import Better, Case, Pair, Result
from borough.bench.rig.child import BenchError, Child, child
from borough.bench.rig.devices import Fleet, fleet
from borough.bench.rig.installation import Installation, place, running
from borough.home import Home
from borough.roles.watch import free_port
from borough.settings import Listen, Settings

_VOLATILE_RATE = 50_000.0
_LOOK_S = 0.25
_SETTLE_LOOK_S = 0.05
_GONE_S = 2.0
"""Nothing more of QoS 0 is stored so long after the last: the rest is lost."""


class Bar(NamedTuple):
    """What a case is held to."""

    bar: float
    better: Better = "higher"


_BARS: Mapping[str, Bar] = {
    "json": Bar(0.80),
    "cbor": Bar(0.75),
    "tls": Bar(0.75),
    "qos0": Bar(0.999),
    "transaction20": Bar(4.0),
    "transaction100": Bar(5.0),
    "unread": Bar(0.45),
    "cpu": Bar(0.45, "lower"),
}
CASES = tuple(_BARS)


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is."""

    devices: int = 100
    window_s: float = 5.0
    warm_s: float = 1.0
    """Under load before the window, so that the natural batch has formed."""


class Stored(NamedTuple):
    """What a side had stored at a moment."""

    at: float
    """Seconds on the monotonic clock."""
    values: int
    waiting: int
    """Messages that the broker still holds for the consumer."""


class Side(Protocol):
    """One of the two that are compared, with its own load."""

    load: Child

    def stored(self) -> Stored:
        """Return what is stored by now."""
        ...


class Ours:
    """The platform."""

    def __init__(self, installation: Installation, load: Child):
        self.load = load
        self._installation = installation
        self._pids = installation.pids()
        before = installation.counts()
        self._repeats, self._aside = before.repeats, before.aside

    def stored(self) -> Stored:
        """Return what history has recorded.

        Raises:
            BenchError: messages were set aside or taken for repeats: the rate would mean nothing.
        """
        counts = self._installation.counts()
        if (counts.repeats, counts.aside) != (self._repeats, self._aside):
            raise BenchError(
                f"{counts.aside - self._aside} messages were set aside and "
                f"{counts.repeats - self._repeats} values dropped as repeats"
            )
        return Stored(counts.at, counts.samples, counts.waiting)

    def processor_s(self) -> tuple[float, float]:
        """Return the processor time that core and the broker have used, in seconds."""
        times = [psutil.Process(self._pids[role]).cpu_times() for role in ("core", "broker")]
        return times[0].user + times[0].system, times[1].user + times[1].system


class AckOnly:
    """A consumer that only acknowledges; one message of single values is one value."""

    def __init__(self, consumer: Child, load: Child):
        self.load = load
        self._consumer = consumer

    def stored(self) -> Stored:
        """Return what was acknowledged."""
        before = time.monotonic()
        said = self._consumer.tell(do="count")
        at = (before + time.monotonic()) / 2
        return Stored(at, said["acknowledged"], said["waiting"])


class Unread:
    """A broker whose messages nobody consumes: what it acknowledges is all it does."""

    def __init__(self, load: Child):
        self.load = load

    def stored(self) -> Stored:
        """Return what the broker acknowledged to the devices."""
        before = time.monotonic()
        values = self.load.tell(do="count")["values"]
        return Stored((before + time.monotonic()) / 2, values, 0)


def bench(
    settings: Settings,
    cases: Sequence[str],
    pairs: int,
    say: Callable[[str], None],
    plan: Plan | None = None,
) -> Result:
    """Run the cases.

    Raises:
        BenchError, HomeError: no figure can be given; the message says why.
    """
    plan = plan or Plan()
    measured: dict[str, list[Pair]] = {case: [] for case in cases}
    with ExitStack() as stack:
        sides = _Sides(settings, plan, stack)
        say(f"{plan.devices} devices enrolled")
        for number in range(pairs):
            pair = _Pairing(sides, plan, number + 1, say)
            for case in cases:
                measured[case].append(pair.of(case))
    return Result(
        "uplink",
        [
            Case(
                case,
                _unit(case),
                measured[case],
                _BARS[case].bar,
                _BARS[case].better,
                facts={"points": plan.devices * _points(case)},
            )
            for case in cases
        ],
        {
            "sync_interval": settings.sync_interval,
            "devices": plan.devices,
            "window_s": plan.window_s,
        },
    )


def _unit(case: str) -> str:
    return {"qos0": "values", "cpu": "cores"}.get(case, "values/s")


def _points(case: str) -> int:
    return POINTS if case == "transaction100" else SINGLE_POINTS


class _Pairing:
    """One measurement of each thing that the cases compare, made when it is first asked for."""

    def __init__(self, sides: _Sides, plan: Plan, number: int, say: Callable[[str], None]):
        self._sides, self._plan = sides, plan
        self._number, self._out = number, say

    def of(self, case: str) -> Pair:
        """Return ours and the baseline of one case."""
        match case:
            case "json":
                return Pair(self._single, self._acked)
            case "unread":
                return Pair(self._single, self._rate("nobody consumes", self._sides.unread))
            case "tls":
                plain = self._rate("ack-only without TLS", self._sides.plain)
                return Pair(self._acked, plain)
            case "qos0":
                stored, sent = _volatile(self._sides.ours, self._plan)
                self._say(f"QoS 0: {stored:,} of {sent:,} values stored")
                return Pair(stored, sent)
            case "cpu":
                _ = self._single
                return Pair(*self._cores)
            case _:
                return Pair(self._rate(case, self._sides.ours, Kind(case)), self._single)

    @cached_property
    def _single(self) -> float:
        before = self._sides.ours.processor_s()
        began = time.monotonic()
        rate = self._rate("single values", self._sides.ours)
        lasted = time.monotonic() - began
        platform, broker = (
            (after - earlier) / lasted
            for after, earlier in zip(self._sides.ours.processor_s(), before, strict=True)
        )
        self._cores = platform, broker
        return rate

    @cached_property
    def _acked(self) -> float:
        return self._rate("ack-only consumer", self._sides.ack_only)

    def _say(self, text: str) -> None:
        self._out(f"pair {self._number}: {text}")

    def _rate(self, name: str, side: Side, kind: Kind = Kind.SINGLE) -> float:
        rate = _rate(side, kind, self._plan)
        self._say(f"{name} {rate:,.0f} values/s")
        return rate


class _Sides:
    """The platform, and each baseline with its own broker and devices when it is first asked for.

    All of them end with the stack.
    """

    def __init__(self, settings: Settings, plan: Plan, stack: ExitStack):
        self._settings, self._stack = settings, stack
        self._where = stack.enter_context(place(settings))
        installation = stack.enter_context(running(self._where))
        self._fleet: Fleet = fleet(installation, plan.devices)
        self.ours = Ours(installation, self._load())
        _check_verdicts(self.ours, installation, self._fleet.uuids[0])

    @cached_property
    def ack_only(self) -> AckOnly:
        """The baseline of ``json``."""
        consumer, mqtts = self._broker("ack-only")
        return AckOnly(consumer, self._load(mqtts))

    @cached_property
    def plain(self) -> AckOnly:
        """The same without TLS."""
        consumer, mqtts = self._broker("plain", tls=False)
        return AckOnly(consumer, self._load(mqtts, tls=False))

    @cached_property
    def unread(self) -> Unread:
        """The same without a consumer."""
        _, mqtts = self._broker("unread", consume=False)
        return Unread(self._load(mqtts))

    def _broker(self, name: str, *, tls: bool = True, consume: bool = True) -> tuple[Child, Listen]:
        home = Home(self._where.folder / name)
        _copy_authority(self._where.home, home)
        mqtts = Listen("127.0.0.1", free_port())
        spec = {
            "home": str(home.path),
            "host": mqtts.host,
            "port": mqtts.port,
            "sync_interval": self._settings.sync_interval,
            "devices": self._fleet.uuids,
            "tls": tls,
            "consume": consume,
        }
        running = child("borough.bench.baseline.acknowledger", json.dumps(spec))
        consumer = self._stack.enter_context(running)
        consumer.hear()
        return consumer, mqtts

    def _load(self, mqtts: Listen | None = None, *, tls: bool = True) -> Child:
        load = self._stack.enter_context(
            child("borough.bench.load.generator", self._fleet.spec(mqtts, tls=tls))
        )
        load.hear()
        return load


def _copy_authority(ours: Home, other: Home) -> None:
    """Let the other home admit the same certificates."""
    other.path.mkdir(mode=0o700)
    shutil.copytree(ours.authority, other.authority)
    shutil.copy2(ours.keys, other.keys)


def _rate(side: Side, kind: Kind, plan: Plan) -> float:
    """Return values stored per second in one window at saturation, then let everything settle."""
    waiting_max = WAITING_BYTES_MAX // kind.message_bytes
    before, acked_before = side.stored(), side.load.tell(do="count")["values"]
    side.load.tell(do="saturate", kind=kind)
    time.sleep(plan.warm_s)  # the load itself is what is waited for
    start = last = side.stored()
    holding = False
    while last.at - start.at < plan.window_s:
        time.sleep(min(_LOOK_S, plan.window_s - (last.at - start.at)))  # likewise
        last = side.stored()
        if not holding and last.waiting > waiting_max:
            side.load.tell(do="hold")
            holding = True
        elif holding and last.waiting < waiting_max // 2:
            side.load.tell(do="saturate", kind=kind)
            holding = False
    side.load.tell(do="hold")
    _settle(side, before.values, acked_before)
    return (last.values - start.values) / (last.at - start.at)


def _volatile(ours: Ours, plan: Plan) -> tuple[int, int]:
    """Return how many values of QoS 0 were stored and how many were sent at a steady rate."""
    before, sent_before = ours.stored().values, ours.load.tell(do="count")["values"]
    ours.load.tell(do="pace", kind=Kind.VOLATILE, rate=_VOLATILE_RATE)
    time.sleep(plan.window_s)  # so long it sends
    ours.load.tell(do="hold")
    sent = ours.load.tell(do="count")["values"] - sent_before
    stored, changed = 0, time.monotonic()
    while stored < sent and time.monotonic() - changed < _GONE_S:
        time.sleep(_SETTLE_LOOK_S)
        if (now := ours.stored().values - before) != stored:
            stored, changed = now, time.monotonic()
    return stored, sent


def _settle(side: Side, stored_before: int, acked_before: int) -> None:
    """Wait until everything acknowledged to the devices is stored.

    Raises:
        BenchError: it takes too long, or more is stored than was sent.
    """
    deadline = time.monotonic() + SETTLE_S_MAX
    while True:
        load = side.load.tell(do="count")
        missing = (load["values"] - acked_before) - (side.stored().values - stored_before)
        if load["sent"] == load["acked"] and missing <= 0:
            break
        if time.monotonic() > deadline:
            raise BenchError(f"{missing} acknowledged values not stored after {SETTLE_S_MAX:g} s")
        time.sleep(_SETTLE_LOOK_S)  # the counters have no other way to tell
    if missing < 0:
        raise BenchError(f"{-missing} values more are stored than were sent")


def _check_verdicts(ours: Ours, installation: Installation, device: str) -> None:
    """Make sure that rights, overlay and verdicts are at work before anything is measured."""
    before, acked_before = ours.stored(), ours.load.tell(do="count")["values"]
    ours.load.tell(do="pace", kind=Kind.SINGLE, rate=1000.0)
    time.sleep(1.0)  # so long it sends
    ours.load.tell(do="hold")
    _settle(ours, before.values, acked_before)
    address = addresses(device)[FIRST_OUT_OF_RANGE]
    effective = installation.client.call("GET", f"/metadata/{address}")["effective"]
    if effective.get("range") != list(RANGE):
        raise BenchError(f"{address} lacks the range of its overlay: {effective}")
    samples = installation.client.call("GET", f"/history/{address}")
    if not any(sample["verdict"] == "bad" for sample in samples):
        raise BenchError(f"{address} has no sample judged bad, although one is out of range")
