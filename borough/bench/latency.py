"""Bench ``latency``: from a device's publish to the first GET that returns the value.

A probe publishes 20 values a second of one point and asks for it over one HTTP connection kept
open, while other devices send at a steady rate. The baseline is the same probe beside 10 messages a
second.
"""

from __future__ import annotations

import http.client
import json
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from borough.bench.limits import PROBES_WAITING_MAX
from borough.bench.load.device import Broker, Device, LoadError
from borough.bench.load.traffic import Kind, addresses, attribute
from borough.bench.result import Case, Pair, Result
from borough.bench.rig.child import BenchError, Child, child
from borough.bench.rig.devices import Fleet, fleet
from borough.bench.rig.installation import place, running
from borough.settings import Settings

CASES = ("2k", "10k")

_RATES: Mapping[str, float] = {"2k": 2_000.0, "10k": 10_000.0}
_BARS_MS: Mapping[str, float] = {"2k": 60.0, "10k": 150.0}
_QUIET_RATE = 10.0
_REACHED_MIN = 0.9
"""Of the rate asked for; below it the figure would be of another load."""
_PROBES_PER_S = 20
_PROBE_S_MAX = 10.0
_NS_PER_MS = 1_000_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is."""

    devices: int = 100
    window_s: float = 10.0
    warm_s: float = 1.5
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
    measured: dict[str, list[Pair]] = {case: [] for case in cases}
    medians: dict[str, list[float]] = {case: [] for case in cases}
    reached: dict[str, list[float]] = {case: [] for case in cases}
    with place(settings) as where, running(where) as installation:
        devices = fleet(installation, plan.devices + 1)
        say(f"{plan.devices} devices and the probe enrolled")
        token = installation.client.issue_token()
        probe = Probe(devices, where.settings, token)
        try:
            with child("borough.bench.load.generator", devices.spec(but_first=1)) as load:
                load.hear()
                for number in range(pairs):
                    quiet, _ = _window(load, probe, _QUIET_RATE, plan)
                    say(f"pair {number + 1}: beside 10 msg/s p99 {_p(quiet, 99):.1f} ms")
                    for case in cases:
                        loaded, rate = _window(load, probe, _RATES[case], plan)
                        measured[case].append(Pair(_p(loaded, 99), _p(quiet, 99)))
                        medians[case].append(_p(loaded, 50))
                        reached[case].append(rate)
                        say(f"pair {number + 1}: beside {rate:,.0f} msg/s p99 {_p(loaded, 99):.1f}")
        except LoadError as error:
            raise BenchError(str(error)) from error
        finally:
            probe.close()
    return Result(
        "latency",
        [
            Case(
                case,
                "ms p99",
                measured[case],
                _BARS_MS[case],
                "lower",
                above=True,
                facts={
                    "p50_ms": round(float(np.median(medians[case])), 3),
                    "background_per_s": round(float(np.median(reached[case]))),
                },
            )
            for case in cases
        ],
        {
            "sync_interval": settings.sync_interval,
            "devices": plan.devices,
            "probes_per_s": _PROBES_PER_S,
            "window_s": plan.window_s,
        },
    )


class Probe:
    """One device that publishes, and one HTTP connection that asks for what it published."""

    def __init__(self, devices: Fleet, settings: Settings, token: str):
        """Connect both; the probe is the first device of the fleet."""
        uuid = devices.uuids[0]
        self._address = addresses(uuid)[0]
        broker = Broker(*settings.mqtts, devices.authority)
        self._device = Device(uuid, devices.identity(uuid), broker)
        self._device.open()
        self._http = http.client.HTTPConnection(*settings.http, timeout=_PROBE_S_MAX)
        self._headers = {"Authorization": f"Bearer {token}"}
        self._last_ms = 0

    def run(self, window_s: float) -> list[float]:
        """Publish at a steady pace and return the latency of each value in milliseconds.

        A value counts as seen with the first answer that is as new; publishing does not wait for
        that, so that a stall delays every value published meanwhile.

        Raises:
            BenchError: values do not become visible.
            LoadError: the device lost its connection.
        """
        waiting: deque[tuple[int, float]] = deque()
        latencies: list[float] = []
        due = began = time.perf_counter()
        end = began + window_s
        while due < end or waiting:
            now = time.perf_counter()
            if due < end and now >= due:
                waiting.append((self._publish(), now))
                due += 1 / _PROBES_PER_S
            elif waiting:
                shown_ms = self._ask()
                seen = time.perf_counter()
                while waiting and waiting[0][0] <= shown_ms:
                    latencies.append((seen - waiting.popleft()[1]) * 1000)
                if waiting and seen - waiting[0][1] > _PROBE_S_MAX:
                    raise BenchError(
                        f"a value was not visible {_PROBE_S_MAX:g} s after its publish"
                    )
                if len(waiting) > PROBES_WAITING_MAX:
                    raise BenchError(f"more than {PROBES_WAITING_MAX} values wait to be visible")
            else:
                time.sleep(max(0.0, due - now))  # nothing is awaited but the next turn
        return latencies

    def close(self) -> None:
        """End both connections."""
        self._device.close()
        self._http.close()

    def _publish(self) -> int:
        self._last_ms = max(self._last_ms + 1, time.time_ns() // _NS_PER_MS)
        payload = json.dumps(attribute(self._last_ms, self._last_ms % 1000 / 100)).encode()
        self._device.receive()  # the acknowledgements of earlier ones
        self._device.publish(f"@update/{self._address}", payload)
        return self._last_ms

    def _ask(self) -> int:
        """Return the time of the newest value that the API shows, 0 before the first."""
        self._http.request("GET", f"/api/v1/data/{self._address}", headers=self._headers)
        answer = self._http.getresponse()
        body: Mapping[str, Any] = json.loads(answer.read())
        if answer.status == http.client.NOT_FOUND:
            return 0  # the device's declaration is not recorded yet
        if answer.status != http.client.OK:
            raise BenchError(f"GET /data was answered {answer.status}: {body.get('detail')}")
        return round((body["timestamp"] or 0) * 1000)


def _window(load: Child, probe: Probe, rate: float, plan: Plan) -> tuple[list[float], float]:
    """Return the latencies of one window, and the messages per second sent beside them."""
    load.tell(do="pace", kind=Kind.SINGLE, rate=rate)
    time.sleep(plan.warm_s)  # the load itself is what is waited for
    before, began = load.tell(do="count"), time.monotonic()
    latencies = probe.run(plan.window_s)
    after, ended = load.tell(do="count"), time.monotonic()
    load.tell(do="hold")
    reached = (after["acked"] - before["acked"]) / (ended - began)
    if rate >= min(_RATES.values()) and reached < _REACHED_MIN * rate:
        raise BenchError(
            f"the devices reached {reached:,.0f} msg/s instead of {rate:,.0f}: "
            "end other work on this machine and run it again"
        )
    return latencies, reached


def _p(latencies: Sequence[float], percentile: float) -> float:
    """Return the smallest latency that so many percent do not exceed."""
    return float(np.percentile(latencies, percentile, method="inverted_cdf"))
