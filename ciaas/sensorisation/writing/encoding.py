"""From a value to what a device takes: the inverse of decoding, compiled once from the profile."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable
from typing import TypeAlias

from ciaas.kernel.model import Value
from ciaas.sensorisation.contract import Masked, WrittenValue
from ciaas.sensorisation.polling.decoding import FORMATS
from ciaas.sensorisation.profile import PointProfile, Raw, RawType

Encode: TypeAlias = Callable[[Value], WrittenValue]
"""Raises Unwritable when the device has no raw value for it."""


class Unwritable(ValueError):
    """The device has no such value; the message says which it has."""


def compile_writer(point: PointProfile) -> Encode:
    """Return the function that makes raw what a point shall be set to."""
    raw = point.raw
    if raw.type in (RawType.BIT, RawType.BOOLEAN):
        return _truth(raw)
    if raw.type is RawType.STRING:
        return _string(raw)
    if raw.type is RawType.TEXT:
        return _word
    if point.transform.enum is not None:
        codes = {word: code for code, word in point.transform.enum.items()}
        pack = _number(point)

        def encode(value: Value) -> WrittenValue:
            if not isinstance(value, str) or value not in codes:
                raise Unwritable(f"{value!r:.40} is none of {', '.join(sorted(codes))[:200]}")
            return pack(codes[value])

        return encode
    return _number(point)


def _truth(raw: Raw) -> Encode:
    mask = b"" if raw.bit is None else (1 << raw.bit).to_bytes(raw.size, raw.byte_order)

    def encode(value: Value) -> WrittenValue:
        if not isinstance(value, bool):
            raise Unwritable(f"{value!r:.40} is neither true nor false")
        if mask:
            return Masked(mask if value else bytes(len(mask)), mask)
        return value if raw.words is None else raw.words[value]

    return encode


def _word(value: Value) -> WrittenValue:
    if not isinstance(value, str):
        raise Unwritable(f"{value!r:.40} is no text")
    return value


def _string(raw: Raw) -> Encode:
    ordered, room = _order(raw), raw.length or 0

    def encode(value: Value) -> WrittenValue:
        octets = _checked_text(value).encode()
        if len(octets) > room:
            raise Unwritable(f"the text has {len(octets)} bytes, the device keeps {room}")
        return ordered(octets.ljust(raw.size, b"\0"))

    return encode


def _checked_text(value: Value) -> str:
    if not isinstance(value, str):
        raise Unwritable(f"{value!r:.40} is no text")
    return value


def _number(point: PointProfile) -> Encode:
    raw, transform, write = point.raw, point.transform, point.write
    pack = None if raw.type.written else struct.Struct(f">{FORMATS[raw.type]}").pack
    ordered = _order(raw)

    def encode(value: Value) -> WrittenValue:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise Unwritable(f"{value!r:.40} is no number")
        number: int | float = value
        if not transform.identity:
            number = (value - transform.offset) / transform.scale
        if raw.type.integer:
            number = round(number)
        if number in point.validity.null_values:
            raise Unwritable(f"{value} is what the device says when it has no value")
        low, high = (None, None) if write is None else write.raw_range
        if (low is not None and number < low) or (high is not None and number > high):
            raise Unwritable(f"raw {number:g} is outside what may be written, {low} to {high}")
        if pack is None:
            return number
        if raw.mask is not None:
            return Masked(ordered(pack(_placed(int(number), raw.mask))), ordered(pack(raw.mask)))
        try:
            octets = pack(number)
        except (struct.error, OverflowError):
            raise Unwritable(f"{value} is raw {number:g}, which no {raw.type} holds") from None
        if not raw.type.integer and not math.isfinite(
            struct.unpack(f">{FORMATS[raw.type]}", octets)[0]
        ):
            raise Unwritable(f"{value} is too large for a {raw.type}")
        return ordered(octets)

    return encode


def _placed(code: int, mask: int) -> int:
    """Return a code where the mask has its bits."""
    shift = (mask & -mask).bit_length() - 1
    if code < 0 or (code << shift) & ~mask:
        raise Unwritable(f"raw {code} does not fit into the bits of mask {mask:#x}")
    return code << shift


def _order(raw: Raw) -> Callable[[bytes], bytes]:
    """Return a function that puts big-endian bytes into the order of the device.

    Exchanging bytes and turning words round are each undone by doing them again.
    """
    size = max(raw.size, 0)
    order = list(range(size))
    if raw.byte_order == "little":
        order = [index ^ 1 for index in order]
    if raw.word_order == "little" and raw.type is not RawType.STRING:
        order = [index for word in range(size - 2, -1, -2) for index in order[word : word + 2]]
    return lambda octets: bytes(octets[index] for index in order)
