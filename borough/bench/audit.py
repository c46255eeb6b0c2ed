"""Bench ``audit``: what it costs that every read is recorded before it is answered.

The same GET is asked by 64 clients, each as soon as it has its answer, of the API as it is and of
the same API without a record, one window after the other, over the same stores in one process.
Each is the time per answer at saturation; the record is appended and synced to the disk.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from borough.bench.load.saturation import Saturation
from borough.bench.result import Case, Pair, Result
from borough.bench.rig.child import child
from borough.bench.rig.installation import Installation, place, running
from borough.roles.watch import free_port
from borough.settings import Listen, Settings

CASES = ("point", "history")

_BAR = 1.15
_ROWS = 1_000
_SECOND_MS = 1_000


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is."""

    clients: int = 64
    window_s: float = 5.0
    warm_s: float = 1.0
    """Before the first window of each side."""


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
    with place(settings) as where:
        with running(where) as installation:
            point, token = _fill(installation), installation.client.issue_token()
        say("stores filled; the API is served with and without its record")
        asks = {"point": f"/api/v1/data/{point}", "history": f"/api/v1/history/{point}"}
        plain = Listen("127.0.0.1", free_port())
        spec = {
            "home": str(where.home.path),
            "recorded": where.settings.http.port,
            "plain": plain.port,
        }
        with child("borough.bench.baseline.unrecorded", json.dumps(spec)) as api:
            api.hear()
            shown = [
                _case(name, asks[name], (where.settings.http, plain), token, pairs, say, plan)
                for name in cases
            ]
    facts = {"sync_interval": settings.sync_interval, "clients": plan.clients}
    return Result("audit", shown, facts)


def _case(
    name: str,
    path: str,
    sides: tuple[Listen, Listen],
    token: str,
    pairs: int,
    say: Callable[[str], None],
    plan: Plan,
) -> Case:
    """Measure one request on both sides, which take turns at being the first."""
    ours, bare = (Saturation(side, path, token, plan.clients) for side in sides)
    for side in (ours, bare):
        side.run(plan.warm_s)
    measured = []
    for number in range(pairs):
        found = {}
        for side in (ours, bare) if number % 2 else (bare, ours):
            found[side is ours] = _SECOND_MS / side.run(plan.window_s)
        measured.append(Pair(found[True], found[False]))
        say(
            f"pair {number + 1}: {name} {measured[-1].ours:.3f} ms an answer recorded, "
            f"{measured[-1].baseline:.3f} without"
        )
    return Case(name, "ms/answer", measured, _BAR, "lower")


def _fill(installation: Installation) -> str:
    """Record values of one point; return its address."""
    made = installation.client.call(
        "POST", "/endpoints", friendlyName="Bench", project=installation.settings.project
    )
    address = f"{made['uuid']}/Bench/air/temperature"
    begin = int(time.time()) - _ROWS
    observations = [
        {"address": address, "value": 20.0 + row % 7, "timestamp": begin + row}
        for row in range(_ROWS)
    ]
    installation.client.call("POST", "/observations", {"observations": observations})
    return address
