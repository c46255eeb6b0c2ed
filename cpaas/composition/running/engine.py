"""All mashups of one compose role: what was recorded goes in, what they do about it comes out."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ciaas.kernel.columns import encode
from ciaas.kernel.model import ValueType
from ciaas.kernel.sample import DTYPES, Frame, Kind
from ciaas.management.mashup import MashupVersion
from cpaas.composition.document import parse_document
from cpaas.composition.graph import check_graph
from cpaas.composition.nodes.act.command import CommandParams
from cpaas.composition.nodes.act.webhook import WebhookParams
from cpaas.composition.nodes.contract import Act
from cpaas.composition.plan import Plan
from cpaas.composition.running.checkpoint import Kept
from cpaas.composition.running.entrance import Rows
from cpaas.composition.running.flow import Flow
from cpaas.composition.running.runtime import Runtime
from cpaas.limits import MASHUP_BACKLOG_ROWS_MAX, MASHUP_OUTPUT_ROWS_MAX


@dataclass(frozen=True, slots=True)
class Written:
    """Samples for virtual points. The same samples have the same id, whenever they are computed."""

    id: str
    frame: Frame


@dataclass(frozen=True, slots=True)
class Order:
    """A command to be asked of core."""

    mashup: str
    key: str
    """The same for the same event, whenever it is computed."""
    address: str
    value: bool | int | float
    at: int
    """Time of the event, milliseconds since 1970 UTC."""
    ttl_s: float


@dataclass(frozen=True, slots=True)
class Telling:
    """A CloudEvent for a webhook."""

    mashup: str
    url: str
    event: Mapping[str, Any]


@dataclass(slots=True)
class Outcome:
    """What the mashups do about one span of time."""

    written: list[Written] = field(default_factory=list)
    orders: list[Order] = field(default_factory=list)
    tellings: list[Telling] = field(default_factory=list)


@dataclass(slots=True)
class Job:
    """One mashup at work."""

    version: MashupVersion
    plan: Plan
    runtime: Runtime
    start: int
    """What was received up to then is not its business; milliseconds since 1970 UTC."""
    source: int
    """The registry's number of what delivers its samples."""
    outputs: int = 0
    paused: Mapping[str, str] = field(default_factory=dict)
    """Nodes that rest, with the reason."""
    last_error: str = ""
    dirty: bool = True
    """Changed since it was last kept."""

    @property
    def uuid(self) -> str:
        """Of the mashup."""
        return self.version.mashup

    def status(self, commit: int) -> dict[str, Any]:
        """Return how it is doing."""
        return {
            "version": self.version.number,
            "since": self.start,
            "commit": commit,
            "outputs": self.outputs,
            "late": self.runtime.late,
            "dropped": self.runtime.dropped,
            "counts": dict(self.runtime.counts),
            "paused": dict(self.paused),
            "last_error": self.last_error,
        }


class Engine:
    """Runs jobs over one stream of samples; for one thread."""

    def __init__(self, clock: int = 0):
        """``clock`` is the latest time of receipt seen, milliseconds since 1970 UTC."""
        self.clock = clock
        self.jobs: dict[str, Job] = {}
        self._backlog: deque[Rows] = deque()
        self._backlog_rows = 0

    def begin(self, version: MashupVersion, source: int, since: int, keep_ms: int) -> Outcome:
        """Let a version run anew, in place of any other of its mashup.

        It has what was received since it was published or resumed, as far as that is not longer
        ago than the stream has come by; otherwise it begins where the stream is.

        Args:
            version: to run.
            source: the registry's number of what delivers its samples.
            since: when it was published or resumed, milliseconds since 1970 UTC.
            keep_ms: how long before the place in the stream that may have been.
        """
        start = since if since >= self.clock - keep_ms else self.clock
        job = _job(version, source, start)
        self.jobs[job.uuid] = job
        outcome = Outcome()
        for rows in self._backlog:
            self._carry(job, rows, int(rows.horizon[-1]), outcome)
        return outcome

    def resume(self, version: MashupVersion, source: int, kept: Kept) -> None:
        """Let a version go on where it was at the last checkpoint.

        Raises:
            msgspec.MsgspecError, KeyError: what was kept is not of this version.
        """
        job = _job(version, source, kept.start)
        job.runtime.restore(kept.snapshot)
        job.outputs, job.dirty = kept.outputs, False
        self.jobs[job.uuid] = job

    def end(self, uuid: str) -> None:
        """Let a mashup run no more."""
        self.jobs.pop(uuid, None)

    def advance(self, frame: Frame, clock: int) -> Outcome:
        """Take what was recorded, and let time pass.

        Args:
            frame: in the order in which it was recorded.
            clock: everything received up to then is in, as far as known beside the frame.
        """
        rows = Rows.of(frame, self.clock)
        newest = int(frame.received.max()) if len(frame) else 0
        self.clock = max(self.clock, clock, newest)
        self._remember(rows)
        outcome = Outcome()
        for job in self.jobs.values():
            self._carry(job, rows, self.clock, outcome)
        return outcome

    def recheck(self, may: Callable[[Job], Mapping[str, str]]) -> None:
        """Let nodes rest that may not read any more, with all that they feed, and others go on.

        ``may`` returns the sources that have to rest, with the reason.
        """
        for job in self.jobs.values():
            paused = may(job)
            if paused != job.paused:
                job.paused, job.dirty = paused, True
                job.runtime.pause(paused.keys())

    def _carry(self, job: Job, rows: Rows, clock: int, outcome: Outcome) -> None:
        if len(rows) and rows.horizon[0] <= job.start:
            rows = rows.where(rows.horizon > job.start)
        before = job.runtime.counts.total()
        acts = job.runtime.advance(rows, clock)
        job.dirty |= job.runtime.counts.total() != before or len(rows) > 0
        graph = job.runtime.graph
        for node, flow in acts.items():
            step = graph.step(node)
            if step.kind.act in (Act.POINT, Act.ALARM):
                frames = _frames(job, node, flow)
                outcome.written += frames
                job.outputs += len(flow)
            elif isinstance(step.params, CommandParams):
                outcome.orders += _orders(job, node, flow, step.params.within_s)
                job.outputs += len(flow)
            elif isinstance(step.params, WebhookParams):
                outcome.tellings += _tellings(job, node, flow, step.params.url)
                job.outputs += len(flow)

    def _remember(self, rows: Rows) -> None:
        if not len(rows):
            return
        self._backlog.append(rows)
        self._backlog_rows += len(rows)
        while self._backlog_rows > MASHUP_BACKLOG_ROWS_MAX and len(self._backlog) > 1:
            self._backlog_rows -= len(self._backlog.popleft())


def _job(version: MashupVersion, source: int, start: int) -> Job:
    graph = check_graph(parse_document(version.document))
    planned = Plan.of(version.plan)
    return Job(version, planned, Runtime(graph, planned, start), start, source)


def _frames(job: Job, node: str, flow: Flow) -> Sequence[Written]:
    """Return the samples of a node's virtual points, in pieces that a message can carry."""
    output = job.plan.outputs[node]
    by_key = np.zeros(len(job.plan.keys), np.uint32)
    by_key[output.keys] = output.points
    kind = Kind.BOOLEAN if output.type is ValueType.BOOLEAN else Kind.NUMBER
    pieces = []
    for first in range(0, len(flow), MASHUP_OUTPUT_ROWS_MAX):
        part = flow.where(np.arange(first, min(first + MASHUP_OUTPUT_ROWS_MAX, len(flow))))
        columns = {name: np.zeros(len(part), dtype) for name, dtype in DTYPES.items()}
        columns |= {
            "point": by_key[part.key],
            "observed": part.time,
            "received": part.time,  # until the stream gives its own
            "num": part.value,
            "kind": np.full(len(part), kind, np.uint8),
            "txt": np.full(len(part), None),
            "raw": np.full(len(part), None),
            "source": np.full(len(part), job.source, np.uint32),
        }
        frame = Frame(**columns)
        # By content: computed again, perhaps in other pieces, nothing new may be taken for known.
        digest = hashlib.sha256(encode(frame)).hexdigest()[:32]
        pieces.append(Written(f"{job.uuid}:{job.version.number}:{digest}", frame))
    return pieces


def _orders(job: Job, node: str, flow: Flow, ttl_s: float) -> Sequence[Order]:
    targets = job.plan.targets[node]
    return [
        Order(
            mashup=job.uuid,
            key=f"{job.version.number}:{node}:{at}:{point}",
            address=address,
            value=_typed(value, kind),
            at=at,
            ttl_s=ttl_s,
        )
        for at, value in zip(flow.time.tolist(), flow.value.tolist(), strict=True)
        for point, address, kind in zip(
            targets.points, targets.addresses, targets.types, strict=True
        )
    ]


def _typed(value: float, kind: ValueType) -> bool | int | float:
    if kind is ValueType.BOOLEAN and value in (0, 1):
        return bool(value)
    return int(value) if kind is ValueType.INTEGER and value == int(value) else value


def _tellings(job: Job, node: str, flow: Flow, url: str) -> Sequence[Telling]:
    boolean = job.plan.streams[node].kind == "boolean"
    return [
        Telling(
            job.uuid,
            url,
            {
                "specversion": "1.0",
                "id": f"{job.uuid}:{job.version.number}:{node}:{at}:{key}",
                "source": f"/mashups/{job.uuid}",
                "type": "org.borough.mashup.change",
                "subject": node,
                "time": str(np.datetime64(at, "ms")) + "Z",
                "datacontenttype": "application/json",
                "data": {"key": job.plan.keys[key], "value": bool(value) if boolean else value},
            },
        )
        for key, at, value in zip(
            flow.key.tolist(), flow.time.tolist(), flow.value.tolist(), strict=True
        )
    ]
