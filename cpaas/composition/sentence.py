"""A mashup in plain words: one sentence a step, the same for the same document."""

from __future__ import annotations

from typing import NamedTuple

from cpaas.composition.graph import Graph
from cpaas.composition.wording import duration


class Sentence(NamedTuple):
    """What one node does. An editor leads from it to the node."""

    node: str
    text: str


def sentences(graph: Graph) -> list[Sentence]:
    """Return one sentence for each node that names all its parameters, numbered in their order."""
    number = {step.id: index for index, step in enumerate(graph.steps, 1)}
    told = []
    for step in graph.steps:
        said = {port: f"step {number[source]}" for port, source in step.inputs.items()}
        text = step.kind.sentence(step.params, said)
        title = f"{step.title}: " if step.title else ""
        told.append(Sentence(step.id, f"{number[step.id]}. {title}{text}"))
    return told


def in_words(graph: Graph) -> str:
    """Return the whole mashup as one text."""
    settings = graph.document.settings
    told = " ".join(sentence.text for sentence in sentences(graph))
    return (
        f"{told} Hours are those of {settings.time_zone}; values that come more than "
        f"{duration(settings.lateness_s)} late are left out."
    )
