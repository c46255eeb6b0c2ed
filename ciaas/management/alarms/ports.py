"""Alarms and their steps, and what stores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple, Protocol

JsonValue = bool | int | float | str | None


class State(StrEnum):
    """Of an alarm. It is open while raised or acknowledged, and while cleared but not seen."""

    RAISED = "raised"
    ACKNOWLEDGED = "acknowledged"
    """Raised still, and somebody knows."""
    CLEARED = "cleared"


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm of one point. Times are milliseconds since 1970 UTC."""

    id: str
    """UUID."""
    point: int
    severity: str
    text: str
    state: State
    value: JsonValue
    """Of the sample that raised it, the last time."""
    raised_at: int
    """When the sample that raised it first was observed."""
    commit: int
    """That recorded the sample of its last change."""
    count: int
    """Times it was raised: more than once when it goes on and off."""
    told_at: int
    """When its last step was taken."""
    cleared_at: int | None = None
    acknowledged_at: int | None = None
    acknowledged_by: str = ""
    untold: bool = False
    """True when its state has changed since its last step: it goes on and off too fast to tell."""

    @property
    def open(self) -> bool:
        """False once it is cleared and somebody has seen it."""
        return self.state is not State.CLEARED or self.acknowledged_at is None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that became of an alarm."""

    alarm: Alarm
    """As it was afterwards."""
    kind: str
    """``raised``, ``acknowledged`` or ``cleared``."""
    at: int
    """When it happened: for a sample, when it was observed."""
    commit: int
    who: str = ""
    why: str = ""
    number: int = 0
    """Position in the order of all steps; 0 until it is stored."""


class Page(NamedTuple):
    """Alarms, newest first, and the number to go on before; None at the end."""

    alarms: Sequence[Alarm]
    before: int | None


@dataclass(slots=True)
class Harvest:
    """What some commits changed; stored in one transaction."""

    position: int
    """The last of these commits."""
    seen: Mapping[int, int] = field(default_factory=dict)
    """By point: when the newest sample that was looked at was observed."""
    alarms: Mapping[str, Alarm] = field(default_factory=dict)
    steps: Sequence[Step] = ()


class AlarmStore(Protocol):
    """Keeps alarms, their steps, and how far commits were looked at."""

    def position(self) -> int | None:
        """Return the last commit that was looked at, None before the first start."""
        ...

    def seen(self) -> Mapping[int, int]:
        """Return by point when the newest sample that was looked at was observed."""
        ...

    def open(self) -> Sequence[Alarm]:
        """Return every open alarm."""
        ...

    def closed_since(self, at: int, limit: int) -> Sequence[Alarm]:
        """Return alarms that were cleared after a time and are closed, the newest first."""
        ...

    def store(self, harvest: Harvest) -> Sequence[Step]:
        """Store all of it in one transaction; returns the steps with their numbers."""
        ...

    def alarm(self, id_: str) -> Alarm:
        """Return one alarm; raises Missing."""
        ...

    def listed(self, open_only: bool, before: int | None, limit: int) -> Page:
        """Return alarms, newest first."""
        ...

    def history(self, id_: str) -> Sequence[Step]:
        """Return the steps of one alarm, oldest first."""
        ...

    def steps(self, after: int, limit: int) -> Sequence[Step]:
        """Return steps in their order."""
        ...

    def last_step(self) -> int:
        """Return the number of the newest step, 0 when there is none."""
        ...
