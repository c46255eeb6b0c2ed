"""From raw bytes to a value: one closure per point, compiled once from its profile."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Callable, Mapping
from typing import Literal, NamedTuple, TypeAlias

from ciaas.kernel.model import ValueType
from ciaas.kernel.sample import Kind, Reason, Verdict
from ciaas.limits import TEXT_CHARS_MAX
from ciaas.sensorisation.contract import NOTHING, Nothing, RawValue
from ciaas.sensorisation.errors import Malformed
from ciaas.sensorisation.profile import PointProfile, Raw, RawType

_NAN = math.nan
_INTEGER_EXACT_MAX = 2**53
_FIGURE_CHARS_MAX = 100
_DIGITS_MAX = 10**300
"""A longer whole number has no place in 64 bits, nor in a float."""


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

NO_VALUE = Value(Kind.NULL, _NAN, None, Verdict.UNCERTAIN, Reason.NULL_VALUE, None)
"""What stands for a value that its source says it does not have."""

Decode: TypeAlias = Callable[[RawValue | Nothing], Value]
"""Raises Malformed when the raw value is not of the point's raw type."""

FORMATS = {
    RawType.U16: "H",
    RawType.I16: "h",
    RawType.U32: "I",
    RawType.I32: "i",
    RawType.U64: "Q",
    RawType.I64: "q",
    RawType.F32: "f",
    RawType.F64: "d",
}
"""Raw types that are numbers, as `struct` writes them."""


def compile_point(point: PointProfile) -> Decode:
    """Return the function that makes a point's value of its raw bytes."""
    if point.raw.type.written:
        return _or_nothing(_written(point))
    if point.raw.type is RawType.BIT:
        return _bit(point.raw.bit, point.raw.byte_order)
    read = _reader(point.raw)
    if point.raw.type is RawType.STRING:
        return _text(read, point.raw.length or 0)
    if _is_plain(point):
        return _plain(read, point)
    number = _number(read, point.raw)
    if point.transform.enum is not None:
        return _word(number, point.transform.enum, frozenset(point.validity.null_values))
    return _scaled(number, point)


def _reader(raw: Raw) -> Callable[[RawValue | Nothing], bytes]:
    """Return a function that puts the bytes into big-endian order, after checking their count."""
    size = raw.size
    order = list(range(size))
    if raw.byte_order == "little":
        order = [index ^ 1 for index in order]
    if raw.word_order == "little" and raw.type is not RawType.STRING:
        order = [index for word in range(size - 2, -1, -2) for index in order[word : word + 2]]
    straight = order == list(range(size))

    def read(value: RawValue | Nothing) -> bytes:
        if not isinstance(value, bytes) or len(value) != size:
            raise Malformed(f"{value!r} is not {size} bytes, as a {raw.type} needs")
        return value if straight else bytes([value[index] for index in order])

    return read


def _bit(position: int | None, order: Literal["big", "little"]) -> Decode:
    values = [
        Value(Kind.BOOLEAN, float(bit), None, Verdict.GOOD, Reason.NONE, None) for bit in (0, 1)
    ]

    def single(value: RawValue | Nothing) -> Value:
        if not isinstance(value, bool):
            raise Malformed(f"{value!r} is not a bit")
        return values[value]

    def of_register(value: RawValue | Nothing) -> Value:
        if not isinstance(value, bytes) or len(value) != 2:
            raise Malformed(f"{value!r} is not a register")
        return values[int.from_bytes(value, order) >> shift & 1]

    shift = position or 0
    return single if position is None else of_register


def _text(read: Callable[[RawValue | Nothing], bytes], length: int) -> Decode:
    def decode(value: RawValue | Nothing) -> Value:
        try:
            text = read(value)[:length].partition(b"\0")[0].decode().rstrip()
        except UnicodeDecodeError as error:
            raise Malformed(f"{value!r} is no UTF-8 text") from error
        return Value(Kind.TEXT, _NAN, text, Verdict.GOOD, Reason.NONE, None)

    return decode


def _number(
    read: Callable[[RawValue | Nothing], bytes], raw: Raw
) -> Callable[[RawValue | Nothing], int | float]:
    unpack = struct.Struct(f">{FORMATS[raw.type]}").unpack
    mask = raw.mask
    if mask is None:
        return lambda value: unpack(read(value))[0]
    shift = (mask & -mask).bit_length() - 1
    return lambda value: (unpack(read(value))[0] & mask) >> shift


def _null(number: float) -> Value:
    """Return the value for a code by which the device itself says that it has none."""
    return Value(Kind.NULL, _NAN, None, Verdict.UNCERTAIN, Reason.NULL_VALUE, _digits(number))


def _word(
    number: Callable[[RawValue | Nothing], int | float],
    words: Mapping[int, str],
    nulls: frozenset[int],
) -> Decode:
    def decode(value: RawValue | Nothing) -> Value:
        code = int(number(value))
        if code in nulls:
            return _null(code)
        word = words.get(code)
        if word is None:  # core finds that it is no allowed word; the digits tell which code came
            return Value(Kind.TEXT, _NAN, str(code), Verdict.GOOD, Reason.NONE, None)
        return Value(Kind.TEXT, _NAN, word, Verdict.GOOD, Reason.NONE, str(code))

    return decode


def _or_nothing(decode: Decode) -> Decode:
    return lambda value: NO_VALUE if value is NOTHING else decode(value)


def _written(point: PointProfile) -> Decode:
    """Return the function for a value as it stands in a document."""
    if point.raw.type is RawType.BOOLEAN:
        return _truth(point.raw.words)
    if point.raw.type is RawType.TEXT:
        return _words
    number = _figure(point.raw.decimal)
    if point.type is ValueType.INTEGER:
        return _scaled(_whole(number), point)
    return _scaled(number, point)


def _truth(words: tuple[str, str] | None) -> Decode:
    values = [
        Value(Kind.BOOLEAN, float(truth), None, Verdict.GOOD, Reason.NONE, None) for truth in (0, 1)
    ]
    spoken = dict(zip(words or ("false", "true"), values, strict=True))

    def decode(value: RawValue | Nothing) -> Value:
        if isinstance(value, bool):
            return values[value]
        if isinstance(value, int) and value in (0, 1):
            return values[value]
        if isinstance(value, str) and (found := spoken.get(value.strip())) is not None:
            return found
        raise Malformed(f"{value!r:.80} is not one of {' and '.join(spoken)}")

    return decode


def _words(value: RawValue | Nothing) -> Value:
    if isinstance(value, bool):
        value = "true" if value else "false"
    elif isinstance(value, int | float):
        value = str(value)
    if not isinstance(value, str) or len(value) > TEXT_CHARS_MAX:
        raise Malformed(f"{value!r:.80} is no text of at most {TEXT_CHARS_MAX} characters")
    return Value(Kind.TEXT, _NAN, value, Verdict.GOOD, Reason.NONE, None)


_SPACES = "\u0020\u00a0\u2009\u202f"
_NUMBERS = {
    decimal: re.compile(
        # sign, digits alone or in threes, decimals, exponent; then at most a unit
        rf"\s*([+\-\u2212]?)(\d+|\d{{1,3}}(?:[{_SPACES}'\u2019{re.escape(other)}]\d{{3}})+)"
        rf"(?:{re.escape(decimal)}(\d+))?([eE][+-]?\d{{1,3}})?(?:\s*[^\d\s.,+-][^\d]{{0,31}})?\s*",
    )
    for decimal, other in ((".", ","), (",", "."))
}


def _figure(decimal: str) -> Callable[[RawValue | Nothing], int | float]:
    """Return what reads a number, or a text that begins with one and may end with its unit."""
    form = _NUMBERS[decimal]

    def read(value: RawValue | Nothing) -> int | float:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise Malformed(f"{value!r:.80} is no number")
        if not isinstance(value, str):
            return value if isinstance(value, float) or abs(value) < _DIGITS_MAX else float("inf")
        if len(value) > _FIGURE_CHARS_MAX or not (found := form.fullmatch(value)):
            raise Malformed(f"{value!r:.80} is no number with decimal {decimal!r}")
        sign, whole, decimals, exponent = found.groups()
        text = "".join(filter(str.isdigit, whole))
        if decimals or exponent:
            text = f"{text}.{decimals or 0}{exponent or ''}"
        text = f"-{text}" if sign in ("-", "\u2212") else text
        return float(text) if decimals or exponent else int(text)

    return read


def _whole(
    number: Callable[[RawValue | Nothing], int | float],
) -> Callable[[RawValue | Nothing], int | float]:
    def read(value: RawValue | Nothing) -> int | float:
        found = number(value)
        if isinstance(found, float) and math.isfinite(found):
            if not found.is_integer():
                raise Malformed(f"{value!r:.80} is no whole number")
            return int(found)
        return found

    return read


def _is_plain(point: PointProfile) -> bool:
    """Return True for the most usual point: an integer of up to 32 bits, taken as it is."""
    transform, raw = point.transform, point.raw
    return (
        raw.type in (RawType.U16, RawType.I16, RawType.U32, RawType.I32)
        and raw.mask is None
        and transform.identity
        and not point.validity.null_values
    )


def _plain(read: Callable[[RawValue | Nothing], bytes], point: PointProfile) -> Decode:
    kind = Kind.INTEGER if point.type is ValueType.INTEGER else Kind.NUMBER
    unpack, new = struct.Struct(f">{FORMATS[point.raw.type]}").unpack, Value._make
    good, none, size = Verdict.GOOD, Reason.NONE, point.raw.size
    if point.raw.byte_order != "big" or (point.raw.word_order != "big" and size > 2):
        return lambda value: new((kind, float(unpack(read(value))[0]), None, good, none, None))

    def decode(value: RawValue | Nothing) -> Value:
        if isinstance(value, bytes) and len(value) == size:
            return new((kind, float(unpack(value)[0]), None, good, none, None))
        return new((kind, float(unpack(read(value))[0]), None, good, none, None))

    return decode


def _scaled(number: Callable[[RawValue | Nothing], int | float], point: PointProfile) -> Decode:
    kind = Kind.INTEGER if point.type is ValueType.INTEGER else Kind.NUMBER
    nulls = frozenset(point.validity.null_values)
    identity, offset = point.transform.identity, point.transform.offset
    scale = point.transform.scale
    # 3 * 0.1 is 0.30000000000000004, 3 / 10 is 0.3: divide where the scale is one over a number
    divisor = float(round(1 / scale)) if abs(scale) < 1 else 0.0
    divides = divisor != 0.0 and 1 / divisor == scale

    def decode(value: RawValue | Nothing) -> Value:
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
