"""State intervals: what was known of a resource, and when."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum


class State(StrEnum):
    """What is known of a resource. Not knowing is a state of its own, and never counts as up."""

    UP = "up"
    DOWN = "down"
    UNKNOWN = "unknown"
    """Nobody observed it, or it was switched off on purpose."""


@dataclass(frozen=True, slots=True)
class Resource:
    """What is observed: hardware or software, ours or the city's."""

    name: str
    """Such as ``host``, ``role:core``, ``connection:pumps``, ``device:<uuid>``."""
    kind: str
    """The part of the name before the colon."""
    endpoint: str = ""
    """UUID of the endpoint that it belongs to, whose readers may know of it; empty: the platform's,
    for administrators."""

    @staticmethod
    def of(name: str, endpoint: str = "") -> Resource:
        """Return the resource of a name, its kind read off it."""
        return Resource(name, name.partition(":")[0], endpoint)


@dataclass(frozen=True, slots=True)
class Transition:
    """A resource came into a state. ``at`` is milliseconds since 1970 UTC."""

    resource: Resource
    state: State
    at: int
    cause: str = ""
    """Why, in words; empty when nothing says so."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A resource was in one state from ``since`` to ``until``, in milliseconds since 1970 UTC."""

    resource: Resource
    state: State
    since: int
    until: int | None
    """None while it lasts."""
    cause: str = ""


def clipped(intervals: Iterable[Interval], start: int, end: int) -> Sequence[Interval]:
    """Return what lies within a time span, oldest first; what lasts is taken to last to its end."""
    found = []
    for interval in intervals:
        since = max(interval.since, start)
        until = min(end if interval.until is None else interval.until, end)
        if since < until:
            found.append(replace(interval, since=since, until=until))
    return sorted(found, key=lambda interval: interval.since)


def merged(intervals: Sequence[Interval]) -> Sequence[Interval]:
    """Return the intervals of one resource with neighbours of one state joined, the first's cause.

    They are ordered and do not overlap; a gap between two keeps them apart.
    """
    joined: list[Interval] = []
    for interval in intervals:
        last = joined[-1] if joined else None
        if last is not None and last.state is interval.state and last.until == interval.since:
            joined[-1] = replace(last, until=interval.until)
        else:
            joined.append(interval)
    return joined
