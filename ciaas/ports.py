"""What this layer needs from outside: clock, bus, registry and history, each as a protocol.

Every protocol has a contract suite in ``tests/contract`` that runs on each of its backends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import Constraint, EndpointModel, Node, ValueType
from ciaas.kernel.sample import Frame, Millis, Uint32s, Uint64s


class Clock(Protocol):
    """Wall-clock time, injected so that tests can move it."""

    def now_ms(self) -> int:
        """Return milliseconds since 1970 UTC."""
        ...


# -- bus ---------------------------------------------------------------------------------------


class StreamId(NamedTuple):
    """Identity of a stream: a recreated stream starts at sequence 1 under another ``created``."""

    name: str
    created: str
    """RFC 3339 text exactly as the broker gives it."""


class Message(NamedTuple):
    """One stored message. ``received`` is the stream's own timestamp in milliseconds."""

    subject: bytes
    """Without the stream's own prefix; a dot inside an MQTT level reads ``//``."""
    payload: bytes
    sequence: int
    received: int
    reply: bytes
    """Where its acknowledgement goes."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Messages of one stream in order, never none, and what their acknowledgement needs."""

    stream: StreamId
    messages: Sequence[Message]
    generation: int
    """Connection on which they came; acknowledging on a later one would confuse the broker."""

    def intake(self) -> Intake:
        """Return the sequences and times that a commit of this batch covers."""
        return Intake(
            self.stream,
            np.array([message.sequence for message in self.messages], np.uint64),
            np.array([message.received for message in self.messages], np.int64),
        )


class Source(Protocol):
    """A stream of the bus, read for the one writer."""

    def take(self) -> Batch | None:
        """Return the next batch, up to the named bounds, or None when nothing waits."""
        ...

    def acknowledge(self, batch: Batch) -> None:
        """Tell the broker that the batch is recorded; never raises, the broker repeats instead."""
        ...

    def purge(self, batch: Batch) -> None:
        """Let the broker drop everything up to the batch's end; for streams read by position."""
        ...


# -- registry ----------------------------------------------------------------------------------


class Feed(StrEnum):
    """What fills the points of an endpoint; the first to deliver decides."""

    DEVICE = "device"
    """A cloud.iO device with a certificate."""
    ADAPTER = "adapter"
    APP = "app"
    """An application, by ``POST /observations``."""
    PLATFORM = "platform"
    """The platform itself, of its host, stores and queues."""
    MASHUP = "mashup"
    """The mashup of the same UUID: its virtual points."""


@dataclass(frozen=True, slots=True)
class Project:
    """A tenant: owns endpoints."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A logical thing of the city. ``model`` is None until something declared one."""

    uuid: EndpointId
    project: int
    friendly_name: str
    metadata: Mapping[str, Any]
    feed: Feed | None
    banned: bool
    model: EndpointModel | None
    created_at: int
    """Milliseconds since 1970 UTC."""
    deleted_at: int | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One data point. ``id`` is stable for ever; ``removed`` when its node has gone."""

    id: int
    address: PointAddress
    constraint: Constraint
    type: ValueType
    conforms: str | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class NewPoint:
    """A point to be registered: its address and what the wire says of it."""

    address: PointAddress
    constraint: Constraint
    type: ValueType
    conforms: str | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """One configured link of an adapter. ``document`` is what `adapter add` was given, checked."""

    name: str
    project: int
    adapter: str
    document: Mapping[str, Any]
    revision: int
    """Raised by one at each change of the document."""
    enabled: bool = True
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """All that changed after one version of the registry, up to ``version``."""

    version: int
    endpoints: Sequence[Endpoint]
    points: Sequence[Point]
    overlays: Mapping[str, Mapping[str, Any]]
    """Scope → overlay; an empty overlay means that it was removed. A scope is a class name written
    ``class:<conforms>``, an endpoint's uuid, a deeper prefix or the address of one point."""
    connections: Sequence[Connection]


class RegistryError(Exception):
    """The registry refused; its message tells the caller what to do."""


class Missing(RegistryError):
    """Nothing of that name exists."""


class Conflict(RegistryError):
    """The name is taken, or the thing is in a state that forbids the change."""


class RegistryStore(Protocol):
    """Projects, endpoints, points and overlays. Methods may be called from any thread.

    Each change raises the version by one and is durable when the method returns.
    """

    def version(self) -> int:
        """Return the number of the last change."""
        ...

    def changes(self, after: int) -> Changes:
        """Return everything changed after that version; ``after=0`` loads the whole registry.

        Deleted endpoints and connections and removed points are in it, marked as such, so that
        applying the answers one after another gives the same picture as loading the whole.
        """
        ...

    def create_project(self, name: str) -> Project:
        """Raises Conflict when the name is taken."""
        ...

    def projects(self) -> Sequence[Project]: ...

    def create_endpoint(
        self, project: int, friendly_name: str, metadata: Mapping[str, Any], uuid: str | None = None
    ) -> Endpoint:
        """Create an endpoint under a new random UUID, or the given one; Conflict if it exists."""
        ...

    def endpoint(self, uuid: EndpointId) -> Endpoint:
        """Raises Missing for an unknown or deleted endpoint."""
        ...

    def endpoints(self, project: int | None = None) -> Sequence[Endpoint]:
        """Return the endpoints of one project, or of all, oldest first; deleted ones never."""
        ...

    def change_endpoint(
        self,
        uuid: EndpointId,
        *,
        friendly_name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        banned: bool | None = None,
        feed: Feed | None = None,
    ) -> Endpoint:
        """Change what is not None; ``metadata`` replaces the whole."""
        ...

    def delete_endpoint(self, uuid: EndpointId, at: int) -> Endpoint:
        """Mark as deleted; its points are marked removed and keep their ids for ever.

        In the same transaction its certificates are revoked and its provision token is removed.
        """
        ...

    def declare_model(self, uuid: EndpointId, model: EndpointModel) -> Sequence[Point]:
        """Replace the endpoint's model; points not in it are marked removed, new ones get ids.

        Returns:
            Every point of the endpoint that was added, changed or removed.
        """
        ...

    def declare_node(self, uuid: EndpointId, name: str, node: Node) -> Sequence[Point]:
        """Add or replace one node of the model; returns as `declare_model`."""
        ...

    def remove_node(self, uuid: EndpointId, name: str) -> Sequence[Point]:
        """Take one node out of the model, its points marked removed; unknown names are ignored."""
        ...

    def ensure_points(self, points: Sequence[NewPoint]) -> Sequence[Point]:
        """Return the points in the order given; unknown ones are registered and join the model.

        A point that exists stays as it was declared; one that was removed comes back under its id.

        Raises:
            Missing: an endpoint is unknown.
            Conflict: an endpoint would have more than POINTS_PER_ENDPOINT_MAX points.
        """
        ...

    def points(self, prefix: Sequence[str]) -> Sequence[Point]:
        """Return the points at or below a prefix, ordered by address, removed ones included."""
        ...

    def point(self, address: PointAddress) -> Point:
        """Return a point, also a removed one; raises Missing when there never was one."""
        ...

    def overlay(self, scope: str) -> Mapping[str, Any]:
        """Return the overlay stored at exactly this scope, empty when there is none."""
        ...

    def change_overlay(
        self,
        scope: str,
        merge: Mapping[str, Any],
        check: Callable[[Mapping[str, Any]], object] | None = None,
    ) -> Mapping[str, Any]:
        """Merge keys into a scope's overlay (RFC 7396: None removes a key); returns the result.

        ``check`` is shown the result before it is stored; what it raises undoes the change.
        Raises Missing when the scope lies in an unknown or deleted endpoint.
        """
        ...

    def put_connection(
        self, name: str, project: int, adapter: str, document: Mapping[str, Any], enabled: bool
    ) -> Connection:
        """Create or replace; the same document again changes nothing, not even the revision."""
        ...

    def connections(self) -> Sequence[Connection]: ...

    def delete_connection(self, name: str) -> None:
        """Raises Missing."""
        ...

    def source(self, name: str) -> int:
        """Return the number of a source such as ``mqtt:<uuid>``; a new name gets one."""
        ...


# -- history -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Intake:
    """What a batch covered of its stream: recorded together with the rows, in one transaction."""

    stream: StreamId
    sequences: Uint64s
    """Every sequence dealt with, also those skipped or set aside."""
    received: Millis
    """The stream's timestamp of each."""


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
