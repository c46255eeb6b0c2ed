"""When a data point delivered and when it was silent, read off its history."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ciaas.kernel.sample import Verdict
from ciaas.limits import SILENCE_SAMPLES_MAX
from ciaas.ports import HistoryStore, Point, Span
from security.dependability.states import Interval, Resource, State, clipped

_MISSES = 3
"""A point that measures at an interval is silent when so many measurements in a row are missing."""


def patience_ms(overlay: Mapping[str, Any]) -> int | None:
    """Return how long a sample of a point keeps it up; None when its overlay doesn't say."""
    if (limit := overlay.get("stale_after_s")) is not None:
        return int(limit * 1000)
    if (interval := overlay.get("measured_every_s")) is not None:
        return int(_MISSES * interval * 1000)
    return None


def point_intervals(
    history: HistoryStore,
    point: Point,
    patience: int,
    start: int,
    end: int,
    core: Sequence[Interval],
) -> Sequence[Interval]:
    """Return the states of a point within a time span, oldest first, from its first sample on.

    Up for ``patience`` milliseconds after each sample that is not bad; else down, or unknown while
    core did not observe. Times are milliseconds since 1970 UTC.

    Args:
        history: Where its samples are.
        point: The point.
        patience: See `patience_ms`.
        start: Begin of the span.
        end: Its end.
        core: The states of the core role over the span.
    """
    numbers = np.array([point.id], np.uint32)
    series = history.series(Span(numbers, start - patience, end, SILENCE_SAMPLES_MAX))
    resource = Resource.of(f"point:{point.address}", point.address.split("/")[0])
    found: list[Interval] = []
    times = series.observed.tolist()
    if not times:
        return []
    good = (series.verdict != Verdict.BAD).tolist()
    # What lies after a series that was cut short is not known.
    last = times[-1] if series.truncated else end
    for at, following, well in zip(times, [*times[1:], last], good, strict=True):
        until = min(at + patience, following) if well else at
        found.append(Interval(resource, State.UP, at, until))
        found.append(Interval(resource, State.DOWN, until, following, "silent" if well else "bad"))
    return clipped(_observed(clipped(found, start, end), clipped(core, start, end)), start, end)


def _observed(intervals: Sequence[Interval], core: Sequence[Interval]) -> Sequence[Interval]:
    """Return the intervals with what is down while core was not up turned into unknown."""
    away = [interval for interval in core if interval.state is not State.UP]
    told: list[Interval] = []
    for interval in intervals:
        if interval.state is not State.DOWN:
            told.append(interval)
            continue
        at, until = interval.since, interval.until
        assert until is not None, "they are clipped"
        for gap in clipped(away, at, until):
            told.append(replace(interval, since=at, until=gap.since))
            told.append(replace(gap, resource=interval.resource, state=State.UNKNOWN))
            assert gap.until is not None, "likewise"
            at = gap.until
        told.append(replace(interval, since=at, until=until))
    return told
