"""Overlays: each key that the platform knows is checked, every other one is free."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.interoperability.overlay import (
    INTERVAL_S_MIN,
    KNOWN_KEYS,
    PRECISION_MAX,
    OverlayError,
    check_overlay,
    merge_overlays,
)
from ciaas.limits import (
    OVERLAY_BYTES_MAX,
    OVERLAY_DEPTH_MAX,
    OVERLAY_ENUM_MAX,
    OVERLAY_NAME_CHARS_MAX,
    OVERLAY_SECONDS_MAX,
    OVERLAY_TAGS_MAX,
    OVERLAY_TEXT_CHARS_MAX,
)


def nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"in": value}
    return value


SOUND: list[dict[str, Any]] = [
    {},
    {"unit": "degC", "source_unit": "degF"},
    {"source_unit": "degF"},
    {"range": [None, 5]},
    {"range": [None, None]},
    {"range": [5, 5]},
    {"rate_max": 0.001},
    {"stale_after_s": INTERVAL_S_MIN},
    {"stale_after_s": OVERLAY_SECONDS_MAX},
    {"enum": ["on", ""]},
    {"enum": {"-1": "fault", "true": "open"}},
    {"enum": [str(number) for number in range(OVERLAY_ENUM_MAX)]},
    {"precision": 0},
    {"measured_every_s": 3600, "between": "held"},
    {"measured_every_s": 3600},
    {"place": {"lat": -90, "lon": 180.0}},
    {"tags": []},
    {"tags": ["t"] * OVERLAY_TAGS_MAX},
    {"origin": "replayed"},
    {"description": "d" * OVERLAY_TEXT_CHARS_MAX},
    {"k" * OVERLAY_NAME_CHARS_MAX: {"anything": [1, None, {"is": "kept"}]}},
    nested(OVERLAY_DEPTH_MAX - 1),
]


@pytest.mark.parametrize("document", SOUND)
def test_a_sound_overlay_is_returned_as_an_independent_copy(document: dict[str, Any]) -> None:
    checked = check_overlay(document)
    assert checked == document
    assert checked is not document


REFUSED: list[tuple[Any, str]] = [
    ([], "an overlay is a JSON object"),
    (None, "an overlay is a JSON object"),
    ({"unit": "persons"}, "unit: 'persons' is no known unit"),
    ({"unit": 5}, "unit: write a text"),
    ({"unit": None}, "unit: null .* leave the key out"),
    ({"unit": "m", "source_unit": "s"}, "source_unit: 's' .* does not convert to 'm'"),
    ({"quantity": ""}, "quantity: write a text"),
    ({"range": [5, 1]}, "range: the minimum 5 is above the maximum 1"),
    ({"range": [1]}, r"range: write \[minimum, maximum\]"),
    ({"range": {"min": 1}}, "range: write"),
    ({"range": [True, 2]}, "range: True is no number"),
    ({"range": ["1", 2]}, "range: '1' is no number; write a number without quotes"),
    ({"rate_max": 0}, "rate_max: 0 is not above 0"),
    ({"stale_after_s": 0}, "stale_after_s: 0 s is not within"),
    ({"stale_after_s": OVERLAY_SECONDS_MAX + 1}, "stale_after_s: .* is not within"),
    ({"enum": []}, "enum: write 1 to"),
    ({"enum": [1]}, "enum: 1 is no text; write it in quotes"),
    ({"enum": [str(number) for number in range(OVERLAY_ENUM_MAX + 1)]}, "enum: write 1 to"),
    ({"enum": {"on": "x"}}, "enum: 'on' labels nothing"),
    ({"enum": {"1": 1}}, "enum: 1 is no text"),
    ({"precision": PRECISION_MAX + 1}, "precision: write the number"),
    ({"precision": 1.5}, "precision: write the number"),
    ({"between": "held"}, "between: .* add the seconds"),
    ({"measured_every_s": 60, "between": "guessed"}, "between: 'guessed' .* held, interpolated"),
    ({"place": {"lat": 60}}, "place: write"),
    ({"place": {"lat": 60, "lon": 25, "alt": 1}}, "place: write .* nothing else"),
    ({"place": {"lat": 91, "lon": 25}}, "place: lat 91 is not within"),
    ({"tags": "one"}, "tags: write a list"),
    ({"tags": [""]}, "tags: write a text"),
    ({"tags": ["t"] * (OVERLAY_TAGS_MAX + 1)}, f"tags: .* at most {OVERLAY_TAGS_MAX}"),
    ({"origin": "guessed"}, "origin: .* measured, replayed, simulated"),
    ({"title": "t" * (OVERLAY_TEXT_CHARS_MAX + 1)}, "title: write a text"),
    ({"free": float("nan")}, "free: neither JSON nor a finite number"),
    ({"free": {"in": [2**63]}}, "free.in: neither JSON"),
    ({"free": {1, 2}}, "free: neither JSON"),
    ({"free": "a\0b"}, "free: holds a NUL"),
    ({"free": "\ud800"}, "free: holds a NUL or half a character"),
    ({"": 1}, "a name has 1 to"),
    ({"free": {"k" * (OVERLAY_NAME_CHARS_MAX + 1): 1}}, "free: a name has 1 to"),
    ({1: 1}, "a name has 1 to"),
    (nested(OVERLAY_DEPTH_MAX), f"nested deeper than {OVERLAY_DEPTH_MAX}"),
    ({f"k{n}": "v" * 1_000 for n in range(OVERLAY_BYTES_MAX // 1_000 + 1)}, "bytes, at most"),
]


@pytest.mark.parametrize(("document", "complaint"), REFUSED)
def test_an_unsound_overlay_is_refused_by_key_with_a_remedy(document: Any, complaint: str) -> None:
    with pytest.raises(OverlayError, match=complaint):
        check_overlay(document)


def test_the_bytes_counted_are_those_of_utf_8() -> None:
    rest = OVERLAY_BYTES_MAX - len(json.dumps({"a": ""}))
    check_overlay({"a": "é" * (rest // 2)})
    with pytest.raises(OverlayError, match=f"at most {OVERLAY_BYTES_MAX}"):
        check_overlay({"a": "é" * (rest // 2 + 1)})


def test_the_copy_shares_nothing_with_the_document() -> None:
    document: dict[str, Any] = {"tags": ["a"], "free": {"list": [1]}}
    checked = check_overlay(document)
    document["tags"].append("b")
    assert checked["tags"] == ["a"]


def test_a_narrower_scope_replaces_whole_keys_of_a_wider_one() -> None:
    of_class = {"unit": "degC", "range": [-40, 60], "place": {"lat": 60, "lon": 25}}
    of_point = {"range": [None, None], "place": {"lat": 61, "lon": 24}, "source_unit": "degF"}
    assert merge_overlays([of_class, {}, of_point]) == {
        "unit": "degC",
        "range": [None, None],
        "place": {"lat": 61, "lon": 24},
        "source_unit": "degF",
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(KNOWN_KEYS)) | st.text(max_size=8), json_values))
def test_any_document_is_kept_as_it_is_or_refused(document: dict[str, Any]) -> None:
    try:
        checked = check_overlay(document)
    except OverlayError as error:
        assert str(error)
    else:
        assert checked == document
        assert check_overlay(checked) == document
