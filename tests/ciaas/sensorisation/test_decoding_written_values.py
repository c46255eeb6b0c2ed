"""Values as they stand in documents: numbers with units and commas, words, truths, nulls."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.kernel.sample import Kind, Reason, Verdict
from ciaas.limits import TEXT_CHARS_MAX
from ciaas.sensorisation.contract import NOTHING
from ciaas.sensorisation.errors import Malformed
from ciaas.sensorisation.polling.decoding import Value, compile_point
from ciaas.sensorisation.profile import PointProfile


def decode(sent: Any, type_: str, **changes: Any) -> Value:
    raw = {"type": type_} | changes.pop("raw", {})
    point = PointProfile.model_validate({"id": "n/o/a", "address": {}, "raw": raw, **changes})
    return compile_point(point)(sent)


@pytest.mark.parametrize(
    ("text", "decimal", "number"),
    [
        ("319", ".", 319),
        ("23,4\u00a0µg/m³", ",", 23.4),
        ("23.4", ".", 23.4),
        ("1.234,5", ",", 1_234.5),
        ("1,234.5", ".", 1_234.5),
        ("1\u202f234,5 €", ",", 1_234.5),
        ("12'500", ".", 12_500),
        ("\u22123,5 °C", ",", -3.5),
        ("-3.5°C", ".", -3.5),
        ("+7", ".", 7),
        ("1e3", ".", 1_000),
        ("  42 % ", ".", 42),
    ],
)
def test_a_number_is_read_as_people_write_it(text: str, decimal: str, number: float) -> None:
    value = decode(text, "number", raw={"decimal": decimal})
    assert (value.kind, value.num, value.verdict) == (Kind.NUMBER, number, Verdict.GOOD)


@pytest.mark.parametrize(
    "sent",
    ["23,4", "", "n/a", "1.2.3", "12 34", "--1", "1,23", "x" * 200, "7" * 101, True, [1], {}],
)
def test_what_is_no_number_is_malformed_never_zero(sent: Any) -> None:
    with pytest.raises(Malformed):
        decode(sent, "number")


@given(st.integers(-(10**15), 10**15))
def test_every_integer_is_read_back(number: int) -> None:
    assert decode(str(number), "number").num == number == decode(number, "number").num


def test_whole_numbers_stay_whole() -> None:
    assert decode("7", "number", type="Integer").kind is Kind.INTEGER
    assert decode(7.0, "number", type="Integer").num == 7
    with pytest.raises(Malformed, match="whole"):
        decode(7.5, "number", type="Integer")


def test_what_is_too_large_or_infinite_is_bad() -> None:
    for sent in (10**400, math.inf, math.nan, "1e999"):
        assert decode(sent, "number").reason is Reason.NOT_FINITE


def test_null_is_no_value_and_a_code_may_say_so() -> None:
    for type_, declared in (("number", "Number"), ("text", "String"), ("boolean", "Boolean")):
        value = decode(NOTHING, type_, type=declared)
        assert (value.kind, value.reason) == (Kind.NULL, Reason.NULL_VALUE)
    assert decode(-1, "number", validity={"null_values": [-1]}).reason is Reason.NULL_VALUE


@pytest.mark.parametrize(
    ("sent", "truth"), [(True, 1), (False, 0), (1, 1), (0, 0), ("true", 1), (" false ", 0)]
)
def test_a_truth_is_one_however_it_is_said(sent: Any, truth: int) -> None:
    assert decode(sent, "boolean", type="Boolean").num == truth


def test_a_boolean_may_have_words_of_its_own() -> None:
    words = {"words": ["OFF", "ON"]}
    assert decode("ON", "boolean", type="Boolean", raw=words).num == 1
    for other in ("true", "on", 2, None):
        with pytest.raises(Malformed):
            decode(other, "boolean", type="Boolean", raw=words)


def test_a_text_has_a_bound() -> None:
    assert decode("x" * TEXT_CHARS_MAX, "text", type="String").txt == "x" * TEXT_CHARS_MAX
    assert decode(True, "text", type="String").txt == "true"
    with pytest.raises(Malformed):
        decode("x" * (TEXT_CHARS_MAX + 1), "text", type="String")


@pytest.mark.parametrize(
    "raw",
    [
        {"type": "text", "decimal": ","},
        {"type": "number", "words": ["a", "b"]},
        {"type": "boolean", "words": ["a", "a"]},
    ],
)
def test_options_that_would_do_nothing_are_refused(raw: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"goes with|same word"):
        PointProfile.model_validate({"id": "n/o/a", "address": {}, "raw": raw})
