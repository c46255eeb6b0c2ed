"""What is written is what is read back, for every raw type; what the device has not is refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.kernel.model import Value
from ciaas.sensorisation.contract import Masked, RawValue, WrittenValue
from ciaas.sensorisation.polling.decoding import compile_point
from ciaas.sensorisation.profile import PointProfile
from ciaas.sensorisation.writing.encoding import Unwritable, compile_writer


def point(raw: dict[str, Any], type_: str = "Number", **changes: Any) -> PointProfile:
    return PointProfile.model_validate(
        {
            "id": "lamp/light/level",
            "direction": "rw",
            "constraint": "SetPoint",
            "address": {},
            "raw": raw,
            "type": type_,
            "sampling": {"interval_s": 1},
        }
        | changes
    )


def encode(
    value: Value, raw: dict[str, Any], type_: str = "Number", **changes: Any
) -> WrittenValue:
    return compile_writer(point(raw, type_, **changes))(value)


def lying(written: WrittenValue, before: bytes = b"") -> RawValue:
    """Return what lies in the device after a write."""
    if not isinstance(written, Masked):
        return written
    pairs = zip(before, written.value, written.mask, strict=True)
    return bytes(old & ~mask & 0xFF | new & mask for old, new, mask in pairs)


ORDERS = st.sampled_from(["big", "little"])
BOUNDS = {
    "u16": (0, 2**16 - 1),
    "i16": (-(2**15), 2**15 - 1),
    "u32": (0, 2**32 - 1),
    "i32": (-(2**31), 2**31 - 1),
    "u64": (0, 2**53),
    "i64": (-(2**53), 2**53),
}


@given(st.data(), st.sampled_from(sorted(BOUNDS)), ORDERS, ORDERS)
def test_integers_read_back_as_they_were_written(
    data: st.DataObject, type_: str, words: str, octets: str
) -> None:
    value = data.draw(st.integers(*BOUNDS[type_]))
    made = point({"type": type_, "word_order": words, "byte_order": octets}, "Integer")
    assert compile_point(made)(lying(compile_writer(made)(value))).num == value


@given(st.binary(min_size=4, max_size=4), st.integers(0, 15), st.integers(0, 15), ORDERS, ORDERS)
def test_bits_read_back_and_their_neighbours_stay(
    before: bytes, code: int, shift: int, words: str, octets: str
) -> None:
    mask = 0xF << shift
    order = {"word_order": words, "byte_order": octets}
    part = point({"type": "u32", "mask": mask, **order}, "Integer")
    whole = compile_point(point({"type": "u32", **order}, "Integer"))
    after = lying(compile_writer(part)(code), before)
    assert compile_point(part)(after).num == code
    assert int(whole(after).num) & ~mask == int(whole(before).num) & ~mask


@given(st.binary(min_size=2, max_size=2), st.integers(0, 15), st.booleans(), ORDERS)
def test_a_bit_reads_back_and_its_neighbours_stay(
    before: bytes, bit: int, value: bool, octets: str
) -> None:
    one = [point({"type": "bit", "bit": n, "byte_order": octets}, "Boolean") for n in range(16)]
    after = lying(compile_writer(one[bit])(value), before)
    for number, each in enumerate(one):
        decode = compile_point(each)
        assert decode(after).num == (value if number == bit else decode(before).num)


@given(st.floats(width=32, allow_nan=False, allow_infinity=False), ORDERS, ORDERS)
def test_floats_read_back_as_they_were_written(value: float, words: str, octets: str) -> None:
    for type_ in ("f32", "f64"):
        made = point({"type": type_, "word_order": words, "byte_order": octets})
        assert compile_point(made)(lying(compile_writer(made)(value))).num == value


@given(st.integers(-32_768, 32_767), st.sampled_from([0.1, 0.01, 0.5, 2.0, -1.0]))
def test_a_scaled_value_lands_on_the_step_it_was_read_from(raw: int, scale: float) -> None:
    made = point({"type": "i16"}, transform={"scale": scale, "offset": 5.0})
    octets = raw.to_bytes(2, "big", signed=True)
    assert compile_writer(made)(compile_point(made)(octets).num) == octets


def test_between_two_steps_the_nearer_one_is_written() -> None:
    assert encode(21.34, {"type": "u16"}, transform={"scale": 0.1}) == (213).to_bytes(2, "big")


@pytest.mark.parametrize("octets", ["big", "little"])
def test_a_text_reads_back(octets: str) -> None:
    made = point({"type": "string", "length": 5, "byte_order": octets}, "String")
    written = compile_writer(made)("abç")
    assert isinstance(written, bytes) and len(written) == 6
    assert compile_point(made)(written).txt == "abç"


def test_words_and_bits() -> None:
    words = {"transform": {"enum": {0: "off", 7: "on"}}}
    assert encode("on", {"type": "u16"}, "String", **words) == b"\0\7"
    assert encode(True, {"type": "bit"}, "Boolean") is True
    assert encode(False, {"type": "boolean", "words": ["OFF", "ON"]}, "Boolean") == "OFF"
    assert encode("green", {"type": "text"}, "String") == "green"
    assert encode(2.5, {"type": "number"}, transform={"scale": 0.5}) == 5.0


@pytest.mark.parametrize(
    ("value", "raw", "type_", "changes", "reason"),
    [
        (65_536, {"type": "u16"}, "Integer", {}, "which no u16 holds"),
        (-1, {"type": "u16"}, "Integer", {}, "which no u16 holds"),
        (1e39, {"type": "f32"}, "Number", {}, "which no f32 holds"),
        (True, {"type": "u16"}, "Number", {}, "no number"),
        ("1", {"type": "u16"}, "Number", {}, "no number"),
        (1, {"type": "bit"}, "Boolean", {}, "neither true nor false"),
        ("abcde", {"type": "string", "length": 4}, "String", {}, "has 5 bytes"),
        (4, {"type": "string", "length": 4}, "String", {}, "no text"),
        (4, {"type": "text"}, "String", {}, "no text"),
        ("dim", {"type": "u16"}, "String", {"transform": {"enum": {0: "off"}}}, "none of off"),
        (255, {"type": "u16"}, "Number", {"validity": {"null_values": [255]}}, "has no value"),
        (101, {"type": "u16"}, "Number", {"write": {"raw_range": [0, 100]}}, "0.0 to 100.0"),
        (-1, {"type": "i16"}, "Number", {"write": {"raw_range": [0, None]}}, "0.0 to None"),
    ],
)
def test_what_the_device_has_not_is_refused(
    value: Value, raw: dict[str, Any], type_: str, changes: dict[str, Any], reason: str
) -> None:
    with pytest.raises(Unwritable, match=reason):
        encode(value, raw, type_, **changes)
