"""A query made ready: its points, windows, columns and bounds, before history is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from ciaas.interoperability.formula import Formula, FormulaError
from ciaas.kernel.model import ValueType
from ciaas.kernel.sample import Millis, Verdict
from ciaas.ports import Measure, Windows
from cpaas.limits import (
    QUERY_FIGURES_HELD_MAX,
    QUERY_ROWS_MAX,
    QUERY_S_MAX,
    QUERY_SERIES_ALIGNED_MAX,
)
from cpaas.processing.errors import BadQuery, TooMuch
from cpaas.processing.query import calendar
from cpaas.processing.query.document import (
    Interval,
    MeasureOf,
    QueryDocument,
    usable_in_formulas,
)
from cpaas.processing.query.selection import Chosen

NO_LABEL = "(none)"
"""Column of an aligned table for points that have nothing of what they are grouped by."""
_WITH_TEXT = frozenset({"first", "last"})


@dataclass(frozen=True, slots=True)
class Plan:
    """What is asked of history, and how the answer is laid out."""

    document: QueryDocument
    chosen: Chosen
    zone: ZoneInfo
    edges: Millis
    now_ms: int
    formulas: Mapping[str, Formula]

    @property
    def held(self) -> bool:
        """True when the whole answer is put together before its first row is known."""
        return self.document.align or bool(self.document.order)

    @property
    def series(self) -> int:
        """How many series there are."""
        return len(self.chosen.labels)

    @property
    def columns(self) -> Sequence[str]:
        """Names of the columns after time and series, formulas last."""
        names = [measure.name for measure in self.document.measures]
        if self.document.align:
            names = [self.aligned_name(s, n) for n in names for s in range(self.series)]
        return [*names, *self.formulas]

    @property
    def texts(self) -> Sequence[int]:
        """Numbers of the measures that may answer with a text."""
        if self.document.align or not any(p.type is ValueType.STRING for p in self.chosen.points):
            return []
        measures = self.document.measures
        return [n for n, measure in enumerate(measures) if measure.function in _WITH_TEXT]

    def aligned_name(self, series: int, measure: str) -> str:
        """Return the name of one series' column in an aligned table."""
        label = self.chosen.labels[series]
        label = NO_LABEL if label is None else label
        if len(self.document.measures) == 1:
            return label
        return f"{label}_{measure}" if usable_in_formulas(label) else f"{label} {measure}"

    def question(self) -> Windows:
        """Return the question to history; there is at least one point."""
        ids = np.array([point.id for point in self.chosen.points], np.uint32)
        members = self.chosen.members
        return Windows(
            points=ids[np.concatenate([np.array(own, np.intp) for own in members])],
            groups=np.repeat(
                np.arange(len(members), dtype=np.uint32), [len(own) for own in members]
            ),
            edges=self.edges,
            measures=[_measure(measure) for measure in self.document.measures],
            verdicts=frozenset(Verdict[name.upper()].value for name in self.document.verdicts),
            hold_ms=self.document.hold,
            until=self.now_ms,
            within_s=QUERY_S_MAX,
        )

    def check_held(self) -> None:
        """Make sure that the whole answer may be kept in memory.

        Raises:
            TooMuch: QUERY_FIGURES_HELD_MAX would be passed.
        """
        rows = (len(self.edges) - 1) * (1 if self.document.align else self.series)
        figures = rows * (len(self.columns) + 2)
        if figures > QUERY_FIGURES_HELD_MAX:
            raise TooMuch(
                f"{figures:,} figures may come; at most {QUERY_FIGURES_HELD_MAX:,} are put together"
                " as JSON, aligned or sorted: ask for longer windows or fewer points, or for CSV "
                "or Arrow unsorted"
            )


def plan(document: QueryDocument, chosen: Chosen, now_ms: int) -> Plan:
    """Return the plan of a query.

    Raises:
        BadQuery: zone, times, window, a formula or an order is at fault.
        TooMuch: a bound would be passed.
    """
    zone = calendar.zone_of(document.interval.zone)
    start, end = _interval(document.interval, zone, now_ms)
    edges = calendar.edges(start, end, document.window, zone)
    made = Plan(document, chosen, zone, edges, now_ms, {})
    if document.align and made.series > QUERY_SERIES_ALIGNED_MAX:
        raise TooMuch(
            f"{made.series:,} series side by side; at most {QUERY_SERIES_ALIGNED_MAX:,}: group "
            "them, or leave align out"
        )
    names = made.columns
    if len(set(names)) < len(names):
        raise BadQuery("two aligned columns have one name; give the series or measures others")
    made = Plan(document, chosen, zone, edges, now_ms, _formulas(document, names))
    _check_order(made)
    if (rows := made.series * (len(edges) - 1)) > QUERY_ROWS_MAX:
        raise TooMuch(
            f"{rows:,} windows of series; at most {QUERY_ROWS_MAX:,}: ask for longer windows, a "
            "shorter time or fewer points"
        )
    if made.held:
        made.check_held()
    return made


def _interval(interval: Interval, zone: ZoneInfo, now_ms: int) -> tuple[int, int]:
    if interval.last is not None:
        return now_ms - interval.last, now_ms
    if interval.previous is not None:
        return calendar.previous(interval.previous, zone, now_ms)
    assert interval.start is not None
    start = calendar.moment_ms(interval.start, zone)
    return start, now_ms if interval.end is None else calendar.moment_ms(interval.end, zone)


def _formulas(document: QueryDocument, names: Sequence[str]) -> Mapping[str, Formula]:
    known = [name for name in names if usable_in_formulas(name)]
    formulas: dict[str, Formula] = {}
    for name, text in document.formulas.items():
        if name in names:
            raise BadQuery(f"formula {name!r} has the name of a column; choose another")
        try:
            formulas[name] = Formula.parse(text, known)
        except FormulaError as error:
            raise BadQuery(f"formula {name!r}, character {error.position}: {error}") from None
        known.append(name)
    return formulas


def _check_order(made: Plan) -> None:
    there = ["time", *([] if made.document.align else ["series"]), *made.columns]
    for key in made.document.order:
        if key.by not in there:
            raise BadQuery(f"order: there is no column {key.by[:64]!r}; there is {_some(there)}")


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")


def _measure(measure: MeasureOf) -> Measure:
    if measure.function == "percentile":
        assert measure.p is not None
        return Measure("percentile", measure.p / 100)
    if measure.function == "share":
        state = measure.state
        return Measure("share", state if isinstance(state, str) else float(state or 0))
    return Measure(measure.function)
