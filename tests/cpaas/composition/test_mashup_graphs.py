"""What a mashup may be: every fault is told with its place and what to do."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from cpaas.composition.document import parse_document
from cpaas.composition.nodes import hours
from cpaas.composition.nodes.contract import Fault
from cpaas.limits import (
    LOCAL_QUARTERS_CACHED,
    MASHUP_COMMAND_S_MAX,
    MASHUP_FAN_OUT_MAX,
    MASHUP_INPUTS_MAX,
    MASHUP_LATENESS_S_MAX,
    MASHUP_NODES_MAX,
    MASHUP_TARGETS_MAX,
    MASHUP_TEXT_CHARS_MAX,
    MASHUP_WINDOW_S_MAX,
    MASHUP_WIRES_MAX,
)
from tests.cpaas.composition import graphs
from tests.cpaas.composition.graphs import LAMP, POINTS, Town, document, planned

SOURCE = ("s", "source", {"points": POINTS[:1]})
KEPT = ("v", "virtual-point", {"name": "V"})


@pytest.mark.parametrize(
    ("nodes", "wires", "sentence"),
    [
        ([], [], "begin with a source"),
        ([SOURCE, SOURCE], [], "two nodes are called s"),
        ([("s", "sauce", {})], [], "no type of node"),
        ([("s", "source", {})], [], "name points, or give a filter"),
        ([("s", "source", {"points": ["x"]})], [], "points"),
        ([("s", "source", {"points": [POINTS[0]] * 2})], [], "stands here twice"),
        ([("s", "source", {"filter": {"value": ">1"}})], [], "filter node behind"),
        ([("s", "source", {"filter": {"colour": "red"}})], [], "no such key"),
        ([SOURCE], [], "nothing comes of s"),
        ([SOURCE, KEPT], [], "input v.in is not wired"),
        ([SOURCE, KEPT], ["s>v", "s>v"], "wired twice"),
        ([SOURCE, KEPT], ["s>v.out"], "has no such input; it has in"),
        ([SOURCE, KEPT], ["s>x"], "there is no node x"),
        ([SOURCE, KEPT, ("w", "window", {"sizeS": 1})], ["s>v", "v>w"], "v has no output"),
        (
            [("a", "filter", {"where": "value"}), ("b", "filter", {"where": "value"}), KEPT],
            ["a>b", "b>a", "b>v"],
            "runs in a circle",
        ),
        ([SOURCE, ("w", "window", {"sizeS": 0.5}), KEPT], ["s>w", "w>v"], "sizeS"),
        ([SOURCE, ("f", "filter", {}), KEPT], ["s>f", "f>v"], "give a condition"),
        ([SOURCE, ("f", "filter", {"where": "x > 1"}), KEPT], ["s>f", "f>v"], "no name known"),
        ([SOURCE, ("f", "formula", {"formula": "hour"}), KEPT], ["f>v"], "reads no input"),
        (
            [SOURCE, ("t", "threshold", {"limit": 1, "clear": 2}), ("a", "alarm", {"text": "A"})],
            ["s>t", "t>a"],
            "clear has to lie below",
        ),
        ([SOURCE, ("a", "alarm", {"text": "A"})], ["s>a"], "takes boolean, and s gives number"),
        (
            [SOURCE, ("t", "threshold", {"limit": 1, "unit": "m"}), ("a", "alarm", {"text": "A"})],
            ["s>t", "t>a"],
            "the limit is in m and the values come in degC",
        ),
        ([SOURCE, ("v", "virtual-point", {"name": "V", "unit": "m"})], ["s>v"], "does not convert"),
        ([SOURCE, ("v", "virtual-point", {"name": "a b"})], ["s>v"], "no topic may carry"),
        ([SOURCE, KEPT, ("w", "virtual-point", {"name": "V"})], ["s>v", "s>w"], "two nodes record"),
        ([SOURCE, ("c", "command", {"targets": [POINTS[1]]})], ["s>c"], "takes no command"),
        (
            [SOURCE, ("c", "command", {"targets": [LAMP], "whenTrue": 1})],
            ["s>c"],
            "the input is a number and is sent itself",
        ),
        (
            [("s", "source", {"points": POINTS}), ("c", "command", {"targets": [LAMP]})],
            ["s>c"],
            "4 points would give orders",
        ),
        ([SOURCE, ("h", "webhook", {"url": "ftp://x"})], ["s>h"], "no URL of http"),
        ([SOURCE, ("h", "webhook", {"url": "http://a:b@c/"})], ["s>h"], "no name or password"),
        (
            [("s", "source", {"points": ["11111111-1111-4111-8111-111111111111/a/b/c"]}), KEPT],
            ["s>v"],
            "that you may read",
        ),
        ([("s", "source", {"filter": {"text": "none"}}), KEPT], ["s>v"], "finds no point"),
        (
            [
                ("s", "source", {"points": POINTS[:2]}),
                ("r", "source", {"points": POINTS[2:]}),
                ("f", "formula", {"formula": "a + b"}),
                KEPT,
            ],
            ["s>f.a", "r>f.b", "f>v"],
            "nothing in common",
        ),
    ],
)
def test_what_is_refused(nodes: Any, wires: Any, sentence: str) -> None:
    with pytest.raises(Fault, match=sentence):
        planned(document(nodes, *wires))


def test_the_place_of_a_fault_is_told() -> None:
    with pytest.raises(Fault) as found:
        planned(document([SOURCE, ("w", "window", {"sizeS": 0})], "s>w"))
    assert (found.value.node, found.value.param) == ("w", "sizeS")


def test_the_bounds_of_a_mashup() -> None:
    kept = [(f"v{n}", "virtual-point", {"name": f"V{n}"}) for n in range(MASHUP_NODES_MAX)]
    with pytest.raises(Fault, match="nodes"):
        planned(document([SOURCE, *kept], *(f"s>{v[0]}" for v in kept)))
    most = kept[:MASHUP_FAN_OUT_MAX]
    planned(document([SOURCE, *most], *(f"s>{v[0]}" for v in most)))
    more = kept[: MASHUP_FAN_OUT_MAX + 1]
    with pytest.raises(Fault, match=f"more than {MASHUP_FAN_OUT_MAX} inputs"):
        planned(document([SOURCE, *more], *(f"s>{v[0]}" for v in more)))
    with pytest.raises(Fault, match="wires"):
        planned(document([SOURCE, KEPT], *["s>v"] * (MASHUP_WIRES_MAX + 1)))
    names = "+".join(f"a{n}" for n in range(MASHUP_INPUTS_MAX + 1))
    with pytest.raises(Fault, match=f"at most {MASHUP_INPUTS_MAX} inputs"):
        planned(document([SOURCE, ("f", "formula", {"formula": names}), KEPT], "s>f.a0", "f>v"))
    lamps = [f"{graphs.UUIDS[0]}/Node/lamp/level{n}" for n in range(MASHUP_TARGETS_MAX + 1)]
    with pytest.raises(Fault, match="targets"):
        planned(document([SOURCE, ("c", "command", {"targets": lamps})], "s>c"))


def test_a_document_keeps_its_digest_however_it_is_written() -> None:
    given = document([SOURCE, KEPT], "s>v")
    turned = {**given, "nodes": given["nodes"][::-1]}
    first = parse_document(given)
    assert parse_document(turned).digest == first.digest
    assert parse_document(first.document()).document() == first.document()


def test_units_flow_and_convert() -> None:
    _, plan = planned(
        document(
            [
                SOURCE,
                ("r", "rate", {"per": "minute"}),
                ("v", "virtual-point", {"name": "V", "unit": "K"}),
                ("w", "virtual-point", {"name": "W"}),
            ],
            "s>v", "s>r", "r>w",
        )
    )  # fmt: skip
    assert plan.outputs["v"].overlay == {"unit": "K", "source_unit": "degC"}
    assert plan.outputs["w"].overlay == {"unit": "degC/min"}


def test_a_town_that_measures_nothing_known_gives_no_units() -> None:
    from cpaas.composition.graph import check_graph
    from cpaas.composition.plan import plan

    graph = check_graph(parse_document(document([SOURCE, KEPT], "s>v")))
    assert plan(graph, Town(unit=None)).outputs["v"].overlay == {}


def test_a_mashup_reads_a_bounded_number_of_points(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cpaas.composition.plan.MASHUP_POINTS_MAX", 3)
    everything = ("s", "source", {"filter": {"text": "all"}})
    with pytest.raises(Fault, match="more than 3 points; narrow it"):
        planned(document([everything, KEPT], "s>v"))
    parts = [("a", "source", {"points": POINTS[:2]}), ("b", "source", {"points": POINTS[2:]})]
    kept = [("va", "virtual-point", {"name": "A"}), ("vb", "virtual-point", {"name": "B"})]
    with pytest.raises(Fault, match="4 points would be read"):
        planned(document([*parts, *kept], "a>va", "b>vb"))


@pytest.mark.parametrize(
    ("kind", "params", "name"),
    [
        ("window", {"sizeS": MASHUP_WINDOW_S_MAX + 1}, "sizeS"),
        ("silence", {"afterS": MASHUP_WINDOW_S_MAX + 1}, "afterS"),
        ("threshold", {"limit": 1, "forS": MASHUP_WINDOW_S_MAX + 1}, "forS"),
        ("command", {"targets": [LAMP], "withinS": MASHUP_COMMAND_S_MAX + 1}, "withinS"),
        ("virtual-point", {"name": "V", "title": "x" * (MASHUP_TEXT_CHARS_MAX + 1)}, "title"),
    ],
)
def test_the_bounds_of_parameters(kind: str, params: dict[str, Any], name: str) -> None:
    with pytest.raises(Fault, match=name):
        planned(document([SOURCE, ("n", kind, params)], "s>n"))


def test_the_bounds_of_settings() -> None:
    with pytest.raises(Fault, match="latenessS"):
        planned(document([SOURCE, KEPT], "s>v", latenessS=MASHUP_LATENESS_S_MAX + 1))
    with pytest.raises(Fault, match="is no time zone"):
        planned(document([SOURCE, KEPT], "s>v", timeZone="Atlantis"))


def test_offsets_of_zones_are_remembered_within_a_bound() -> None:
    assert hours._offset_min.cache_info().maxsize == LOCAL_QUARTERS_CACHED
    quarters = np.arange(LOCAL_QUARTERS_CACHED + 5) * 900_000
    hours.hour(quarters, ZoneInfo("Europe/Helsinki"))
    assert hours._offset_min.cache_info().currsize == LOCAL_QUARTERS_CACHED
