"""The figures of windows, as SQL: of samples, of the lines between them, of the time they hold.

Three kinds of question, each a query over the rows of some points:

* **plain**: functions of the samples in a window,
* **areas**: the lines from each sample of a point to its next, cut where windows begin,
* **held**: the time from each sample to the next of its point, cut likewise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from string import Template
from typing import Any

import numpy as np

from ciaas.kernel.sample import Kind, Millis, Verdict
from ciaas.ports import HistoryError, Measure, Windows

_SAMPLES: Mapping[str, str] = {
    "count": f"(count(*) FILTER (kind <> {Kind.NULL:d}))::DOUBLE",
    "mean": "avg(num)",
    "min": "min(num)",
    "max": "max(num)",
    "sum": "sum(num)",
    "median": "median(num)",
    "stddev": "stddev_samp(num)",
}
_PICKED = {"first": "arg_min", "last": "arg_max"}
WHOLE_AT_ONCE = frozenset({"median", "percentile", "integral", "share", "availability"})
"""Functions that need all samples of a group in memory or sorted."""
FUNCTIONS = (*_SAMPLES, *_PICKED, "percentile", "integral", "share", "availability")

_JOINED = Template(
    """
    SELECT grp, asked.point_id, epoch_ms(observed_at) AS ms, revision, commit_no, kind, num, txt,
        verdict
    FROM ($rows) JOIN asked_groups asked USING (point_id) WHERE $judged
    """
)
_PLAIN = Template(
    """
    WITH placed AS ($placed), grouped AS (
        SELECT grp, win, $inner FROM placed GROUP BY grp, win
        HAVING count(*) FILTER (kind <> $null) > 0
    )
    SELECT grp, win, $outer FROM grouped
    """
)
_AREAS = Template(
    """
    WITH joined AS ($joined), linked AS (
        SELECT grp, ms AS a, num AS num_a,
            lead(ms) OVER in_time AS b, lead(num) OVER in_time AS num_b
        FROM joined WHERE num IS NOT NULL
        WINDOW in_time AS (PARTITION BY grp, point_id ORDER BY ms, revision, commit_no)
    ), spanned AS ($spanned), cut AS (
        SELECT grp, number, greatest(a, opens) AS from_ms, least(b, closes) AS to_ms,
            num_a + (num_b - num_a) * (from_ms - a) / (b - a) AS num_from,
            num_a + (num_b - num_a) * (to_ms - a) / (b - a) AS num_to
        FROM spanned, unnest(range(win, win_to + 1)) AS each(number) JOIN windows USING (number)
        WHERE to_ms > from_ms
    )
    SELECT grp, number AS win, sum((num_from + num_to) / 2 * (to_ms - from_ms)) / 1000 AS area
    FROM cut GROUP BY grp, win
    """
)
_HELD = Template(
    """
    WITH joined AS ($joined), linked AS (
        SELECT grp, kind, num, txt, verdict, greatest(ms, $start) AS a,
            least(lead(ms) OVER in_time, ms + $hold, $until) AS b
        FROM joined
        WINDOW in_time AS (PARTITION BY grp, point_id ORDER BY ms, revision, commit_no)
    ), spanned AS ($spanned), cut AS (
        SELECT grp, number, kind, num, txt, verdict, least(b, closes) - greatest(a, opens) AS took
        FROM spanned, unnest(range(win, win_to + 1)) AS each(number) JOIN windows USING (number)
    )
    SELECT grp, number AS win, $figures FROM cut GROUP BY grp, win
    """
)
_SPANNED = "SELECT * FROM linked WHERE b > a"
_ASOF = Template(
    """
    SELECT inner_rows.*, reached.number AS $name FROM ($rows) AS inner_rows
    ASOF JOIN windows AS reached ON inner_rows.$time >= reached.opens
    """
)
_EVEN = Template("SELECT *, ($time - $first) // $width AS $name FROM ($rows)")
_LAST = Template("SELECT *, b - 1 AS last_ms FROM ($rows)")


@dataclass(frozen=True, slots=True)
class Query:
    """SQL with its parameters; its columns are ``grp``, ``win`` and those of some measures."""

    sql: str
    parameters: Mapping[str, float | str]
    carried: bool
    """It needs the samples that are still held when the first window begins, too."""


class Measuring:
    """What to ask for the measures of a question.

    Args:
        question: Checked here.

    Raises:
        HistoryError: there is no such function, an argument is none of it, or the edges do not
            ascend.
    """

    def __init__(self, question: Windows):
        if len(question.edges) < 2 or np.any(np.diff(question.edges) <= 0):
            raise HistoryError("the edges of the windows must ascend, and there must be two")
        for measure in question.measures:
            _check(measure)
        self._question = question
        self._numbered = list(enumerate(question.measures))
        judged = ", ".join(str(int(verdict)) for verdict in sorted(question.verdicts))
        self._judged = f"verdict IN ({judged})" if judged else "false"
        self._start, self._end = int(question.edges[0]), int(question.edges[-1])

    @property
    def whole_at_once(self) -> bool:
        """True when a group's samples have to be held all at once."""
        return any(measure.function in WHOLE_AT_ONCE for _, measure in self._numbered)

    def queries(self, rows: str, carried: str) -> Sequence[Query]:
        """Return the queries over the SQL of rows.

        Args:
            rows: Those observed within the interval.
            carried: The same with those that may still hold when it begins.
        """
        asked = [
            self._plain(rows),
            self._areas(rows),
            self._held(carried, "share"),
            self._held(carried, "availability"),
        ]
        return [query for query in asked if query is not None]

    def _plain(self, rows: str) -> Query | None:
        inner, outer = [], []
        for number, (function, argument) in self._numbered:
            if function in _PICKED:
                picked = f"{_PICKED[function]}({{num: num, txt: txt}}, (ms, revision, commit_no))"
                inner.append(f"{picked} FILTER (kind <> {Kind.NULL:d}) AS p{number}")
                outer += [f"p{number}.num AS m{number}", f"p{number}.txt AS t{number}"]
                continue
            if function == "percentile":
                assert isinstance(argument, float)
                inner.append(f"quantile_cont(num, {argument!r}) AS m{number}")
            elif function in _SAMPLES:
                inner.append(f"{_SAMPLES[function]} AS m{number}")
            else:
                continue
            outer.append(f"m{number}")
        if not inner:
            return None
        joined = _JOINED.substitute(rows=rows, judged=self._judged)
        sql = _PLAIN.substitute(
            placed=self._with_window(joined, "ms", "win"),
            inner=", ".join(inner),
            outer=", ".join(outer),
            null=int(Kind.NULL),
        )
        return Query(sql, {}, carried=False)

    def _areas(self, rows: str) -> Query | None:
        numbers = [number for number, (function, _) in self._numbered if function == "integral"]
        if not numbers:
            return None
        joined = _JOINED.substitute(rows=rows, judged=self._judged)
        areas = _AREAS.substitute(joined=joined, spanned=self._spanned())
        figures = ", ".join(f"area AS m{number}" for number in numbers)
        return Query(_of(areas, f"grp, win, {figures}"), {}, carried=False)

    def _held(self, rows: str, function: str) -> Query | None:
        """Return the query for shares, or for availabilities as milliseconds of being good."""
        numbered = [(number, m) for number, m in self._numbered if m.function == function]
        if not numbered:
            return None
        figures, parameters = [], {}
        known = f"sum(took) FILTER (kind <> {Kind.NULL:d})"
        for number, (_, state) in numbered:
            if function == "availability":
                good = f"kind <> {Kind.NULL:d} AND verdict = {Verdict.GOOD:d}"
                figures.append(f"coalesce(sum(took) FILTER ({good}), 0)::DOUBLE AS m{number}")
                continue
            assert state is not None
            column = "txt" if isinstance(state, str) else "num"
            parameters[f"state{number}"] = state
            there = f"coalesce(sum(took) FILTER ({column} = $state{number}), 0)"
            figures.append(f"{there} / {known} AS m{number}")
        judged = "true" if function == "availability" else self._judged
        sql = _HELD.substitute(
            joined=_JOINED.substitute(rows=rows, judged=judged),
            spanned=self._spanned(),
            start=self._start,
            hold=self._question.hold_ms,
            until=min(self._question.until, self._end),
            figures=", ".join(figures),
        )
        return Query(sql, parameters, carried=True)

    def _spanned(self) -> str:
        """Return the SQL of ``linked`` with the windows of a span's begin and end."""
        begun = self._with_window(_SPANNED, "a", "win")
        return self._with_window(_LAST.substitute(rows=begun), "last_ms", "win_to")

    def _with_window(self, rows: str, time: str, name: str) -> str:
        """Return the SQL of rows with the number of the window that a time lies in."""
        width = even_width(self._question.edges)
        if width is None:
            return _ASOF.substitute(rows=rows, time=time, name=name)
        return _EVEN.substitute(rows=rows, time=time, name=name, first=self._start, width=width)


def even_width(edges: Millis) -> int | None:
    """Return the width of windows that are all as wide, but the last; None when they differ."""
    widths: Any = np.diff(edges)
    if len(widths) == 1 or (np.all(widths[:-1] == widths[0]) and widths[-1] <= widths[0]):
        return int(widths[0])
    return None


def _of(query: str, columns: str) -> str:
    return Template("SELECT $columns FROM ($query)").substitute(columns=columns, query=query)


def _check(measure: Measure) -> None:
    function, argument = measure
    if function not in FUNCTIONS:
        raise HistoryError(f"{function[:32]!r} is no function; use one of {' '.join(FUNCTIONS)}")
    if function == "percentile":
        if not isinstance(argument, float) or not 0.0 <= argument <= 1.0:
            raise HistoryError("percentile needs a fraction from 0 to 1")
    elif (function == "share") is (argument is None):
        raise HistoryError(f"{function} needs {'a state' if argument is None else 'no argument'}")
