"""Which of an app's samples may be written: each address's point, or the reason why not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from ciaas.kernel.address import AddressError, EndpointId, parse_point
from ciaas.kernel.model import Constraint, Value, ValueType
from ciaas.ports import Conflict, Endpoint, Feed, NewPoint, Point
from cpaas.access.caller import Caller
from cpaas.access.problems import UNKNOWN
from security.aaa.levels import NEEDED, Action, Direction, Level


class Refused(NamedTuple):
    """Why the samples of one address, or one sample, are not written."""

    reason: str


class _Missing(NamedTuple):
    """A point that the caller may add."""

    endpoint: Endpoint
    point: NewPoint


def admit(caller: Caller, values: Mapping[str, Value]) -> Mapping[str, Point | Refused]:
    """Return what becomes of each address; points that are new are registered.

    Args:
        caller: Who writes.
        values: By address as sent, a value from which a new point takes its type.
    """
    admitted: dict[str, Point | Refused] = {}
    missing: dict[str, _Missing] = {}
    for text, value in values.items():
        found = _place(caller, text, value)
        if isinstance(found, _Missing):
            missing[text] = found
        else:
            admitted[text] = found
    for uuid in dict.fromkeys(new.endpoint.uuid for new in missing.values()):
        own = {text: new for text, new in missing.items() if new.endpoint.uuid == uuid}
        admitted |= _register(caller, own)
    return admitted


def _place(caller: Caller, text: str, value: Value) -> Point | Refused | _Missing:
    city = caller.city
    try:
        address = parse_point(text)
    except AddressError as error:
        return Refused(str(error))
    levels = address.split("/")
    endpoint = city.catalogue.endpoint(EndpointId(levels[0]))
    if endpoint is None:
        return Refused(UNKNOWN)
    held = caller.level(endpoint.project, levels)
    if held < Level.ACCESS:
        return Refused(UNKNOWN)
    if not held.includes(NEEDED[Action.WRITE, Direction.UP]):
        return Refused(f"this needs the level OBSERVE; you hold {held.name}")
    if endpoint.feed not in (None, Feed.APP):
        return Refused(f"the endpoint is fed by its {endpoint.feed}: an app may not forge readings")
    point = city.catalogue.by_address(address)
    if point is not None:
        gone = city.keys.subjects.refusal(point.id)
        return point if gone is None else Refused(gone)
    if held < Level.CONFIGURE:
        return Refused("the point does not exist; the level CONFIGURE is needed to add it")
    if gone := city.keys.subjects.refusal_at(endpoint.project, levels):
        return Refused(gone)
    return _Missing(endpoint, NewPoint(address, Constraint.MEASURE, _type_of(value)))


def _register(caller: Caller, missing: Mapping[str, _Missing]) -> dict[str, Point | Refused]:
    """Register the missing points of one endpoint, all or none; from now on apps feed it."""
    registry = caller.city.registry
    endpoint = next(iter(missing.values())).endpoint
    try:
        if endpoint.feed is None:
            registry.change_endpoint(endpoint.uuid, feed=Feed.APP)
        points: Iterable[Point] = registry.ensure_points([new.point for new in missing.values()])
    except Conflict as error:
        return {text: Refused(str(error)) for text in missing}
    return dict(zip(missing, points, strict=True))


def _type_of(value: Value) -> ValueType:
    match value:
        case bool():
            return ValueType.BOOLEAN
        case str():
            return ValueType.STRING
        case _:
            return ValueType.NUMBER
