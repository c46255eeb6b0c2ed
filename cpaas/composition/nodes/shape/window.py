"""Window: one value for each span of time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field

from ciaas.kernel.sample import Uint32s
from cpaas.composition.nodes.contract import (
    ANY,
    IN,
    Operator,
    Params,
    Plain,
    Port,
    PortKind,
    Setting,
    Stream,
)
from cpaas.composition.running.flow import Flow
from cpaas.composition.wording import duration
from cpaas.limits import MASHUP_WINDOW_S_MAX


class WindowParams(Params):
    """How long, and what of it."""

    size_s: Annotated[
        float,
        Field(
            ge=1, le=MASHUP_WINDOW_S_MAX, multiple_of=0.001,
            description="seconds; windows follow one another, counted from 1970 UTC",
        ),
    ]  # fmt: skip
    function: Literal["mean", "min", "max", "sum", "count", "last"] = "mean"
    group: Annotated[
        Literal["each", "all"], Field(description="each key by itself, or all together")
    ] = "each"


class Window(Plain[WindowParams]):
    """Gives its value at the end of each window that held any; a value at the end is the next's."""

    name: ClassVar[str] = "window"
    title: ClassVar[str] = "Sum up over time"
    about: ClassVar[str] = "Mean, sum, count and so on of each ten minutes, hour, day."
    params = WindowParams

    def inputs(self, params: WindowParams) -> tuple[Port, ...]:
        """Texts can be counted."""
        return (Port(IN, ANY),) if params.function == "count" else (Port(IN),)

    def output(self, params: WindowParams, inputs: Mapping[str, Stream], all_key: int) -> Stream:
        """Return numbers in the unit of the input, a count without one."""
        flow = inputs[IN]
        unit = None if params.function == "count" else flow.unit
        keys = (all_key,) if params.group == "all" else flow.keys
        return Stream(PortKind.NUMBER, unit, keys)

    def sentence(self, params: WindowParams, said: Mapping[str, str]) -> str:
        """Return what is summed up."""
        over = "all together" if params.group == "all" else "each by itself"
        return (
            f"Of {said[IN]}, take the {params.function} of every {duration(params.size_s)}, {over}."
        )

    def operator(
        self, params: WindowParams, inputs: Mapping[str, Stream], setting: Setting
    ) -> Operator:
        """Return what sums up, with no window open."""
        count = setting.key_count
        return _Sum(
            state={
                "window": np.zeros(count, np.int64),
                "count": np.zeros(count),
                "sum": np.zeros(count),
                "min": np.full(count, np.inf),
                "max": np.full(count, -np.inf),
                "last": np.zeros(count),
            },
            size=round(params.size_s * 1000),
            function=params.function,
            all_key=setting.all_key if params.group == "all" else None,
        )


@dataclass(slots=True, kw_only=True)
class _Sum(Operator):
    """Of each key at most one window is open: the one that holds ``until``."""

    size: int
    function: str
    all_key: int | None

    def advance(self, inputs: Mapping[str, Flow], since: int, until: int) -> Flow:
        flow, state = inputs[IN], self.state
        if self.all_key is not None:
            flow = Flow(np.full(len(flow), self.all_key, np.uint32), flow.time, flow.value)
        held: Uint32s = np.flatnonzero(state["count"]).astype(np.uint32)
        # What a key's open window holds so far goes before the key's new rows, so that a sum adds
        # up in one order however time was cut.
        key = np.concatenate([held, flow.key])
        window = np.concatenate([state["window"][held], flow.time // self.size])
        order = np.lexsort((window, key))  # stable: within a window as they came
        key, window = key[order], window[order]
        if not len(key):
            return Flow.empty()
        first = np.ones(len(key), np.bool_)
        first[1:] = (key[1:] != key[:-1]) | (window[1:] != window[:-1])
        part, starts = np.cumsum(first) - 1, np.flatnonzero(first)
        ends = np.append(starts[1:], len(key)) - 1

        def rows(name: str, fresh: object) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
            return np.concatenate([state[name][held], np.asarray(fresh, np.float64)])[order]

        value = flow.value
        found = {
            "count": np.bincount(part, rows("count", np.ones(len(value)))),
            "sum": np.bincount(part, rows("sum", value)),
            "min": np.minimum.reduceat(rows("min", value), starts),
            "max": np.maximum.reduceat(rows("max", value), starts),
            "last": rows("last", value)[ends],
        }
        key, window = key[starts], window[starts]
        end = (window + 1) * self.size
        open_ = end > until
        state["count"][:] = 0
        state["window"][key[open_]] = window[open_]
        for name, column in found.items():
            state[name][key[open_]] = column[open_]
        if self.function == "mean":
            result = found["sum"] / found["count"]
        else:
            result = found[self.function]
        return Flow.ordered(key[~open_], end[~open_], result[~open_])
