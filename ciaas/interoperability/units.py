"""Units of measurement: read UCUM or pint text, reduce a conversion to one factor and one offset.

Source: UCUM (the case-sensitive codes in daily use) and the unit registry of pint.
"""

from __future__ import annotations

import re
import threading
from decimal import Decimal
from functools import cache, lru_cache
from typing import NamedTuple

import pint

from ciaas.limits import UNIT_CHARS_MAX, UNIT_CONVERSIONS_CACHED


class UnitError(ValueError):
    """The text is no unit, or two units do not convert; the message says what to write instead."""


class Conversion(NamedTuple):
    """``canonical = delivered * factor + offset``."""

    factor: float
    offset: float


IDENTITY = Conversion(1.0, 0.0)

_UCUM_NAMES = {
    "Cel": "degC",
    "[degF]": "degF",
    "deg": "degree",
    "Ohm": "ohm",
    "[ppm]": "ppm",
    "[ppb]": "ppb",
    "mm[Hg]": "mmHg",
    "[in_i]": "inch",
    "[ft_i]": "foot",
    "[mi_i]": "mile",
    "[kn_i]": "knot",
    "[gal_us]": "gallon",
    "var": "volt_ampere",
    "kvar": "kilovolt_ampere",
    "Mvar": "megavolt_ampere",
}
"""UCUM codes, and the customary symbol of reactive power, that pint spells differently."""

_LOGARITHMIC = re.compile(
    r"d?B\[\w+\]|dB[A-Za-z]{0,3}|dB\([A-Z]\)|decibel\w*|bel|Np|neper|octave|decade|\[?pH\]?"
)
_FACTOR = re.compile(
    r"(?P<name>1|[^\W\d]*\[\w+\]|[%‰]|°?[^\W\d]\w*?)?"
    r"(?P<power>(?:\*\*|\^)?-?[1-9])?"
    r"(?P<annotation>\{[^{}]*\})?"
    r"(?=[*/.· ]|$)"
)
_registry_lock = threading.Lock()


def check_unit(text: str) -> str:
    """Return the unit in pint's spelling; counted things (``{person}/h``) count as plain numbers.

    A logarithmic unit such as ``dB`` is returned as it is.

    Raises:
        UnitError: empty, too long, or not known.
    """
    if len(text) > UNIT_CHARS_MAX:
        raise UnitError(f"a unit has at most {UNIT_CHARS_MAX} characters; give its symbol alone")
    if _LOGARITHMIC.fullmatch(text):
        return text
    spelled = _spell(text)
    with _registry_lock:
        _parse(text, spelled)
    return spelled


@lru_cache(UNIT_CONVERSIONS_CACHED)
def conversion(source: str, unit: str) -> Conversion:
    """Return how a value in ``source`` becomes one in ``unit``, offsets (°C, °F) included.

    Raises:
        UnitError: a unit is unknown, they measure different things, or one is logarithmic.
    """
    here, there = check_unit(source), check_unit(unit)
    if here == there:
        return IDENTITY
    for text in (source, unit):
        if _LOGARITHMIC.fullmatch(text):
            raise UnitError(
                f"{text!r} is logarithmic and converts to nothing but itself; "
                "give source_unit and unit the same text, or leave source_unit out"
            )
    with _registry_lock:
        try:
            # In decimals, so that a factor such as 5/9 is right to its last digit.
            zero, one = (
                Decimal(pint_value.to(_parse(unit, there)).magnitude)
                for pint_value in (
                    _registry().Quantity(Decimal(number), _parse(source, here)) for number in (0, 1)
                )
            )
        except pint.DimensionalityError as error:
            raise UnitError(
                f"{source!r} {error.dim1} does not convert to {unit!r} {error.dim2}; "
                "correct the one that does not describe the point"
            ) from None
    return Conversion(float(one - zero), float(zero))


def _spell(text: str) -> str:
    """Rewrite factor by factor, so that no foreign text reaches pint's expression parser."""
    at, parts = 0, []
    if text.startswith("/"):
        at, parts = 1, ["1/"]
    while True:
        match = _FACTOR.match(text, at)
        if match is None or match.end() == at:
            raise UnitError(
                f"{text!r} is no unit at {text[at:] or 'its end'!r}; "
                "write symbols with powers of 1 to 9, joined by * or /, such as m**3/h"
            )
        name, power, annotation = match.group("name", "power", "annotation")
        if (power and name in (None, "1")) or not (name or annotation):
            raise UnitError(
                f"{text!r} holds a number; only a leading 1, as in 1/h, may stand there"
            )
        spelled = _UCUM_NAMES.get(name, name) if name else "1"
        parts.append(spelled if power is None else f"{spelled}**{power.lstrip('*^')}")
        at = match.end()
        if at == len(text):
            return "".join(parts)
        parts.append("/" if text[at] == "/" else "*")
        at += 1


def _parse(text: str, spelled: str) -> pint.Unit:
    try:
        return _registry().parse_units(spelled)
    except (pint.PintError, ValueError, TypeError, AssertionError):  # pint asserts its grammar
        raise UnitError(
            f"{text!r} is no known unit; write UCUM or SI symbols such as degC, m**3/h, kWh or %, "
            "and what is counted in braces, such as {person}/h"
        ) from None


@cache
def _registry() -> pint.UnitRegistry[Decimal]:
    """Built at the first unit: it takes a tenth of a second."""
    return pint.UnitRegistry(non_int_type=Decimal)
