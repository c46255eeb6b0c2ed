"""Rate of change: how fast a value rises or falls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from ciaas.interoperability.units import UnitError, check_unit
from cpaas.composition.nodes.contract import (
    IN,
    Operator,
    Params,
    Plain,
    Port,
    PortKind,
    Setting,
    Stream,
)
from cpaas.composition.running.flow import ByKey, Flow

_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
_SYMBOLS = {"second": "s", "minute": "min", "hour": "h", "day": "d"}


class RateParams(Params):
    """In which unit of time."""

    per: Annotated[
        Literal["second", "minute", "hour", "day"], Field(description="change in this time")
    ] = "hour"


class Rate(Plain[RateParams]):
    """Gives the change from each value to the next, divided by the time between them."""

    name: ClassVar[str] = "rate"
    title: ClassVar[str] = "Rate of change"
    about: ClassVar[str] = "How fast a value rises or falls."
    params = RateParams

    def inputs(self, params: RateParams) -> tuple[Port, ...]:
        """Numbers alone."""
        return (Port(IN, frozenset({PortKind.NUMBER})),)

    def output(self, params: RateParams, inputs: Mapping[str, Stream], all_key: int) -> Stream:
        """Return the unit by the unit of time."""
        flow = inputs[IN]
        unit = None
        if flow.unit is not None:
            try:
                unit = f"{flow.unit}/{_SYMBOLS[params.per]}"
                check_unit(unit)
            except UnitError:  # a logarithmic one has no such fraction
                unit = None
        return Stream(PortKind.NUMBER, unit, flow.keys)

    def sentence(self, params: RateParams, said: Mapping[str, str]) -> str:
        """Return what is told."""
        return f"Of {said[IN]}, tell the change per {params.per}."

    def operator(
        self, params: RateParams, inputs: Mapping[str, Stream], setting: Setting
    ) -> Operator:
        """Return what tells it, knowing no value yet."""
        state = {
            "time": np.zeros(setting.key_count, np.int64),
            "value": np.full(setting.key_count, np.nan),
        }
        return _Change(state=state, unit_ms=1000 * _SECONDS[params.per])


@dataclass(slots=True, kw_only=True)
class _Change(Operator):
    unit_ms: int

    def advance(self, inputs: Mapping[str, Flow], since: int, until: int) -> Flow:
        flow, state = inputs[IN], self.state
        rows = ByKey.of(flow)
        before, then = np.roll(rows.value, 1), np.roll(rows.time, 1)
        before[rows.first] = state["value"][rows.key[rows.first]]
        then[rows.first] = state["time"][rows.key[rows.first]]
        state["value"][rows.key[rows.last]] = rows.value[rows.last]
        state["time"][rows.key[rows.last]] = rows.time[rows.last]
        change = np.empty(len(flow))
        # A key has one value at a time, so no two of its values are without time between them.
        change[rows.order] = (rows.value - before) * (self.unit_ms / (rows.time - then))
        return flow.valued(change)
