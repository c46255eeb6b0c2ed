"""What this layer needs of the history of samples."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Frame, Millis, Uint32s, Uint64s
from ciaas.ports.bus import Intake, StreamId


@dataclass(frozen=True, slots=True)
class Aside:
    """A message, or a part of one, that was set aside with the reason."""

    received: int
    sequence: int
    topic: str
    reason: str
    """One word of a fixed set, such as ``malformed`` or ``future``."""
    detail: str
    payload: bytes
    endpoint: str = ""
    """UUID of the sender as far as known, else empty."""


OUTPUT_LEVEL = "OUTPUT"
"""Level of a line that a job wrote, beside cloud.iO's levels of a device's log."""


class JournalLine(NamedTuple):
    """A line that a device wrote about itself. Times are milliseconds since 1970 UTC."""

    endpoint: str
    received: int
    level: str
    """cloud.iO's level, or OUTPUT_LEVEL for a line of a job."""
    logged: int
    """By the device's clock; the time of receipt for a job's output, which has no other."""
    message: str
    logger: str
    """Who wrote it within the device; the correlation id of a job's output."""
    source: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """An app's idempotency key, kept with the commit that answered it."""

    key: str
    """Unique per caller; at most 200 characters."""
    digest: str
    """SHA-256 of the request's body, hex: the same key with another body is refused."""


@dataclass(frozen=True, slots=True)
class Commit:
    """One numbered transaction of history. Numbers are consecutive from 1."""

    number: int
    frame: Frame
    """The rows stored, ordered by point, time and revision; empty when nothing new was in the
    batch, which then took no number."""
    repeats: int
    """Rows dropped because point, time and value were already stored."""
    recorded_at: int


class Resample(NamedTuple):
    """How to thin out a series. ``function`` and ``fill`` are cloud.iO's words, upper case."""

    interval_ns: int
    function: str
    """COUNT DISTINCT INTEGRAL MEAN MEDIAN MODE SPREAD STDDEV SUM FIRST LAST MAX MIN"""
    fill: str
    """NONE NULL ZERO PREVIOUS LINEAR"""


@dataclass(frozen=True, slots=True)
class Span:
    """A question to history. Times in milliseconds, both ends included; None leaves an end open."""

    points: Uint32s
    start: int | None
    end: int | None
    limit: int
    """At most so many rows, or buckets, per point, the oldest first."""
    resample: Resample | None = None
    all_revisions: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """An answer: columns of equal length ordered by point as asked, then time.

    ``num`` is NaN where there is no number. For resampled series ``kind``, ``txt`` and ``verdict``
    are those of a computed number: NUMBER, None and the worst verdict of the bucket. MODE, FIRST
    and LAST keep text, and so does DISTINCT, which gives a row for each value of a bucket.
    """

    point: Uint32s
    observed: Millis
    kind: NDArray[Any]
    num: NDArray[Any]
    txt: NDArray[Any]
    verdict: NDArray[Any]
    reason: NDArray[Any]
    truncated: bool
    """True when ``limit`` cut at least one point short."""


class Measure(NamedTuple):
    """One figure of each window."""

    function: str
    """count mean min max sum first last median stddev percentile integral share availability"""
    argument: float | str | None = None
    """Of ``percentile`` the fraction from 0 to 1, of ``share`` the state: a text, or the number of
    a number or Boolean. None for all others."""


@dataclass(frozen=True, slots=True)
class Windows:
    """A question about groups of points, window by window. Times are milliseconds, UTC.

    A sample counts with its newest revision. ``share`` is the part of the time with a known value
    in which it was the state; ``availability`` the part of the time, known or not, in which the
    newest sample was judged good. For both a sample holds until the next one of its point, and no
    longer than ``hold_ms``. ``integral`` is the area below the line through the samples of a point
    within the interval, in value times seconds; those of the points of a group are added up.
    """

    points: Uint32s
    groups: Uint32s
    """Number of the group of each of the points, from 0; a point may be named for several."""
    edges: Millis
    """Ascending: window ``i`` is from ``edges[i]`` until before ``edges[i + 1]``."""
    measures: Sequence[Measure]
    verdicts: frozenset[int]
    """Samples judged otherwise count for ``availability`` alone."""
    hold_ms: int
    until: int
    """Now: nothing is known of the time after it."""
    within_s: float
    """How long the store may work on it."""


@dataclass(frozen=True, slots=True)
class WindowsPart:
    """Some groups of an answer, whole; one row for each window that has a figure."""

    first: int
    """Number of the first group of the part."""
    after: int
    """Number of the group after the last one."""
    group: Uint32s
    window: Uint32s
    """Ascending within a group."""
    figures: Sequence[NDArray[np.float64]]
    """A column for each measure, NaN where there is none."""
    texts: Mapping[int, NDArray[np.object_]]
    """By number of the measure, the text of ``first`` and ``last``, None where it is a number."""


class HistoryError(Exception):
    """History refused; its message tells the caller what to do."""


class KeyReused(HistoryError):
    """The idempotency key was used for another body."""


class TooSlow(HistoryError):
    """The question took longer than it may and was broken off; nothing else was harmed."""


class DiskFull(HistoryError):
    """Nothing was stored: the disk has no space left. The same call may succeed later."""


class AnswerTooLarge(HistoryError):
    """The answer would pass a bound; the message says which, so ask for less."""


class Interrupted(HistoryError):
    """The store failed in this call and is opened again by the next one: repeat the call."""


class Veil(Protocol):
    """What history passes confidential values through, on their way in and out."""

    def seal(self, frame: Frame) -> Frame:
        """Return the frame as it may lie on a disk."""
        ...

    def open(self, frame: Frame) -> Frame:
        """Return the frame as it was sealed; values that are gone are null."""
        ...

    def open_series(self, series: Series) -> Series:
        """Return an answer as `open` returns a frame."""
        ...

    def keeps(self, points: Uint32s) -> bool:
        """Tell whether `seal` gives what it gave before: no value of these points is gone."""
        ...

    def refuse(self, points: Uint32s) -> None:
        """Raise HistoryError when figures are asked of a point whose values lie encrypted."""
        ...


class HistoryStore(Protocol):
    """Numbered commits of samples. One writer thread; reads may come from any thread."""

    def stored(self, stream: StreamId, sequences: Uint64s, received: Millis) -> NDArray[Any]:
        """Return a mask of the sequences that an earlier commit already covers."""
        ...

    def rewind(self, stream: StreamId, last_sequence: int) -> None:
        """Forget sequences above the last one the broker has: after a power loss it reuses them."""
        ...

    def position(self, stream: StreamId) -> int:
        """Return the highest sequence covered, 0 for an unknown stream."""
        ...

    def record(
        self,
        frame: Frame,
        intake: Intake | None = None,
        aside: Sequence[Aside] = (),
        receipt: Receipt | None = None,
        journal: Sequence[JournalLine] = (),
    ) -> Commit:
        """Store one batch in one transaction; returns after fsync.

        Raises:
            KeyReused: the receipt's key is known with another digest.
            DiskFull: nothing was stored.
        """
        ...

    def answered(self, receipt: Receipt) -> int | None:
        """Return the commit that already answered this key, None when it is new.

        Raises:
            KeyReused: as `record`.
        """
        ...

    def commits(self, after: int) -> Iterator[Commit]:
        """Yield the commits above a number in order, as they were recorded."""
        ...

    def commit_before(self, at_ms: int) -> int:
        """Return the newest commit recorded before a time (ms, UTC), 0 when there is none."""
        ...

    def last_commit(self) -> int:
        """Return the newest commit's number, 0 before the first."""
        ...

    def latest(self, points: Uint32s) -> Frame:
        """Return the newest observed sample of each point that has one, in the order asked."""
        ...

    def series(self, span: Span) -> Series:
        """Answer a span with the newest revision of each sample."""
        ...

    def windows(self, question: Windows) -> Iterator[WindowsPart]:
        """Answer group after group, some at a time; nothing is held between two parts.

        Raises:
            AnswerTooLarge: a group has too many samples for a measure that needs all at once.
            TooSlow: the time for it is over.
            HistoryError: there is no such function, or the edges do not ascend.
        """
        ...

    def aside(
        self, endpoints: Sequence[str] | None, limit: int, before: int | None
    ) -> Sequence[tuple[int, Aside]]:
        """Return set-aside parts newest first with their number, those of given endpoints only.

        ``before`` continues a listing below that number. None for ``endpoints`` means all.
        """
        ...

    def journal(
        self,
        endpoint: str,
        levels: Sequence[str],
        start: int | None,
        end: int | None,
        limit: int,
    ) -> Sequence[JournalLine]:
        """Return an endpoint's lines of these levels, newest first by the device's clock.

        Both ends are included; None leaves an end open.
        """
        ...

    def counts(self) -> Mapping[str, int]:
        """Return running totals since the first start: samples, repeats, aside, commits."""
        ...
