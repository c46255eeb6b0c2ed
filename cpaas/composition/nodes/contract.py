"""What a type of node declares: parameters, sentence, ports, and how it computes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, ClassVar, Generic, Protocol, TypeVar
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from cpaas.composition.running.flow import Flow

IN = "in"
"""Name of the one input of most nodes."""
OUT = "out"


class Fault(ValueError):
    """A mashup is not right; the sentence says what to do."""

    def __init__(self, sentence: str, node: str = "", param: str = ""):
        super().__init__(sentence)
        self.node, self.param = node, param


class PortKind(StrEnum):
    """What flows on a wire."""

    NUMBER = "number"
    BOOLEAN = "boolean"
    TEXT = "text"


ANY = frozenset(PortKind)
COMPUTED = frozenset({PortKind.NUMBER, PortKind.BOOLEAN})


@dataclass(frozen=True, slots=True)
class Port:
    """An input, wired exactly once."""

    name: str
    takes: frozenset[PortKind] = COMPUTED


@dataclass(frozen=True, slots=True)
class Stream:
    """What is known of an output before anything flows."""

    kind: PortKind
    unit: str | None
    """UCUM or SI symbol; None when nobody said."""
    keys: tuple[int, ...]
    """Which of the plan's keys may come."""


class Params(BaseModel):
    """Parameters of a node, in camel case on the wire."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, alias_generator=to_camel, populate_by_name=True,
        allow_inf_nan=False,
    )  # fmt: skip


P = TypeVar("P", bound=Params)


@dataclass(frozen=True, slots=True)
class Setting:
    """What a node knows of its surroundings."""

    zone: ZoneInfo
    all_key: int
    """Key of what was computed over all keys together."""
    key_count: int
    start: int
    """When the mashup began, milliseconds since 1970 UTC."""


@dataclass(slots=True)
class Operator:
    """Computes without memory. One with memory keeps all of it in ``state``, by name.

    ``advance`` is given all events after ``since`` up to and including ``until`` and returns all
    events of the same span: what it returns must not depend on how time was cut into spans.
    """

    state: dict[str, NDArray[Any]] = field(default_factory=dict)

    def advance(self, inputs: Mapping[str, Flow], since: int, until: int) -> Flow:
        """Return what comes out of the events of one span."""
        return inputs[IN]


class Act(StrEnum):
    """What becomes of the events of a node that acts."""

    POINT = "point"
    """Written to a virtual point for each key."""
    ALARM = "alarm"
    """Written to a virtual point for each key, whose overlay declares the alarm."""
    COMMAND = "command"
    WEBHOOK = "webhook"


class NodeType(Protocol[P]):
    """One type of node. Its instances hold nothing."""

    name: ClassVar[str]
    version: ClassVar[int]
    title: ClassVar[str]
    about: ClassVar[str]
    """One sentence for the person who chooses a node."""
    params: type[P]
    act: ClassVar[Act | None]
    rowwise: ClassVar[bool]
    """True when an event's result depends on this event alone."""

    def inputs(self, params: P) -> tuple[Port, ...]:
        """Return the ports, which may depend on the parameters."""
        ...

    def output(self, params: P, inputs: Mapping[str, Stream], all_key: int) -> Stream:
        """Return what flows out. Raises Fault when the inputs do not fit each other."""
        ...

    def sentence(self, params: P, said: Mapping[str, str]) -> str:
        """Return one sentence that names every parameter; ``said`` names each input's step."""
        ...

    def operator(self, params: P, inputs: Mapping[str, Stream], setting: Setting) -> Operator:
        """Return a new operator at its beginning."""
        ...


AnyNode = NodeType[Any]


class Plain(Generic[P]):
    """What most nodes have in common: one input, one output of the same kind."""

    version: ClassVar[int] = 1
    act: ClassVar[Act | None] = None
    rowwise: ClassVar[bool] = False

    def inputs(self, params: P) -> tuple[Port, ...]:
        """Return the one input."""
        return (Port(IN),)

    def output(self, params: P, inputs: Mapping[str, Stream], all_key: int) -> Stream:
        """Return what flows in."""
        return inputs[IN]

    def operator(self, params: P, inputs: Mapping[str, Stream], setting: Setting) -> Operator:
        """Return one that passes everything on."""
        return Operator()


def array(values: object, dtype: Any) -> NDArray[Any]:
    """Return a new array of a type."""
    return np.array(values, dtype)
