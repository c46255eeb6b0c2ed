"""The entrance of a mashup: samples become the events of its sources, in order of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Frame, Kind, Millis, Numbers, Uint8s, Uint32s, Verdict
from cpaas.composition.plan import PlannedSource
from cpaas.composition.running.flow import Flow
from cpaas.limits import MASHUP_WAITING_ROWS_MAX

NEVER = int(np.iinfo(np.int64).min) // 2
"""Before every time there is, and far enough from the end to compute with."""
_WORST = {"good": Verdict.GOOD, "usable": Verdict.UNCERTAIN, "all": Verdict.BAD}


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Samples on their way in. ``horizon`` is the latest time of receipt up to each of them.

    A sample observed earlier than its horizon allows is late, whatever batch it came in.
    """

    point: Uint32s
    time: Millis
    value: Numbers
    verdict: Uint8s
    horizon: Millis

    def __len__(self) -> int:
        return len(self.point)

    @staticmethod
    def of(frame: Frame, clock: int) -> Rows:
        """Return a frame's samples that hold anything.

        Args:
            frame: samples in the order they were recorded.
            clock: latest time of receipt before the frame, milliseconds since 1970 UTC.
        """
        horizon = np.maximum.accumulate(np.maximum(frame.received, clock))
        rows = Rows(frame.point, frame.observed, frame.num, frame.verdict, horizon)
        return rows.where(frame.kind != Kind.NULL)

    def where(self, rows: NDArray[Any]) -> Rows:
        """Return the rows of a mask or of an order."""
        return Rows(*(getattr(self, field.name)[rows] for field in fields(self)))

    @staticmethod
    def joined(first: Rows, second: Rows) -> Rows:
        """Return both, one after the other."""
        return Rows(
            *(
                np.concatenate([getattr(first, field.name), getattr(second, field.name)])
                for field in fields(Rows)
            )
        )

    @staticmethod
    def empty() -> Rows:
        """Return none."""
        return Rows(
            np.empty(0, np.uint32), np.empty(0, np.int64), np.empty(0), np.empty(0, np.uint8),
            np.empty(0, np.int64),
        )  # fmt: skip


class Entrance:
    """Holds samples back until their time is complete, then gives them out in order."""

    def __init__(
        self,
        sources: Mapping[str, PlannedSource],
        quality: Mapping[str, str],
        lateness_ms: int | None,
    ):
        """``lateness_ms`` is None when order does not matter: then nothing is held back."""
        self._lateness = lateness_ms
        self._doors = {
            node: _Door.of(source, _WORST[quality[node]]) for node, source in sources.items()
        }
        self._read = np.unique(
            np.concatenate([np.array(source.points, np.uint32) for source in sources.values()])
        )
        self.waiting = Rows.empty()
        self.late = 0
        """Samples left out because they came too late."""
        self.dropped = 0
        """Samples left out because too many waited."""

    def take(self, rows: Rows, until: int) -> None:
        """Let samples in; those of other points pass by. All up to ``until`` was given out."""
        rows = rows.where(np.isin(rows.point, self._read))
        if self._lateness is not None:
            late = rows.time <= np.maximum(rows.horizon - self._lateness, until)
            self.late += int(late.sum())
            rows = rows.where(~late)
        room = MASHUP_WAITING_ROWS_MAX - len(self.waiting)
        if len(rows) > room:
            self.dropped += len(rows) - room
            rows = rows.where(np.arange(len(rows)) < room)
        self.waiting = Rows.joined(self.waiting, rows)

    def release(self, until: int) -> dict[str, Flow]:
        """Return the events of each source up to and including a time, and forget them."""
        rows = self.waiting
        due = np.ones(len(rows), np.bool_) if self._lateness is None else rows.time <= until
        self.waiting = rows.where(~due)
        rows = rows.where(due)
        rows = rows.where(np.lexsort((rows.point, rows.time)))  # stable: revisions as they came
        newest = np.ones(len(rows), np.bool_)
        newest[:-1] = (rows.point[1:] != rows.point[:-1]) | (rows.time[1:] != rows.time[:-1])
        rows = rows.where(newest)
        return {node: door.pass_through(rows) for node, door in self._doors.items()}


@dataclass(frozen=True, slots=True)
class _Door:
    """One source: its points in order, and the key of each."""

    points: Uint32s
    keys: Uint32s
    worst: int

    @staticmethod
    def of(source: PlannedSource, worst: int) -> _Door:
        points = np.array(source.points, np.uint32)
        order = np.argsort(points)
        return _Door(points[order], np.array(source.keys, np.uint32)[order], worst)

    def pass_through(self, rows: Rows) -> Flow:
        at = np.minimum(np.searchsorted(self.points, rows.point), len(self.points) - 1)
        ours = (self.points[at] == rows.point) & (rows.verdict <= self.worst)
        return Flow.ordered(self.keys[at[ours]], rows.time[ours], rows.value[ours])
