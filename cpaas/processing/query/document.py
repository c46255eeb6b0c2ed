"""A query as a JSON document: what the API takes and what a job keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from ciaas.interoperability.formula import FUNCTIONS as FORMULA_FUNCTIONS
from ciaas.interoperability.formula import Formula, FormulaError
from ciaas.kernel.address import AddressError, parse_point, parse_prefix
from ciaas.management.directory.filter import Filter
from cpaas.limits import (
    QUERY_COLUMN_NAME_CHARS_MAX,
    QUERY_FORMULAS_MAX,
    QUERY_HOLD_MS_MAX,
    QUERY_MEASURES_MAX,
    QUERY_POINTS_MAX,
    QUERY_ROWS_MAX,
)
from cpaas.processing.query.calendar import duration_ms

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = frozenset({"time", "series"})

FunctionName = Literal[
    "count", "mean", "min", "max", "sum", "first", "last", "median", "stddev", "percentile",
    "integral", "share", "availability",
]  # fmt: skip
FillName = Literal["none", "null", "previous", "linear", "zero"]
VerdictName = Literal["good", "uncertain", "bad"]
ColumnName = Annotated[str, Field(min_length=1, max_length=QUERY_COLUMN_NAME_CHARS_MAX)]


def _duration(written: Any) -> Any:
    return duration_ms(written) if isinstance(written, str) else written


Duration = Annotated[int, BeforeValidator(_duration), Field(json_schema_extra={"type": "string"})]
"""Milliseconds, written as a number with ms, s, m, h, d or w."""


def check_column_name(name: str) -> None:
    """Raise ValueError for a name that a column or a series cannot have."""
    if not _NAME.fullmatch(name) or len(name) > QUERY_COLUMN_NAME_CHARS_MAX:
        raise ValueError(
            f"{name[:32]!r} is no name: letters, digits and _, at most "
            f"{QUERY_COLUMN_NAME_CHARS_MAX}, no digit first"
        )
    if name in _TAKEN:
        raise ValueError(f"{name!r} is a column of every answer; choose another name")


def usable_in_formulas(name: str) -> bool:
    """Tell whether a formula can read a column of this name."""
    return bool(_NAME.fullmatch(name)) and name not in FORMULA_FUNCTIONS


class Part(BaseModel):
    """What all parts of a document have in common."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Selection(Part):
    """Which points are meant: exactly one of the keys."""

    addresses: tuple[str, ...] = Field((), max_length=QUERY_POINTS_MAX)
    """Points by address; a series has its address for a name."""
    named: Mapping[str, str] = Field(default_factory=dict, max_length=QUERY_POINTS_MAX)
    """Points by address under names of the caller's own, for formulas over aligned columns."""
    under: str | None = None
    """Every readable point at or below a prefix."""
    filter: Filter | None = None
    """Every readable point that a filter of the directory holds for."""

    @model_validator(mode="after")
    def _one(self) -> Selection:
        given = [self.addresses, self.named, self.under, self.filter]
        if sum(bool(one) or isinstance(one, Filter) for one in given) != 1:
            raise ValueError("select by exactly one of addresses, named, under and filter")
        try:
            for address in (*self.addresses, *self.named.values()):
                parse_point(address)
            if self.under is not None:
                parse_prefix(self.under)
        except AddressError as error:
            raise ValueError(str(error)) from None
        for name in self.named:
            check_column_name(name)
        return self


class Interval(Part):
    """From when until before when; a time without an offset is local time of the zone."""

    start: str | None = Field(None, alias="from")
    end: str | None = Field(None, alias="to")
    """None is now."""
    last: Duration | None = Field(None, gt=0)
    """So long until now, in place of ``from`` and ``to``."""
    previous: Literal["day", "week", "month"] | None = None
    """The last whole one that is over, in place of ``from`` and ``to``."""
    zone: str = "UTC"
    """IANA name, such as ``Europe/Zurich``."""

    @model_validator(mode="after")
    def _one(self) -> Interval:
        given = (self.start is not None, self.last is not None, self.previous is not None)
        if sum(given) != 1:
            raise ValueError("give exactly one of from, last and previous")
        if self.end is not None and self.start is None:
            raise ValueError("to goes with from alone")
        return self


class MeasureOf(Part):
    """One column: a function, and what it needs."""

    function: FunctionName
    name: ColumnName = ""
    """Of the column; the function's name where none is given."""
    p: float | None = Field(None, ge=0, le=100)
    """Of ``percentile``: 95 for the value that 95 % are below."""
    state: str | float | bool | None = None
    """Of ``share``: the value whose time is counted."""

    @model_validator(mode="before")
    @classmethod
    def _short(cls, written: Any) -> Any:
        if isinstance(written, str):
            written = {"function": written}
        if isinstance(written, dict) and not written.get("name"):
            return {**written, "name": str(written.get("function", ""))[:64] or "?"}
        return written

    @model_validator(mode="after")
    def _complete(self) -> MeasureOf:
        if (self.function == "percentile") is (self.p is None):
            raise ValueError("percentile needs p, such as 95, and no other function takes it")
        if (self.function == "share") is (self.state is None):
            raise ValueError("share needs state, such as true, and no other function takes it")
        check_column_name(self.name)
        return self


class Grouping(Part):
    """What samples are put together by; without a grouping each point is a series."""

    by: Literal["endpoint", "class", "tag", "metadata"]
    key: str | None = Field(None, max_length=128)
    """Of ``metadata``: a key of the overlay, else of the endpoint's own metadata."""

    @model_validator(mode="after")
    def _complete(self) -> Grouping:
        if (self.by == "metadata") is (self.key is None):
            raise ValueError("grouping by metadata needs a key, and no other takes one")
        return self


class Order(Part):
    """One key that rows are sorted by."""

    by: str
    """``time``, ``series`` or a column."""
    descending: bool = False


class QueryDocument(Part):
    """A structured query.

    Rows are windows of series. Long tables have the columns ``time``, ``series`` and one for each
    measure and formula; aligned ones have ``time`` and one column for each measure of each series.
    """

    select: Selection
    interval: Interval
    window: str | None = None
    """A length of time such as ``15m``, or ``day``, ``week``, ``month`` of the zone; None makes
    one window of the whole interval."""
    measures: tuple[MeasureOf, ...] = Field(
        (MeasureOf.model_validate("mean"),), min_length=1, max_length=QUERY_MEASURES_MAX
    )
    formulas: Mapping[ColumnName, str] = Field(default_factory=dict, max_length=QUERY_FORMULAS_MAX)
    """Further columns computed from the others, row by row."""
    verdicts: tuple[VerdictName, ...] = ("good", "uncertain", "bad")
    """Samples judged otherwise are left out; availability looks at all."""
    fill: FillName = "none"
    group: Grouping | None = None
    align: bool = False
    hold: Duration = Field(3_600_000, gt=0, le=QUERY_HOLD_MS_MAX, validate_default=True)
    """How long a value counts for shares and availability while no newer one comes."""
    order: tuple[Order, ...] = Field((), max_length=4)
    """None given: by series, then by time; aligned by time."""
    limit: int | None = Field(None, ge=1, le=QUERY_ROWS_MAX)
    """At most so many rows, the first ones of the order."""

    @field_validator("formulas")
    @classmethod
    def _sound(cls, formulas: Mapping[str, str]) -> Mapping[str, str]:
        for name, text in formulas.items():
            check_column_name(name)
            try:
                Formula.parse(text, None)
            except FormulaError as error:
                raise ValueError(f"{name}: {error} (at {error.position})") from None
        return formulas

    @model_validator(mode="after")
    def _distinct(self) -> QueryDocument:
        names = [measure.name for measure in self.measures]
        if len(set(names)) < len(names):
            raise ValueError("two measures have one name; give each a name of its own")
        if not self.align and (double := self.formulas.keys() & set(names)):
            raise ValueError(f"{min(double)!r} is a measure and a formula; rename one")
        return self
