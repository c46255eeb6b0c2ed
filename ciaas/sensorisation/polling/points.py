"""The points of one device: readings in, rows out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

from ciaas.kernel.address import PointAddress
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


Deliver: TypeAlias = Callable[[Sequence[Row]], None]


@dataclass(slots=True)
class _Polled:
    """A point with what its profile was compiled to. Several may share a target: bits of one."""

    id: int
    planned: PlannedPoint
    decode: Decode
    reporter: Reporter
    last_good: int


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
        self._points: dict[Target, list[_Polled]] = defaultdict(list)
        self._answered: set[Target] = set()
        self.failing: dict[Target, str] = {}
        """Targets whose last reading failed, with what was said."""
        self.last_good: int | None = None
        """Milliseconds since 1970 UTC of the newest good reading."""
        started = clock.now_ms()
        for point in planned.points:
            profile = point.profile
            self._points[point.target].append(
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
        self._answered.clear()

    def take(self, readings: Sequence[RawReading]) -> None:
        """Turn readings into rows, observed now, and deliver those that matter."""
        observed = self._clock.now_ms()
        rows: list[Row] = []
        for target, raw, error in readings:
            self._answered.add(target)
            failure: AdapterError | None = error
            for point in self._points[target]:
                value = READ_ERROR
                if raw is not None and error is None:
                    try:
                        value = point.decode(raw)
                        self.last_good = point.last_good = observed
                    except Malformed as malformed:
                        failure = malformed
                if point.reporter.wants(value, observed):
                    rows.append(Row(point.id, observed, value, self._source))
            if failure is None:
                self.failing.pop(target, None)
            else:
                self.failing[target] = f"{type(failure).__name__}: {failure}"
        if rows:
            self._deliver(rows)

    def fail_rest(self, error: Exception) -> None:
        """Count every target not answered in this turn as failed."""
        reason = Malformed(str(error)) if not isinstance(error, AdapterError) else error
        rest = [target for target in self._points if target not in self._answered]
        self.take([RawReading(target, None, reason) for target in rest])

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
        return ((target, point) for target, group in self._points.items() for point in group)


def complete(batch: Batch, readings: Sequence[RawReading]) -> list[RawReading]:
    """Return one reading for each target of the batch, whatever the adapter left out or added."""
    given = {reading.target: reading for reading in readings}
    missing = Malformed("the adapter gave no reading for this address")
    return [given.get(target, RawReading(target, None, missing)) for target in batch.targets]
