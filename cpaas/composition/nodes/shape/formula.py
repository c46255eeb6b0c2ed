"""Formula: compute one value from one or several inputs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from ciaas.interoperability.formula import Formula as Expression
from ciaas.interoperability.units import check_unit
from ciaas.kernel.sample import Numbers
from ciaas.limits import FORMULA_CHARS_MAX, UNIT_CHARS_MAX
from cpaas.composition.nodes import hours
from cpaas.composition.nodes.contract import (
    Fault,
    Operator,
    Params,
    Plain,
    Port,
    PortKind,
    Setting,
    Stream,
)
from cpaas.composition.running.flow import Flow
from cpaas.composition.wording import listed
from cpaas.limits import MASHUP_INPUTS_MAX

_CLOCK = ("hour", "weekday")


class FormulaParams(Params):
    """What is computed."""

    formula: Annotated[
        str,
        Field(
            max_length=FORMULA_CHARS_MAX,
            description="each name in it is an input; hour and weekday are those of the time zone",
        ),
    ]
    gives: Annotated[Literal["number", "boolean"], Field(description="kind of the result")] = (
        "number"
    )
    unit: Annotated[
        str | None, Field(max_length=UNIT_CHARS_MAX, description="unit of the result")
    ] = None

    @field_validator("formula")
    @classmethod
    def _formula(cls, text: str) -> str:
        names = Expression.parse(text).names - set(_CLOCK)
        if not names:
            raise ValueError("the formula reads no input; name one, such as a * 2")
        if len(names) > MASHUP_INPUTS_MAX:
            raise ValueError(f"a formula has at most {MASHUP_INPUTS_MAX} inputs")
        return text

    @field_validator("unit")
    @classmethod
    def _unit(cls, unit: str | None) -> str | None:
        if unit is not None:
            check_unit(unit)
        return unit

    @model_validator(mode="after")
    def _fitting(self) -> FormulaParams:
        if self.gives == "boolean" and self.unit is not None:
            raise ValueError("what is true or false has no unit; leave it out")
        return self

    @property
    def names(self) -> list[str]:
        """Its inputs."""
        return sorted(Expression.parse(self.formula).names - set(_CLOCK))


class Formula(Plain[FormulaParams]):
    """Computes anew at each event of an input, with the latest values of the others.

    Inputs of several keys meet key by key; an input of a single key meets every key.
    """

    name: ClassVar[str] = "formula"
    title: ClassVar[str] = "Formula"
    about: ClassVar[str] = "A value computed from others, such as occupied / capacity * 100."
    params = FormulaParams

    def inputs(self, params: FormulaParams) -> tuple[Port, ...]:
        """Return one for each name of the formula."""
        return tuple(Port(name) for name in params.names)

    def output(self, params: FormulaParams, inputs: Mapping[str, Stream], all_key: int) -> Stream:
        """Return the kind and unit as given, for the keys that all inputs have."""
        keys = joint_keys([inputs[name].keys for name in params.names])
        if not keys:
            raise Fault(
                "the inputs have nothing in common: let their sources read per endpoint, or "
                "bring one of them together in a window over all"
            )
        return Stream(PortKind(params.gives), params.unit, keys)

    def sentence(self, params: FormulaParams, said: Mapping[str, str]) -> str:
        """Return what is computed from what."""
        where = listed([f"{name} is {said[name]}" for name in params.names])
        unit = f" in {params.unit}" if params.unit else ""
        return f"Compute the {params.gives} {params.formula}{unit}, where {where}."

    def operator(
        self, params: FormulaParams, inputs: Mapping[str, Stream], setting: Setting
    ) -> Operator:
        """Return what computes it, knowing no value yet."""
        names = params.names
        keys = joint_keys([inputs[name].keys for name in names])
        return _Compute(
            state={f"latest {name}": np.full(setting.key_count, np.nan) for name in names},
            expression=Expression.parse(params.formula),
            names=names,
            single={name for name in names if len(inputs[name].keys) == 1},
            keys=np.array(keys, np.uint32),
            boolean=params.gives == "boolean",
            zone=setting.zone,
        )


def joint_keys(inputs: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Return the keys of a join: those common to all inputs that have several."""
    several = [set(keys) for keys in inputs if len(keys) != 1]
    if several:
        return tuple(sorted(set.intersection(*several)))
    return inputs[0]


@dataclass(slots=True, kw_only=True)
class _Compute(Operator):
    expression: Expression
    names: list[str]
    single: set[str]
    keys: NDArray[np.uint32]
    boolean: bool
    zone: ZoneInfo

    def advance(self, inputs: Mapping[str, Flow], since: int, until: int) -> Flow:
        if len(self.names) == 1:
            flow = inputs[self.names[0]]
            return flow.valued(self._result({self.names[0]: flow.value}, flow))
        flows = {name: self._spread(name, inputs[name]) for name in self.names}
        met = _moments(list(flows.values()))
        if not len(met):
            return met
        return met.valued(
            self._result({name: self._latest(name, flows[name], met) for name in self.names}, met)
        )

    def _spread(self, name: str, flow: Flow) -> Flow:
        """Give an input of a single key to every key of the join, others to theirs alone."""
        if name not in self.single:
            return flow.where(np.isin(flow.key, self.keys))
        count = len(self.keys)
        return Flow(
            np.tile(self.keys, len(flow)), np.repeat(flow.time, count), np.repeat(flow.value, count)
        )

    def _latest(self, name: str, flow: Flow, met: Flow) -> Numbers:
        """Return the input's newest value at each moment, and remember the last ones."""
        known = self.state[f"latest {name}"]
        # Before the input's own events each key stands once with what is known of it.
        key = np.concatenate([self.keys, flow.key])
        time = np.concatenate([np.full(len(self.keys), np.iinfo(np.int64).min), flow.time])
        value = np.concatenate([known[self.keys], flow.value])
        order = np.lexsort((time, key))
        key, time, value = key[order], time[order], value[order]
        # The newest at or before: by rank of (key, time), both sides in the same order.
        all_key, all_time = np.concatenate([key, met.key]), np.concatenate([time, met.time])
        asks = np.concatenate([np.zeros(len(key), np.int8), np.ones(len(met), np.int8)])
        ranked = np.lexsort((asks, all_time, all_key))
        seen = np.cumsum(asks[ranked] == 0) - 1
        found = np.empty(len(met))
        asked = asks[ranked] == 1
        found[ranked[asked] - len(key)] = value[seen[asked]]
        last = np.append(key[1:] != key[:-1], True)
        known[key[last]] = value[last]
        return found

    def _result(self, values: dict[str, Numbers], flow: Flow) -> Numbers:
        if "hour" in self.expression.names:
            values["hour"] = hours.hour(flow.time, self.zone)
        if "weekday" in self.expression.names:
            values["weekday"] = hours.weekday(flow.time, self.zone)
        result = self.expression.columns(values)
        if self.boolean:
            result = np.where(np.isnan(result), np.nan, result != 0)
        return result


def _moments(flows: list[Flow]) -> Flow:
    """Return each (key, time) of any flow once."""
    joined = Flow.joined(flows)
    joined = Flow.ordered(joined.key, joined.time, joined.value)
    fresh = np.ones(len(joined), np.bool_)
    fresh[1:] = (joined.key[1:] != joined.key[:-1]) | (joined.time[1:] != joined.time[:-1])
    return joined.where(fresh)
