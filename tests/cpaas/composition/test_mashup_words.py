"""A mashup in plain words: every valid graph has a sentence that names all its parameters."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings

from ciaas.management.directory.filter import Filter
from cpaas.composition import wording
from cpaas.composition.graph import Graph, Step
from cpaas.composition.nodes.hours import Hours
from cpaas.composition.sentence import in_words, sentences
from cpaas.composition.templates import TEMPLATES
from tests.cpaas.composition import graphs
from tests.cpaas.composition.graphs import document, planned

_SECONDS = ("size_s", "for_s", "after_s", "within_s")
_QUALITIES = {"good": "good values only", "usable": "bad values left out", "all": "of any quality"}


def _words(step: Step) -> list[str]:
    """Return how each parameter that was given has to appear."""
    words: list[str] = []
    for name, value in step.params:
        match value:
            case None | "" | 0 if name != "limit":
                continue
            case Hours():
                words += [value.from_, value.to]
            case Filter():
                words += [entry for entries in value.document().values() for entry in entries]
            case tuple():
                words += value
            case int() | float() if name in _SECONDS:
                words.append(wording.duration(value))
            case int() | float():
                words.append(wording.number(value))
            case str() if name == "quality":
                words.append(_QUALITIES[value])
            case str() if name == "group":
                words.append("all together" if value == "all" else "each by itself")
            case _:
                words.append(str(value))
    return words


def _check(graph: Graph) -> None:
    told = dict(sentences(graph))
    for step in graph.steps:
        for word in _words(step):
            assert word in told[step.id], f"{step.id} does not name {word}: {told[step.id]}"
        for source in step.inputs.values():
            number = [other.id for other in graph.steps].index(source) + 1
            assert f"step {number}" in told[step.id]


@settings(max_examples=150, deadline=None)
@given(given_=graphs.documents())
def test_every_valid_graph_has_a_sentence_that_names_its_parameters(given_: Any) -> None:
    graph, _ = planned(given_)
    _check(graph)
    again, _ = planned({**given_, "nodes": given_["nodes"][::-1], "wires": given_["wires"][::-1]})
    assert in_words(again) == in_words(graph), "the order in the document says nothing"


@pytest.mark.parametrize("name", TEMPLATES)
def test_templates_speak_too(name: str) -> None:
    blanks: dict[str, Any] = {"name": "x", "points": {"text": "all"}}
    blanks |= {"limit": 55, "clear": 50} if name == "too-high-at-night" else {}
    blanks |= {"many": 9, "few": 3, "lights": [graphs.LAMP]} if "lights" in name else {}
    graph, _ = planned(TEMPLATES[name].fill(blanks))
    _check(graph)


def test_a_rule_reads_like_one() -> None:
    graph, _ = planned(
        document(
            [
                ("noise", "source", {"filter": {"text": "all"}}),
                ("mean", "window", {"sizeS": 600}),
                (
                    "loud", "threshold",
                    {
                        "limit": 55, "clear": 50, "forS": 1800,
                        "between": {"from": "22:00", "to": "06:00"},
                    },
                ),
                ("tell", "alarm", {"text": "Too loud"}),
            ],
            "noise>mean", "mean>loud", "loud>tell", timeZone="Europe/Helsinki",
        )
    )  # fmt: skip
    assert in_words(graph) == (
        "1. Read the points that match text all, per point, bad values left out. "
        "2. Of step 1, take the mean of every 10 min, each by itself. "
        "3. Notice when step 2 is above 55 for 30 min between 22:00 and 06:00; "
        "over when it is back at 50. "
        "4. Raise the warning alarm 'Too loud' while step 3 is true. "
        "Hours are those of Europe/Helsinki; values that come more than 2 s late are left out."
    )
