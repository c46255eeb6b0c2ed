"""The mashup document: what people write, store, compare and publish."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic.alias_generators import to_camel

from cpaas.composition.nodes.contract import Fault
from cpaas.limits import (
    MASHUP_BYTES_MAX,
    MASHUP_LATENESS_S_MAX,
    MASHUP_NODES_MAX,
    MASHUP_TEXT_CHARS_MAX,
    MASHUP_WIRES_MAX,
)

NodeId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,63}$")]
PortRef = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_-]{0,63}\.[A-Za-z_][A-Za-z0-9_]{0,63}$", description="node.port"),
]


class _Part(BaseModel):
    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True
    )


class Position(_Part):
    """Where an editor draws the node; it means nothing else."""

    x: Annotated[float, Field(allow_inf_nan=False)]
    y: Annotated[float, Field(allow_inf_nan=False)]


class Node(_Part):
    """One step. ``params`` are those of its type."""

    id: NodeId
    type: str
    type_version: int = 1
    title: Annotated[str, Field(max_length=MASHUP_TEXT_CHARS_MAX)] = ""
    params: dict[str, Any] = Field(default_factory=dict)
    position: Position | None = None


class Wire(_Part):
    """From an output to an input, each written ``node.port``."""

    from_: Annotated[PortRef, Field(alias="from")]
    to: PortRef


class Settings(_Part):
    """What holds for the whole mashup."""

    time_zone: Annotated[str, Field(max_length=64, description="IANA name")] = "UTC"
    lateness_s: Annotated[
        float,
        Field(
            ge=0, le=MASHUP_LATENESS_S_MAX, multiple_of=0.001,
            description="seconds that values may come late; results wait as long",
        ),
    ] = 2  # fmt: skip

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"{name!r} is no time zone; write such as Europe/Helsinki") from None
        return name


class Document(_Part):
    """A whole mashup."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(min_length=1, max_length=100)]
    description: Annotated[str, Field(max_length=MASHUP_TEXT_CHARS_MAX)] = ""
    nodes: Annotated[tuple[Node, ...], Field(max_length=MASHUP_NODES_MAX)] = ()
    wires: Annotated[tuple[Wire, ...], Field(max_length=MASHUP_WIRES_MAX)] = ()
    settings: Settings = Settings()

    def document(self) -> dict[str, Any]:
        """Return the JSON form: equal documents give equal ones."""
        nodes = sorted(self.nodes, key=lambda node: node.id)
        wires = sorted(self.wires, key=lambda wire: (wire.to, wire.from_))
        ordered = self.model_copy(update={"nodes": tuple(nodes), "wires": tuple(wires)})
        return ordered.model_dump(mode="json", by_alias=True)

    @property
    def digest(self) -> str:
        """SHA-256 of the JSON form, hex."""
        return hashlib.sha256(_encoded(self.document())).hexdigest()


def parse_document(given: Mapping[str, Any]) -> Document:
    """Return the document; a draft may be unfinished, but each part of it has its form.

    Raises:
        Fault: it has not; the sentence names the place.
    """
    if len(_encoded(given)) > MASHUP_BYTES_MAX:
        raise Fault(f"a mashup has at most {MASHUP_BYTES_MAX:,} bytes; split it into several")
    try:
        return Document.model_validate(given)
    except ValidationError as error:
        raise Fault(said(error)) from None


def said(error: ValidationError) -> str:
    """Return the first fault of a document in one sentence."""
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    text = fault["msg"].removeprefix("Value error, ")
    return f"{where}: {text}" if where else text


def _encoded(document: object) -> bytes:
    return msgspec.json.encode(document, order="deterministic")
