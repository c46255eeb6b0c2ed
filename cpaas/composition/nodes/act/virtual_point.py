"""Virtual point: record the result as data points of their own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from ciaas.interoperability.units import UnitError, check_unit, conversion
from ciaas.kernel.address import check_name
from ciaas.limits import UNIT_CHARS_MAX
from cpaas.composition.nodes.contract import IN, Act, Fault, Params, Plain, Stream
from cpaas.limits import MASHUP_TEXT_CHARS_MAX


class VirtualPointParams(Params):
    """How the points are called and described."""

    name: Annotated[str, Field(description="of the object that holds the points: one word")]
    title: Annotated[str | None, Field(min_length=1, max_length=MASHUP_TEXT_CHARS_MAX)] = None
    unit: Annotated[
        str | None,
        Field(max_length=UNIT_CHARS_MAX, description="values in another unit are converted"),
    ] = None

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        return check_name(name)

    @field_validator("unit")
    @classmethod
    def _unit(cls, unit: str | None) -> str | None:
        if unit is not None:
            check_unit(unit)
        return unit


class VirtualPoint(Plain[VirtualPointParams]):
    """One point for each key: ordinary points, with history, rights and search."""

    name: ClassVar[str] = "virtual-point"
    title: ClassVar[str] = "Record as a data point"
    about: ClassVar[str] = "The result becomes a data point that others can read and chart."
    params = VirtualPointParams
    act: ClassVar[Act | None] = Act.POINT
    rowwise: ClassVar[bool] = True

    def output(
        self, params: VirtualPointParams, inputs: Mapping[str, Stream], all_key: int
    ) -> Stream:
        """Return what comes in. Raises Fault for a unit that it does not convert to."""
        flow = inputs[IN]
        if params.unit is not None and flow.unit is not None:
            try:
                conversion(flow.unit, params.unit)
            except UnitError as error:
                raise Fault(f"{error}", param="unit") from None
        return flow

    def sentence(self, params: VirtualPointParams, said: Mapping[str, str]) -> str:
        """Return what is recorded as what."""
        title = f" ('{params.title}')" if params.title else ""
        unit = f" in {params.unit}" if params.unit else ""
        return f"Record {said[IN]} as the data point {params.name}{title}{unit}."
