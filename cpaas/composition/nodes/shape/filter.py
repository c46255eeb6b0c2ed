"""Filter: keep some of the values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar
from zoneinfo import ZoneInfo

import numpy as np
from pydantic import Field, field_validator, model_validator

from ciaas.interoperability.formula import Formula
from ciaas.limits import FORMULA_CHARS_MAX
from cpaas.composition.nodes.contract import IN, Operator, Params, Plain, Setting, Stream
from cpaas.composition.nodes.hours import Hours
from cpaas.composition.running.flow import Flow


class FilterParams(Params):
    """What is kept."""

    where: Annotated[
        str | None,
        Field(max_length=FORMULA_CHARS_MAX, description="a condition on value, such as value > 0"),
    ] = None
    between: Annotated[Hours | None, Field(description="only in these hours of the day")] = None

    @field_validator("where")
    @classmethod
    def _formula(cls, where: str | None) -> str | None:
        if where is not None:
            Formula.parse(where, ("value",))
        return where

    @model_validator(mode="after")
    def _something(self) -> FilterParams:
        if self.where is None and self.between is None:
            raise ValueError("give a condition, or hours, or both")
        return self


class Filter(Plain[FilterParams]):
    """Keeps the values for which the condition is true; one without a result is not kept."""

    name: ClassVar[str] = "filter"
    title: ClassVar[str] = "Keep some"
    about: ClassVar[str] = "Only values that meet a condition, or that come in certain hours."
    params = FilterParams
    rowwise: ClassVar[bool] = True

    def sentence(self, params: FilterParams, said: Mapping[str, str]) -> str:
        """Return what is kept."""
        parts = [] if params.where is None else [f"where {params.where}"]
        if params.between is not None:
            parts.append(str(params.between))
        return f"Of {said[IN]}, keep the values {', '.join(parts)}."

    def operator(
        self, params: FilterParams, inputs: Mapping[str, Stream], setting: Setting
    ) -> Operator:
        """Return what keeps them."""
        where = None if params.where is None else Formula.parse(params.where, ("value",))
        return _Keep(where=where, between=params.between, zone=setting.zone)


@dataclass(slots=True, kw_only=True)
class _Keep(Operator):
    where: Formula | None
    between: Hours | None
    zone: ZoneInfo

    def advance(self, inputs: Mapping[str, Flow], since: int, until: int) -> Flow:
        flow = inputs[IN]
        rows = np.ones(len(flow), np.bool_)
        if self.where is not None:
            met = self.where.columns({"value": flow.value})
            rows &= ~np.isnan(met) & (met != 0)
        if self.between is not None:
            rows &= self.between.hold(flow.time, self.zone)
        return flow.where(rows)
