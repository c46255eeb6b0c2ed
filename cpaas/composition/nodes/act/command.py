"""Command: set points of devices."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from pydantic import Field, field_validator

from ciaas.kernel.address import parse_point
from cpaas.composition.nodes.act.changes import changed
from cpaas.composition.nodes.contract import (
    IN,
    Act,
    Fault,
    Operator,
    Params,
    Plain,
    PortKind,
    Setting,
    Stream,
)
from cpaas.composition.running.flow import Flow
from cpaas.composition.wording import duration, listed, number
from cpaas.limits import MASHUP_COMMAND_S_MAX, MASHUP_TARGETS_MAX


class CommandParams(Params):
    """Which points are set to what."""

    targets: Annotated[
        tuple[str, ...],
        Field(min_length=1, max_length=MASHUP_TARGETS_MAX, description="addresses of set points"),
    ]
    when_true: Annotated[float | None, Field(description="sent when the input becomes true")] = None
    when_false: Annotated[float | None, Field(description="sent when it becomes false")] = None
    within_s: Annotated[
        float,
        Field(
            ge=1, le=MASHUP_COMMAND_S_MAX, multiple_of=0.001,
            description="seconds in which it has to reach the device",
        ),
    ] = 60  # fmt: skip

    @field_validator("targets")
    @classmethod
    def _addresses(cls, targets: tuple[str, ...]) -> tuple[str, ...]:
        found = tuple(map(parse_point, targets))
        if len(set(found)) != len(found):
            raise ValueError("a point stands here twice; name it once")
        return found


class Command(Plain[CommandParams]):
    """Sends a value at each change: the number itself, or what stands for true and for false.

    It goes through the same checks as a person's command: rights, limits, interlocks, dwell.
    """

    name: ClassVar[str] = "command"
    title: ClassVar[str] = "Command a device"
    about: ClassVar[str] = "Sets points of devices when the input changes."
    params = CommandParams
    act: ClassVar[Act | None] = Act.COMMAND

    def output(self, params: CommandParams, inputs: Mapping[str, Stream], all_key: int) -> Stream:
        """Return what comes in. Raises Fault when it is not clear what to send."""
        flow = inputs[IN]
        if len(flow.keys) > 1:
            raise Fault(
                f"{len(flow.keys)} points would give orders to the same device; bring them "
                "together in a window over all, or read one point"
            )
        stated = params.when_true is not None or params.when_false is not None
        if flow.kind is PortKind.BOOLEAN and not stated:
            raise Fault("say what is sent when it is true, or when it is false", param="whenTrue")
        if flow.kind is PortKind.NUMBER and stated:
            raise Fault(
                "the input is a number and is sent itself; leave whenTrue and whenFalse out, or "
                "put a threshold before",
                param="whenTrue",
            )
        return flow

    def sentence(self, params: CommandParams, said: Mapping[str, str]) -> str:
        """Return what is sent where."""
        parts = [
            f"to {number(value)} when {said[IN]} becomes {word}"
            for value, word in ((params.when_true, "true"), (params.when_false, "false"))
            if value is not None
        ]
        what = listed(parts) if parts else f"to each new value of {said[IN]}"
        return f"Set {listed(params.targets)} {what}, within {duration(params.within_s)}."

    def operator(
        self, params: CommandParams, inputs: Mapping[str, Stream], setting: Setting
    ) -> Operator:
        """Return what turns changes into values to be sent."""
        stated = inputs[IN].kind is PortKind.BOOLEAN
        return _Orders(
            state={"value": np.full(setting.key_count, np.nan)},
            true=params.when_true if stated else None,
            false=params.when_false if stated else None,
            stated=stated,
        )


@dataclass(slots=True, kw_only=True)
class _Orders(Operator):
    true: float | None
    false: float | None
    stated: bool

    def advance(self, inputs: Mapping[str, Flow], since: int, until: int) -> Flow:
        flow = changed(inputs[IN], self.state["value"])
        if not self.stated:
            return flow
        true = np.nan if self.true is None else self.true
        false = np.nan if self.false is None else self.false
        return flow.valued(np.where(flow.value != 0, true, false))
