"""Source: data points whose values come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, field_validator, model_validator

from ciaas.kernel.address import parse_point
from ciaas.management.directory.filter import Filter
from cpaas.composition.nodes.contract import Params, Plain, Port, PortKind, Stream
from cpaas.composition.wording import counted, listed
from cpaas.limits import MASHUP_POINTS_MAX

_MOMENTARY = ("state", "silent", "value", "verdict", "permission")


class SourceParams(Params):
    """Which points, and what of them."""

    points: Annotated[
        tuple[str, ...], Field(max_length=MASHUP_POINTS_MAX, description="addresses of data points")
    ] = ()
    filter: Annotated[
        Filter | None, Field(description="points that match when the mashup is published")
    ] = None
    per: Annotated[
        Literal["point", "endpoint"],
        Field(description="what is kept apart: each point, or each endpoint"),
    ] = "point"
    quality: Annotated[
        Literal["good", "usable", "all"],
        Field(description="good alone, also uncertain ones, or bad ones too"),
    ] = "usable"

    @field_validator("points")
    @classmethod
    def _addresses(cls, points: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(map(parse_point, points))
        if len(set(found)) != len(found):
            raise ValueError("a point stands here twice; name it once")
        return found

    @field_validator("filter", mode="before")
    @classmethod
    def _lasting(cls, given: Any) -> Any:
        return None if given is None else Filter.parse(given)

    @model_validator(mode="after")
    def _something(self) -> SourceParams:
        if not self.points and self.filter is None:
            raise ValueError("name points, or give a filter that finds some")
        if self.filter is not None and self.filter.asks(*_MOMENTARY):
            raise ValueError(
                f"{listed(_MOMENTARY)} change from moment to moment and choose no points here; "
                "put a filter node behind the source"
            )
        return self


_QUALITY = {
    "good": "good values only",
    "usable": "bad values left out",
    "all": "values of any quality",
}


class Source(Plain[SourceParams]):
    """Reads points. What it passes on is made by the entrance of a mashup at work."""

    name: ClassVar[str] = "source"
    title: ClassVar[str] = "Data points"
    about: ClassVar[str] = "Values of data points, as they are recorded."
    params = SourceParams
    rowwise: ClassVar[bool] = True

    def inputs(self, params: SourceParams) -> tuple[Port, ...]:
        """None."""
        return ()

    def output(self, params: SourceParams, inputs: Mapping[str, Stream], all_key: int) -> Stream:
        """What it gives depends on the points, which are looked up when publishing."""
        return Stream(PortKind.NUMBER, None, ())

    def sentence(self, params: SourceParams, said: Mapping[str, str]) -> str:
        """Return which points are read."""
        parts = []
        if params.points:
            parts.append(f"{counted(len(params.points), 'point')} ({listed(params.points)})")
        if params.filter is not None:
            parts.append(f"the points that match {_spoken(params.filter)}")
        return f"Read {listed(parts)}, per {params.per}, {_QUALITY[params.quality]}."


def _spoken(chosen: Filter) -> str:
    return listed([f"{key} {_entry(value)}" for key, value in chosen.document().items()]) or "all"


def _entry(value: Any) -> str:
    match value:
        case list():
            return listed([_entry(one) for one in value], "or")
        case dict():
            return f"({listed([f'{key} {_entry(one)}' for key, one in value.items()])})"
    return str(value)
