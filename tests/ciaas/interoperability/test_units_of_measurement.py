"""Units in UCUM and pint spelling, and what they convert to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.interoperability.units import IDENTITY, UnitError, check_unit, conversion
from ciaas.limits import UNIT_CHARS_MAX, UNIT_CONVERSIONS_CACHED


@pytest.mark.parametrize(
    ("text", "spelled"),
    [
        ("degC", "degC"),
        ("Cel", "degC"),
        ("m**3/h", "m**3/h"),
        ("m3/h", "m**3/h"),
        ("m^3.h-1", "m**3*h**-1"),
        ("ug/m3", "ug/m**3"),
        ("1", "1"),
        ("%", "%"),
        ("kWh", "kWh"),
        ("kvar", "kilovolt_ampere"),
        ("mm[Hg]", "mmHg"),
        ("inH2O", "inH2O"),
        ("{person}/h", "1/h"),
        ("/h", "1/h"),
        ("m{above sea}", "m"),
        ("dB(A)", "dB(A)"),
        ("dB[SPL]", "dB[SPL]"),
    ],
)
def test_a_unit_is_read_in_both_spellings(text: str, spelled: str) -> None:
    assert check_unit(text) == spelled


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "is no unit at 'its end'"),
        ("m*", "is no unit at 'its end'"),
        ("persons", "no known unit; .*braces"),
        ("m per s", "no known unit"),
        ("12", "holds a number"),
        ("m/2", "holds a number"),
        ("3", "holds a number"),
        ("9**9**9", "holds a number"),
        ("m**99", "is no unit at"),
        ("(m)", "is no unit at"),
        ("nan", "no known unit"),
        ("m" * (UNIT_CHARS_MAX + 1), f"at most {UNIT_CHARS_MAX}"),
    ],
)
def test_what_is_no_unit_is_refused_with_what_to_write(text: str, complaint: str) -> None:
    with pytest.raises(UnitError, match=complaint):
        check_unit(text)


@pytest.mark.parametrize(
    ("source", "unit", "factor", "offset"),
    [
        ("degF", "degC", 5 / 9, -160 / 9),
        ("degC", "K", 1.0, 273.15),
        ("Cel", "degC", 1.0, 0.0),
        ("l/s", "m3/h", 3.6, 0.0),
        ("kW.h", "J", 3.6e6, 0.0),
        ("%", "1", 0.01, 0.0),
        ("{car}/min", "1/h", 60.0, 0.0),
        ("degF/km", "K/m", 5 / 9000, 0.0),
    ],
)
def test_a_conversion_is_one_factor_and_one_offset(
    source: str, unit: str, factor: float, offset: float
) -> None:
    assert conversion(source, unit) == (factor, offset)


@pytest.mark.parametrize(
    ("source", "unit", "complaint"),
    [
        ("m", "s", r"'m' \[length\] does not convert to 's' \[time\]; correct"),
        ("dB", "1", "logarithmic"),
        ("Pa", "dB[SPL]", "logarithmic"),
        ("dB", "dBA", "logarithmic"),
    ],
)
def test_units_that_do_not_convert_are_refused(source: str, unit: str, complaint: str) -> None:
    with pytest.raises(UnitError, match=complaint):
        conversion(source, unit)


def test_a_logarithmic_unit_converts_to_itself() -> None:
    assert conversion("dB(A)", "dB(A)") == IDENTITY


def test_conversions_are_kept_up_to_a_bound() -> None:
    assert conversion.cache_info().maxsize == UNIT_CONVERSIONS_CACHED
    # More pairs than fit, all of them sound: the oldest make room.
    for number in range(UNIT_CONVERSIONS_CACHED + 10):
        assert conversion(f"m{{{number}}}", "m") == IDENTITY
    assert conversion.cache_info().currsize == UNIT_CONVERSIONS_CACHED


@given(st.text(max_size=20) | st.text("mhdBKC1239*/.^-{}[]()%°µ_ ", max_size=12))
def test_any_text_is_a_unit_or_a_clear_refusal(text: str) -> None:
    try:
        check_unit(text)
    except UnitError as error:
        assert ";" in str(error)
