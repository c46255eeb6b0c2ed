"""Threshold: is a value too high, or too low, for long enough."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator, model_validator

from ciaas.interoperability.units import check_unit
from ciaas.limits import UNIT_CHARS_MAX
from cpaas.composition.nodes.contract import (
    IN,
    Fault,
    Operator,
    Params,
    Plain,
    PortKind,
    Setting,
    Stream,
)
from cpaas.composition.nodes.hours import Hours
from cpaas.composition.running.flow import ByKey, Flow
from cpaas.composition.wording import duration, measured
from cpaas.limits import MASHUP_WINDOW_S_MAX

_UNKNOWN = -1


class ThresholdParams(Params):
    """When it is too much, and when it is over."""

    when: Literal["above", "below"] = "above"
    limit: float
    clear: Annotated[
        float | None,
        Field(description="over when the value is back at this; without it, at the limit"),
    ] = None
    unit: Annotated[
        str | None, Field(max_length=UNIT_CHARS_MAX, description="unit of limit and clear")
    ] = None
    for_s: Annotated[
        float,
        Field(
            ge=0, le=MASHUP_WINDOW_S_MAX, multiple_of=0.001,
            description="seconds for which it has to last before it counts",
        ),
    ] = 0  # fmt: skip
    between: Annotated[Hours | None, Field(description="only in these hours of the day")] = None

    @field_validator("unit")
    @classmethod
    def _unit(cls, unit: str | None) -> str | None:
        if unit is not None:
            check_unit(unit)
        return unit

    @model_validator(mode="after")
    def _apart(self) -> ThresholdParams:
        if self.clear is None:
            return self
        wrong = self.clear > self.limit if self.when == "above" else self.clear < self.limit
        if wrong:
            side = "below" if self.when == "above" else "above"
            raise ValueError(f"clear has to lie {side} the limit, or be left out")
        return self


class Threshold(Plain[ThresholdParams]):
    """True from when the limit was passed for long enough until the value is back."""

    name: ClassVar[str] = "threshold"
    title: ClassVar[str] = "Too high or too low"
    about: ClassVar[str] = "True while a value is beyond a limit, without flickering around it."
    params = ThresholdParams

    def output(self, params: ThresholdParams, inputs: Mapping[str, Stream], all_key: int) -> Stream:
        """Return a Boolean for each key. Raises Fault for another unit than what comes in."""
        flow = inputs[IN]
        if params.unit is not None and flow.unit is not None:
            if check_unit(params.unit) != check_unit(flow.unit):
                raise Fault(
                    f"the limit is in {params.unit} and the values come in {flow.unit}; write the "
                    f"limit in {flow.unit}, or convert the values with a formula",
                    param="unit",
                )
        return Stream(PortKind.BOOLEAN, None, flow.keys)

    def sentence(self, params: ThresholdParams, said: Mapping[str, str]) -> str:
        """Return when it is true."""
        text = f"Notice when {said[IN]} is {params.when} {measured(params.limit, params.unit)}"
        if params.for_s:
            text += f" for {duration(params.for_s)}"
        if params.between is not None:
            text += f" {params.between}"
        back = params.limit if params.clear is None else params.clear
        return f"{text}; over when it is back at {measured(back, params.unit)}."

    def operator(
        self, params: ThresholdParams, inputs: Mapping[str, Stream], setting: Setting
    ) -> Operator:
        """Return what notices, knowing nothing yet."""
        count = setting.key_count
        state: dict[str, NDArray[Any]] = {
            "beyond": np.full(count, _UNKNOWN, np.int8),
            "since": np.zeros(count, np.int64),
            "told": np.full(count, _UNKNOWN, np.int8),
        }
        return _Notice(state=state, params=params, zone=setting.zone)


@dataclass(slots=True, kw_only=True)
class _Notice(Operator):
    """``beyond`` is where each key's value is, ``since`` when it got there, ``told`` what was said.

    Of a key the spells beyond the limit follow one another; each is told when it has lasted long
    enough, and its end is told when it was.
    """

    params: ThresholdParams
    zone: ZoneInfo

    def advance(self, inputs: Mapping[str, Flow], since: int, until: int) -> Flow:
        state = self.state
        rows = ByKey.of(inputs[IN])
        beyond = self._beyond(rows)
        before = np.roll(beyond, 1)
        before[rows.first] = state["beyond"][rows.key[rows.first]]
        new = rows.first & (before == _UNKNOWN)
        turned = (beyond != before) & ~(new & (beyond == 0))
        state["beyond"][rows.key[rows.last]] = beyond[rows.last]

        # Turns of each key in order of time, the spell it was in before all others.
        going = np.flatnonzero((state["told"] != _UNKNOWN) & self._was_beyond(rows, before))
        key = np.concatenate([going.astype(np.uint32), rows.key[turned]])
        time = np.concatenate([state["since"][going], rows.time[turned]])
        rise = np.concatenate([np.ones(len(going), np.int8), beyond[turned]]) == 1
        known = np.concatenate([state["told"][going] == 1, np.zeros(int(turned.sum()), np.bool_)])
        order = np.lexsort((time, key))
        key, time, rise, known = key[order], time[order], rise[order], known[order]

        lasting = round(self.params.for_s * 1000)
        end = np.append(time[1:], np.iinfo(np.int64).max)
        end[:-1][key[1:] != key[:-1]] = np.iinfo(np.int64).max
        due = time + lasting
        long_enough = rise & (due < end) if lasting else rise
        raised = long_enough & (due <= until) & ~known
        told_before = np.roll(known | long_enough, 1)
        fell = ~rise & told_before
        open_ = rise & (end == np.iinfo(np.int64).max)
        state["since"][key[open_]] = time[open_]

        first_words = new & ((beyond == 0) | (lasting > 0))
        flow = Flow.ordered(
            np.concatenate([key[raised], key[fell], rows.key[first_words]]),
            np.concatenate([due[raised], time[fell], rows.time[first_words]]),
            np.concatenate(
                [np.ones(raised.sum()), np.zeros(fell.sum()), np.zeros(first_words.sum())]
            ),
        )
        state["told"][flow.key] = flow.value  # in order of time: the last one stays
        return flow

    def _was_beyond(self, rows: ByKey, before: NDArray[np.int8]) -> NDArray[np.bool_]:
        """Return which keys were beyond the limit when the span began."""
        was: NDArray[np.bool_] = self.state["beyond"] == 1
        was[rows.key[rows.first]] = before[rows.first] == 1
        return was

    def _beyond(self, rows: ByKey) -> NDArray[np.int8]:
        """Return for each row whether the key is beyond the limit, with the hysteresis applied."""
        params, value = self.params, rows.value
        back = params.limit if params.clear is None else params.clear
        if params.when == "above":
            over, under = value > params.limit, value <= back
        else:
            over, under = value < params.limit, value >= back
        if params.between is not None:
            outside = ~params.between.hold(rows.time, self.zone)
            over, under = over & ~outside, under | outside
        said = np.where(over, 1, np.where(under, 0, _UNKNOWN)).astype(np.int8)
        # Between the two limits it stays what it was; nothing known is as not beyond.
        undecided = rows.first & (said == _UNKNOWN)
        said[undecided] = np.maximum(self.state["beyond"][rows.key[undecided]], 0)
        decided = np.maximum.accumulate(np.where(said != _UNKNOWN, np.arange(len(said)), 0))
        return np.asarray(said[decided], np.int8)
