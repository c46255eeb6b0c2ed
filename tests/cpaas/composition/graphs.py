"""Random mashups and samples, and a city small enough for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from hypothesis import strategies as st

from ciaas.kernel.address import PointAddress
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.sample import DTYPES, Frame, Kind
from ciaas.management.directory.filter import Filter
from cpaas.composition.document import parse_document
from cpaas.composition.graph import Graph, check_graph
from cpaas.composition.plan import Found, Plan, plan

UUIDS = [f"00000000-0000-4000-8000-00000000000{n}" for n in range(1, 5)]
POINTS = [PointAddress(f"{uuid}/Node/object/value") for uuid in UUIDS]
LAMP = PointAddress(f"{UUIDS[0]}/Node/lamp/level")
START = 1_772_323_200_000


class Town:
    """Four points of numbers, one of each endpoint, and a lamp."""

    def __init__(self, unit: str | None = "degC") -> None:
        self._points = {
            address: Found(n, address, Constraint.MEASURE, ValueType.NUMBER, unit)
            for n, address in enumerate(POINTS)
        }
        self._lamp = Found(9, LAMP, Constraint.SET_POINT, ValueType.INTEGER, None)

    def readable(self, address: PointAddress) -> Found | None:
        return self._points.get(address)

    def settable(self, address: PointAddress) -> Found | None:
        return self._lamp if address == LAMP else self._points.get(address)

    def matching(self, chosen: Filter, most: int) -> Sequence[Found]:
        return list(self._points.values())[: most + 1] if chosen.text == ("all",) else []


def document(nodes: list[tuple[str, str, dict[str, Any]]], *wires: str, **settings: Any) -> Any:
    """Return a document; a wire is written ``a>b`` or ``a>b.port``."""
    ends = [wire.split(">") for wire in wires]
    return {
        "name": "test",
        "nodes": [{"id": id_, "type": kind, "params": params} for id_, kind, params in nodes],
        "wires": [
            {"from": f"{source}.out", "to": target if "." in target else f"{target}.in"}
            for source, target in ends
        ],
        "settings": settings,
    }


def planned(given: Any) -> tuple[Graph, Plan]:
    graph = check_graph(parse_document(given))
    return graph, plan(graph, Town())


def frame(rows: Sequence[tuple[int, int, float]], delay: int = 0) -> Frame:
    """Return samples of (point, milliseconds after START, value)."""
    columns = {name: np.zeros(len(rows), dtype) for name, dtype in DTYPES.items()}
    time = np.array([START + row[1] for row in rows], np.int64)
    columns |= {
        "point": np.array([row[0] for row in rows], np.uint32),
        "observed": time,
        "received": time + delay,
        "num": np.array([row[2] for row in rows], np.float64),
        "kind": np.full(len(rows), Kind.NUMBER, np.uint8),
        "txt": np.full(len(rows), None),
        "raw": np.full(len(rows), None),
    }
    return Frame(**columns)


samples = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 60_000), st.integers(-50, 50).map(float)),
    max_size=60,
).map(lambda rows: sorted({(p, t): (p, t, v) for p, t, v in rows}.values(), key=lambda r: r[1]))

_seconds = st.sampled_from([1, 2.5, 5, 10, 30])
_hours = st.sampled_from([{"from": "00:00", "to": "00:01"}, {"from": "22:00", "to": "06:00"}])
_maybe_hours = st.one_of(st.none(), _hours)


@st.composite
def shapes(draw: st.DrawFn, at: int) -> tuple[str, dict[str, Any]]:
    """Return a node in the middle of a chain: number in, number out."""
    kind = draw(st.sampled_from(["filter", "formula", "window", "rate"]))
    match kind:
        case "filter":
            where = f"value > {draw(st.integers(-40, 20))}"
            return kind, {"where": where} | (
                {"between": draw(_hours)} if draw(st.booleans()) else {}
            )
        case "formula":
            text = draw(st.sampled_from(["a * 2", "if_(a > 0, a, -a)", "a + hour + weekday"]))
            return kind, {"formula": text}
        case "window":
            function = draw(st.sampled_from(["mean", "min", "max", "sum", "count", "last"]))
            group = draw(st.sampled_from(["each", "all"]))
            return kind, {"sizeS": draw(_seconds), "function": function, "group": group}
    return kind, {"per": draw(st.sampled_from(["second", "minute", "hour", "day"]))}


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """Return a valid mashup: a source, some steps, and everything that can act behind them."""
    nodes: list[tuple[str, str, dict[str, Any]]] = []
    per = draw(st.sampled_from(["point", "endpoint"]))
    if draw(st.booleans()):
        source: dict[str, Any] = {"filter": {"text": "all"}, "per": per}
    else:
        chosen = draw(st.lists(st.sampled_from(POINTS), min_size=1, max_size=4, unique=True))
        source = {"points": chosen, "per": per, "quality": draw(st.sampled_from(["good", "all"]))}
    nodes.append(("source", "source", source))
    wires, last = [], "source"
    for at in range(draw(st.integers(0, 3))):
        kind, params = draw(shapes(at))
        nodes.append((f"step{at}", kind, params))
        wires.append(f"{last}>step{at}.a" if kind == "formula" else f"{last}>step{at}")
        last = f"step{at}"
    if draw(st.booleans()):
        nodes.append(("both", "formula", {"formula": "new - old", "unit": "K"}))
        wires += ["source>both.old", f"{last}>both.new"]
        last = "both"
    threshold: dict[str, Any] = {
        "when": draw(st.sampled_from(["above", "below"])), "limit": 5, "forS": draw(_seconds),
    }  # fmt: skip
    if draw(st.booleans()):
        threshold["clear"] = 2.5 if threshold["when"] == "above" else 7.5
    if (between := draw(_maybe_hours)) is not None:
        threshold["between"] = between
    nodes += [
        ("over", "threshold", threshold),
        ("quiet", "silence", {"afterS": draw(_seconds)}),
        ("alarm", "alarm", {"text": "Far off", "severity": "minor"}),
        ("silent", "alarm", {"text": "Gone", "severity": "major"}),
        ("kept", "virtual-point", {"name": "Result", "title": "The result"}),
        ("hook", "webhook", {"url": "https://city.example/hook"}),
        ("one", "window", {"sizeS": 5, "group": "all", "function": "max"}),
        ("bright", "threshold", {"limit": 0}),
        ("lamp", "command", {"targets": [LAMP], "whenTrue": 100, "whenFalse": 30, "withinS": 90}),
    ]
    wires += [
        f"{last}>over", f"{last}>quiet", "over>alarm", "quiet>silent", f"{last}>kept",
        "over>hook", f"{last}>one", "one>bright", "bright>lamp",
    ]  # fmt: skip
    return document(nodes, *wires, timeZone=draw(st.sampled_from(["UTC", "Europe/Helsinki"])))
