"""Bench ``mashup``: three nodes fed from the live stream, against reading the stream alone.

Ours does what the compose role does with a mashup of source, window and virtual point: read,
compute, hand the results to core's stream, and keep a checkpoint each second. The baseline reads
the same commits into columns and drops them.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from borough.bench.limits import MASHUP_COMMIT_ROWS, MASHUP_EVENTS, MASHUP_READ_S_MAX
from borough.bench.result import Case, Pair, Result
from borough.bench.rig.child import BenchError
from borough.bench.rig.installation import Place, place
from borough.home import Lock
from borough.roles.up import prepare_broker
from borough.settings import Settings
from borough.wiring import create_keys, dialler, read_bus
from ciaas.computing.broker.connection import connect
from ciaas.computing.broker.streams import StreamBounds, ensure_streams
from ciaas.computing.following import LiveFollower
from ciaas.computing.following import Place as StreamPlace
from ciaas.computing.link import Dial
from ciaas.computing.live import CHUNK_HEADER, COMMIT_HEADER
from ciaas.computing.outlet import InternalOutlet
from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.columns import encode
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.sample import DTYPES, Frame, Kind
from ciaas.management.directory.filter import Filter
from ciaas.management.mashup import MashupVersion
from cpaas.composition.document import parse_document
from cpaas.composition.graph import check_graph
from cpaas.composition.plan import Found, plan
from cpaas.composition.running.checkpoint import Checkpoint, Kept
from cpaas.composition.running.engine import Engine
from security.encryption.keyring import KeyRing, Role

CASES = ("rate", "share")
POINTS = 100
BAR_EVENTS_S = 50_000.0
BAR_SHARE = 0.3
_ENDPOINT = "00000000-0000-4000-8000-000000000001"
_MASHUP = EndpointId("00000000-0000-4000-8000-0000000000aa")
_BEGIN = 1_772_323_200_000
_STEP_MS = 100
"""Between two values of a point: a hundred make a window of ten seconds."""
_CHECKPOINT_S = 1.0


@dataclass(frozen=True, slots=True)
class _Stage:
    """A broker whose live stream holds the events."""

    url: str
    keys: KeyRing
    dial: Dial
    events: int
    folder: Path


def bench(
    settings: Settings,
    cases: Sequence[str],
    pairs: int,
    say: Callable[[str], None],
    events: int = MASHUP_EVENTS,
) -> Result:
    """Measure both over the same commits, one after the other in each pair."""
    measured = []
    with place(settings) as where:
        where.home.prepare()
        keys = create_keys(where.home)
        lock = Lock(where.home, "broker")
        lock.take()
        broker = prepare_broker(where.home, where.settings, keys, lock)
        process = broker.start()
        try:
            broker.wait_ready()
            stage = asyncio.run(_fill(where, keys, events))
            for number in range(pairs):
                alone = _read_alone(stage)
                ours, outputs = asyncio.run(_compute(stage, number))
                say(f"pair {number + 1}: {ours:,.0f} events/s, reading alone {alone:,.0f}")
                measured.append(Pair(ours, alone))
        finally:
            process.terminate()
            process.wait()
            broker.close()
            lock.release()
    made = {
        "rate": Case("rate", "events/s", measured, BAR_EVENTS_S, "higher", alone=True),
        "share": Case("share", "events/s", measured, BAR_SHARE, "higher"),
    }
    chosen = [made[case] for case in cases]
    facts = {
        "events_per_s": round(chosen[0].median.ours),
        "events": stage.events,
        "points": POINTS,
        "outputs": outputs,
        "sync_interval": settings.sync_interval,
    }
    return Result("mashup", chosen, facts)


async def _fill(where: Place, keys: KeyRing, events: int) -> _Stage:
    """Publish commits as core does, and return the stage."""
    bus = read_bus(where.home)
    client = await connect(bus.url, keys.seed(Role.CORE), role="core")
    await ensure_streams(client, StreamBounds())
    stream = client.jetstream()
    commits = max(1, events // MASHUP_COMMIT_ROWS)
    try:
        for commit in range(1, commits + 1):
            headers = {COMMIT_HEADER: str(commit), CHUNK_HEADER: "1/1"}
            await stream.publish("LIVE.0", encode(_rows(commit - 1)), headers=headers)
    finally:
        await client.close()
    dial = dialler(bus, keys, Role.COMPOSE)
    return _Stage(bus.url, keys, dial, commits * MASHUP_COMMIT_ROWS, where.folder)


def _rows(commit: int) -> Frame:
    """Return a commit's rows: of each point the same number, ordered as history orders them."""
    each = MASHUP_COMMIT_ROWS // POINTS
    columns = {name: np.zeros(POINTS * each, dtype) for name, dtype in DTYPES.items()}
    times = _BEGIN + (commit * each + np.arange(each)) * _STEP_MS
    columns |= {
        "point": np.repeat(np.arange(POINTS, dtype=np.uint32), each),
        "observed": np.tile(times, POINTS),
        "received": np.tile(times, POINTS) + 50,
        "num": np.random.default_rng(commit).normal(20, 5, POINTS * each),
        "kind": np.full(POINTS * each, Kind.NUMBER, np.uint8),
        "txt": np.full(POINTS * each, None),
        "raw": np.full(POINTS * each, None),
    }
    return Frame(**columns)


def _read_alone(stage: _Stage) -> float:
    """Return events per second of reading into columns."""
    follower = LiveFollower(stage.dial, StreamPlace())
    try:
        began, read = time.perf_counter(), 0
        while read < stage.events:
            if (passage := follower.read(1.0)) is not None:
                read += len(passage.frame)
            _check(began, follower)
        return read / (time.perf_counter() - began)
    finally:
        follower.close()


async def _compute(stage: _Stage, number: int) -> tuple[float, int]:
    """Return events per second of the whole way through a mashup, and how many results it gave."""
    client = await connect(stage.url, stage.keys.seed(Role.COMPOSE), role="compose")
    outlet = InternalOutlet(client, "uplink.compose.0")
    follower = LiveFollower(stage.dial, StreamPlace())
    engine = Engine(_BEGIN - 1)
    engine.begin(_version(number), 1, _BEGIN - 1, 0)
    job = engine.jobs[_MASHUP]
    with tempfile.TemporaryDirectory(dir=stage.folder) as folder:
        checkpoint = Checkpoint(Path(folder))
        try:
            began = kept = time.perf_counter()
            read = 0
            while read < stage.events:
                passage = await asyncio.to_thread(follower.read, 1.0)
                if passage is not None:
                    read += len(passage.frame)
                    outcome = await asyncio.to_thread(engine.advance, passage.frame, 0)
                    for written in outcome.written:
                        await outlet.publish(written.frame, written.id)
                if time.perf_counter() - kept > _CHECKPOINT_S:
                    kept = time.perf_counter()
                    state = Kept(1, job.outputs, job.start, job.runtime.snapshot())
                    checkpoint.write(b"{}", {job.uuid: state}, [job.uuid], None)
                _check(began, follower)
            took = time.perf_counter() - began
        finally:
            follower.close()
            checkpoint.close()
            await client.close()
    if not job.outputs:
        raise BenchError("the mashup gave no result: nothing was measured")
    return read / took, job.outputs


def _check(began: float, follower: LiveFollower) -> None:
    if time.perf_counter() - began > MASHUP_READ_S_MAX:
        raise BenchError(f"the stream was not read in time; {follower.last_error}")


def _version(number: int) -> MashupVersion:
    document: dict[str, Any] = {
        "name": "bench",
        "nodes": [
            {"id": "s", "type": "source", "params": {"points": list(_ADDRESSES)}},
            {"id": "w", "type": "window", "params": {"sizeS": 10, "function": "mean"}},
            {"id": "v", "type": "virtual-point", "params": {"name": "Mean"}},
        ],
        "wires": [{"from": "s.out", "to": "w.in"}, {"from": "w.out", "to": "v.in"}],
    }
    planned = plan(check_graph(parse_document(document)), _Points()).document()
    outputs: Mapping[str, Any] = planned["outputs"]["v"]
    planned["outputs"]["v"] = {**outputs, "points": [1_000 + key for key in outputs["keys"]]}
    # Another version each time: the broker takes no message of a known id twice.
    return MashupVersion(_MASHUP, number + 1, document, planned, "", 1, _BEGIN)


_ADDRESSES = {PointAddress(f"{_ENDPOINT}/Node/object/value{n}"): n for n in range(POINTS)}


class _Points:
    """A city of a hundred points."""

    def readable(self, address: PointAddress) -> Found | None:
        number = _ADDRESSES[address]
        return Found(number, address, Constraint.MEASURE, ValueType.NUMBER, None)

    def settable(self, address: PointAddress) -> Found | None:
        return None

    def matching(self, chosen: Filter, most: int) -> Sequence[Found]:
        return ()
