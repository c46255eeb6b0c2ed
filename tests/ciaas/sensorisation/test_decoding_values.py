from __future__ import annotations

import math
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.kernel.sample import Kind, Reason, Verdict
from ciaas.sensorisation.contract import RawValue
from ciaas.sensorisation.errors import Malformed
from ciaas.sensorisation.polling.decoding import Value, compile_point
from ciaas.sensorisation.profile import PointProfile


def decode(sent: RawValue, type_: str, **changes: Any) -> Value:
    described = {"type": type_} | changes.pop("raw", {})
    point = PointProfile.model_validate(
        {
            "id": "n/o/a",
            "address": {},
            "raw": described,
            "sampling": {"interval_s": 1},
            **changes,
        }
    )
    return compile_point(point)(sent)


@pytest.mark.parametrize(
    ("type_", "raw", "number"),
    [
        ("u16", "ffff", 65_535),
        ("i16", "ffff", -1),
        ("u32", "00010002", 65_538),
        ("i32", "fffffffe", -2),
        ("u64", "0000000000000005", 5),
        ("i64", "fffffffffffffffb", -5),
        ("f32", "41ac0000", 21.5),
        ("f64", "4035800000000000", 21.5),
    ],
)
def test_numbers_in_the_order_of_the_specification(type_: str, raw: str, number: float) -> None:
    value = decode(bytes.fromhex(raw), type_)
    assert (value.kind, value.num, value.raw) == (Kind.NUMBER, number, None)


@pytest.mark.parametrize(
    ("word_order", "byte_order", "raw"),
    [
        ("big", "big", "41ac1234"),
        ("little", "big", "123441ac"),
        ("big", "little", "ac413412"),
        ("little", "little", "3412ac41"),
    ],
)
def test_every_order_of_words_and_bytes(word_order: str, byte_order: str, raw: str) -> None:
    value = decode(
        bytes.fromhex(raw), "u32", raw={"word_order": word_order, "byte_order": byte_order}
    )
    assert value.num == 0x41AC1234


@given(st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_keep_every_digit(number: int) -> None:
    value = decode(struct.pack(">q", number), "i64", type="Integer")
    assert value.kind is Kind.INTEGER
    assert (int(value.raw) if value.raw else value.num) == number


@given(st.integers(0, 65_535), st.sampled_from([0.1, 0.01, 0.001, 0.5]))
def test_scaled_numbers_are_what_a_person_would_write(number: int, scale: float) -> None:
    value = decode(struct.pack(">H", number), "u16", transform={"scale": scale})
    places = len(str(scale)) - 2
    assert value.num == float(f"{number * scale:.{places}f}")
    assert value.raw == (None if value.num == number else str(number))


def test_offset_and_scale_above_one() -> None:
    value = decode(b"\x00\x0a", "u16", transform={"scale": 2, "offset": -40})
    assert (value.num, value.raw) == (-20.0, "10")


def test_what_the_device_calls_no_value_is_null_with_its_code() -> None:
    value = decode(b"\xff\xff", "u16", validity={"null_values": [65_535]})
    assert value.kind is Kind.NULL and math.isnan(value.num)
    assert (value.verdict, value.reason, value.raw) == (
        Verdict.UNCERTAIN,
        Reason.NULL_VALUE,
        "65535",
    )


@pytest.mark.parametrize(
    ("raw", "text"), [("7fc00000", "nan"), ("7f800000", "inf"), ("ff800000", "-inf")]
)
def test_numbers_that_are_not_finite_are_kept_as_text(raw: str, text: str) -> None:
    value = decode(bytes.fromhex(raw), "f32")
    assert (value.kind, value.reason, value.raw) == (Kind.NULL, Reason.NOT_FINITE, text)


def test_a_product_too_large_for_a_number_is_not_finite() -> None:
    value = decode(struct.pack(">d", 1e300), "f64", transform={"scale": 1e300})
    assert (value.kind, value.reason, value.raw) == (Kind.NULL, Reason.NOT_FINITE, "1e+300")


def test_masks_and_bits() -> None:
    assert decode(b"\x0f\xa0", "u16", raw={"mask": 0x0FF0}).num == 0xFA
    for bit, number in ((0, 0.0), (5, 1.0), (15, 0.0)):
        value = decode(b"\x00\x20", "bit", raw={"bit": bit}, type="Boolean")
        assert (value.kind, value.num) == (Kind.BOOLEAN, number)
    swapped = decode(b"\x20\x00", "bit", raw={"bit": 5, "byte_order": "little"}, type="Boolean")
    assert swapped.num == 1.0
    assert decode(True, "bit", type="Boolean").num == 1.0


def test_codes_become_words_and_unknown_codes_their_digits() -> None:
    words = {"type": "String", "transform": {"enum": {0: "off", 1: "on"}}}
    assert decode(b"\x00\x01", "u16", **words)[2::3] == ("on", "1")
    assert decode(b"\x00\x07", "u16", **words).txt == "7"
    null = decode(b"\x00\x09", "u16", validity={"null_values": [9]}, **words)
    assert null.kind is Kind.NULL


def test_text_ends_at_the_first_nul() -> None:
    text = {"raw": {"length": 5}, "type": "String"}
    assert decode(b"abc\0zz", "string", **text).txt == "abc"
    assert decode(b"abcdef", "string", **text).txt == "abcde"
    assert decode("tür \0".encode(), "string", **text).txt == "tür"
    swapped = decode(b"badc", "string", raw={"length": 4, "byte_order": "little"}, type="String")
    assert swapped.txt == "abcd"


@pytest.mark.parametrize(
    ("type_", "raw", "extra"),
    [
        ("u16", b"\x01", {}),
        ("u32", b"\x01\x02", {}),
        ("u16", True, {}),
        ("bit", b"\x00\x01", {"type": "Boolean"}),
        ("bit", True, {"type": "Boolean", "raw": {"bit": 1}}),
        ("string", b"\xff\xfe", {"type": "String", "raw": {"length": 2}}),
    ],
)
def test_bytes_that_are_not_of_the_type_are_malformed(
    type_: str, raw: RawValue, extra: dict[str, Any]
) -> None:
    with pytest.raises(Malformed):
        decode(raw, type_, **extra)
