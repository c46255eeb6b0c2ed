"""``borough bench NAME``: runs one bench within its time and says whether every bar is met."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

from borough.bench import audit, enrol, latency, live, mashup, modbus, query, rights, uplink
from borough.bench.limits import RUN_S_MAX
from borough.bench.result import Result
from borough.bench.rig.child import BenchError
from borough.home import HomeError
from borough.settings import Settings

Say = Callable[[str], None]

_BENCHES: Mapping[str, tuple[Sequence[str], Callable[..., Result]]] = {
    "uplink": (uplink.CASES, uplink.bench),
    "latency": (latency.CASES, latency.bench),
    "live": (live.CASES, live.bench),
    "query": (query.CASES, query.bench),
    "rights": (rights.CASES, rights.bench),
    "modbus": (modbus.CASES, modbus.bench),
    "mashup": (mashup.CASES, mashup.bench),
    "audit": (audit.CASES, audit.bench),
    "enrol": (enrol.CASES, enrol.bench),
}


def bench(settings: Settings, name: str, cases: Sequence[str], pairs: int, as_json: bool) -> int:
    """Run one bench, or some of its cases; returns 0 when every bar is met.

    Raises:
        HomeError: it could not give a figure; one sentence.
    """
    known, run = _BENCHES[name]
    for case in cases:
        if case not in known:
            raise HomeError(f"{name} has no case {case!r}; its cases are {', '.join(known)}")
    chosen = [case for case in known if not cases or case in cases]
    try:
        with within(RUN_S_MAX):
            result = run(settings, chosen, pairs, lambda text: click.echo(text, err=True))
    except BenchError as error:
        raise HomeError(f"bench {name}: {error}") from error
    click.echo(result.table())
    if as_json:
        click.echo(json.dumps(result.as_dict()))
    return 0 if result.passed else 1


@contextmanager
def within(limit_s: float) -> Iterator[None]:
    """Raise BenchError in the main thread when the block takes longer."""

    def late(*_: Any) -> None:
        raise BenchError(
            f"not finished within {limit_s:g} s; end other work on this machine, "
            "or ask for one --case or fewer --pairs"
        )

    before = signal.signal(signal.SIGALRM, late)
    signal.setitimer(signal.ITIMER_REAL, limit_s)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
