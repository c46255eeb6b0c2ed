"""Partial figures: what the samples of some tables come to in each bucket. They add up.

A segment never changes, so what its samples come to is worked out once and kept, for as long as the
segment lives and there is room. A question about a year then reads some hundred numbers a segment
in place of half a million rows; only the buckets that the interval cuts, and what has not been
sealed yet, are read row by row. Kept is what whole buckets hold, whatever interval asked for them:
an interval that moves with the clock finds all but its two ends.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Millis, Numbers, Uint32s

_BYTES_EACH = 45
"""Of one bucket, over all columns."""
_BYTES_BESIDE = 1_000
"""Of what is kept of one point in one segment, beside its buckets."""


@dataclass(frozen=True, slots=True)
class Partials:
    """Columns of equal length; a bucket may have several rows, to be added up."""

    point: Uint32s
    bucket: Millis
    """When it begins, milliseconds since 1970."""
    samples: NDArray[np.int64]
    """Null values included."""
    values: NDArray[np.int64]
    """Without null values."""
    numbers: NDArray[np.int64]
    sum: Numbers
    """NaN without a number; so are the next two."""
    low: Numbers
    high: Numbers
    judgement: NDArray[np.int64]
    """The worst: verdict × 65536 + reason."""
    revised: NDArray[np.bool_]
    """Some sample is not the first one of its time: another row may have to give way to it."""

    def __len__(self) -> int:
        return len(self.point)

    def select(self, chosen: Any) -> Partials:
        """Return some rows, by a mask, numbers or a slice."""
        return Partials(*(getattr(self, column.name)[chosen] for column in _COLUMNS))


def joined(parts: Sequence[Partials]) -> Partials:
    """Return the rows of all parts; there is at least one part."""
    return Partials(
        *(np.concatenate([getattr(part, column.name) for part in parts]) for column in _COLUMNS)
    )


def added_up(parts: Sequence[Partials]) -> Partials:
    """Return one row for each bucket of each point, ordered by point and time."""
    rows = joined(parts)
    if not len(rows):
        return rows
    rows = rows.select(np.lexsort((rows.bucket, rows.point)))
    begins = np.append(
        True, (rows.point[1:] != rows.point[:-1]) | (rows.bucket[1:] != rows.bucket[:-1])
    )
    if begins.all():
        return rows
    starts = np.flatnonzero(begins)
    return Partials(
        rows.point[starts],
        rows.bucket[starts],
        np.add.reduceat(rows.samples, starts),
        np.add.reduceat(rows.values, starts),
        np.add.reduceat(rows.numbers, starts),
        _sums(rows, starts),
        np.fmin.reduceat(rows.low, starts),
        np.fmax.reduceat(rows.high, starts),
        np.maximum.reduceat(rows.judgement, starts),
        np.logical_or.reduceat(rows.revised, starts),
    )


def _sums(rows: Partials, starts: NDArray[np.intp]) -> Numbers:
    there = rows.numbers > 0
    sums = np.add.reduceat(np.where(there, rows.sum, 0.0), starts)
    return np.asarray(np.where(np.add.reduceat(there, starts), sums, np.nan))


_COLUMNS = fields(Partials)
NOTHING = Partials(
    np.empty(0, np.uint32),
    np.empty(0, np.int64),
    np.empty(0, np.int64),
    np.empty(0, np.int64),
    np.empty(0, np.int64),
    np.empty(0),
    np.empty(0),
    np.empty(0),
    np.empty(0, np.int64),
    np.empty(0, np.bool_),
)


class Key(NamedTuple):
    """What is kept apart."""

    segment: int
    point: int
    interval_ms: int


class Kept(NamedTuple):
    """What all whole buckets of a stretch of time come to, for one point of one segment."""

    start: int
    """The stretch, milliseconds since 1970: bounds of buckets."""
    end: int
    partials: Partials
    """Ordered by time; buckets without a sample have no row."""
    dense: bool = False
    """There are hardly more samples than buckets: reading them costs no more. No row is kept."""

    def extended(self, start: int, end: int, more: Partials) -> Kept:
        """Return it with a stretch that touches it."""
        parts = (more, self.partials) if start < self.start else (self.partials, more)
        return Kept(min(start, self.start), max(end, self.end), joined(parts))

    def within(self, opens: int, closes: int) -> Partials:
        """Return the buckets of a part of the stretch."""
        return self.partials.select(slice(*np.searchsorted(self.partials.bucket, [opens, closes])))

    @property
    def bytes(self) -> int:
        """Roughly what it takes of the memory."""
        return _BYTES_BESIDE + _BYTES_EACH * len(self.partials)


class PartialsKept:
    """The partial figures that were used last, up to a number of bytes. For any thread.

    Args:
        bytes_max: Of all that is kept.
        buckets_max: Of one question; who asks sees to it.
        samples_min: So many samples a bucket, on average, are worth being kept.
    """

    def __init__(self, bytes_max: int, buckets_max: int, samples_min: int) -> None:
        self.buckets_max = buckets_max
        self._bytes_max, self._samples_min = bytes_max, samples_min
        self._kept: OrderedDict[Key, Kept] = OrderedDict()
        self._bytes = 0
        self._turn = threading.Lock()

    def get(self, key: Key) -> Kept | None:
        """Return what is kept, None when nothing is."""
        with self._turn:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
            return kept

    def keep(self, key: Key, kept: Kept) -> None:
        """Keep it in place of what was kept before; what saves too little as `dense`."""
        if kept.partials.samples.sum() < self._samples_min * len(kept.partials):
            kept = Kept(kept.start, kept.end, NOTHING, dense=True)
        with self._turn:
            before = self._kept.pop(key, None)
            self._bytes += kept.bytes - (before.bytes if before else 0)
            self._kept[key] = kept
            while self._bytes > self._bytes_max:
                _, oldest = self._kept.popitem(last=False)
                self._bytes -= oldest.bytes
