"""Silence: nothing has come for too long."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

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
from cpaas.composition.running.flow import ByKey, Flow
from cpaas.composition.wording import duration
from cpaas.limits import MASHUP_WINDOW_S_MAX

_UNKNOWN = -1


class SilenceParams(Params):
    """How long is too long."""

    after_s: Annotated[
        float,
        Field(
            ge=1, le=MASHUP_WINDOW_S_MAX, multiple_of=0.001,
            description="seconds without a value",
        ),
    ]  # fmt: skip


class Silence(Plain[SilenceParams]):
    """True when nothing came for longer; false with the next value."""

    name: ClassVar[str] = "silence"
    title: ClassVar[str] = "Nothing comes"
    about: ClassVar[str] = "True while a point has been silent for too long."
    params = SilenceParams

    def inputs(self, params: SilenceParams) -> tuple[Port, ...]:
        """Anything can be silent."""
        return (Port(IN, ANY),)

    def output(self, params: SilenceParams, inputs: Mapping[str, Stream], all_key: int) -> Stream:
        """Return a Boolean for each key."""
        return Stream(PortKind.BOOLEAN, None, inputs[IN].keys)

    def sentence(self, params: SilenceParams, said: Mapping[str, str]) -> str:
        """Return when it is true."""
        return f"Notice when nothing comes from {said[IN]} for {duration(params.after_s)}."

    def operator(
        self, params: SilenceParams, inputs: Mapping[str, Stream], setting: Setting
    ) -> Operator:
        """Return what listens, as if each key had spoken at the start."""
        state: dict[str, NDArray[Any]] = {
            "last": np.full(setting.key_count, setting.start, np.int64),
            "told": np.full(setting.key_count, _UNKNOWN, np.int8),
        }
        keys = np.array(inputs[IN].keys, np.uint32)
        return _Listen(state=state, after=round(params.after_s * 1000), keys=keys)


@dataclass(slots=True, kw_only=True)
class _Listen(Operator):
    after: int
    keys: NDArray[np.uint32]

    def advance(self, inputs: Mapping[str, Flow], since: int, until: int) -> Flow:
        state = self.state
        rows = ByKey.of(inputs[IN])
        before = np.roll(rows.time, 1)
        before[rows.first] = state["last"][rows.key[rows.first]]
        told = np.zeros(len(rows.key), np.int8)
        told[rows.first] = state["told"][rows.key[rows.first]]
        gap = rows.time - before > self.after
        # A silence that ends here and was told of in an earlier span is not told of again.
        begins = gap & (told != 1)
        ends = gap | (told != 0)
        state["last"][rows.key[rows.last]] = rows.time[rows.last]
        state["told"][rows.key[rows.last]] = 0

        quiet = self.keys[
            (state["told"][self.keys] != 1) & (state["last"][self.keys] + self.after <= until)
        ]
        state["told"][quiet] = 1
        return Flow.ordered(
            np.concatenate([rows.key[begins], rows.key[ends], quiet]),
            np.concatenate(
                [before[begins] + self.after, rows.time[ends], state["last"][quiet] + self.after]
            ),
            np.concatenate([np.ones(begins.sum()), np.zeros(ends.sum()), np.ones(len(quiet))]),
        )
