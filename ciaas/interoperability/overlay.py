"""Overlays: what the registry knows of a point beyond the wire, such as unit, range and licence.

No semantics are imposed: an overlay may be empty, and further keys are kept as they are. The keys
that the platform acts on are described for their users in ``docs/reference-overlay.md``.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ciaas.interoperability.alarm import check_alarm
from ciaas.interoperability.setting import (
    check_dwell,
    check_interlock,
    check_tolerance,
    check_truth,
    check_verify,
)
from ciaas.interoperability.units import IDENTITY, Conversion, UnitError, check_unit, conversion
from ciaas.limits import (
    OVERLAY_BYTES_MAX,
    OVERLAY_DEPTH_MAX,
    OVERLAY_ENUM_MAX,
    OVERLAY_NAME_CHARS_MAX,
    OVERLAY_SECONDS_MAX,
    OVERLAY_TAGS_MAX,
    OVERLAY_TEXT_CHARS_MAX,
)
from security.limits import DATA_SUBJECT_CHARS_MAX

INTERVAL_S_MIN = 0.01
"""Shortest ``measured_every_s`` and ``stale_after_s``: times are kept in milliseconds."""
PRECISION_MAX = 15
"""A 64-bit number holds no more decimal digits."""
CONFIDENTIAL = "confidential"
"""Names the data subject under whose key values of a point are encrypted."""
_DATA_SUBJECT = re.compile(rf"[\w.@+:-]{{1,{DATA_SUBJECT_CHARS_MAX}}}")
_LABELLED = re.compile(r"-?[0-9]{1,19}|true|false")


class OverlayError(ValueError):
    """The overlay is refused; the message names the key and what to write instead."""


def check_overlay(document: object) -> dict[str, Any]:
    """Return an independent copy of an overlay, of one scope or merged, when all of it is sound.

    Raises:
        OverlayError: a key is unsound, or the whole is too large or too deep.
    """
    if not isinstance(document, dict):
        raise OverlayError('an overlay is a JSON object, such as {"unit": "degC"}')
    _check_json(document, "the overlay", 1)
    encoded = json.dumps(document, ensure_ascii=False).encode()
    if len(encoded) > OVERLAY_BYTES_MAX:
        raise OverlayError(
            f"the overlay has {len(encoded)} bytes, at most {OVERLAY_BYTES_MAX} are kept; "
            "put long documents elsewhere and give their address"
        )
    for key, value in document.items():
        if value is None:
            raise OverlayError(f"{key}: null stands for nothing here; leave the key out")
        if check := _CHECKS.get(key):
            try:
                check(value)
            except ValueError as error:
                raise OverlayError(f"{key}: {error}") from None
    unit_conversion(document)
    if "between" in document and "measured_every_s" not in document:
        raise OverlayError(
            "between: says nothing without measured_every_s; add the seconds between measurements"
        )
    copy: dict[str, Any] = json.loads(encoded)
    return copy


def merge_overlays(overlays: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return what holds for a point, given its scopes' overlays from the widest to the narrowest.

    A key of a narrower scope replaces the whole key of a wider one.
    """
    merged: dict[str, Any] = {}
    for overlay in overlays:
        merged.update(overlay)
    return merged


def unit_conversion(overlay: Mapping[str, Any]) -> Conversion:
    """Return how delivered values become canonical; the identity unless both units are given.

    Raises:
        OverlayError: the two units do not convert.
    """
    if "unit" not in overlay or "source_unit" not in overlay:
        return IDENTITY
    try:
        return conversion(overlay["source_unit"], overlay["unit"])
    except UnitError as error:
        raise OverlayError(f"source_unit: {error}") from None


def _check_json(value: object, where: str, depth: int) -> None:
    if depth > OVERLAY_DEPTH_MAX:
        raise OverlayError(f"{where}: nested deeper than {OVERLAY_DEPTH_MAX} levels; flatten it")
    match value:
        case dict():
            for name, inner in value.items():
                if not isinstance(name, str) or not 0 < len(name) <= OVERLAY_NAME_CHARS_MAX:
                    raise OverlayError(
                        f"{where}: a name has 1 to {OVERLAY_NAME_CHARS_MAX} characters, "
                        f"{str(name)[:32]!r} has not"
                    )
                _check_text(name, where)
                _check_json(inner, name if depth == 1 else f"{where}.{name}"[:200], depth + 1)
        case list():
            for inner in value:
                _check_json(inner, where, depth + 1)
        case str():
            _check_text(value, where)
        case bool() | None:
            pass
        case float() if math.isfinite(value):
            pass
        case int() if -(2**63) <= value < 2**63:
            pass
        case _:
            raise OverlayError(
                f"{where}: neither JSON nor a finite number of 64 bits; write it as text"
            )


def _check_text(text: str, where: str) -> None:
    # SQL and JSON stores refuse NUL and lone surrogates, each in its own way and later.
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise OverlayError(f"{where}: holds a NUL or half a character; remove it")


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r:.40} is no number; write a number without quotes")
    return value


def _positive(value: object) -> None:
    if _number(value) <= 0:
        raise ValueError(f"{value} is not above 0; write a positive number, or leave the key out")


def _seconds(value: object) -> None:
    if not INTERVAL_S_MIN <= _number(value) <= OVERLAY_SECONDS_MAX:
        raise ValueError(f"{value} s is not within {INTERVAL_S_MIN} to {OVERLAY_SECONDS_MAX} s")


def _text(value: object) -> str:
    if not isinstance(value, str) or not 0 < len(value) <= OVERLAY_TEXT_CHARS_MAX:
        raise ValueError(f"write a text of 1 to {OVERLAY_TEXT_CHARS_MAX} characters")
    return value


def _unit(value: object) -> None:
    check_unit(_text(value))


def _range(value: object) -> None:
    if not isinstance(value, list) or len(value) != 2:
        raise ValueError("write [minimum, maximum], with null for an open end")
    low, high = (None if end is None else _number(end) for end in value)
    if low is not None and high is not None and low > high:
        raise ValueError(f"the minimum {low} is above the maximum {high}; exchange them")


def _enum(value: object) -> None:
    if not isinstance(value, list | dict) or not 0 < len(value) <= OVERLAY_ENUM_MAX:
        raise ValueError(
            f"write 1 to {OVERLAY_ENUM_MAX} allowed texts as a list, "
            'or labels of numbers as an object such as {"0": "off", "1": "on"}'
        )
    for word in value.values() if isinstance(value, dict) else value:
        if not isinstance(word, str):
            raise ValueError(f"{word!r:.40} is no text; write it in quotes")
    if isinstance(value, dict):
        for key in value:
            if not _LABELLED.fullmatch(key):
                raise ValueError(f'{key!r:.40} labels nothing; name an integer, "true" or "false"')


def _precision(value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= PRECISION_MAX:
        raise ValueError(f"write the number of decimal digits, 0 to {PRECISION_MAX}")


def _place(value: object) -> None:
    if not isinstance(value, dict) or set(value) != {"lat", "lon"}:
        raise ValueError('write {"lat": degrees, "lon": degrees} in WGS 84 and nothing else')
    for key, most in (("lat", 90), ("lon", 180)):
        if not -most <= _number(value[key]) <= most:
            raise ValueError(f"{key} {value[key]} is not within -{most} to {most} degrees")


def _tags(value: object) -> None:
    if not isinstance(value, list) or len(value) > OVERLAY_TAGS_MAX:
        raise ValueError(f"write a list of at most {OVERLAY_TAGS_MAX} texts")
    for tag in value:
        _text(tag)


def _one_of(*words: str) -> Callable[[object], None]:
    def check(value: object) -> None:
        if value not in words:
            raise ValueError(f"{value!r:.40} is unknown; write one of {', '.join(words)}")

    return check


def _data_subject(value: object) -> None:
    if not isinstance(value, str) or not _DATA_SUBJECT.fullmatch(value):
        raise ValueError(
            f"write whose data it is: 1 to {DATA_SUBJECT_CHARS_MAX} letters, digits or any of"
            " . _ @ + : -"
        )


_CHECKS: dict[str, Callable[[object], object]] = {
    "unit": _unit,
    "source_unit": _unit,
    "quantity": _text,
    "range": _range,
    "rate_max": _positive,
    "stale_after_s": _seconds,
    "enum": _enum,
    "precision": _precision,
    "measured_every_s": _seconds,
    "between": _one_of("held", "interpolated"),
    "place": _place,
    "tags": _tags,
    "title": _text,
    "description": _text,
    "licence": _text,
    "attribution": _text,
    "owner": _text,
    "origin": _one_of("measured", "replayed", "simulated"),
    "retention": _text,
    "interlock": check_interlock,
    "min_dwell_s": check_dwell,
    "verify_within_s": check_verify,
    "tolerance": check_tolerance,
    "idempotent": check_truth,
    "alarm": check_alarm,
    CONFIDENTIAL: _data_subject,
}

KNOWN_KEYS = frozenset(_CHECKS)
"""The keys whose form is checked; every other key is free."""
