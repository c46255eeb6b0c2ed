"""Every error of a sheet is told by line and column, and a good sheet says what it means."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import pytest

from ciaas.limits import (
    ENROLMENT_CELL_CHARS_MAX,
    ENROLMENT_COLUMNS_MAX,
    ENROLMENT_ERRORS_TOLD_MAX,
    ENROLMENT_ROWS_MAX,
    ENROLMENT_TOKEN_DAYS_MAX,
    FRIENDLY_NAME_CHARS_MAX,
)
from ciaas.management.enrolment import sheet as sheets
from ciaas.management.enrolment.profile import EnrolmentError, read_template
from ciaas.management.enrolment.sheet import Sheet, read_sheet

LAMP = {
    "nodes": {
        "lamp": {
            "implements": [],
            "objects": {
                "state": {
                    "conforms": None,
                    "objects": {},
                    "attributes": {"on": {"constraint": "SetPoint", "type": "Boolean"}},
                }
            },
        }
    }
}
PROFILE: dict[str, Any] = {
    "friendly_name": "Lamp {serial} in {street}",
    "classes": {"Luminaire": LAMP},
    "default_class": "Luminaire",
    "place": "depot",
    "metadata": {"owner": "city"},
    "overlay": {"licence": "CC-BY-4.0"},
}


def read(text: str | bytes, taken: Collection[str] = (), **other: Any) -> Sheet:
    raw = text.encode() if isinstance(text, str) else text
    return read_sheet(raw, read_template(PROFILE | other), lambda asked: set(asked) & set(taken))


def test_a_line_says_what_its_device_is() -> None:
    [row] = read("\ufeffserial,street,lat,lon\r\nL-1,High Street,60.1,24.9\r\n").rows
    assert (row.line, row.serial, row.kind) == (2, "L-1", "Luminaire")
    assert row.friendly_name == "Lamp L-1 in High Street"
    assert row.metadata == {
        "owner": "city",
        "place": "depot",
        "serial": "L-1",
        "street": "High Street",
    }
    assert row.overlay == {"licence": "CC-BY-4.0", "place": {"lat": 60.1, "lon": 24.9}}


def test_a_sheet_may_be_separated_by_semicolons_and_hold_lines_in_quotes() -> None:
    first, second = read('serial;street;name\nL-1;"A; B";\n\nL-2;C;Corner\n').rows
    assert (first.line, first.metadata["street"]) == (2, "A; B")
    assert (second.line, second.friendly_name) == (4, "Corner")


def test_every_error_is_told_by_line_and_column() -> None:
    found = read(
        "serial,street,class,lat,lon\n"
        "L-1,a,,,\n"
        "L-1,a,,,\n"
        ",a,Tram,91,x\n"
        "L 4,=A1,,1,\n"
        "L-5,a\n"
        "L-6,a,,,\n",
        taken=["L-6"],
    )
    assert [(flaw.line, flaw.column) for flaw in found.flaws] == [
        (3, "serial"),
        (4, "class"),
        (4, "lat"),
        (4, "lon"),
        (4, "serial"),
        (5, "lon"),
        (5, "serial"),
        (5, "street"),
        (6, ""),
        (7, "serial"),
    ]
    assert found.flaws_total == 10
    assert found.flaws[0].message == "'L-1' stands in line 2 already"
    assert found.flaws[-1].message == "a device 'L-6' is enrolled already"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"serial,street\n\xff,a\n", "line 2 is not UTF-8"),
        ("", "the first line names the columns"),
        ("name\na\n", "the first line names the columns"),
        ("serial,street\n", "no device"),
        ("serial\nL-1\n", "add the column"),
        ("serial,street,street\nL-1,a,b\n", "same name"),
        ("serial,street,a b\nL-1,a,b\n", "no name of a column"),
        ('serial,street\nL-1,"a\n', "is no CSV"),
    ],
)
def test_what_is_no_sheet_is_refused_whole(text: str | bytes, told: str) -> None:
    with pytest.raises(EnrolmentError, match=told):
        read(text)


def test_bounds_of_a_sheet(monkeypatch: pytest.MonkeyPatch) -> None:
    many = "serial,street\n" + "".join(f"L-{n},a\n" for n in range(ENROLMENT_ROWS_MAX))
    assert len(read(many).rows) == ENROLMENT_ROWS_MAX
    with pytest.raises(EnrolmentError, match="at most 10,000 devices"):
        read(many + "L-x,a\n")
    wide = ["serial", "street", *(f"c{n}" for n in range(ENROLMENT_COLUMNS_MAX - 2))]
    assert not read(",".join(wide) + "\nL-1" + "," * (len(wide) - 1) + "\n").flaws
    with pytest.raises(EnrolmentError, match="at most 64 columns"):
        read(",".join([*wide, "more"]) + "\n")
    long = "a" * (ENROLMENT_CELL_CHARS_MAX + 1)
    assert {flaw.column for flaw in read(f"serial,street,c\nL-1,a,{long}\n").flaws} == {"c"}
    name = "a" * (FRIENDLY_NAME_CHARS_MAX + 1)
    assert {flaw.column for flaw in read(f"serial,street,name\nL-1,a,{name}\n").flaws} == {"name"}


def test_as_many_errors_are_told_as_there_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    columns = [f"c{n}" for n in range(4)]
    rows = "".join(f"L-{n},a,=,=,=,=\n" for n in range(ENROLMENT_ERRORS_TOLD_MAX // 4 + 1))
    found = read(",".join(["serial", "street", *columns]) + "\n" + rows)
    assert len(found.flaws) == ENROLMENT_ERRORS_TOLD_MAX
    assert found.flaws_total == ENROLMENT_ERRORS_TOLD_MAX + 4


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"friendly_name": "{}"}, "name of a column in each"),
        ({"friendly_name": "{serial:9}"}, "name of a column in each"),
        ({"friendly_name": "{serial.__class__}"}, "plain names"),
        ({"friendly_name": "{serial"}, "friendly_name"),
        ({"friendly_name": " "}, "is empty"),
        ({"default_class": "Tram"}, "none of its classes"),
        ({"token_days": 0}, "token_days"),
        ({"token_days": ENROLMENT_TOKEN_DAYS_MAX + 1}, "token_days"),
        ({"classes": {"Luminaire": {}}}, "needs a map of nodes"),
        ({"overlay": {"unit": 7}}, "overlay"),
        ({"properties": {"uuid": "x"}}, "the endpoint's own"),
        ({"overlay": {"confidential": "citizen-7"}}, "leave confidential out"),
        ({"friendly_name": 7}, "not understood"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused(wrong: dict[str, Any], told: str) -> None:
    with pytest.raises(EnrolmentError, match=told):
        read_template(PROFILE | wrong)


def test_the_columns_known_are_those_that_are_no_metadata() -> None:
    cells = {name: "L-1" if name == sheets.SERIAL else "" for name in sheets._KNOWN}
    [row] = read(",".join([*cells, "street"]) + "\n" + ",".join([*cells.values(), "a"]) + "\n").rows
    assert set(row.metadata) == {"owner", "serial", "place", "street"}
