"""Bench ``live``: from a device's publish to the readers of the live feed.

A probe publishes 20 values a second while other devices send 2,000 messages a second, and 50
readers follow all of it by server-sent events. The baseline is the broker's round trip of the same
values at the same time: from the same publish to a plain subscriber of the broker.

Case ``stalled``: 49 readers beside one that takes nothing and a webhook whose receiver is dead,
against the same 49 readers without them, one window after the other.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass

import numpy as np

from borough.bench.limits import SETTLE_S_MAX
from borough.bench.load.device import Broker, Device, LoadError
from borough.bench.load.traffic import Kind, addresses, attribute
from borough.bench.result import Case, Pair, Result
from borough.bench.rig.child import BenchError, Child, child
from borough.bench.rig.devices import Fleet, fleet
from borough.bench.rig.installation import Installation, place, running
from borough.settings import Settings
from borough.wiring import dialler, open_keys, read_bus
from ciaas.computing.link import Link
from ciaas.kernel.wire.topic import subject_of
from security.encryption.keyring import Role

CASES = ("2k", "stalled")

_RATE = 2_000.0
_BAR_MS = 100.0
_STALLED_BAR = 1.10
_STALLED_RECEIVE_BYTES = 4_096
"""Of the stalled reader's socket: what it does not take soon waits with the platform."""
_REACHED_MIN = 0.9
"""Of the rate asked for; below it the figure would be of another load."""
_PROBES_PER_S = 20
_ASK_EACH_S = 0.2


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is."""

    devices: int = 100
    readers: int = 50
    window_s: float = 10.0
    warm_s: float = 2.0
    """Under load before the window."""


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
    shown: list[Case] = []
    allowed = settings.model_copy(update={"outgoing_allow": ("127.0.0.0/8",)})
    with place(allowed) as where, running(where) as installation:
        devices = fleet(installation, plan.devices + 1)
        say(f"{plan.devices} devices and the probe enrolled")
        probe = Probe(devices, installation)
        try:
            with child("borough.bench.load.generator", devices.spec(but_first=1)) as load:
                load.hear()
                for name in cases:
                    measure = {"2k": _readers_case, "stalled": _stalled_case}[name]
                    shown.append(measure(load, probe, plan, pairs, say))
        except LoadError as error:
            raise BenchError(str(error)) from error
        finally:
            probe.close()
    return Result(
        "live",
        shown,
        {
            "sync_interval": settings.sync_interval,
            "devices": plan.devices,
            "readers": plan.readers,
            "probes_per_s": _PROBES_PER_S,
            "window_s": plan.window_s,
        },
    )


def _readers_case(
    load: Child, probe: Probe, plan: Plan, pairs: int, say: Callable[[str], None]
) -> Case:
    """Measure all readers against the broker's own round trip."""
    measured: list[Pair] = []
    medians: list[float] = []
    reached: list[float] = []
    with child("borough.bench.load.readers", probe.spec(plan.readers)) as readers:
        readers.hear()
        for number in range(pairs):
            ours, bare, rate = _window(load, readers, probe, plan, plan.readers)
            measured.append(Pair(_p(ours, 99), _p(bare, 99)))
            medians.append(_p(ours, 50))
            reached.append(rate)
            say(
                f"pair {number + 1}: {plan.readers} readers beside {rate:,.0f} msg/s p99 "
                f"{measured[-1].ours:.1f} ms, the broker alone {measured[-1].baseline:.1f}"
            )
    facts = {
        "p50_ms": round(float(np.median(medians)), 3),
        "background_per_s": round(float(np.median(reached))),
    }
    return Case("2k", "ms p99", measured, _BAR_MS, "lower", above=True, facts=facts)


def _stalled_case(
    load: Child, probe: Probe, plan: Plan, pairs: int, say: Callable[[str], None]
) -> Case:
    """Measure all readers but one, beside a stalled reader and a dead webhook, and without them."""
    measured: list[Pair] = []
    others = plan.readers - 1
    with child("borough.bench.load.readers", probe.spec(others)) as readers:
        readers.hear()
        for number in range(pairs):
            found: dict[bool, float] = {}
            for harmed in (True, False) if number % 2 else (False, True):
                with probe.harm() if harmed else nullcontext():
                    latencies, _, _ = _window(load, readers, probe, plan, others)
                found[harmed] = _p(latencies, 99)
            measured.append(Pair(found[True], found[False]))
            say(
                f"pair {number + 1}: {others} readers beside a stalled one and a dead webhook p99 "
                f"{found[True]:.1f} ms, without {found[False]:.1f}"
            )
    return Case("stalled", "ms p99", measured, _STALLED_BAR, "lower")


class Probe:
    """One device whose values are the time of their publish, and a plain subscriber of them."""

    def __init__(self, devices: Fleet, installation: Installation):
        """Connect both; the probe is the first device of the fleet."""
        uuid = devices.uuids[0]
        self._settings = installation.settings
        self._client = installation.client
        self._token = installation.client.issue_token()
        self._address = addresses(uuid)[0]
        self._device = Device(
            uuid, devices.identity(uuid), Broker(*installation.settings.mqtts, devices.authority)
        )
        self._device.open()
        home = installation.home
        self._wire: Link = dialler(read_bus(home), open_keys(home), Role.CORE)()
        self._wire.subscribe(b"@update." + subject_of(self._address))
        self._last_ms = 0

    def spec(self, readers: int) -> str:
        """Return the argument of the readers' process."""
        host, port = self._settings.http
        return json.dumps(
            {
                "host": host,
                "port": port,
                "token": self._token,
                "readers": readers,
                "address": self._address,
            }
        )

    def run(self, window_s: float) -> tuple[int, list[float]]:
        """Publish at a steady pace; returns how many, and the latencies of the broker alone.

        Raises:
            LoadError: the device lost its connection.
            BenchError: the subscriber does not get what was published.
        """
        published, latencies = 0, list[float]()
        due = began = time.monotonic()
        while (now := time.monotonic()) < began + window_s:
            if now >= due:
                self._publish()
                published += 1
                due += 1 / _PROBES_PER_S
            latencies += self._delivered(min(due, began + window_s) - now)
        give_up = time.monotonic() + SETTLE_S_MAX
        while len(latencies) < published:
            if time.monotonic() > give_up:
                raise BenchError(f"the broker delivered {len(latencies)} of {published} values")
            latencies += self._delivered(_ASK_EACH_S)
        return published, latencies

    @contextmanager
    def harm(self) -> Iterator[None]:
        """Have a reader that takes nothing and a receiver that never answers, for the block.

        The reader begins with all that is kept, so that what it does not take piles up at once.
        """
        with closing(socket.create_server(("127.0.0.1", 0))) as receiver:  # nobody accepts
            url = f"http://127.0.0.1:{receiver.getsockname()[1]}/dead"
            made = self._client.call("POST", "/subscriptions", {"url": url})
            host, port = self._settings.http
            with closing(socket.socket()) as stalled:
                stalled.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _STALLED_RECEIVE_BYTES)
                stalled.connect((host, port))
                stalled.sendall(
                    f"GET /api/v1/live?after=0:0 HTTP/1.1\r\nHost: {host}\r\n"
                    f"Authorization: Bearer {self._token}\r\n\r\n".encode()
                )
                yield
            self._client.call("DELETE", f"/subscriptions/{made['id']}")

    def close(self) -> None:
        """End both connections."""
        self._device.close()
        self._wire.close()

    def _publish(self) -> None:
        self._last_ms = max(self._last_ms + 1, time.time_ns() // 1_000_000)
        self._device.receive()  # the acknowledgements of earlier ones
        sample = attribute(self._last_ms, time.monotonic_ns() / 1e6)
        self._device.publish(f"@update/{self._address}", json.dumps(sample).encode())

    def _delivered(self, wait_s: float) -> list[float]:
        deliveries = self._wire.receive(max(0.001, wait_s))
        now_ms = time.monotonic_ns() / 1e6
        return [now_ms - json.loads(one.payload)["value"] for one in deliveries]


def _window(
    load: Child, readers: Child, probe: Probe, plan: Plan, count: int
) -> tuple[list[float], list[float], float]:
    """Return latencies of the readers and of the broker alone, and the messages per second."""
    load.tell(do="pace", kind=Kind.SINGLE, rate=_RATE)
    time.sleep(plan.warm_s)  # the load itself is what is waited for
    readers.tell(do="take")
    before, began = load.tell(do="count"), time.monotonic()
    published, bare = probe.run(plan.window_s)
    after, ended = load.tell(do="count"), time.monotonic()
    load.tell(do="hold")
    ours: list[float] = list(readers.tell(do="take")["latencies"])
    give_up = time.monotonic() + SETTLE_S_MAX
    while len(ours) < published * count:
        if time.monotonic() > give_up:
            raise BenchError(f"readers got {len(ours)} of {published * count} values")
        time.sleep(_ASK_EACH_S)  # what is on its way is what is waited for
        ours += readers.tell(do="take")["latencies"]
    rate = (after["acked"] - before["acked"]) / (ended - began)
    if rate < _REACHED_MIN * _RATE:
        raise BenchError(
            f"the devices reached {rate:,.0f} msg/s instead of {_RATE:,.0f}: "
            "end other work on this machine and run it again"
        )
    return ours, bare, rate


def _p(latencies: Sequence[float], percentile: float) -> float:
    """Return the smallest latency that so many percent do not exceed."""
    return float(np.percentile(latencies, percentile, method="inverted_cdf"))
