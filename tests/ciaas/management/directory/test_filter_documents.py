"""A filter is read the same from JSON and from a query, and what is wrong with one is said."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from ciaas.kernel.sample import Frame
from ciaas.limits import (
    FILTER_DEPTH_MAX,
    FILTER_RADIUS_M_MAX,
    FILTER_SILENT_S_MAX,
    FILTER_TERMS_MAX,
    FILTER_TEXT_CHARS_MAX,
)
from ciaas.management.directory.filter import (
    Box,
    Comparison,
    Filter,
    FilterError,
    FilterParameters,
    Near,
)
from tests.ciaas.management.directory.conftest import sample

UUID = "0b6e2f14-6a52-4a3b-9d55-0f5f3c1f7a10"
EVERY_KEY = {
    "text": ["lamp post", "light"],
    "class": ["Light"],
    "implements": ["Lamp"],
    "tag": ["street"],
    "project": ["city"],
    "address": [f"{UUID}/Light"],
    "constraint": ["SetPoint"],
    "unit": ["W"],
    "quantity": ["power"],
    "near": [{"lat": 60.0, "lon": 24.5, "radius_m": 500.0}],
    "box": [{"south": 60.0, "west": 24.0, "north": 61.0, "east": 25.0}],
    "value": [">40", "20..30", "=open", "!=true"],
    "verdict": ["good"],
    "state": ["online"],
    "silent": 600.0,
    "permission": "WRITE",
}


def test_a_document_comes_back_as_it_was() -> None:
    assert Filter.parse(EVERY_KEY).document() == EVERY_KEY
    nested = {"any": [{"tag": ["a"]}, {"not": {"value": [">1"]}}], "all": [{"unit": ["W"]}]}
    assert Filter.parse(nested).document() == nested
    assert Filter.parse({}).document() == {}
    assert Filter.parse(json.loads(Filter.parse(EVERY_KEY).model_dump_json(by_alias=True)))


def test_a_query_says_the_same_as_a_document() -> None:
    asked = FilterParameters.model_validate(
        EVERY_KEY
        | {
            "near": ["60,24.5,500"],
            "box": ["60,24,61,25"],
            "value": [">40", "20..30", "open", "!=true"],
            "address": [f"{UUID.upper()}/Light/#"],
            "silent": "10m",
        }
    )
    assert asked.filter == Filter.parse(EVERY_KEY)
    assert FilterParameters().filter == Filter()


def test_one_entry_needs_no_list() -> None:
    assert Filter.parse({"tag": "a", "value": 40}) == Filter.parse({"tag": ["a"], "value": ["40"]})
    assert Filter.parse({"value": True}) == Filter.parse({"value": ["=true"]})
    assert Filter.parse({"silent": None, "permission": None, "not": None}) == Filter()
    assert Filter.parse({"silent": 90}) == Filter.parse({"silent": "1.5m"})


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ({"clas": "x"}, "clas: a filter knows no such key; it knows text, class"),
        ({"text": ""}, "text.0"),
        ({"text": "x" * (FILTER_TEXT_CHARS_MAX + 1)}, str(FILTER_TEXT_CHARS_MAX)),
        ({"text": 4}, "text.0"),
        ({"address": "lamp"}, "no UUID"),
        ({"address": 4}, "4 is no text"),
        ({"constraint": "Read"}, "'Static', 'Parameter'"),
        ({"near": "60,24"}, "write the numbers lat,lon,radius_m"),
        ({"near": {"lat": 60, "lon": 24}}, "write the numbers"),
        ({"near": "60,24,0"}, "more than 0"),
        ({"near": "nan,24,5"}, "latitude"),
        ({"near": f"60,24,{FILTER_RADIUS_M_MAX + 1}"}, str(FILTER_RADIUS_M_MAX)),
        ({"near": "95,24,5"}, "-90 to 90"),
        ({"box": "60,190,61,5"}, "-180 to 180"),
        ({"box": "61,24,60,25"}, "exchange them"),
        ({"box": {"south": True, "west": 1, "north": 2, "east": 3}}, "write the numbers"),
        ({"value": ">"}, "compares with no number"),
        ({"value": ">1e9999"}, "compares with no number"),
        ({"value": ">1e309"}, "beyond every number"),
        ({"value": "3..2"}, "smaller end first"),
        ({"value": ""}, "write >40"),
        ({"value": {"gt": 4}}, "write >40"),
        ({"value": "x" * (FILTER_TEXT_CHARS_MAX + 1)}, "write >40"),
        ({"verdict": "fine"}, "'good', 'uncertain' or 'bad'"),
        ({"state": "up"}, "'online', 'offline' or 'certificate_expires'"),
        ({"silent": "soon"}, "write 600 (seconds), 10m"),
        ({"silent": 0}, "silent"),
        ({"silent": FILTER_SILENT_S_MAX + 1}, str(FILTER_SILENT_S_MAX)),
        ({"silent": True}, "no length of time"),
        ({"silent": ["5m"]}, "no length of time"),
        ({"permission": "ROOT"}, "'OWN'"),
        ({"any": [{"permission": "READ"}]}, "at the top of a filter only"),
        ({"not": []}, "not"),
        ("text", "dictionary"),
    ],
)
def test_what_is_wrong_is_said(document: Any, said: str) -> None:
    with pytest.raises(FilterError, match=re.escape(said)) as caught:
        Filter.parse(document)
    assert "Value error" not in str(caught.value)


def test_a_query_says_it_too() -> None:
    with pytest.raises(ValidationError, match="near: '4' is no area") as caught:
        FilterParameters(near=["4"])
    assert "Value error" not in str(caught.value)


def test_a_filter_has_bounds() -> None:
    Filter.parse({"tag": ["a"] * FILTER_TERMS_MAX})
    with pytest.raises(FilterError, match=f"at most {FILTER_TERMS_MAX}"):
        Filter.parse({"tag": ["a"] * (FILTER_TERMS_MAX - 1), "all": [{"tag": ["b", "c"]}]})
    deepest: dict[str, Any] = {"tag": "a"}
    for _ in range(FILTER_DEPTH_MAX - 1):
        deepest = {"not": deepest}
    Filter.parse(deepest)
    with pytest.raises(FilterError, match=f"at most {FILTER_DEPTH_MAX} levels"):
        Filter.parse({"not": deepest})


def test_followers_cannot_ask_for_this_moment() -> None:
    Filter.parse({"any": [{"value": ">4"}, {"verdict": "bad"}]}).check_followable()
    for document in ({"state": "online"}, {"not": {"silent": 5}}):
        with pytest.raises(FilterError, match="state and silent"):
            Filter.parse(document).check_followable()


ROWS = Frame.concat([sample(n, value) for n, value in enumerate([5, 40.0, True, "open", None])])


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        (">4", [0, 1]),
        (">=5", [0, 1]),
        ("<5", [2]),
        ("<= 5", [0, 2]),
        ("5..40", [0, 1]),
        ("1", [2]),
        ("=40", [1]),
        (40, [1]),
        ("true", [2]),
        (False, []),
        ("open", [3]),
        ("!=open", [0, 1, 2]),
        ("!=40", [0, 2, 3]),
        ("closed", []),
        ("=", []),
        ("-1e3..+.5e1", [0, 2]),
    ],
)
def test_comparisons(condition: Any, met: list[int]) -> None:
    comparison = Comparison.parse(condition)
    assert np.flatnonzero(comparison.mask(ROWS)).tolist() == met
    assert Comparison.parse(str(comparison)) == comparison


@given(
    lat=st.floats(-90, 90), lon=st.floats(-180, 180), radius=st.floats(1, FILTER_RADIUS_M_MAX - 1)
)
def test_a_circle_holds_what_is_as_near_as_its_radius(
    lat: float, lon: float, radius: float
) -> None:
    circle = Near(lat, lon, radius)
    # Due south or north along the meridian, where the distance is plain.
    degrees = math.degrees(radius / 6_371_008.8)
    for share, inside in ((0.999, True), (1.001, False)):
        there = lat - share * degrees if lat - share * degrees >= -90 else lat + share * degrees
        if -90 <= there <= 90:
            assert circle.holds(np.array([there]), np.array([lon])).tolist() == [inside]
    assert not circle.holds(np.array([np.nan]), np.array([np.nan])).any()


def test_a_box_may_cross_the_date_line() -> None:
    fiji = Box.parse("-20,177,-15,-178")
    lon = np.array([178.0, -179.0, 176.0, -177.0, np.nan])
    assert fiji.holds(np.full(5, -17.0), lon).tolist() == [True, True, False, False, False]
    assert Box.parse(fiji.document()) == fiji
