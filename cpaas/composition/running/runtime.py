"""A mashup at work. Time, samples and results are handed in and out: it reaches for nothing.

Live and in a dry run it is the same: what comes out depends on the samples and their times alone,
not on the batches they came in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import fields
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import numpy as np
from numpy.typing import NDArray

from cpaas.composition.graph import Graph, Step
from cpaas.composition.nodes.contract import Operator, Setting
from cpaas.composition.nodes.shape.source import SourceParams
from cpaas.composition.plan import ALL_KEY, Plan
from cpaas.composition.running.entrance import Entrance, Rows
from cpaas.composition.running.flow import Flow


class Runtime:
    """Carries samples through the steps; for one thread."""

    def __init__(self, graph: Graph, plan: Plan, start: int):
        """Begin at a time, milliseconds since 1970 UTC, knowing nothing of what was before."""
        self.graph, self._plan = graph, plan
        self._settings = graph.document.settings
        self.lateness = 0 if plan.rowwise else round(self._settings.lateness_s * 1000)
        self._entrance = Entrance(
            plan.sources,
            {
                step.id: step.params.quality
                for step in graph.steps
                if isinstance(step.params, SourceParams)
            },
            None if plan.rowwise else self.lateness,
        )
        self.until = start - self.lateness
        """All up to here is complete."""
        self.counts: Counter[str] = Counter()
        """Events that came out of each node, or into one that acts."""
        self.paused: frozenset[str] = frozenset()
        self._operators = {step.id: self._fresh(step, start) for step in graph.steps if step.inputs}

    def advance(self, rows: Rows, clock: int) -> dict[str, Flow]:
        """Take samples and let time pass; returns what comes into each node that acts.

        Args:
            rows: in the order in which they were recorded.
            clock: everything received up to this time, milliseconds since 1970 UTC, is in.
        """
        self._entrance.take(rows, self.until)
        since, until = self.until, max(self.until, clock - self.lateness)
        self.until = until
        flows = self._entrance.release(until)
        acts: dict[str, Flow] = {}
        for step in self.graph.steps:
            if step.id in self.paused:
                flows[step.id] = Flow.empty()
                continue
            if step.inputs:
                inputs = {port: flows[source] for port, source in step.inputs.items()}
                flows[step.id] = self._operators[step.id].advance(inputs, since, until)
            self.counts[step.id] += len(flows[step.id])
            if step.kind.act is not None and len(flows[step.id]):
                acts[step.id] = flows[step.id]
        return acts

    def pause(self, nodes: Collection[str]) -> None:
        """Let these nodes, and all that they feed, rest; those named no more begin anew."""
        resting = frozenset(self.graph.after(set(nodes)))
        for step in self.graph.steps:
            if step.id in self.paused - resting and step.inputs:
                self._operators[step.id] = self._fresh(step, self.until)
        self.paused = resting

    @property
    def late(self) -> int:
        """Samples left out because they came too late."""
        return self._entrance.late

    @property
    def dropped(self) -> int:
        """Samples left out because too many waited for their time."""
        return self._entrance.dropped

    def snapshot(self) -> bytes:
        """Return all that it remembers."""
        waiting = self._entrance.waiting
        return msgspec.msgpack.encode(
            _Snapshot(
                until=self.until,
                late=self.late,
                dropped=self.dropped,
                counts=dict(self.counts),
                paused=sorted(self.paused),
                waiting={
                    field.name: _Column.of(getattr(waiting, field.name)) for field in fields(Rows)
                },
                operators={
                    node: {name: _Column.of(column) for name, column in operator.state.items()}
                    for node, operator in self._operators.items()
                },
            )
        )

    def restore(self, snapshot: bytes) -> None:
        """Go on where `snapshot` of the same version was made.

        Raises:
            msgspec.DecodeError: it is not whole.
        """
        found = msgspec.msgpack.decode(snapshot, type=_Snapshot)
        self.until, self.counts = found.until, Counter(found.counts)
        self._entrance.late, self._entrance.dropped = found.late, found.dropped
        self.paused = frozenset(found.paused)
        self._entrance.waiting = Rows(
            **{name: column.array() for name, column in found.waiting.items()}
        )
        for node, columns in found.operators.items():
            self._operators[node].state.update(
                {name: column.array() for name, column in columns.items()}
            )

    def _fresh(self, step: Step, start: int) -> Operator:
        setting = Setting(
            zone=ZoneInfo(self._settings.time_zone),
            all_key=ALL_KEY,
            key_count=len(self._plan.keys),
            start=start,
        )
        inputs = {port: self._plan.stream(source) for port, source in step.inputs.items()}
        return step.kind.operator(step.params, inputs, setting)


class _Column(msgspec.Struct, frozen=True, array_like=True):
    dtype: str
    data: bytes

    @staticmethod
    def of(array: NDArray[Any]) -> _Column:
        return _Column(array.dtype.str, array.tobytes())

    def array(self) -> NDArray[Any]:
        return np.frombuffer(self.data, self.dtype).copy()


class _Snapshot(msgspec.Struct):
    until: int
    late: int
    dropped: int
    counts: dict[str, int]
    paused: list[str]
    waiting: dict[str, _Column]
    operators: dict[str, dict[str, _Column]]
