"""cloud.iO's resource model: endpoint → node → object → attribute.

Source: the endpoint data model v0.2 with its exact wire names (see ``docs/cloudio.md``).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Value = bool | int | float | str | None
"""What the wire can carry. None means that the sender gave no value."""


class Constraint(StrEnum):
    """Who may change an attribute."""

    STATIC = "Static"
    PARAMETER = "Parameter"
    SET_POINT = "SetPoint"
    STATUS = "Status"
    MEASURE = "Measure"


class ValueType(StrEnum):
    """Type of an attribute's value."""

    BOOLEAN = "Boolean"
    INTEGER = "Integer"
    NUMBER = "Number"
    STRING = "String"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One data point as the device describes it. ``timestamp`` is UNIX seconds, None if absent."""

    constraint: Constraint
    type: ValueType
    timestamp: float | None = None
    value: Value = None


@dataclass(frozen=True, slots=True)
class Thing:
    """An object: free class name, nested objects and attributes by name."""

    conforms: str | None = None
    objects: Mapping[str, Thing] = field(default_factory=dict)
    attributes: Mapping[str, Attribute] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Node:
    """A node: the interfaces it implements and its objects by name."""

    implements: tuple[str, ...] = ()
    objects: Mapping[str, Thing] = field(default_factory=dict)

    def attributes(self) -> Iterator[tuple[tuple[str, ...], Attribute, str | None]]:
        """Yield each attribute's path below the node, itself, and its object's class."""
        stack: list[tuple[tuple[str, ...], Thing]] = [
            ((name,), thing) for name, thing in self.objects.items()
        ]
        while stack:
            path, thing = stack.pop()
            for name, attribute in thing.attributes.items():
                yield (*path, name), attribute, thing.conforms
            stack.extend(((*path, name), inner) for name, inner in thing.objects.items())


@dataclass(frozen=True, slots=True)
class EndpointModel:
    """The data model an endpoint declares when it comes online."""

    version: str = "unknown"
    message_format_version: int = 1
    supported_formats: tuple[str, ...] = ("JSON",)
    nodes: Mapping[str, Node] = field(default_factory=dict)
