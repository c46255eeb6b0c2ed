"""Bench ``query``: 24 hours of one point, and a year in 500 buckets, among 10 million samples.

Case ``ingest`` stands in `borough.bench.ingesting`.

The baseline is a route of the same web framework that asks the same of a copy of the history and
answers with bytes made before.
"""

from __future__ import annotations

import http.client
import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlencode

import numpy as np

from borough.bench import ingesting
from borough.bench.load.device import Broker, Device, LoadError
from borough.bench.load.traffic import POINTS, addresses
from borough.bench.result import Case, Pair, Result
from borough.bench.rig.child import BenchError, child
from borough.bench.rig.devices import Fleet, fleet
from borough.bench.rig.installation import Place, place, running
from borough.bench.rig.past import (
    BUCKET_MS,
    BUCKETS,
    DAY_MS,
    MINUTE_MS,
    Past,
    PastClock,
    past_end_ms,
    record,
)
from borough.clock import MachineClock
from borough.home import Home
from borough.roles.watch import free_port
from borough.settings import Listen, Settings
from ciaas.storage.history import open_history
from ciaas.storage.registry import open_registry

CASES = ("day", "year", "ingest")

_BAR = 2.0
_INGEST_BAR_MS = 50.0
_ANSWER_S = 30.0


@dataclass(frozen=True, slots=True)
class Plan:
    """How large a run is."""

    devices: int = 20
    """With 100 points each."""
    deep: int = 10
    """Points of which a whole year is kept."""
    samples: int = 10_000_000
    requests: int = 60
    """Of each side in one pair."""
    warm: int = 5
    """Requests of each side before the first pair."""
    record_s_max: float = 60.0
    window_s: float = 10.0
    """Of one measurement under ingest."""
    rate: float = 10_000.0
    """Messages per second that are stored meanwhile."""


class Question(NamedTuple):
    """What is asked of history."""

    point: int
    address: str
    start_ms: int
    end_ms: int
    """Included."""
    limit: int
    interval_ms: int | None

    def path(self) -> str:
        """Return the request of the public API."""
        query = {"from": _text(self.start_ms), "to": _text(self.end_ms), "max": self.limit}
        if self.interval_ms is not None:
            query |= {"resampleInterval": f"{self.interval_ms}ms", "resampleFunction": "MEAN"}
        return f"/api/v1/history/{self.address}?{urlencode(query)}"


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
        devices = _declare(where, plan)
        uuids = devices.uuids
        past, stored = _record(where.home, uuids, plan)
        say(f"{stored:,} samples recorded by the history store")
        copy = where.folder / "copy.duckdb"
        shutil.copyfile(where.home.history, copy)
        every = {case: _question(case, past, addresses(uuids[0])[0]) for case in ("day", "year")}
        questions = {case: question for case, question in every.items() if case in cases}
        measured = _measure(where, questions, copy, plan, pairs, say) if questions else {}
        done = [Case(case, "ms p50", measured[case], _BAR, "lower") for case in questions]
        if "ingest" in cases:
            paths = [question.path() for question in every.values()]
            found = ingesting.measure(where, devices, paths, plan.window_s, plan.rate, pairs, say)
            facts = {"clients": ingesting.CLIENTS, "every_s": ingesting.EVERY_S, "rate": plan.rate}
            done.append(
                Case("ingest", "ms p99", found, _INGEST_BAR_MS, "lower", alone=True, facts=facts)
            )
    return Result(
        "query",
        done,
        {
            "sync_interval": settings.sync_interval,
            "samples": stored,
            "points": len(past.deep) + len(past.others),
            "requests": plan.requests,
        },
    )


def _declare(where: Place, plan: Plan) -> Fleet:
    """Let devices declare their points on a running platform, then stop it."""
    with running(where) as installation:
        devices = fleet(installation, plan.devices)
        for uuid in devices.uuids:
            device = Device(uuid, devices.identity(uuid), Broker(*devices.mqtts, devices.authority))
            try:
                device.open()
            except LoadError as error:
                raise BenchError(str(error)) from error
            device.close()
        _wait_declared(installation.client.call, devices.uuids)
    return devices


def _wait_declared(call: Callable[..., Any], uuids: Sequence[str]) -> None:
    deadline = time.monotonic() + _ANSWER_S
    for uuid in uuids:
        while not (call("GET", f"/endpoints/{uuid}")["dataModel"] or {}).get("nodes"):
            if time.monotonic() > deadline:
                raise BenchError(f"the model of {uuid} is not known after {_ANSWER_S:g} s")
            time.sleep(0.05)  # the registry tells it in no other way


def _record(home: Home, uuids: Sequence[str], plan: Plan) -> tuple[Past, int]:
    """Record the past of all points while the platform does not run."""
    registry = open_registry(home.registry, clock=MachineClock())
    try:
        points = [point.id for uuid in uuids for point in registry.resources.points((uuid,))]
    finally:
        registry.close()
    if len(points) != plan.devices * POINTS:
        raise BenchError(f"{len(points)} points are registered, not {plan.devices * POINTS}")
    deep, others = points[: plan.deep], points[plan.deep :]
    past = Past(deep, others, plan.samples, past_end_ms(MachineClock()))
    clock = PastClock()
    with open_history(home.history, clock=clock) as history:
        stored = record(past, history, clock, plan.record_s_max)
    return past, stored


def _question(case: str, past: Past, address: str) -> Question:
    """Return a day of the first point, every minute, or its year in buckets."""
    last = past.end_ms - 1
    if case == "day":
        start = past.end_ms - DAY_MS
        return Question(past.deep[0], address, start, last, DAY_MS // MINUTE_MS, None)
    return Question(past.deep[0], address, past.start_ms, last, BUCKETS, BUCKET_MS)


def _measure(
    where: Place,
    questions: Mapping[str, Question],
    copy: Path,
    plan: Plan,
    pairs: int,
    say: Callable[[str], None],
) -> Mapping[str, Sequence[Pair]]:
    measured: dict[str, list[Pair]] = {case: [] for case in questions}
    with running(where) as installation:
        token = installation.client.issue_token()
        ours = Http(where.settings.http, {"Authorization": f"Bearer {token}"})
        bodies = {case: ours.get(question.path()) for case, question in questions.items()}
        asked = {}
        for case, body in bodies.items():
            _check(case, body, questions[case].limit)
            file = where.folder / f"{case}.json"
            file.write_bytes(body)
            asked[case] = questions[case]._asdict() | {"answer": str(file)}
        listen = Listen("127.0.0.1", free_port())
        spec = {"history": str(copy), "asked": asked, "host": listen.host, "port": listen.port}
        with child("borough.bench.baseline.precomputed", json.dumps(spec)) as server:
            server.hear()
            baseline = Http(listen, {})
            for number in range(-1, pairs):
                requests = plan.requests if number >= 0 else plan.warm
                for case, question in questions.items():
                    sides = (ours, question.path()), (baseline, f"/{case}")
                    times = _alternate(sides, question.limit, requests)
                    pair = Pair(*(float(np.median(taken)) * 1000 for taken in times))
                    if number >= 0:
                        measured[case].append(pair)
                        say(f"pair {number + 1}: {case} {pair.ours:.2f} / {pair.baseline:.2f} ms")
            baseline.close()
        ours.close()
    return measured


class Http:
    """One connection that stays open."""

    def __init__(self, listen: Listen, headers: Mapping[str, str]):
        self._connection = http.client.HTTPConnection(*listen, timeout=_ANSWER_S)
        self._headers = dict(headers)

    def get(self, path: str) -> bytes:
        """Return the body.

        Raises:
            BenchError: the answer is not 200.
        """
        self._connection.request("GET", path, headers=self._headers)
        answer = self._connection.getresponse()
        body = answer.read()
        if answer.status != http.client.OK:
            raise BenchError(f"GET {path} was answered {answer.status}: {body[:200]!r}")
        return body

    def close(self) -> None:
        """End the connection."""
        self._connection.close()


def _alternate(
    sides: Sequence[tuple[Http, str]], rows: int, requests: int
) -> Sequence[Sequence[float]]:
    """Ask each side in turn; returns the seconds that each answer took."""
    times: list[list[float]] = [[] for _ in sides]
    for _ in range(requests):
        for taken, (side, path) in zip(times, sides, strict=True):
            began = time.perf_counter()
            body = side.get(path)
            taken.append(time.perf_counter() - began)
            _check(path, body, rows)
    return times


def _check(path: str, body: bytes, rows: int) -> None:
    # Not the bytes: a mean over two threads may differ in its last digit from one run to the next.
    answered = len(json.loads(body))
    if answered != rows:
        raise BenchError(f"GET {path} gave {answered} rows, not {rows}")


def _text(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).isoformat(timespec="milliseconds")
