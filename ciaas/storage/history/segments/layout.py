"""Which tables hold the samples: some unsorted tails and the sorted segments."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from ciaas.kernel.sample import Frame

_ALWAYS = (np.iinfo(np.int64).min, np.iinfo(np.int64).max)


@dataclass(slots=True)
class Tail:
    """An unsorted table in the order of arrival.

    The writer widens the bounds before it commits rows, so a reader that looks at them after it
    took its snapshot never leaves out a table that it would need.
    """

    number: int
    rows: int = 0
    observed_from: int = _ALWAYS[1]
    observed_to: int = _ALWAYS[0]
    revised: bool = False
    left: bool = False
    """Full, and the writer has gone on to another: it may be sealed."""

    def widen(self, frame: Frame) -> None:
        """Take rows that are about to be committed into account."""
        self.rows += len(frame)
        self.observed_from = min(self.observed_from, int(frame.observed.min()))
        self.observed_to = max(self.observed_to, int(frame.observed.max()))
        self.revised = self.revised or bool(frame.revision.any())


class Segment(NamedTuple):
    """A table sorted by point, time and revision. Both ends of its bounds are included."""

    number: int
    level: int
    """From 1; each level holds fan-in times as many rows as the one below."""
    rows: int
    observed_from: int
    observed_to: int
    commit_from: int
    commit_to: int
    revised: bool
    """Some row has a revision above 0."""


class Tables(NamedTuple):
    """The tables that a question concerns."""

    numbers: Sequence[int]
    revised: bool
    """Some of them hold revisions, so that a sample may have more than one row."""

    def union(self, columns: str) -> str:
        """Return a subquery over all of them; there must be at least one."""
        parts = [
            f"SELECT {columns} FROM sample_{number}"  # noqa: S608 - numbers and constants of ours
            for number in self.numbers
        ]
        return f"({' UNION ALL '.join(parts)})"


@dataclass(frozen=True, slots=True)
class Layout:
    """All tables of one moment. Replaced as a whole when the sealer changes it."""

    tails: Sequence[Tail]
    """Oldest first."""
    segments: Sequence[Segment]

    def active(self, rows_max: int) -> Tail:
        """Return the tail to write to: the next one when the present one is full, if there is one.

        Only the writer calls this, and only between its transactions.
        """
        open_tails = [tail for tail in self.tails if not tail.left]
        if open_tails[0].rows >= rows_max and len(open_tails) > 1:
            open_tails.pop(0).left = True
        return open_tails[0]

    @property
    def unsorted(self) -> int:
        """How many rows lie in tails."""
        return sum(tail.rows for tail in self.tails)

    def wants_tail(self) -> bool:
        """Tell whether the writer would have no empty tail to go on to."""
        return sum(not tail.left for tail in self.tails) < 2

    def observed_within(self, start: int | None, end: int | None) -> Tables:
        """Return the tables that may hold samples observed in an interval, ends included."""
        chosen = self._within(start, end)
        return Tables([t.number for t in chosen], any(t.revised for t in chosen))

    def extent_within(self, start: int | None, end: int | None) -> tuple[int, int]:
        """Return the times between which these samples lie, equal ones where there are none."""
        tables = self._within(start, end)
        first = min((table.observed_from for table in tables), default=0)
        last = max((table.observed_to for table in tables), default=0)
        return (
            first if start is None else max(first, start),
            last if end is None else min(last, end),
        )

    def segments_within(self, start: int | None, end: int | None) -> Sequence[Segment]:
        """Return the segments among them."""
        return [segment for segment in self.segments if _meets(segment, start, end)]

    def tails_within(self, start: int | None, end: int | None) -> Sequence[Tail]:
        """Return the tails among them."""
        return [tail for tail in self.tails if _meets(tail, start, end)]

    def _within(self, start: int | None, end: int | None) -> Sequence[Segment | Tail]:
        return [*self.segments_within(start, end), *self.tails_within(start, end)]

    def committed_within(self, first: int, last: int) -> Tables:
        """Return the tables that may hold rows of these commits."""
        chosen: list[Segment | Tail] = [
            segment
            for segment in self.segments
            if segment.commit_from <= last and segment.commit_to >= first
        ]
        chosen += [tail for tail in self.tails if tail.rows]
        return Tables([t.number for t in chosen], True)


def _meets(table: Segment | Tail, start: int | None, end: int | None) -> bool:
    first = _ALWAYS[0] if start is None else start
    last = _ALWAYS[1] if end is None else end
    return bool(table.rows and table.observed_from <= last and table.observed_to >= first)
