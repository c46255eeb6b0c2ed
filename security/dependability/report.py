"""The dependability report: one HTML page that needs nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby
from typing import TYPE_CHECKING

from security.dependability.states import Interval, Resource, State, merged
from security.dependability.statistics import CONFIDENCE, Bounds, Dependability
from security.limits import FAILURES_SUFFICIENT

if TYPE_CHECKING:
    from jinja2 import Environment

_UNITS = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))


@dataclass(frozen=True, slots=True)
class Row:
    """One resource of a report."""

    resource: Resource
    title: str
    """For people, such as a friendly name."""
    intervals: Sequence[Interval]
    """Clipped to the report's span, oldest first."""
    figures: Dependability


@dataclass(frozen=True, slots=True)
class Report:
    """All that a page says. Times are milliseconds since 1970 UTC."""

    start: int
    end: int
    made_at: int
    rows: Sequence[Row]
    notes: Sequence[str]
    """What a reader must know of how it came to be, such as what was left out."""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of a timeline, in per mille of its width."""

    state: State
    left: float
    width: float
    title: str


def render(report: Report) -> str:
    """Return the page."""
    page = _environment().get_template("report.html.j2")
    ordered = sorted(report.rows, key=lambda row: (row.resource.kind, row.title))
    kinds = [(kind, list(rows)) for kind, rows in groupby(ordered, lambda row: row.resource.kind)]
    return page.render(report=report, kinds=kinds, sufficient=FAILURES_SUFFICIENT)


def bands(row: Row, start: int, end: int) -> Sequence[Band]:
    """Return the timeline of a row."""
    scale = 1000 / (end - start)
    found = []
    for interval in merged(row.intervals):
        assert interval.until is not None, "a row's intervals are clipped"
        width = (interval.until - interval.since) * scale
        words = f"{interval.state} from {moment(interval.since)} to {moment(interval.until)}"
        if interval.cause:
            words += f": {interval.cause}"
        found.append(Band(interval.state, (interval.since - start) * scale, width, words))
    return found


def moment(at: int) -> str:
    """Return a time for people: UTC, to the second."""
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")


def duration(length: float | None) -> str:
    """Return milliseconds for people, with a unit that fits; a dash for None."""
    if length is None:
        return "–"
    for size, unit in _UNITS:
        if length >= size:
            return f"{length / size:.3g} {unit}"
    return f"{length:.0f} ms"


def share(value: float | None) -> str:
    """Return a share as per cent, never rounded up to 100; a dash for None."""
    if value is None:
        return "–"
    if value == 1:
        return "100 %"
    return f"{min(value, 0.99999) * 100:.3f} %"


def mean_time(figures: Dependability) -> str:
    """Return MTBF with its confidence interval, or that there are too few failures for one."""
    bounds = figures.mtbf_bounds
    told = f"{CONFIDENCE:.0%} interval {_told(bounds)}"
    if not figures.sufficient:
        return f"insufficient: n = {figures.failures}, {told}"
    return f"{duration(figures.mtbf)} (n = {figures.failures}, {told})"


def restoring_time(figures: Dependability) -> str:
    """Return MTTR, or that there are too few restorations for one."""
    if figures.restorations < FAILURES_SUFFICIENT:
        seen = f", seen {duration(figures.mttr)}" if figures.restorations else ""
        return f"insufficient: n = {figures.restorations}{seen}"
    return f"{duration(figures.mttr)} (n = {figures.restorations})"


def _told(bounds: Bounds) -> str:
    if bounds.high is None:
        return f"above {duration(bounds.low)}"
    return f"{duration(bounds.low)} to {duration(bounds.high)}"


def _environment() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # for who asks for a report

    environment = Environment(
        loader=PackageLoader("security.dependability", "pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: Mapping[str, object] = {
        "moment": moment,
        "duration": duration,
        "share": share,
        "mean_time": mean_time,
        "restoring_time": restoring_time,
    }
    environment.filters.update(filters)
    environment.globals["bands"] = bands
    return environment
