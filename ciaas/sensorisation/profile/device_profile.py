"""Device profiles: what a type of device measures, where, and how far its values may be believed.

A profile is written in YAML or JSON. Shape is checked here, field by field; what fields must agree
on is checked in `ciaas.sensorisation.profile.checks`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from ciaas.kernel.address import check_name
from ciaas.kernel.model import Constraint, ValueType
from ciaas.limits import (
    POINTS_PER_PROFILE_MAX,
    SAMPLING_INTERVAL_S_MAX,
    SAMPLING_INTERVAL_S_MIN,
    SETTLE_S_MAX,
)
from ciaas.sensorisation.contract import Checked
from ciaas.sensorisation.profile.raw import Raw

_POINT_LEVELS_MIN = 3
_JITTER_S_USUAL = 1.0


def _check_path(text: str) -> str:
    levels = [check_name(level) for level in text.split("/")]
    if len(levels) < _POINT_LEVELS_MIN:
        raise ValueError(f"{text!r} needs node/object/attribute, such as counter/traffic/flow")
    return text


def _known_direction(direction: object) -> object:
    if direction not in ("r", "rw", "w"):
        raise ValueError(
            f"direction {direction!r} is not offered: write r for a point that is read, rw for one "
            "that is also set, w for one that is set and cannot be read"
        )
    return direction


PointPath = Annotated[str, AfterValidator(_check_path)]
"""``node/object[/object…]/attribute`` below the endpoint."""
Name = Annotated[str, AfterValidator(check_name)]


class Transform(Checked):
    """From the raw number to the value: ``raw · scale + offset``, or a word for each code."""

    scale: float = 1.0
    offset: float = 0.0
    enum: Mapping[int, str] | None = None
    """Code to text; an unknown code is passed on as its digits."""

    @model_validator(mode="after")
    def _agree(self) -> Transform:
        if self.scale == 0:
            raise ValueError("'scale' 0 would make every value the same; use 1 for no scaling")
        if self.enum is not None and (self.scale, self.offset) != (1.0, 0.0):
            raise ValueError("'enum' names raw codes: leave out 'scale' and 'offset'")
        if self.enum is not None and not self.enum:
            raise ValueError("'enum' is empty: name at least one code, or leave it out")
        return self

    @property
    def identity(self) -> bool:
        """True when the value is the raw number itself."""
        return self.enum is None and (self.scale, self.offset) == (1.0, 0.0)


class Unit(Checked):
    """What the device's value is in after the transform, and what the city wants to see."""

    source: str
    canonical: str


class Validity(Checked):
    """How far a value may be believed; ``range`` and ``rate_max`` are in the canonical unit."""

    range: tuple[float | None, float | None] | None = None
    """Lowest and highest value possible, both included; null leaves an end open."""
    rate_max: float | None = Field(default=None, gt=0)
    """Fastest possible change per second."""
    stale_after_s: float | None = Field(default=None, gt=0)
    null_values: tuple[int, ...] = ()
    """Raw numbers by which the device says that it has no value."""


class Sampling(Checked):
    """When a point is read: each ``interval_s``, on a grid shifted by up to ``jitter_s``."""

    interval_s: float = Field(ge=SAMPLING_INTERVAL_S_MIN, le=SAMPLING_INTERVAL_S_MAX)
    jitter_s: float | None = Field(default=None, ge=0)
    """Spreads devices over time; None means one second, or the interval where that is shorter."""

    @model_validator(mode="after")
    def _within(self) -> Sampling:
        if self.jitter_s is not None and self.jitter_s > self.interval_s:
            raise ValueError("'jitter_s' may not be longer than 'interval_s'")
        return self

    @property
    def phase_s_max(self) -> float:
        """The largest shift of the grid."""
        return min(self.interval_s, _JITTER_S_USUAL) if self.jitter_s is None else self.jitter_s


class ReportMode(StrEnum):
    """Which readings become samples."""

    ALWAYS = "always"
    CHANGE = "change"
    DEADBAND = "deadband"


class Report(Checked):
    """Which readings become samples; one is sent at least each ``max_silence_s``."""

    mode: ReportMode = ReportMode.ALWAYS
    deadband: float | None = Field(default=None, gt=0)
    """Smallest difference from the last sample sent that counts, in the unit of the source."""
    max_silence_s: float = Field(default=300.0, gt=0, le=SAMPLING_INTERVAL_S_MAX)

    @model_validator(mode="after")
    def _agree(self) -> Report:
        if (self.deadband is None) == (self.mode is ReportMode.DEADBAND):
            raise ValueError("'deadband' is needed for mode deadband and no other")
        return self


class Write(Checked):
    """How a point is set: what may be written, and when it can be read back."""

    raw_range: tuple[float | None, float | None] = (None, None)
    """Lowest and highest raw number that may be written, both included; null leaves an end open."""
    settle_s: float = Field(default=0.0, ge=0, le=SETTLE_S_MAX)
    """What the device needs before it reads back what was written."""


class PointProfile(Checked):
    """One data point of a type of device."""

    id: PointPath
    direction: Annotated[Literal["r", "rw", "w"], BeforeValidator(_known_direction)] = "r"
    address: Mapping[str, Any]
    """Checked by the adapter's ``Address``."""
    raw: Raw
    transform: Transform = Transform()
    unit: Unit | None = None
    validity: Validity = Validity()
    sampling: Sampling | None = None
    """Needed where the device is asked; where it tells by itself there is none."""
    report: Report = Report()
    write: Write | None = None
    """For directions rw and w."""
    constraint: Literal[
        Constraint.MEASURE, Constraint.STATUS, Constraint.SET_POINT, Constraint.PARAMETER
    ] = Constraint.MEASURE
    type: ValueType = ValueType.NUMBER
    title: str | None = None
    quantity: str | None = None
    overlay: Mapping[str, Any] = {}
    """Further keys of the point's overlay, such as ``licence`` or ``precision``."""


class Profile(Checked):
    """A type of device, written for one adapter."""

    id: Name
    revision: int = Field(ge=1)
    adapter: Name
    title: str | None = None
    implements: Mapping[Name, tuple[Name, ...]] = {}
    """Node to the interfaces it implements."""
    conforms: Mapping[str, Name] = {}
    """Path of an object below the endpoint to its class."""
    points: tuple[PointProfile, ...] = Field(min_length=1, max_length=POINTS_PER_PROFILE_MAX)
