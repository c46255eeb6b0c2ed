"""Queries answer what pandas answers, days of a clock change included."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciaas.kernel.sample import Frame, Kind
from ciaas.ports import Measure, Windows
from ciaas.storage.history import DuckHistory, open_history
from cpaas.processing.query import calendar
from cpaas.processing.query.filling import filled

ZONES = ("UTC", "Europe/Zurich", "America/New_York", "Australia/Lord_Howe", "Africa/Cairo")
"""Lord Howe moves by half an hour, Cairo at midnight."""
CHANGES = ("2025-03-30", "2025-10-26", "2025-03-09", "2025-11-02", "2025-04-06", "2025-04-25")
FUNCTIONS = {
    "count": lambda s: s.count(),
    "mean": lambda s: s.mean(),
    "min": lambda s: s.min(),
    "max": lambda s: s.max(),
    "sum": lambda s: s.sum(),
    "first": lambda s: s.iloc[0],
    "last": lambda s: s.iloc[-1],
    "median": lambda s: s.median(),
    "stddev": lambda s: s.std(),
    "percentile": lambda s: s.quantile(0.9),
}
MEASURES = [Measure(name, 0.9 if name == "percentile" else None) for name in FUNCTIONS]
DAY = 86_400_000


class _Clock:
    def now_ms(self) -> int:
        return 2_000_000_000_000


@pytest.fixture(scope="module")
def history() -> Iterator[DuckHistory]:
    """Many points around the changes of clocks, so that each example takes points of its own."""
    with open_history(None, clock=_Clock()) as opened:
        random = np.random.default_rng(7)
        for point in range(1, 41):
            change = pd.Timestamp(CHANGES[point % len(CHANGES)], tz="UTC").value // 10**6
            observed = np.unique(random.integers(change - 4 * DAY, change + 4 * DAY, 300))
            opened.record(_frame(point, observed, np.round(random.normal(20, 5, len(observed)), 3)))
        yield opened


def _frame(point: int, observed: Any, values: Any) -> Frame:
    size = len(observed)
    return Frame(
        point=np.full(size, point, np.uint32),
        observed=observed.astype(np.int64),
        received=observed.astype(np.int64),
        kind=np.full(size, Kind.NUMBER, np.uint8),
        num=values,
        txt=np.full(size, None, object),
        verdict=np.zeros(size, np.uint8),
        reason=np.zeros(size, np.uint16),
        raw=np.full(size, None, object),
        source=np.ones(size, np.uint32),
        revision=np.zeros(size, np.uint16),
    )


def samples(history: DuckHistory, points: list[int], start: int, end: int) -> pd.DataFrame:
    """Return what pandas is given: the samples themselves, read back by their commits."""
    frames = [commit.frame for commit in history.commits(0)]
    table = pd.DataFrame(
        {
            "point": np.concatenate([f.point for f in frames]),
            "ms": np.concatenate([f.observed for f in frames]),
            "value": np.concatenate([f.num for f in frames]),
        }
    )
    inside = table["point"].isin(points) & (table["ms"] >= start) & (table["ms"] < end)
    return table[inside].sort_values("ms", kind="stable")


def ask(history: DuckHistory, points: list[int], groups: list[int], edges: Any) -> Any:
    [part] = history.windows(
        Windows(
            points=np.array(points, np.uint32),
            groups=np.array(groups, np.uint32),
            edges=edges,
            measures=MEASURES,
            verdicts=frozenset({0, 1, 2}),
            hold_ms=1,
            until=10**15,
            within_s=30.0,
        )
    )
    return part


@settings(max_examples=40, deadline=None)
@given(
    points=st.lists(st.integers(1, 40), min_size=1, max_size=4, unique=True),
    zone=st.sampled_from(ZONES),
    window=st.sampled_from(["day", "week", "month", "6h", "90m", None]),
    before=st.integers(1, 4 * DAY),
    after=st.integers(1, 4 * DAY),
    together=st.booleans(),
)
def test_windows_and_figures_are_those_of_pandas(
    history: DuckHistory,
    points: list[int],
    zone: str,
    window: str | None,
    before: int,
    after: int,
    together: bool,
) -> None:
    change = pd.Timestamp(CHANGES[points[0] % len(CHANGES)], tz="UTC").value // 10**6
    start, end = change - before, change + after
    edges = calendar.edges(start, end, window, calendar.zone_of(zone))
    groups = [0] * len(points) if together else list(range(len(points)))
    table = samples(history, points, start, end)
    table["group"] = table["point"].map(dict(zip(points, groups, strict=True)))
    table["begin"] = _begins(table["ms"], start, window, zone)
    part = ask(history, points, groups, edges)
    found = pd.DataFrame(
        {name: column for name, column in zip(FUNCTIONS, part.figures, strict=True)},
        index=pd.MultiIndex.from_arrays(
            [part.group.astype(np.int64), edges[part.window]], names=["group", "begin"]
        ),
    )
    oracle = table.groupby(["group", "begin"])["value"]
    expected = pd.DataFrame({name: oracle.apply(f) for name, f in FUNCTIONS.items()})
    assert len(found) == len(expected)
    if len(expected):
        pd.testing.assert_frame_equal(
            found.astype(float), expected[list(FUNCTIONS)].astype(float), check_index_type=False
        )


def _begins(ms: pd.Series[int], start: int, window: str | None, zone: str) -> Any:
    """Return the begin of each sample's window, by pandas' own calendar."""
    if window is None:
        return start
    if window not in calendar.CALENDAR:
        width = calendar.duration_ms(window)
        return start + (ms - start) // width * width
    local = pd.to_datetime(ms, unit="ms", utc=True).dt.tz_convert(zone).dt.tz_localize(None)
    unit = {"day": "D", "week": "W-SUN", "month": "M"}[window]
    days = local.dt.to_period(unit).dt.start_time
    begins = days.dt.tz_localize(zone, ambiguous=True, nonexistent="shift_forward")
    return np.maximum(begins.dt.tz_convert("UTC").dt.as_unit("ms").astype("int64"), start)


@pytest.mark.parametrize("how", ["previous", "linear", "zero", "null"])
@settings(max_examples=15, deadline=None)
@given(points=st.lists(st.integers(1, 40), min_size=1, max_size=3, unique=True))
def test_filled_windows_are_those_of_pandas(
    history: DuckHistory, how: Any, points: list[int]
) -> None:
    change = pd.Timestamp(CHANGES[points[0] % len(CHANGES)], tz="UTC").value // 10**6
    edges = calendar.edges(change - 3 * DAY, change + 3 * DAY, "10m", calendar.zone_of("UTC"))
    part = ask(history, points, list(range(len(points))), edges)
    full = filled(part, list(FUNCTIONS), how, edges)
    windows = len(edges) - 1
    for group in range(len(points)):
        own = part.group == group
        for number, name in enumerate(FUNCTIONS):
            series = pd.Series(part.figures[number][own], edges[part.window[own]])
            expected = series.reindex(edges[:-1])
            if how == "previous":
                expected = expected.ffill()
            elif how == "linear":
                expected = expected.interpolate(method="index", limit_area="inside")
            elif how == "zero":
                expected = expected.fillna(0.0)
            if name == "count":
                expected = expected.fillna(0.0)
            got = full.figures[number][group * windows : (group + 1) * windows]
            np.testing.assert_allclose(got, expected.to_numpy(), rtol=1e-9)


@settings(max_examples=20, deadline=None)
@given(point=st.integers(1, 40), window=st.sampled_from(["day", "5h"]))
def test_integrals_are_the_areas_below_the_lines(
    history: DuckHistory, point: int, window: str
) -> None:
    change = pd.Timestamp(CHANGES[point % len(CHANGES)], tz="UTC").value // 10**6
    edges = calendar.edges(
        change - 3 * DAY, change + 3 * DAY, window, calendar.zone_of("Europe/Zurich")
    )
    table = samples(history, [point], int(edges[0]), int(edges[-1]))
    [part] = history.windows(
        Windows(
            points=np.array([point], np.uint32),
            groups=np.zeros(1, np.uint32),
            edges=edges,
            measures=[Measure("integral")],
            verdicts=frozenset({0}),
            hold_ms=1,
            until=10**15,
            within_s=30.0,
        )
    )
    at, values = table["ms"].to_numpy(), table["value"].to_numpy()
    cuts = np.unique(np.concatenate([at, edges[(edges > at[0]) & (edges < at[-1])]]))
    line = np.interp(cuts, at, values)
    areas = (line[1:] + line[:-1]) / 2 * np.diff(cuts) / 1000
    window_of = np.searchsorted(edges, cuts[:-1], side="right") - 1
    expected = pd.Series(areas).groupby(window_of).sum()
    assert part.window.tolist() == expected.index.tolist()
    np.testing.assert_allclose(part.figures[0], expected.to_numpy(), rtol=1e-9)
