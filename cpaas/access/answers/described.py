"""What answers look like, for the description of the API and the clients made from it.

The answers themselves are written column by column elsewhere; tests hold them to these.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from cpaas.access.answers.documents import Written
from security.aaa.levels import Level
from security.aaa.tokens import Scope

LevelName = Literal[
    "DENY", "ACCESS", "BROWSE", "DESCRIBE", "READ", "OBSERVE", "WRITE", "OPERATE", "CONFIGURE",
    "GRANT", "OWN",
]  # fmt: skip
assert LevelName.__args__ == tuple(Level.__members__)  # type: ignore[attr-defined] # typing hides it


def answers(model: Any, status: int = 200) -> dict[int | str, dict[str, Any]]:
    """Return what a route says of its answer; nothing is checked or converted by it."""
    return {status: {"model": model}}


class Session(BaseModel):
    """Who uses the browser."""

    name: str | None
    admin: bool
    scopes: list[Scope]
    awaits_set_up: bool


class ProjectEntry(BaseModel):
    """A project."""

    name: str


class Health(BaseModel):
    """Whether the platform does its work."""

    status: str
    commit: int


class Counters(BaseModel):
    """Counters since the history began; those of a running core among them."""

    samples: int
    repeats: int
    aside: int = Field(description="messages, or parts of messages, set aside")
    commits: int
    backlog: int = Field(description="messages of devices that wait to be stored")
    disk_full: bool
    online: int
    endpoints: int
    refusals: dict[str, int]


class EndpointSummary(BaseModel):
    """An entry of the listing; ``permission`` is the caller's level."""

    uuid: str
    friendlyName: str
    banned: bool
    online: bool
    permission: LevelName


class Attribute(BaseModel):
    """One data point of a model."""

    constraint: Literal["Static", "Parameter", "SetPoint", "Status", "Measure"]
    type: Literal["Boolean", "Integer", "Number", "String"]
    value: Written = None


class Thing(BaseModel):
    """An object of a model; objects nest."""

    conforms: str | None
    objects: dict[str, Thing]
    attributes: dict[str, Attribute]


class NodeEntity(BaseModel):
    """A node of a model."""

    online: bool
    implements: list[str]
    objects: dict[str, Thing]


class DataModel(BaseModel):
    """As much of an endpoint's model as the caller may browse."""

    nodes: dict[str, NodeEntity]


class EndpointEntity(EndpointSummary):
    """One endpoint."""

    metaData: dict[str, Any]
    version: str
    supportedFormats: list[str]
    groupMemberships: list[str]
    feed: str | None
    lastSeen: str | None
    certificateExpires: str | None
    dataModel: DataModel | None


class LastValue(BaseModel):
    """The newest observed value of a point; null and without a verdict when there never was one."""

    constraint: Literal["Static", "Parameter", "SetPoint", "Status", "Measure"]
    type: Literal["Boolean", "Integer", "Number", "String"]
    value: Written
    timestamp: float | None = Field(description="UNIX seconds")
    observed_at: str | None = None
    received_at: str | None = None
    verdict: Literal["good", "uncertain", "bad"] | None = None
    reason: str | None = None
    raw: str | None = None
    address: str | None = Field(None, description="only where one point was asked for")


class Row(BaseModel):
    """One sample, or bucket, of a series."""

    time: str
    value: Written
    verdict: Literal["good", "uncertain", "bad"] | None = None
    reason: str | None = None


class Place(BaseModel):
    """Degrees, WGS 84."""

    lat: float
    lon: float


class PointHit(LastValue):
    """A point that a search found; ``permission`` is the caller's level.

    With its newest sample where that level includes READ; otherwise value and time are null.
    """

    friendlyName: str
    project: str | None
    class_: str | None = Field(alias="class")
    title: str | None
    unit: str | None
    quantity: str | None
    tags: list[str] | None
    place: Place | None
    online: bool
    permission: LevelName
    distance_m: float | None = None


class EndpointHit(EndpointSummary):
    """An endpoint that a search found."""

    project: str | None
    feed: str | None
    title: str | None
    tags: list[str] | None
    place: Place | None
    distance_m: float | None = None


class CandidateHit(BaseModel):
    """A device that was noticed and is no endpoint yet."""

    kind: Literal["discovered", "refused"]
    name: str
    last_seen: str


class FoundPoints(BaseModel):
    """A page of points; ``count`` is of all pages, ``next`` asks for the page after this one."""

    count: int
    hits: list[PointHit]
    next: str | None


class FoundEndpoints(BaseModel):
    """A page of endpoints."""

    count: int
    hits: list[EndpointHit]
    next: str | None


class FoundCandidates(BaseModel):
    """Everything that was noticed and is no endpoint yet."""

    count: int
    hits: list[CandidateHit]
    next: str | None


class AlarmEntry(BaseModel):
    """One alarm as it stands; ``value`` is the one that raised it or was the last to repeat it."""

    id: str
    address: str
    severity: Literal["critical", "major", "minor", "warning"]
    text: str
    state: Literal["raised", "acknowledged", "cleared"]
    open: bool
    value: Written
    raised_at: str | None
    cleared_at: str | None
    acknowledged_at: str | None
    acknowledged_by: str | None
    count: int
    commit: int


class AlarmPage(BaseModel):
    """Alarms, the newest first; ``before`` asks for the page after this one."""

    alarms: list[AlarmEntry]
    before: int | None


class ResourceRow(BaseModel):
    """One resource with its state and figures by IEC 60050-192; null where they cannot be told."""

    resource: str
    kind: str
    endpoint: str | None
    title: str
    state: Literal["up", "down", "unknown"]
    since: str
    cause: str
    observed_from: str
    availability: float | None
    up_s: float
    down_s: float
    unknown_s: float
    failures: int
    restorations: int
    sufficient: bool
    mtbf_s: float | None
    mtbf_interval_s: list[float | None] | None
    confidence: float
    mttr_s: float | None


class Dependability(BaseModel):
    """Figures of resources over a time span."""

    from_: str = Field(alias="from")
    to: str
    resources: list[ResourceRow]


class Metadata(BaseModel):
    """What is said of exactly one prefix, and what holds there."""

    own: dict[str, Any]
    effective: dict[str, Any]
