"""From raw bytes to a value: one closure per point, compiled once from its profile."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from ciaas.kernel.model import ValueType
from ciaas.kernel.sample import Kind, Reason, Verdict
from ciaas.sensorisation.contract import RawValue
from ciaas.sensorisation.errors import Malformed
from ciaas.sensorisation.profile import PointProfile, Raw, RawType

_NAN = math.nan
_INTEGER_EXACT_MAX = 2**53


class Value(NamedTuple):
    """The columns of a sample that decoding decides; see `ciaas.kernel.sample.Frame`."""

    kind: Kind
    num: float
    txt: str | None
    verdict: Verdict
    reason: Reason
    raw: str | None


READ_ERROR = Value(Kind.NULL, _NAN, None, Verdict.BAD, Reason.READ_ERROR, None)
"""What stands for a point that could not be read."""

Decode: TypeAlias = Callable[[RawValue], Value]
"""Raises Malformed when the raw value is not of the point's raw type."""

_FORMATS = {
    RawType.U16: "H",
    RawType.I16: "h",
    RawType.U32: "I",
    RawType.I32: "i",
    RawType.U64: "Q",
    RawType.I64: "q",
    RawType.F32: "f",
    RawType.F64: "d",
}


def compile_point(point: PointProfile) -> Decode:
    """Return the function that makes a point's value of its raw bytes."""
    if point.raw.type is RawType.BIT:
        return _bit(point.raw.bit, point.raw.byte_order)
    read = _reader(point.raw)
    if point.raw.type is RawType.STRING:
        return _text(read, point.raw.length or 0)
    number = _number(read, point.raw)
    if point.transform.enum is not None:
        return _word(number, point.transform.enum, frozenset(point.validity.null_values))
    return _scaled(number, point)


def _reader(raw: Raw) -> Callable[[RawValue], bytes]:
    """Return a function that puts the bytes into big-endian order, after checking their count."""
    size = raw.size
    order = list(range(size))
    if raw.byte_order == "little":
        order = [index ^ 1 for index in order]
    if raw.word_order == "little" and raw.type is not RawType.STRING:
        order = [index for word in range(size - 2, -1, -2) for index in order[word : word + 2]]
    straight = order == list(range(size))

    def read(value: RawValue) -> bytes:
        if not isinstance(value, bytes) or len(value) != size:
            raise Malformed(f"{value!r} is not {size} bytes, as a {raw.type} needs")
        return value if straight else bytes([value[index] for index in order])

    return read


def _bit(position: int | None, order: Literal["big", "little"]) -> Decode:
    values = [
        Value(Kind.BOOLEAN, float(bit), None, Verdict.GOOD, Reason.NONE, None) for bit in (0, 1)
    ]

    def single(value: RawValue) -> Value:
        if not isinstance(value, bool):
            raise Malformed(f"{value!r} is not a bit")
        return values[value]

    def of_register(value: RawValue) -> Value:
        if not isinstance(value, bytes) or len(value) != 2:
            raise Malformed(f"{value!r} is not a register")
        return values[int.from_bytes(value, order) >> shift & 1]

    shift = position or 0
    return single if position is None else of_register


def _text(read: Callable[[RawValue], bytes], length: int) -> Decode:
    def decode(value: RawValue) -> Value:
        try:
            text = read(value)[:length].partition(b"\0")[0].decode().rstrip()
        except UnicodeDecodeError as error:
            raise Malformed(f"{value!r} is no UTF-8 text") from error
        return Value(Kind.TEXT, _NAN, text, Verdict.GOOD, Reason.NONE, None)

    return decode


def _number(read: Callable[[RawValue], bytes], raw: Raw) -> Callable[[RawValue], int | float]:
    unpack = struct.Struct(f">{_FORMATS[raw.type]}").unpack
    mask = raw.mask
    if mask is None:
        return lambda value: unpack(read(value))[0]
    shift = (mask & -mask).bit_length() - 1
    return lambda value: (unpack(read(value))[0] & mask) >> shift


def _null(number: float) -> Value:
    """Return the value for a code by which the device itself says that it has none."""
    return Value(Kind.NULL, _NAN, None, Verdict.UNCERTAIN, Reason.NULL_VALUE, _digits(number))


def _word(
    number: Callable[[RawValue], int | float], words: Mapping[int, str], nulls: frozenset[int]
) -> Decode:
    def decode(value: RawValue) -> Value:
        code = int(number(value))
        if code in nulls:
            return _null(code)
        word = words.get(code)
        if word is None:  # core finds that it is no allowed word; the digits tell which code came
            return Value(Kind.TEXT, _NAN, str(code), Verdict.GOOD, Reason.NONE, None)
        return Value(Kind.TEXT, _NAN, word, Verdict.GOOD, Reason.NONE, str(code))

    return decode


def _scaled(number: Callable[[RawValue], int | float], point: PointProfile) -> Decode:
    kind = Kind.INTEGER if point.type is ValueType.INTEGER else Kind.NUMBER
    nulls = frozenset(point.validity.null_values)
    identity, offset = point.transform.identity, point.transform.offset
    scale = point.transform.scale
    # 3 * 0.1 is 0.30000000000000004, 3 / 10 is 0.3: divide where the scale is one over a number
    divisor = float(round(1 / scale)) if abs(scale) < 1 else 0.0
    divides = divisor != 0.0 and 1 / divisor == scale

    def decode(value: RawValue) -> Value:
        raw = number(value)
        if not math.isfinite(raw):
            return Value(Kind.NULL, _NAN, None, Verdict.BAD, Reason.NOT_FINITE, str(raw))
        if raw in nulls:
            return _null(raw)
        if identity:
            exact = isinstance(raw, float) or -_INTEGER_EXACT_MAX <= raw <= _INTEGER_EXACT_MAX
            text = None if exact else str(raw)
            return Value(kind, float(raw), None, Verdict.GOOD, Reason.NONE, text)
        result = (raw / divisor if divides else raw * scale) + offset
        text = None if result == raw else _digits(raw)
        if not math.isfinite(result):
            return Value(Kind.NULL, _NAN, None, Verdict.BAD, Reason.NOT_FINITE, text)
        return Value(kind, result, None, Verdict.GOOD, Reason.NONE, text)

    return decode


def _digits(number: float) -> str:
    return str(number) if isinstance(number, int) else repr(number)
