"""Alarm: raise one, and clear it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ciaas.limits import ALARM_TEXT_CHARS_MAX
from cpaas.composition.nodes.act.changes import Changes
from cpaas.composition.nodes.contract import (
    IN,
    Act,
    Operator,
    Params,
    Plain,
    Port,
    PortKind,
    Setting,
    Stream,
)


class AlarmParams(Params):
    """What people are told."""

    text: Annotated[str, Field(min_length=1, max_length=ALARM_TEXT_CHARS_MAX)]
    severity: Literal["critical", "major", "minor", "warning"] = "warning"


class Alarm(Plain[AlarmParams]):
    """Writes a Boolean virtual point for each key, whose overlay declares the alarm."""

    name: ClassVar[str] = "alarm"
    title: ClassVar[str] = "Raise an alarm"
    about: ClassVar[str] = "Raised while the input is true, cleared when it is false again."
    params = AlarmParams
    act: ClassVar[Act | None] = Act.ALARM

    def inputs(self, params: AlarmParams) -> tuple[Port, ...]:
        """A Boolean alone."""
        return (Port(IN, frozenset({PortKind.BOOLEAN})),)

    def sentence(self, params: AlarmParams, said: Mapping[str, str]) -> str:
        """Return what is raised when."""
        return f"Raise the {params.severity} alarm '{params.text}' while {said[IN]} is true."

    def operator(
        self, params: AlarmParams, inputs: Mapping[str, Stream], setting: Setting
    ) -> Operator:
        """Return what passes changes alone."""
        return Changes.at_start(setting)
