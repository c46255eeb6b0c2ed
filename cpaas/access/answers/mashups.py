"""How mashups are answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel

from ciaas.management.mashup import Mashup, MashupVersion
from cpaas.access.answers.documents import rfc3339
from cpaas.access.city import City
from cpaas.composition.graph import Graph
from cpaas.composition.plan import NODE, Plan
from cpaas.composition.running.flow import Flow
from cpaas.composition.running.rehearsal import Rehearsal, described
from cpaas.composition.sentence import in_words as in_plain_words
from cpaas.composition.sentence import sentences
from cpaas.limits import DRY_RUN_OUTPUTS_MAX


class MashupSummary(BaseModel):
    """An entry of the listing. ``revision`` is that of the draft, ``version`` the one in force."""

    uuid: str
    name: str
    project: int
    state: Literal["draft", "running", "paused"]
    revision: int
    version: int | None
    created_at: str


class MashupEntity(MashupSummary):
    """One mashup with its draft."""

    document: dict[str, Any]


class Version(BaseModel):
    """One published version."""

    version: int
    note: str
    publisher: str | None
    published_at: str
    document: dict[str, Any]


class Step(BaseModel):
    """What one node does, in words."""

    node: str
    text: str


class Stream(BaseModel):
    """What flows out of a node, or into one that acts."""

    kind: Literal["number", "boolean", "text"]
    unit: str | None
    keys: list[str]


class Checked(BaseModel):
    """A draft that could be published: in words, what flows, and which points it would record."""

    sentence: str
    steps: list[Step]
    streams: dict[str, Stream]
    points: dict[str, list[str]]


class Happened(BaseModel):
    """One event of a dry run."""

    key: str
    at: str
    value: float | bool


class WouldDo(BaseModel):
    """What one node that acts would have done, of many events the first."""

    node: str
    type: str
    events: int
    raised: int | None = None
    targets: list[str] | None = None
    values: list[Happened]


class DryRun(BaseModel):
    """What came of a dry run. ``missing`` lists points without a sample in that time."""

    sentence: str
    read: int
    missing: list[str]
    counts: dict[str, int]
    outputs: list[WouldDo]


class Status(BaseModel):
    """How a mashup is doing. Before the compose role has told, ``running`` is false."""

    state: Literal["draft", "running", "paused"]
    version: int | None
    running: bool
    since: str | None
    commit: int | None
    outputs: int
    late: int
    dropped: int
    counts: dict[str, int]
    paused: dict[str, str]
    last_error: str


class NodeTypeEntry(BaseModel):
    """One type of node: words, and the JSON Schema of its parameters."""

    type: str
    typeVersion: int
    title: str
    about: str
    acts: bool
    params: dict[str, Any]


class TemplateEntry(BaseModel):
    """A mashup with blanks: words, and the JSON Schema of what is filled in."""

    template: str
    title: str
    about: str
    params: dict[str, Any]


def summary(mashup: Mashup) -> dict[str, Any]:
    """Return an entry of the listing."""
    return {
        "uuid": mashup.uuid,
        "name": mashup.name,
        "project": mashup.project,
        "state": mashup.state.value,
        "revision": mashup.revision,
        "version": mashup.version,
        "created_at": rfc3339(mashup.created_at),
    }


def entity(mashup: Mashup) -> dict[str, Any]:
    """Return one mashup with its draft."""
    return {**summary(mashup), "document": dict(mashup.draft)}


def in_words(graph: Graph, plan: Plan, uuid: str) -> dict[str, Any]:
    """Return a checked document in words, and what it would record."""
    return {
        "sentence": in_plain_words(graph),
        "steps": [step._asdict() for step in sentences(graph)],
        "streams": {
            node: {
                "kind": stream.kind,
                "unit": stream.unit,
                "keys": [plan.keys[key] for key in stream.keys],
            }
            for node, stream in plan.streams.items()
        },
        "points": {
            node: [f"{uuid}/{NODE}/{output.object}/{name}" for name in output.attributes]
            for node, output in plan.outputs.items()
        },
    }


def dry_run(graph: Graph, plan: Plan, rehearsal: Rehearsal) -> dict[str, Any]:
    """Return what came of a dry run."""
    outputs = []
    for step in graph.steps:
        if step.kind.act is None:
            continue
        flow = rehearsal.acts.get(step.id, Flow.empty())
        told = described(graph, plan, step.id, flow, DRY_RUN_OUTPUTS_MAX)
        for happened in told["values"]:
            happened["at"] = rfc3339(happened["at"])
        outputs.append(told)
    return {
        "sentence": in_plain_words(graph),
        "read": rehearsal.read,
        "missing": list(rehearsal.missing),
        "counts": dict(rehearsal.counts),
        "outputs": outputs,
    }


def version(city: City, found: MashupVersion) -> dict[str, Any]:
    """Return one published version."""
    names = {user.id: user.name for user in city.accounts.users()}
    return {
        "version": found.number,
        "note": found.note,
        "publisher": names.get(found.publisher),
        "published_at": rfc3339(found.published_at),
        "document": dict(found.document),
    }


def status(city: City, mashup: Mashup) -> dict[str, Any]:
    """Return how a mashup is doing, as the compose role last told."""
    told = city.mashups.report().get(mashup.uuid, {})
    if told.get("version") != mashup.version:
        told = {}
    since = told.get("since")
    return {
        "state": mashup.state.value,
        "version": mashup.version,
        "running": bool(told),
        "since": None if since is None else rfc3339(since),
        "commit": told.get("commit"),
        "outputs": told.get("outputs", 0),
        "late": told.get("late", 0),
        "dropped": told.get("dropped", 0),
        "counts": told.get("counts", {}),
        "paused": told.get("paused", {}),
        "last_error": told.get("last_error", ""),
    }
