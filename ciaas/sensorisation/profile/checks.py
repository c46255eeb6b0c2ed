"""What the fields of a profile must agree on; each fault has its place in the file and a remedy."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ciaas.interoperability.overlay import OverlayError, check_overlay
from ciaas.kernel.model import Constraint, ValueType
from ciaas.sensorisation.contract import AnyAdapter, Checked, Target
from ciaas.sensorisation.profile.device_profile import (
    PointProfile,
    Profile,
    Report,
    ReportMode,
)
from ciaas.sensorisation.profile.overlays import overlay_of
from ciaas.sensorisation.profile.raw import RawType

_OVERLAY_PLACES = {
    "title": "title",
    "quantity": "quantity",
    "unit": "unit.canonical",
    "source_unit": "unit.source",
    "range": "validity.range",
    "rate_max": "validity.rate_max",
    "stale_after_s": "validity.stale_after_s",
    "enum": "transform.enum",
}
"""Keys of the overlay and where a profile says them."""
_PLACES_TOLD = ", ".join(_OVERLAY_PLACES.values())


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
    if all(point.direction == "w" for point in profile.points):
        yield Fault(f"{path}.points", "none is read: add one, by which it is known how it does")
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
    elif raw.type in (RawType.BIT, RawType.BOOLEAN):
        wanted = {ValueType.BOOLEAN}
    elif raw.type in (RawType.STRING, RawType.TEXT):
        wanted = {ValueType.STRING}
    elif (
        (raw.type.integer or raw.type is RawType.NUMBER)
        and transform.scale.is_integer()
        and transform.offset.is_integer()
    ):
        wanted = {ValueType.NUMBER, ValueType.INTEGER}
    else:
        wanted = {ValueType.NUMBER}
    if declared not in wanted:
        names = " or ".join(sorted(wanted))
        yield Fault(f"{path}.type", f"raw {raw.type} with this transform gives {names}: write that")
    if not (numeric or transform.enum is not None or transform.identity):
        yield Fault(f"{path}.transform", f"a {declared} cannot be scaled: leave it out")
    yield from _write_faults(point, path)
    validity = point.validity
    for name, given in (
        ("validity.range", validity.range is not None),
        ("validity.rate_max", validity.rate_max is not None),
        ("unit", point.unit is not None),
        ("report.deadband", point.report.mode is ReportMode.DEADBAND),
    ):
        if given and not numeric:
            yield Fault(f"{path}.{name}", f"only numbers can have this, not a {declared}")
    if validity.null_values and not (raw.type.integer or raw.type is RawType.NUMBER):
        yield Fault(f"{path}.validity.null_values", f"needs numbers, not {raw.type}")
    if doubled := sorted(_OVERLAY_PLACES.keys() & point.overlay.keys()):
        yield Fault(f"{path}.overlay", f"{doubled} have places of their own: {_PLACES_TOLD}")
        return
    try:
        check_overlay(dict(overlay_of(point)))
    except OverlayError as error:
        key, _, remedy = str(error).partition(": ")
        place = _OVERLAY_PLACES.get(key, f"overlay.{key}" if key in point.overlay else "overlay")
        yield Fault(f"{path}.{place}", remedy or str(error))


def _write_faults(point: PointProfile, path: str) -> Iterator[Fault]:
    raw, enum = point.raw, point.transform.enum
    settable = point.constraint in (Constraint.SET_POINT, Constraint.PARAMETER)
    if point.direction == "r":
        if settable:
            yield Fault(f"{path}.direction", f"a {point.constraint} can be set: write rw")
        if point.write is not None:
            yield Fault(f"{path}.write", "goes with direction rw: write that, or leave it out")
        return
    if point.direction == "w":
        for name, given in (
            ("sampling", point.sampling is not None),
            ("report", point.report != Report()),
            ("validity.stale_after_s", point.validity.stale_after_s is not None),
            ("write.settle_s", point.write is not None and point.write.settle_s > 0),
        ):
            if given:
                yield Fault(f"{path}.{name}", "a point of direction w is not read: leave it out")
    if not settable:
        yield Fault(f"{path}.constraint", "what can be set is a SetPoint or a Parameter")
    if raw.mask is not None and sum((raw.mask >> at) % 65_536 > 0 for at in (0, 16, 32, 48)) > 1:
        yield Fault(f"{path}.raw.mask", "bits of two registers cannot be set at once: make it two")
    if enum is not None and len(set(enum.values())) < len(enum):
        yield Fault(f"{path}.transform.enum", "two codes have one word: which is to be written?")
    if point.write is not None and point.write.raw_range != (None, None):
        if point.type not in (ValueType.NUMBER, ValueType.INTEGER) and enum is None:
            yield Fault(f"{path}.write.raw_range", f"only numbers can have this, not {point.type}")


def write_fault(adapter: AnyAdapter, config: Checked, target: Target) -> str | None:
    """Say why the adapter can never write this target, None when it can."""
    try:
        adapter.check_write(config, target)
    except ValueError as error:
        return str(error)
    return None


def target_fault(adapter: AnyAdapter, config: Checked, target: Target) -> str | None:
    """Say why the adapter can never read this target, None when it can."""
    try:
        adapter.plan(config, [target])
    except ValueError as error:
        return str(error)
    return None
