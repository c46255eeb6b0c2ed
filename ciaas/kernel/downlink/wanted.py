"""The value that is wanted: of the point's type, allowed by its overlay, in the device's unit."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from ciaas.interoperability.overlay import unit_conversion
from ciaas.interoperability.units import IDENTITY
from ciaas.kernel.model import Value, ValueType
from ciaas.limits import COMMAND_TEXT_CHARS_MAX

_INTEGER_MAX = 2**63
_TRUTH = {"true": True, "false": False, "1": True, "0": False}
_EXACT = 2**53


class Unfit(ValueError):
    """The point cannot take this value; the message says what it takes."""


def read_text(text: str, value_type: ValueType) -> Value:
    """Return the value that a text says, as cloud.iO's ``?value=`` gives it.

    Raises:
        Unfit: the text says no value of the type.
    """
    match value_type:
        case ValueType.BOOLEAN:
            if (truth := _TRUTH.get(text.strip().lower())) is None:
                raise Unfit(f"{text[:40]!r} is no Boolean; write true or false")
            return truth
        case ValueType.INTEGER:
            try:
                return int(text) if len(text) < 40 else float("nan")
            except ValueError:
                raise Unfit(f"{text[:40]!r} is no Integer; write digits alone") from None
        case ValueType.NUMBER:
            try:
                return float(text)
            except ValueError:
                raise Unfit(f"{text[:40]!r} is no Number; write one such as 21.5") from None
    return text


def typed(value: Value, value_type: ValueType) -> Value:
    """Return the value as one of the point's type; a whole number fits an Integer and a Number.

    Raises:
        Unfit: it is of another type, not finite, or too long.
    """
    match value_type, value:
        case ValueType.BOOLEAN, bool():
            return value
        case ValueType.STRING, str():
            if len(value) > COMMAND_TEXT_CHARS_MAX:
                raise Unfit(
                    f"the text has {len(value)} characters, at most "
                    f"{COMMAND_TEXT_CHARS_MAX} are sent"
                )
            if "\0" in value or any("\ud800" <= char <= "\udfff" for char in value):
                raise Unfit("the text holds a NUL or half a character; remove it")
            return value
        case ValueType.INTEGER | ValueType.NUMBER, bool():
            pass
        case ValueType.NUMBER, int() | float():
            if not abs(value) <= _LARGEST:
                raise Unfit("the number is not finite, or beyond 64 bits")
            return float(value)
        case ValueType.INTEGER, int():
            if not -_INTEGER_MAX <= value < _INTEGER_MAX:
                raise Unfit("the integer is beyond 64 bits")
            return value
        case ValueType.INTEGER, float():
            if math.isfinite(value) and value.is_integer() and abs(value) <= _EXACT:
                return int(value)
            raise Unfit(f"{value!r} is no Integer; write one without a fraction")
    raise Unfit(f"the point is of type {value_type}, {value!r:.40} is not")


_LARGEST = 1.7976931348623157e308


def check_allowed(value: Value, overlay: Mapping[str, Any]) -> None:
    """Hold the value against the overlay's ``range`` and ``enum``.

    Raises:
        Unfit: it lies outside.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        low, high = overlay.get("range", (None, None))
        if (low is not None and value < low) or (high is not None and value > high):
            ends = ("any" if low is None else f"{low:g}", "any" if high is None else f"{high:g}")
            raise Unfit(f"{value:g} is outside the range of the point, {ends[0]} to {ends[1]}")
    match overlay.get("enum"):
        case list() as words if isinstance(value, str) and value not in words:
            raise Unfit(f"{value[:40]!r} is none of the allowed values: {', '.join(words)[:200]}")
        case dict() as labels if not isinstance(value, str) and _label(value) not in labels:
            raise Unfit(f"{value} is none of the allowed values: {', '.join(labels)[:200]}")


def _label(value: Value) -> str:
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).lower()


def as_delivered(value: Value, overlay: Mapping[str, Any], value_type: ValueType) -> Value:
    """Return the value in the device's own unit, given it in the point's canonical one.

    Raises:
        Unfit: the device would need a fraction where it has integers.
    """
    conversion = unit_conversion(overlay)
    if conversion == IDENTITY or isinstance(value, bool | str) or value is None:
        return value
    delivered = (value - conversion.offset) / conversion.factor
    if value_type is not ValueType.INTEGER:
        return delivered
    whole = round(delivered)
    if not math.isclose(delivered, whole, rel_tol=1e-9, abs_tol=1e-9):
        raise Unfit(f"{value} is {delivered:g} for the device, which takes whole numbers alone")
    return whole


def same(wanted: Value, found: Value, overlay: Mapping[str, Any]) -> bool:
    """Tell whether a device has what was wanted; numbers within ``tolerance`` of the overlay.

    Without one, to six digits: a device that computes in 32 bits keeps no more.
    """
    if isinstance(wanted, bool) or isinstance(found, bool):
        return wanted is found
    if isinstance(wanted, int | float) and isinstance(found, int | float):
        tolerance = float(overlay.get("tolerance", 0.0))
        return math.isclose(wanted, found, rel_tol=1e-6, abs_tol=tolerance)
    return wanted == found
