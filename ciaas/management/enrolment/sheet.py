"""A sheet of devices: CSV with a header, read whole, every error told by line and column."""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

from ciaas.limits import (
    ENROLMENT_CELL_CHARS_MAX,
    ENROLMENT_COLUMNS_MAX,
    ENROLMENT_ERRORS_TOLD_MAX,
    ENROLMENT_ROWS_MAX,
    FRIENDLY_NAME_CHARS_MAX,
)
from ciaas.management.enrolment.ports import Row
from ciaas.management.enrolment.profile import EnrolmentError, Template

SERIAL = "serial"
_KNOWN = (SERIAL, "name", "place", "class", "lat", "lon")
"""Each other column is a key of the endpoint's metadata."""
_COLUMN = re.compile(r"[A-Za-z]\w{0,63}", re.ASCII)
SERIAL_FORM = r"[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,99}"
"""Of a serial number."""
_SERIAL = re.compile(SERIAL_FORM)
_FORMULA = ("=", "+", "@", "\t")
"""How a cell begins that a spreadsheet would run when it opens the result."""


class Flaw(NamedTuple):
    """What is wrong in one cell, or in a whole line."""

    line: int
    """Of the file; the header is line 1."""
    column: str
    """Empty when it is about the line."""
    message: str


class Sheet(NamedTuple):
    """What a file says; it can be enrolled when it has no flaws."""

    rows: Sequence[Row]
    flaws: Sequence[Flaw]
    """At most ENROLMENT_ERRORS_TOLD_MAX, by line."""
    flaws_total: int


def read_sheet(
    text: bytes, template: Template, taken: Callable[[Collection[str]], Collection[str]]
) -> Sheet:
    """Read a file, UTF-8, separated by commas or semicolons.

    Args:
        text: The whole file.
        template: Whose devices these are.
        taken: Returns those serial numbers that a device of the project has.

    Raises:
        EnrolmentError: it is no such file at all, or larger than may be.
    """
    lines, header = _lines(text, template)
    reading = _Reading(template, header)
    rows = [row for line, cells in lines if (row := reading.row(line, cells)) is not None]
    if not rows and not reading.total:
        raise EnrolmentError("the file has a header and no device; add a line for each device")
    for serial in taken(reading.serials.keys()):
        reading.flaw(reading.serials[serial], SERIAL, f"a device {serial!r} is enrolled already")
    return Sheet(rows, sorted(reading.flaws), reading.total)


def _lines(
    text: bytes, template: Template
) -> tuple[list[tuple[int, Sequence[str]]], Sequence[str]]:
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = text.count(b"\n", 0, error.start) + 1
        raise EnrolmentError(f"line {line} is not UTF-8; save the sheet as CSV UTF-8") from error
    first = decoded.partition("\n")[0]
    reader = csv.reader(
        io.StringIO(decoded, newline=""),
        delimiter=";" if ";" in first and "," not in first else ",",
        strict=True,
    )
    found: list[tuple[int, Sequence[str]]] = []
    try:
        header = [cell.strip() for cell in next(reader, [])]
        _check_header(header, template)
        at = reader.line_num
        for cells in reader:
            if any(cell.strip() for cell in cells):
                found.append((at + 1, cells))
            at = reader.line_num
            if len(found) > ENROLMENT_ROWS_MAX:
                raise EnrolmentError(
                    f"a sheet has at most {ENROLMENT_ROWS_MAX:,} devices: split it"
                )
    except csv.Error as error:
        raise EnrolmentError(f"line {reader.line_num} is no CSV: {error}") from error
    return found, header


def _check_header(header: Sequence[str], template: Template) -> None:
    if SERIAL not in header:
        raise EnrolmentError("the first line names the columns, one of them serial")
    if len(header) > ENROLMENT_COLUMNS_MAX:
        raise EnrolmentError(f"a sheet has at most {ENROLMENT_COLUMNS_MAX} columns")
    for name in header:
        if not _COLUMN.fullmatch(name):
            raise EnrolmentError(
                f"{name[:64]!r} is no name of a column: letters, digits and _, a letter first"
            )
    if len(set(header)) < len(header):
        raise EnrolmentError("two columns have the same name")
    lacking = set(template.columns()) - {*header, "place", "class"}
    if lacking:
        raise EnrolmentError(
            f"the profile names its devices by {', '.join(sorted(lacking))}: add the column"
        )


class _Reading:
    """Turns cells into rows and notes what is wrong."""

    def __init__(self, template: Template, header: Sequence[str]) -> None:
        self._template, self._header = template, header
        self.flaws: list[Flaw] = []
        self.total = 0
        self.serials: dict[str, int] = {}
        """The line of each."""

    def flaw(self, line: int, column: str, message: str) -> None:
        self.total += 1
        if len(self.flaws) < ENROLMENT_ERRORS_TOLD_MAX:
            self.flaws.append(Flaw(line, column, message))

    def row(self, line: int, cells: Sequence[str]) -> Row | None:
        """Return a line's device, None when something is wrong with it."""
        before = self.total
        if len(cells) != len(self._header):
            self.flaw(line, "", f"{len(cells)} cells where the header has {len(self._header)}")
            return None
        said = dict(zip(self._header, map(str.strip, cells), strict=True))
        self._check_cells(line, said)
        kind = said.get("class") or self._template.default_class
        if kind is not None and kind not in self._template.classes:
            known = ", ".join(self._template.classes) or "none"
            self.flaw(line, "class", f"the profile has no class {kind!r}; it has {known}")
        place = said.get("place") or self._template.place or ""
        name = said.get("name") or self._template.friendly_name.format_map(
            said | {"place": place, "class": kind or ""}
        )
        if len(name) > FRIENDLY_NAME_CHARS_MAX:
            self.flaw(line, "name", f"a name has at most {FRIENDLY_NAME_CHARS_MAX} characters")
        overlay = self._overlay(line, said)
        if self.total > before:
            return None
        metadata = {key: value for key, value in said.items() if value and key not in _KNOWN}
        about = {"serial": said[SERIAL]} | ({"place": place} if place else {})
        metadata = {**self._template.metadata, **about, **metadata}
        return Row(line, said[SERIAL], str(uuid.uuid4()), name, kind, metadata, overlay)

    def _check_cells(self, line: int, said: Mapping[str, str]) -> None:
        for column, cell in said.items():
            if len(cell) > ENROLMENT_CELL_CHARS_MAX:
                self.flaw(line, column, f"more than {ENROLMENT_CELL_CHARS_MAX:,} characters")
            elif not cell.isprintable():
                self.flaw(line, column, "a character that cannot be printed")
            elif cell.startswith(_FORMULA):
                self.flaw(line, column, "begins like a formula of a spreadsheet")
        serial = said[SERIAL]
        if not _SERIAL.fullmatch(serial):
            self.flaw(
                line,
                SERIAL,
                "a serial number has 1 to 100 letters, digits or any of _ . : / -"
                if serial
                else "is empty",
            )
        elif serial in self.serials:
            self.flaw(line, SERIAL, f"{serial!r} stands in line {self.serials[serial]} already")
        else:
            self.serials[serial] = line

    def _overlay(self, line: int, said: Mapping[str, str]) -> Mapping[str, Any]:
        place: dict[str, float] = {}
        for column, bound in (("lat", 90.0), ("lon", 180.0)):
            cell = said.get(column, "")
            if not cell:
                continue
            try:
                place[column] = float(cell)
            except ValueError:
                self.flaw(line, column, f"{cell[:32]!r} is no number of degrees such as 60.17")
                continue
            if not -bound <= place[column] <= bound:
                self.flaw(line, column, f"lies between -{bound:g} and {bound:g} degrees")
        if bool(said.get("lat")) is not bool(said.get("lon")):
            lacking = "lon" if said.get("lat") else "lat"
            self.flaw(line, lacking, "lat and lon are given together or not at all")
        own = {"place": place} if len(place) == 2 else {}
        return {**self._template.overlay, **own}
