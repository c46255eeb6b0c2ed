"""What a caller may know of how dependable resources were."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from http import HTTPStatus
from typing import Any

from ciaas.kernel.address import EndpointId
from ciaas.management.monitoring.silence import patience_ms, point_intervals
from cpaas.access.answers.documents import rfc3339
from cpaas.access.caller import Caller
from cpaas.access.problems import Problem
from security.aaa.levels import Level
from security.dependability.report import Row
from security.dependability.states import Interval, Resource, clipped
from security.dependability.statistics import CONFIDENCE, measure
from security.limits import REPORT_RESOURCES_MAX

_CORE = "role:core"


def rows(
    caller: Caller, start: int, end: int, kind: str | None, endpoint: str | None
) -> Sequence[Row]:
    """Return each resource that was observed in a time span, with its figures.

    Data points are observed by what history has of them, and only when ``kind`` is ``point``.

    Args:
        caller: Who asks; what is not theirs is left out.
        start: Milliseconds since 1970 UTC.
        end: Likewise, after it.
        kind: Only resources of this kind; None means all but points.
        endpoint: Only what belongs to this endpoint; None means all.

    Raises:
        Problem: 404 for an endpoint that is not the caller's to read, 413 above a report's bound.
    """
    wanted = caller.endpoint(endpoint, Level.READ).uuid if endpoint is not None else None
    by_resource: dict[Resource, list[Interval]] = defaultdict(list)
    stored = caller.city.observation.states.intervals(start, end)
    for interval in clipped(stored, start, end):
        by_resource[interval.resource].append(interval)
    if kind == "point":
        core = by_resource.get(Resource.of(_CORE), [])
        found = _points(caller, start, end, wanted, core)
    else:
        found = (
            (resource, intervals)
            for resource, intervals in by_resource.items()
            if kind in (None, resource.kind)
            and wanted in (None, resource.endpoint)
            and may_know(caller, resource)
        )
    made: list[Row] = []
    for resource, intervals in found:
        if len(made) == REPORT_RESOURCES_MAX:
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"more than {REPORT_RESOURCES_MAX:,} resources; ask for one kind or one endpoint",
            )
        made.append(Row(resource, title(caller, resource), intervals, measure(intervals)))
    return made


def may_know(caller: Caller, resource: Resource) -> bool:
    """Tell whether a resource is the caller's to know: its endpoint's readers, or administrators.

    Of a deleted endpoint and of the platform itself only administrators know.
    """
    endpoint = caller.city.catalogue.endpoint(EndpointId(resource.endpoint))
    if endpoint is None:
        return caller.admin
    return caller.level(endpoint.project, (endpoint.uuid,)) >= Level.READ


def title(caller: Caller, resource: Resource) -> str:
    """Return what people call a resource."""
    endpoint = caller.city.catalogue.endpoint(EndpointId(resource.endpoint))
    if endpoint is None:
        return resource.name.partition(":")[2] or resource.name
    if resource.kind == "point":
        return f"{endpoint.friendly_name} {resource.name.partition('/')[2]}"
    return endpoint.friendly_name


def as_document(row: Row) -> dict[str, Any]:
    """Return a row for JSON; durations in seconds, None where there is no figure."""
    figures = row.figures
    bounds = figures.mtbf_bounds
    last = row.intervals[-1]
    return {
        "resource": row.resource.name,
        "kind": row.resource.kind,
        "endpoint": row.resource.endpoint or None,
        "title": row.title,
        "state": last.state,
        "since": rfc3339(last.since),
        "cause": last.cause,
        "observed_from": rfc3339(row.intervals[0].since),
        "availability": figures.availability,
        "up_s": figures.up / 1000,
        "down_s": figures.down / 1000,
        "unknown_s": figures.unknown / 1000,
        "failures": figures.failures,
        "restorations": figures.restorations,
        "sufficient": figures.sufficient,
        "mtbf_s": _seconds(figures.mtbf),
        "mtbf_interval_s": [_seconds(bounds.low), _seconds(bounds.high)],
        "confidence": CONFIDENCE,
        "mttr_s": _seconds(figures.mttr),
    }


def _points(
    caller: Caller, start: int, end: int, endpoint: str | None, core: Sequence[Interval]
) -> Iterator[tuple[Resource, Sequence[Interval]]]:
    """Yield the points whose overlay says how often they have to deliver."""
    catalogue = caller.city.catalogue
    endpoints = [e for e in catalogue.endpoints() if endpoint in (None, e.uuid)]
    for owner in endpoints:
        for point in caller.readable(owner.project, catalogue.under([owner.uuid])):
            patience = patience_ms(catalogue.overlay(point.id))
            if patience is None:
                continue
            intervals = point_intervals(caller.city.history, point, patience, start, end, core)
            if intervals:
                yield intervals[0].resource, intervals


def _seconds(length: float | None) -> float | None:
    return None if length is None else length / 1000
