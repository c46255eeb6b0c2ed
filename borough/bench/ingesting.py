"""Case ``ingest`` of bench ``query``: what 20 clients wait for while 10,000 messages/s are stored.

The baseline is the same without ingest; the bar is for the time itself.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence

import numpy as np

from borough.bench.load.crowd import Ask, Crowd
from borough.bench.load.traffic import Kind
from borough.bench.result import Pair
from borough.bench.rig.child import BenchError, Child, child
from borough.bench.rig.devices import Fleet
from borough.bench.rig.installation import Installation, Place, running

CLIENTS = 20
EVERY_S = 0.5
_WARM_S = 2.0
_RATE_PART_MIN = 0.9
"""Of the rate that has to be stored in the window, or the figure is none."""
_SETTLE_S = 30.0


def measure(
    where: Place,
    devices: Fleet,
    paths: Sequence[str],
    window_s: float,
    rate: float,
    pairs: int,
    say: Callable[[str], None],
) -> Sequence[Pair]:
    """Return pairs of p99 in milliseconds, under ingest and idle.

    Args:
        where: A home with a past; nothing runs on it.
        devices: Enrolled and declared; they send.
        paths: Of history, asked in turn with a structured query.
        window_s: Length of one measurement.
        rate: Messages per second, each with one value.
        pairs: How many.
        say: Told of each pair.

    Raises:
        BenchError: the rate was not stored, or a request failed.
    """
    measured = []
    with running(where) as installation:
        token = installation.client.issue_token()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        asks = [*(Ask("GET", path) for path in paths), _structured(devices.uuids[-1])]
        crowd = Crowd(where.settings.http, headers, asks, CLIENTS, EVERY_S)
        with child("borough.bench.load.generator", devices.spec()) as load:
            load.hear()
            for number in range(pairs):
                idle = _p99_ms(crowd.latencies(window_s))
                busy = _while_ingesting(installation, load, crowd, window_s, rate)
                measured.append(Pair(busy, idle))
                say(f"pair {number + 1}: ingest p99 {busy:.1f} ms, idle {idle:.1f} ms")
    return measured


def _structured(endpoint: str) -> Ask:
    document = {
        "select": {"under": f"{endpoint}/#"},
        "interval": {"last": "1d"},
        "window": "1h",
        "measures": ["mean", "max"],
    }
    return Ask("POST", "/api/v1/query", json.dumps(document).encode())


def _while_ingesting(
    installation: Installation, load: Child, crowd: Crowd, window_s: float, rate: float
) -> float:
    load.tell(do="pace", kind=Kind.SINGLE, rate=rate)
    time.sleep(_WARM_S)  # the load itself is what is waited for
    before = installation.counts()
    taken = crowd.latencies(window_s)
    after = installation.counts()
    load.tell(do="hold")
    stored = (after.samples - before.samples) / (after.at - before.at)
    if stored < _RATE_PART_MIN * rate:
        raise BenchError(f"only {stored:,.0f} of {rate:,.0f} messages/s were stored meanwhile")
    deadline = time.monotonic() + _SETTLE_S
    while installation.counts().waiting:
        if time.monotonic() > deadline:
            raise BenchError(f"the broker still holds messages after {_SETTLE_S:g} s")
        time.sleep(0.1)  # the counters have no other way to tell
    return _p99_ms(taken)


def _p99_ms(taken: Sequence[float]) -> float:
    return float(np.percentile(np.array(taken), 99)) * 1000
