"""Dry run: a mashup over the past, with recorders in place of everything it would do."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ciaas.kernel.sample import Kind
from ciaas.kernel.uplink import Busy
from ciaas.ports import HistoryStore, Series, Span
from cpaas.composition.graph import Graph
from cpaas.composition.nodes.contract import Act, Fault
from cpaas.composition.plan import Plan
from cpaas.composition.running.entrance import NEVER, Rows
from cpaas.composition.running.flow import Flow
from cpaas.composition.running.runtime import Runtime
from cpaas.limits import DRY_RUN_DAYS_MAX, DRY_RUN_ROWS_MAX, DRY_RUN_SLICE_ROWS, DRY_RUNS_AT_ONCE

_DAY_MS = 86_400_000
_running = threading.BoundedSemaphore(DRY_RUNS_AT_ONCE)


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What came of a dry run."""

    read: int
    """Samples that came in."""
    missing: tuple[str, ...]
    """Points of which nothing is known in that time."""
    counts: Mapping[str, int]
    """Events out of each node, or into one that acts."""
    acts: Mapping[str, Flow]
    """What each node that acts would have done, in order of time."""


def rehearse(graph: Graph, plan: Plan, history: HistoryStore, start: int, end: int) -> Rehearsal:
    """Run over a past interval, both ends included, milliseconds since 1970 UTC.

    Everything is taken as if it had come in time. The same interval gives the same result as long
    as nothing is added to it.

    Raises:
        Fault: the interval is empty, too long, or holds too many samples.
        Busy: DRY_RUNS_AT_ONCE are running.
    """
    if end < start:
        raise Fault("the interval ends before it begins; exchange from and to")
    if end - start > DRY_RUN_DAYS_MAX * _DAY_MS:
        raise Fault(f"a dry run covers at most {DRY_RUN_DAYS_MAX} days; choose a shorter interval")
    if not _running.acquire(blocking=False):
        raise Busy(f"{DRY_RUNS_AT_ONCE} dry runs are under way; try again in a moment")
    try:
        series = history.series(
            Span(np.array(plan.read, np.uint32), start, end, limit=DRY_RUN_ROWS_MAX)
        )
        if series.truncated or len(series.point) > DRY_RUN_ROWS_MAX:
            raise Fault(
                f"more than {DRY_RUN_ROWS_MAX:,} samples lie in this interval; choose a shorter "
                "one, or fewer points"
            )
        return _run(graph, plan, series, start, end)
    finally:
        _running.release()


def _run(graph: Graph, plan: Plan, series: Series, start: int, end: int) -> Rehearsal:
    runtime = Runtime(graph, plan, start)
    rows = _rows(series)
    acts: dict[str, list[Flow]] = {}
    for first in range(0, len(rows), DRY_RUN_SLICE_ROWS):
        part = rows.where(np.arange(first, min(first + DRY_RUN_SLICE_ROWS, len(rows))))
        # One of the next part may have been observed at the same time as the last of this one.
        _gather(acts, runtime.advance(part, int(part.time[-1]) - 1 + runtime.lateness))
    _gather(acts, runtime.advance(Rows.empty(), end + runtime.lateness))
    seen = set(np.unique(series.point).tolist())
    names = {
        point: address
        for source in plan.sources.values()
        for point, address in zip(source.points, source.addresses, strict=True)
    }
    return Rehearsal(
        read=len(rows),
        missing=tuple(sorted(name for point, name in names.items() if point not in seen)),
        counts={step.id: runtime.counts[step.id] for step in graph.steps},
        acts={node: Flow.joined(flows) for node, flows in acts.items()},
    )


def _rows(series: Series) -> Rows:
    held = np.flatnonzero(series.kind != Kind.NULL)
    order = held[np.lexsort((series.point[held], series.observed[held]))]
    return Rows(
        series.point[order].astype(np.uint32),
        series.observed[order],
        series.num[order].astype(np.float64),
        series.verdict[order].astype(np.uint8),
        np.full(len(order), NEVER, np.int64),
    )


def _gather(acts: dict[str, list[Flow]], more: Mapping[str, Flow]) -> None:
    for node, flow in more.items():
        acts.setdefault(node, []).append(flow)


def described(graph: Graph, plan: Plan, node: str, flow: Flow, most: int) -> dict[str, Any]:
    """Return what a node would have done, of many events the first."""
    step = graph.step(node)
    said: dict[str, Any] = {"node": node, "type": step.kind.name, "events": len(flow)}
    shown = flow.where(np.arange(len(flow)) < most)
    if step.kind.act is Act.ALARM:
        said["raised"] = int((flow.value == 1).sum())
    if step.kind.act is Act.COMMAND:
        said["targets"] = plan.targets[node].addresses
    boolean = plan.streams[node].kind == "boolean" and step.kind.act is not Act.COMMAND
    said["values"] = [
        {"key": plan.keys[key], "at": at, "value": bool(value) if boolean else value}
        for key, at, value in zip(
            shown.key.tolist(), shown.time.tolist(), shown.value.tolist(), strict=True
        )
    ]
    return said
