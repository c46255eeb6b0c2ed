"""What the fields of a profile must agree on; each fault has its place in the file and a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import NamedTuple

import pint

from ciaas.kernel.model import ValueType
from ciaas.sensorisation.contract import AnyAdapter, Checked, Target
from ciaas.sensorisation.profile.device_profile import PointProfile, Profile, ReportMode, Unit
from ciaas.sensorisation.profile.raw import RawType


class Fault(NamedTuple):
    """One thing wrong in a document: where, and what to do about it."""

    path: str
    """Such as ``profiles[0].points[2].unit.source``."""
    remedy: str


def profile_faults(profile: Profile, path: str) -> Iterator[Fault]:
    """Yield the faults of a profile of the right shape; ``path`` is where it stands."""
    seen: dict[str, int] = {}
    objects: set[str] = set()
    for number, point in enumerate(profile.points):
        here = f"{path}.points[{number}]"
        if point.id in seen:
            yield Fault(f"{here}.id", f"{point.id} is taken by points[{seen[point.id]}]: rename it")
        seen.setdefault(point.id, number)
        levels = point.id.split("/")
        objects.update("/".join(levels[:depth]) for depth in range(2, len(levels)))
        yield from _point_faults(point, here)
    for number, point in enumerate(profile.points):
        if point.id in objects:
            yield Fault(f"{path}.points[{number}].id", f"{point.id} is also an object: rename one")
    for name in profile.conforms.keys() - objects:
        yield Fault(f"{path}.conforms.{name}", "no point lies in an object of this path")
    for name in profile.implements.keys() - {name.partition("/")[0] for name in objects}:
        yield Fault(f"{path}.implements.{name}", "no point lies in a node of this name")


def _point_faults(point: PointProfile, path: str) -> Iterator[Fault]:
    raw, transform, declared = point.raw, point.transform, point.type
    numeric = declared in (ValueType.NUMBER, ValueType.INTEGER)
    if transform.enum is not None:
        wanted = {ValueType.STRING}
        if not raw.type.integer:
            yield Fault(f"{path}.transform.enum", f"codes need an integer raw type, not {raw.type}")
    elif raw.type is RawType.BIT:
        wanted = {ValueType.BOOLEAN}
    elif raw.type is RawType.STRING:
        wanted = {ValueType.STRING}
    elif raw.type.integer and transform.scale.is_integer() and transform.offset.is_integer():
        wanted = {ValueType.NUMBER, ValueType.INTEGER}
    else:
        wanted = {ValueType.NUMBER}
    if declared not in wanted:
        names = " or ".join(sorted(wanted))
        yield Fault(f"{path}.type", f"raw {raw.type} with this transform gives {names}: write that")
    if not (numeric or transform.enum is not None or transform.identity):
        yield Fault(f"{path}.transform", f"a {declared} cannot be scaled: leave it out")
    validity = point.validity
    for name, given in (
        ("validity.range", validity.range is not None),
        ("validity.rate_max", validity.rate_max is not None),
        ("unit", point.unit is not None),
        ("report.deadband", point.report.mode is ReportMode.DEADBAND),
    ):
        if given and not numeric:
            yield Fault(f"{path}.{name}", f"only numbers can have this, not a {declared}")
    if validity.null_values and not raw.type.integer:
        yield Fault(f"{path}.validity.null_values", f"needs an integer raw type, not {raw.type}")
    if point.unit is not None:
        yield from _unit_faults(point.unit, f"{path}.unit")


@cache
def _units() -> pint.UnitRegistry[float]:
    return pint.UnitRegistry(autoconvert_offset_to_baseunit=True)


def _unit_faults(unit: Unit, path: str) -> Iterator[Fault]:
    parsed = []
    for side in ("source", "canonical"):
        text = getattr(unit, side)
        try:
            parsed.append(_units().parse_units(text))
        # pint lets errors of its tokenizer through beside its own: any of them means no unit
        except (pint.PintError, AttributeError, TypeError, ValueError, SyntaxError) as error:
            yield Fault(
                f"{path}.{side}", f"{text!r} is no unit ({error}): write it as 'm**3/h' or 'degC'"
            )
    if len(parsed) == 2 and not parsed[0].is_compatible_with(parsed[1]):
        yield Fault(
            f"{path}.canonical",
            f"{unit.source!r} cannot be converted to {unit.canonical!r}: correct one of them",
        )


def target_fault(adapter: AnyAdapter, config: Checked, target: Target) -> str | None:
    """Say why the adapter can never read this target, None when it can."""
    try:
        adapter.plan(config, [target])
    except ValueError as error:
        return str(error)
    return None
