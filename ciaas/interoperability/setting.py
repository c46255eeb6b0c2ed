"""The overlay keys about setting a point: what must hold before, and what confirms it after."""

from __future__ import annotations

import re

from ciaas.interoperability.formula import Formula, FormulaError
from ciaas.kernel.address import AddressError, parse_point
from ciaas.limits import COMMAND_VERIFY_S_MAX, INTERLOCK_NAMES_MAX, OVERLAY_SECONDS_MAX

WANTED = "value"
"""Stands in an interlock for the value that is wanted itself."""
_NAME = re.compile(r"[A-Za-z_]\w{0,63}", re.ASCII)
_KEYS = {"allow", "names", "max_age_s"}
_EXAMPLE = '{"allow": "door < 1 and value <= 80", "names": {"door": "<address of a point>"}}'


def check_interlock(value: object) -> None:
    """Make sure of ``allow``, ``names`` and ``max_age_s``.

    Raises:
        ValueError: says what to write instead.
    """
    if not isinstance(value, dict) or "allow" not in value or set(value) - _KEYS:
        raise ValueError(f"write {_EXAMPLE}; max_age_s may be added and nothing else")
    names = value.get("names", {})
    if not isinstance(names, dict) or len(names) > INTERLOCK_NAMES_MAX:
        raise ValueError(f"names: write at most {INTERLOCK_NAMES_MAX} names with their addresses")
    for name, address in names.items():
        if not _NAME.fullmatch(name) or name == WANTED:
            raise ValueError(
                f"names: {name!r:.40} is no name; write letters, digits and _ but "
                f"not {WANTED!r}, which stands for the value wanted"
            )
        try:
            parse_point(address if isinstance(address, str) else "")
        except AddressError as error:
            raise ValueError(f"names: {name}: {error}") from None
    if not isinstance(value["allow"], str):
        raise ValueError("allow: write a formula as text")
    try:
        Formula.parse(value["allow"], {*names, WANTED})
    except FormulaError as error:
        raise ValueError(f"allow: at {error.position}: {error}") from None
    if "max_age_s" in value:
        check_dwell(value["max_age_s"])


def check_dwell(value: object) -> None:
    """Make sure of a number of seconds. Raises ValueError."""
    if not 0 < _number(value) <= OVERLAY_SECONDS_MAX:
        raise ValueError(f"{value} s is not above 0 and at most {OVERLAY_SECONDS_MAX} s")


def check_verify(value: object) -> None:
    """Make sure of how long a confirmation may take. Raises ValueError."""
    if not 0 < _number(value) <= COMMAND_VERIFY_S_MAX:
        raise ValueError(f"{value} s is not above 0 and at most {COMMAND_VERIFY_S_MAX:g} s")


def check_tolerance(value: object) -> None:
    """Make sure of a number that is not negative. Raises ValueError."""
    if _number(value) < 0:
        raise ValueError(f"{value} is below 0; write how far off a confirmation may be")


def check_truth(value: object) -> None:
    """Make sure of true or false. Raises ValueError."""
    if not isinstance(value, bool):
        raise ValueError(f"{value!r:.40} is neither true nor false")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r:.40} is no number; write a number without quotes")
    return value
