"""Pages of what is found, by name, by time or value of the newest sample, or by distance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ciaas.kernel.sample import Numbers, Uint32s
from ciaas.management.directory.directory import Directory, FoundPoints
from ciaas.management.directory.filter import Filter, FilterError
from ciaas.management.directory.index import Index, Table
from ciaas.management.directory.matching import NEVER, Mask, Rows, newest
from ciaas.management.directory.paging import Ordering
from ciaas.ports import Endpoint
from security.aaa.levels import Level
from security.aaa.subjects import Who


@dataclass(frozen=True, slots=True)
class PointPage:
    """One page of points."""

    count: int
    """Of all pages."""
    points: Uint32s
    read: Mask
    """Where the user may see the samples too."""
    distances_m: Numbers
    """From the place that the filter names; NaN where it names none, or there is none."""
    after: str | None
    """Cursor of the next page, None behind the last."""


@dataclass(frozen=True, slots=True)
class EndpointPage:
    """One page of endpoints; as `PointPage`."""

    count: int
    endpoints: Sequence[Endpoint]
    distances_m: Numbers
    """NaN also where the caller may not see the place."""
    after: str | None


def page_of_points(
    directory: Directory, wanted: Filter, user: Who, order: str, after: str | None, limit: int
) -> PointPage:
    """Find points and return one page of them.

    Raises:
        FilterError: ``after`` is no cursor of this order, or there is no place to measure from.
    """
    _check_order(wanted, order)
    found = directory.points(wanted, user, Level.DESCRIBE)
    index, rows = directory.index, found.points.astype(np.intp)
    with index.lock:
        away = _distances(index, index.points, rows, wanted)
        ordering = _ordered_points(directory, found, away, order)
    page, following = ordering.page(after, limit)
    return PointPage(len(rows), found.points[page], found.read[page], away[page], following)


def page_of_endpoints(
    directory: Directory, wanted: Filter, user: Who, order: str, after: str | None, limit: int
) -> EndpointPage:
    """Find endpoints and return one page of them; raises as `page_of_points`.

    Their samples give them no order: endpoints have none of their own.
    """
    _check_order(wanted, order)
    if order.endswith(("observed", "value")):
        raise FilterError(f"sort: endpoints have no {order.lstrip('-')}; use name or distance")
    found = directory.endpoints(wanted, user)
    index = directory.index
    with index.lock:
        away = _distances(index, index.endpoints, found.codes, wanted)
        away[~found.browsed] = np.nan
        ordering = Ordering(order, found.codes, away)
        if order.endswith("name"):
            ordering = _by_name(index, order, found.codes, found.codes)
    page, following = ordering.page(after, limit)
    endpoints = [found.endpoints[place] for place in page.tolist()]
    return EndpointPage(len(found.codes), endpoints, away[page], following)


def _check_order(wanted: Filter, order: str) -> None:
    if order.endswith("distance") and not wanted.near:
        raise FilterError(f"sort: {order} needs near=latitude,longitude,metres to measure from")


def _ordered_points(
    directory: Directory, found: FoundPoints, away: Numbers, order: str
) -> Ordering:
    index, rows = directory.index, found.points.astype(np.intp)
    match order.lstrip("-"):
        case "name":
            return _by_name(index, order, rows, index.points.endpoint[rows].astype(np.intp))
        case "distance":
            return Ordering(order, rows, away)
    samples = found.newest
    if samples is None:
        samples = newest(directory.history, found.points)
    if order.endswith("value"):
        return Ordering(order, rows, np.where(found.read, samples.num, np.nan))
    told = found.read & (samples.observed != NEVER)
    times = np.where(told, samples.observed.astype(np.float64), np.nan)
    return Ordering(order, rows, times)


def _by_name(index: Index, order: str, rows: Rows, endpoints: Rows) -> Ordering:
    ranks, names = index.name_ranks()
    return Ordering(order, rows, ranks[endpoints].astype(np.float64), names)


def _distances(index: Index, table: Table, rows: Rows, wanted: Filter) -> Numbers:
    if not wanted.near:
        return np.full(len(rows), np.nan)
    lat, lon = index.place_columns()
    places = table.place[rows]
    nearest = wanted.near[0].distance_m(lat, lon)
    for other in wanted.near[1:]:
        nearest = np.fmin(nearest, other.distance_m(lat, lon))
    return np.asarray(nearest[places])
