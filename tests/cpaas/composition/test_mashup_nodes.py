"""Each node against a plain reading of what it promises, one event after the other."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cpaas.composition.nodes import hours
from cpaas.composition.running.entrance import Rows
from cpaas.composition.running.runtime import Runtime
from tests.cpaas.composition import graphs
from tests.cpaas.composition.graphs import POINTS, START, document, frame, planned

Event = tuple[int, float]
Reference = Callable[[list[Event]], list[Event]]
END = 120_000


def given_by(kind: str, params: dict[str, Any], rows: list[tuple[int, int, float]]) -> Any:
    """Return per point what a node gives, as (milliseconds after START, value)."""
    target = "n.a" if kind == "formula" else "n"
    out = ("o", "virtual-point", {"name": "V"})
    nodes = [("s", "source", {"points": POINTS}), ("n", kind, params), out]
    graph, plan = planned(document(nodes, f"s>{target}", "n>o"))
    runtime = Runtime(graph, plan, START)
    acts = runtime.advance(Rows.of(frame(rows), START), START + END + runtime.lateness)
    found: dict[int, list[Event]] = {point: [] for point in range(len(POINTS))}
    if "o" in acts:
        flow = acts["o"]
        for key, time, value in zip(flow.key, flow.time, flow.value, strict=True):
            found[POINTS.index(plan.keys[key])].append((int(time) - START, float(value)))
    return found


def held_against(kind: str, params: dict[str, Any], reference: Reference) -> Any:
    @settings(max_examples=60, deadline=None)
    @given(rows=graphs.samples)
    def check(rows: list[tuple[int, int, float]]) -> None:
        found = given_by(kind, params, rows)
        for point in range(len(POINTS)):
            mine = [(time, value) for number, time, value in rows if number == point]
            expected = reference(mine)
            assert [at for at, _ in found[point]] == [at for at, _ in expected], f"{point}: {mine}"
            values = [value for _, value in expected]
            assert [value for _, value in found[point]] == pytest.approx(values)

    return check


@pytest.mark.parametrize("lasting", [0, 2.5, 10])
def test_threshold(lasting: float) -> None:
    def reference(rows: list[Event]) -> list[Event]:
        told: list[Event] = []
        since: float | None = None
        state: float | None = None

        def tell(at: float, value: float) -> None:
            nonlocal state
            if value != state:
                told.append((int(at), value))
                state = value

        for time, value in [*rows, (END + 1, math.nan)]:
            due = None if since is None else since + lasting * 1000
            beyond = value > 5 or (since is not None and not value <= -5)
            if due is not None and (due < time or (beyond and due <= time)):
                tell(due, 1.0)
            if math.isnan(value):
                break
            if not beyond:
                since = None
                tell(time, 0.0)
            elif since is None:
                since = time
                if lasting == 0:
                    tell(time, 1.0)
                elif state is None:
                    tell(time, 0.0)
        return told

    held_against("threshold", {"limit": 5, "clear": -5, "forS": lasting}, reference)()


def test_silence() -> None:
    def reference(rows: list[Event]) -> list[Event]:
        told: list[Event] = []
        last, state = 0, None
        for time, _ in [*rows, (END + 1, 0.0)]:
            if time - last > 5_000:
                told.append((last + 5_000, 1.0))
                state = 1.0
            if time <= END and state != 0.0:
                told.append((time, 0.0))
                state = 0.0
            last = time
        return told

    held_against("silence", {"afterS": 5}, reference)()


@pytest.mark.parametrize(
    ("function", "of"),
    [
        ("sum", sum),
        ("count", len),
        ("min", min),
        ("max", max),
        ("last", lambda values: values[-1]),
        ("mean", lambda values: sum(values) / len(values)),
    ],
)
def test_window(function: str, of: Callable[[list[float]], float]) -> None:
    def reference(rows: list[Event]) -> list[Event]:
        windows: dict[int, list[float]] = {}
        for time, value in rows:
            windows.setdefault(time // 2_500, []).append(value)
        return [((w + 1) * 2_500, float(of(values))) for w, values in sorted(windows.items())]

    held_against("window", {"sizeS": 2.5, "function": function}, reference)()


def test_rate() -> None:
    def reference(rows: list[Event]) -> list[Event]:
        return [(b[0], (b[1] - a[1]) * 60_000 / (b[0] - a[0])) for a, b in pairwise(rows)]

    held_against("rate", {"per": "minute"}, reference)()


def test_filter() -> None:
    held_against(
        "filter", {"where": "value > 0"}, lambda rows: [row for row in rows if row[1] > 0]
    )()


@settings(max_examples=60, deadline=None)
@given(rows=graphs.samples)
def test_formulas_join_the_latest_values(rows: list[tuple[int, int, float]]) -> None:
    graph, plan = planned(
        document(
            [
                ("one", "source", {"points": POINTS[:1]}),
                ("two", "source", {"points": POINTS[1:2]}),
                ("f", "formula", {"formula": "a - 2 * b"}),
                ("o", "virtual-point", {"name": "V"}),
            ],
            "one>f.a", "two>f.b", "f>o",
        )
    )  # fmt: skip
    latest: dict[int, float] = {}
    expected: dict[int, float] = {}
    for point, time, value in rows:
        if point > 1:
            continue
        latest[point] = value
        if len(latest) == 2:
            expected[time] = latest[0] - 2 * latest[1]
    runtime = Runtime(graph, plan, START)
    acts = runtime.advance(Rows.of(frame(rows), START), START + END)
    flow = acts.get("o")
    found = {} if flow is None else dict(zip(flow.time - START, flow.value, strict=True))
    assert found == expected


@given(
    st.integers(0, 4_000_000_000_000),
    st.sampled_from(["UTC", "Europe/Helsinki", "Asia/Kathmandu", "Australia/Lord_Howe"]),
)
def test_local_time_is_that_of_the_zone(moment: int, name: str) -> None:
    zone, time = ZoneInfo(name), np.array([moment])
    local = datetime.fromtimestamp(moment // 1000, UTC).astimezone(zone)
    assert int(hours.hour(time, zone)[0]) == local.hour
    assert hours.weekday(time, zone)[0] == local.isoweekday()
    night = hours.Hours(**{"from": "22:00", "to": "06:00"})
    assert night.hold(time, zone)[0] == (local.hour >= 22 or local.hour < 6)


def test_commands_are_sent_at_changes_only() -> None:
    graph, plan = planned(
        document(
            [
                ("s", "source", {"points": POINTS[:1]}),
                ("t", "threshold", {"limit": 5}),
                ("c", "command", {"targets": [graphs.LAMP], "whenTrue": 100}),
            ],
            "s>t", "t>c",
        )
    )  # fmt: skip
    runtime = Runtime(graph, plan, START)
    rows = [(0, n * 1000, value) for n, value in enumerate((1.0, 9.0, 9.0, 1.0, 8.0))]
    acts = runtime.advance(Rows.of(frame(rows), START), START + END)
    assert (acts["c"].time - START).tolist() == [1_000, 4_000]
    assert acts["c"].value.tolist() == [100, 100]
