from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ciaas.kernel.address import check_name
from ciaas.limits import SELECTOR_CHARS_MAX, SELECTOR_STEPS_MAX
from ciaas.sensorisation.errors import Malformed
from ciaas.sensorisation.selection.json_path import Absent, JsonPath, SelectorError
from ciaas.sensorisation.selection.moment import moment, zone
from ciaas.sensorisation.selection.naming import valid_name

DOCUMENT = {
    "a": {"b": [1, {"id": 7, "v": "seven"}, {"id": "x", "v": None, "on": True}]},
    "key. with dots": 5,
    "fill level": 3,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("a.b[0]", 1),
        ("a.b[-1].v", None),
        ("a.b[id=7].v", "seven"),
        ('a.b[id="x"].on', True),
        ("a.b[on=true].id", "x"),
        ('["key. with dots"]', 5),
        ("fill level", 3),
        ("", DOCUMENT),
    ],
)
def test_a_path_leads_to_its_value(path: str, value: Any) -> None:
    assert JsonPath.parse(path).of(DOCUMENT) == value


@pytest.mark.parametrize("path", ["a.c", "a.b[3]", "a.b[id=8]", "a[0]", "a.b.c", "x[id=1]"])
def test_what_is_not_there_is_absent(path: str) -> None:
    with pytest.raises(Absent):
        JsonPath.parse(path).of(DOCUMENT)


@pytest.mark.parametrize("path", [".a", "a..b", "a[", "a[]", "a]b", "a[0", "[x]", 'a["b]', " a"])
def test_what_is_no_path_is_refused_with_its_place(path: str) -> None:
    with pytest.raises(SelectorError, match="character"):
        JsonPath.parse(path)


def test_a_path_has_bounds() -> None:
    longest = ".".join(["a"] * SELECTOR_STEPS_MAX)
    assert len(JsonPath.parse(longest).steps) == SELECTOR_STEPS_MAX
    with pytest.raises(SelectorError, match="steps"):
        JsonPath.parse(longest + ".a")
    with pytest.raises(SelectorError, match="characters"):
        JsonPath.parse("a" * (SELECTOR_CHARS_MAX + 1))


@given(st.text(max_size=40))
def test_any_text_is_a_path_or_an_error(text: str) -> None:
    try:
        JsonPath.parse(text).of(DOCUMENT)
    except (SelectorError, Absent):
        return


@pytest.mark.parametrize(
    ("written", "ms"),
    [
        ("2026-07-01T12:00:00+02:00", 1_782_900_000_000),
        ("2026-07-01T10:00:00.000Z", 1_782_900_000_000),
        ("2026-07-01T12:00:00", 1_782_900_000_000),
        (1_782_900_000, 1_782_900_000_000),
        (1_782_900_000.5, 1_782_900_000_500),
        (1_782_900_000_000, 1_782_900_000_000),
        ("1782900000", 1_782_900_000_000),
    ],
)
def test_times_are_read_as_sources_write_them(written: Any, ms: int) -> None:
    assert moment(written, zone("Europe/Berlin")) == ms


@pytest.mark.parametrize(
    "written", ["yesterday", "", True, None, float("nan"), float("inf"), 10**30, [], {}]
)
def test_what_is_no_time_is_malformed(written: Any) -> None:
    with pytest.raises(Malformed):
        moment(written, zone("UTC"))


def test_an_unknown_zone_is_refused() -> None:
    for name in ("Europe/Nowhere", "../etc/passwd", ""):
        with pytest.raises(ValueError, match="IANA"):
            zone(name)


@given(st.text(max_size=120))
def test_every_foreign_name_becomes_a_valid_one(foreign: str) -> None:
    name = valid_name(foreign)
    assert check_name(name) == name == valid_name(foreign)


def test_names_that_would_become_alike_stay_apart() -> None:
    assert valid_name("bin 1") != valid_name("bin/1") != valid_name("bin#1")
    assert valid_name("bin-1") == "bin-1"
