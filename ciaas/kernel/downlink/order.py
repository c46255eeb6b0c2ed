"""What somebody wants of a point, before anything is recorded of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from ciaas.kernel.address import PointAddress
from ciaas.kernel.downlink.wanted import Unfit, read_text, typed
from ciaas.kernel.model import Constraint, Value
from ciaas.limits import COMMAND_PARAMETER_TTL_S, COMMAND_TEXT_CHARS_MAX, COMMAND_TTL_S
from ciaas.ports import Point


class NotWritable(ValueError):
    """Nothing was recorded: this point can never be set, or not to such a thing."""


@dataclass(frozen=True, slots=True)
class Order:
    """What somebody wants."""

    address: PointAddress
    user: int
    who: str
    """Name of the user, for the record."""
    value: Value = None
    text: str | None = None
    """Given instead of ``value``: read as one of the point's type."""
    ttl_s: float | None = None
    """Until when it may be sent; None means the usual time of the point's constraint."""
    key: str | None = None
    """The same key of the same user again returns the command that there is."""


def read_value(order: Order, point: Point) -> tuple[Value, str | None]:
    """Return the value in the point's type, or as it was given with the reason why it is none.

    Raises:
        NotWritable: the value cannot even be recorded.
    """
    if order.text is not None and len(order.text) > COMMAND_TEXT_CHARS_MAX:
        raise NotWritable(f"a value has at most {COMMAND_TEXT_CHARS_MAX} characters")
    value: Value = order.value
    try:
        if order.text is not None:
            value = order.text
            value = read_text(order.text, point.type)
        if value is None:
            raise NotWritable("null cannot be set; write a value of the point's type")
        return typed(value, point.type), None
    except Unfit as error:
        if not _recordable(value):
            raise NotWritable(str(error)) from error
        return value, str(error)


def _recordable(value: Value) -> bool:
    """Tell whether a refused value can be shown with its refusal."""
    match value:
        case str():
            sound = not any("\ud800" <= char <= "\udfff" for char in value)
            return sound and len(value) <= COMMAND_TEXT_CHARS_MAX
        case int() | float():
            return -(2**63) <= value < 2**64
    return value is not None


def ttl_s(order: Order, point: Point) -> float:
    """Return how many seconds the command may wait to be sent."""
    if order.ttl_s is not None:
        return order.ttl_s
    return COMMAND_PARAMETER_TTL_S if point.constraint is Constraint.PARAMETER else COMMAND_TTL_S


def digest(order: Order) -> str:
    """Return what tells two orders under one idempotency key apart."""
    said = repr((order.address, order.value, order.text, order.ttl_s))
    return hashlib.sha256(said.encode("utf-8", "surrogatepass")).hexdigest()
