"""A year of samples, recorded by the history store itself while the platform does not run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from ciaas.kernel.sample import Frame, Kind, Millis, Uint32s
from ciaas.ports import Clock
from ciaas.storage.history import DuckHistory

MINUTE_MS = 60_000
DAY_MS = 1_440 * MINUTE_MS
YEAR_MS = 365 * DAY_MS
BUCKETS = 500
BUCKET_MS = YEAR_MS // BUCKETS
_BATCH_ROWS = 250_000
_STOPPED_MS = 2 * DAY_MS
"""The past ends so long ago that its commits are too old for the live stream."""


@dataclass(frozen=True, slots=True)
class Past:
    """One sample a minute: a year of a few points, and the last days of many."""

    deep: Sequence[int]
    """Points of which a whole year is kept."""
    others: Sequence[int]
    """Points of which only as much is kept as the total asks for."""
    samples: int
    """In all; at least a year of the deep points."""
    end_ms: int
    """The minute after the last sample; on the edge of a bucket."""

    @property
    def start_ms(self) -> int:
        """Time of the first sample."""
        return self.end_ms - YEAR_MS

    def batches(self) -> Iterator[Frame]:
        """Yield the samples in the order in which they would have come."""
        minutes = YEAR_MS // MINUTE_MS
        wide = (self.samples - len(self.deep) * minutes) // max(1, len(self.others))
        assert 0 <= wide <= minutes, "the total does not fit these points"
        everyone = np.array([*self.deep, *self.others], np.uint32)
        few = np.array(self.deep, np.uint32)
        split = self.end_ms - wide * MINUTE_MS
        yield from _slices(few, self.start_ms, split)
        yield from _slices(everyone, split, self.end_ms)


class PastClock:
    """The time of the sample recorded last."""

    def __init__(self) -> None:
        self.at_ms = 0

    def now_ms(self) -> int:
        """Return milliseconds since 1970 UTC."""
        return self.at_ms


def past_end_ms(clock: Clock) -> int:
    """Return when a past should end: the last edge of a bucket that is old enough."""
    return (clock.now_ms() - _STOPPED_MS) // BUCKET_MS * BUCKET_MS


def record(
    past: Past,
    history: DuckHistory,
    clock: PastClock,
    within_s: float,
    monotonic: Callable[[], float] = time.monotonic,
) -> int:
    """Record the past and sort it as the platform would in time; returns the samples stored.

    It ends early, with fewer samples, when recording takes longer than it may. ``clock`` is the
    one that history was opened with.
    """
    stored, deadline = 0, monotonic() + within_s
    for frame in past.batches():
        clock.at_ms = int(frame.observed[-1])
        stored += len(history.record(frame).frame)
        if monotonic() > deadline:
            break
    history.seal()
    return stored


def _slices(points: Uint32s, start_ms: int, end_ms: int) -> Iterator[Frame]:
    step = max(1, _BATCH_ROWS // len(points)) * MINUTE_MS
    for begin in range(start_ms, end_ms, step):
        times = np.arange(begin, min(begin + step, end_ms), MINUTE_MS, dtype=np.int64)
        yield _frame(np.tile(points, len(times)), np.repeat(times, len(points)))


def _frame(points: Uint32s, times: Millis) -> Frame:
    rows = len(points)
    # A day's wave with a little of the point and the minute in it, to a tenth like most sensors.
    wave = 18 + 9 * np.sin(times / DAY_MS * 2 * np.pi) + (points % 97) / 10
    noise = (times // MINUTE_MS * 7_919 + points * 31) % 101 / 50
    nothing = np.full(rows, None, np.object_)
    return Frame(
        point=points,
        observed=times,
        received=times + 40,
        kind=np.full(rows, Kind.NUMBER, np.uint8),
        num=np.round(wave + noise, 1),
        txt=nothing,
        verdict=np.zeros(rows, np.uint8),
        reason=np.zeros(rows, np.uint16),
        raw=nothing,
        source=np.ones(rows, np.uint32),
        revision=np.zeros(rows, np.uint16),
    )
