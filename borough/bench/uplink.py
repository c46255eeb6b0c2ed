"""Bench ``uplink``: values stored per second at saturation, with rights and verdicts on.

``json`` is held against a consumer on a broker of the same configuration, under the same load,
that only acknowledges; the transactions against our own rate of single values.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from borough.bench.limits import SETTLE_S_MAX, WAITING_BYTES_MAX
from borough.bench.load.traffic import (
    FIRST_OUT_OF_RANGE,
    POINTS,
    RANGE,
    SINGLE_POINTS,
    Kind,
    addresses,
)
from borough.bench.result import Case, Pair, Result
from borough.bench.rig.child import BenchError, Child, child
from borough.bench.rig.devices import fleet
from borough.bench.rig.installation import Installation, place, running
from borough.home import Home
from borough.roles.watch import free_port
from borough.settings import Listen, Settings

CASES = ("json", "transaction20", "transaction100")

_BARS = {"json": 0.60, "transaction20": 4.0, "transaction100": 5.0}
_LOOK_S = 0.25
_SETTLE_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is."""

    devices: int = 100
    window_s: float = 8.0
    warm_s: float = 1.5
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
    with _sides(settings, plan, with_baseline="json" in cases, say=say) as (ours, baseline):
        for number in range(pairs):
            single = _rate(ours, Kind.SINGLE, plan)
            say(f"pair {number + 1}: single values {single:,.0f}/s stored")
            if baseline is not None:
                acked = _rate(baseline, Kind.SINGLE, plan)
                say(f"pair {number + 1}: ack-only consumer {acked:,.0f}/s acknowledged")
                measured["json"].append(Pair(single, acked))
            for case in cases:
                if case != "json":
                    rate = _rate(ours, Kind(case), plan)
                    say(f"pair {number + 1}: {case} {rate:,.0f} values/s stored")
                    measured[case].append(Pair(rate, single))
    return Result(
        "uplink",
        [
            Case(
                case,
                "values/s",
                measured[case],
                _BARS[case],
                "higher",
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


def _points(case: str) -> int:
    return POINTS if case == "transaction100" else SINGLE_POINTS


@contextmanager
def _sides(
    settings: Settings, plan: Plan, with_baseline: bool, say: Callable[[str], None]
) -> Iterator[tuple[Ours, AckOnly | None]]:
    """Start the platform and, if asked for, the baseline, each with its connected devices."""
    with place(settings) as where, running(where) as installation:
        devices = fleet(installation, plan.devices)
        say(f"{plan.devices} devices enrolled")
        with child("borough.bench.load.generator", devices.spec()) as load:
            load.hear()
            ours = Ours(installation, load)
            _check_verdicts(ours, installation, devices.uuids[0])
            if not with_baseline:
                yield ours, None
                return
            other = Home(where.folder / "ack-only")
            _copy_authority(where.home, other)
            mqtts = Listen("127.0.0.1", free_port())
            consumer_spec = {
                "home": str(other.path),
                "host": mqtts.host,
                "port": mqtts.port,
                "sync_interval": settings.sync_interval,
                "devices": devices.uuids,
            }
            with child(
                "borough.bench.baseline.acknowledger", json.dumps(consumer_spec)
            ) as consumer:
                consumer.hear()
                with child("borough.bench.load.generator", devices.spec(mqtts)) as other_load:
                    other_load.hear()
                    yield ours, AckOnly(consumer, other_load)


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
