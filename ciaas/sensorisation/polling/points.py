"""The points of one device: readings in, rows out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple, Protocol, TypeAlias

from ciaas.kernel.address import PointAddress
from ciaas.kernel.sample import Reason, Verdict
from ciaas.ports import Clock
from ciaas.sensorisation.connection import PlannedDevice, PlannedPoint
from ciaas.sensorisation.contract import Batch, RawReading, Target
from ciaas.sensorisation.errors import AdapterError, Malformed
from ciaas.sensorisation.polling.decoding import READ_ERROR, Decode, Value, compile_point
from ciaas.sensorisation.polling.reporting import Reporter


class Row(NamedTuple):
    """One sample on its way into a frame."""

    point: int
    observed: int
    value: Value
    source: int


_TARGET = itemgetter(0)
_new_row = Row._make

Stored: TypeAlias = Callable[[], None]


class Deliver(Protocol):
    """Where rows go. Never waits."""

    def __call__(self, rows: Sequence[Row], stored: Stored | None = None) -> None:
        """Take rows; ``stored`` is called once they are on disk, or given up and counted."""
        ...


@dataclass(slots=True)
class _Polled:
    """A point with what its profile was compiled to. Several may share a target: bits of one."""

    id: int
    planned: PlannedPoint
    decode: Decode
    reporter: Reporter
    last_good: int
    measured: tuple[int, Value] | None = None
    """The last sample sent whose source gave a time."""


@dataclass(slots=True)
class _Group:
    """The points that lie at one target, and the turn in which it was last answered."""

    target: Target
    points: list[_Polled] = field(default_factory=list)
    answered: int = -1


class PolledPoints:
    """Decodes readings, decides which are sent, and remembers which points fail."""

    def __init__(
        self,
        planned: PlannedDevice,
        ids: Mapping[PointAddress, int],
        source: int,
        deliver: Deliver,
        clock: Clock,
    ) -> None:
        self._source, self._deliver, self._clock = source, deliver, clock
        self._groups: dict[Target, _Group] = {}
        self._known: dict[int, _Group] = {}
        """The same by identity: hashing an address costs more than decoding a reading."""
        self._turn = 0
        self.failing: dict[Target, str] = {}
        """Targets whose last reading failed, with what was said."""
        self.last_good: int | None = None
        """Milliseconds since 1970 UTC of the newest good reading."""
        started = clock.now_ms()
        for point in planned.read:
            profile = point.profile
            if point.target not in self._groups:
                self._groups[point.target] = self._known[id(point.target)] = _Group(point.target)
            self._groups[point.target].points.append(
                _Polled(
                    ids[point.address],
                    point,
                    compile_point(profile),
                    Reporter(profile.report),
                    started,
                )
            )

    def begin_turn(self) -> None:
        """Forget which targets were answered."""
        self._turn += 1

    def take(self, readings: Sequence[RawReading], stored: Stored | None = None) -> None:
        """Turn readings into rows, observed now unless they say when, and deliver what matters.

        ``stored`` is called once the rows are on disk, at once when there are none.
        """
        now, source, failing = self._clock.now_ms(), self._source, self.failing
        rows: list[Row] = []
        for reading in readings:
            target, raw, error, seen, retained = reading
            group = self._known.get(id(target)) or self._groups[target]
            group.answered = self._turn
            failure: AdapterError | None = error
            for point in group.points:
                value = READ_ERROR
                if raw is not None and error is None:
                    try:
                        value = point.decode(raw)
                        self.last_good = point.last_good = now
                    except Malformed as malformed:
                        failure = malformed
                if seen is None and not retained:
                    if point.reporter.wants(value, now):
                        rows.append(_new_row((point.id, now, value, source)))
                elif self._news(point, value, reading, now):
                    observed = now if seen is None else seen
                    rows.append(Row(point.id, observed, _dated(value, reading), source))
            if failure is not None:
                failing[target] = f"{type(failure).__name__}: {failure}"
            elif failing:
                failing.pop(target, None)
        if rows:
            self._deliver(rows, stored)
        elif stored is not None:
            stored()

    def _news(self, point: _Polled, value: Value, reading: RawReading, now: int) -> bool:
        """Tell whether a reading is a sample, and remember it if so."""
        if reading.retained and reading.observed is None and _same(point.reporter.sent, value):
            return False
        if reading.observed is None:
            return point.reporter.wants(value, now)
        before = point.measured
        if before is not None and before[0] == reading.observed and _same(before[1], value):
            return False
        if not point.reporter.wants(value, reading.observed):
            return False
        point.measured = (reading.observed, value)
        return True

    def recall(self, last: Mapping[int, Value]) -> None:
        """Take notice of what was sent last by an earlier process, by point."""
        for _, point in self._each():
            if (value := last.get(point.id)) is not None:
                point.reporter.sent = value

    def fail_rest(self, error: Exception) -> None:
        """Count every target not answered in this turn as failed."""
        reason = Malformed(str(error)) if not isinstance(error, AdapterError) else error
        self.take(
            [
                RawReading(group.target, None, reason)
                for group in self._groups.values()
                if group.answered != self._turn
            ]
        )

    def addresses(self, targets: Collection[Target]) -> tuple[PointAddress, ...]:
        """Return the addresses of the points that lie at these targets."""
        return tuple(point.planned.address for target, point in self._each() if target in targets)

    def stale(self) -> tuple[PointAddress, ...]:
        """Return the points without a good reading for longer than their profile allows."""
        now = self._clock.now_ms()
        return tuple(
            point.planned.address
            for _, point in self._each()
            if (limit_s := point.planned.profile.validity.stale_after_s) is not None
            and now - point.last_good > limit_s * 1_000
        )

    def _each(self) -> Iterator[tuple[Target, _Polled]]:
        return ((target, point) for target, group in self._groups.items() for point in group.points)


def _same(one: Value | None, other: Value) -> bool:
    return (
        one is not None
        and (one.kind, one.txt, one.reason) == (other.kind, other.txt, other.reason)
        and (one.num == other.num or (one.num != one.num and other.num != other.num))
    )


def _dated(value: Value, reading: RawReading) -> Value:
    """Return the value with the doubt that it deserves when nobody knows since when it holds."""
    if reading.retained and reading.observed is None and value.verdict is Verdict.GOOD:
        return value._replace(verdict=Verdict.UNCERTAIN, reason=Reason.NO_TIMESTAMP)
    return value


def complete(batch: Batch, readings: Sequence[RawReading]) -> Sequence[RawReading]:
    """Return one reading for each target of the batch, whatever the adapter left out or added."""
    # as a good adapter gives them, and the same objects: hashing each target would cost more
    if tuple(map(_TARGET, readings)) == batch.targets:
        return readings
    given = {reading.target: reading for reading in readings}
    missing = Malformed("the adapter gave no reading for this address")
    return [given.get(target, RawReading(target, None, missing)) for target in batch.targets]
