"""Groups of points, window by window, part after part."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from string import Template
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ciaas.kernel.sample import Millis, Uint32s
from ciaas.ports import AnswerTooLarge, Windows, WindowsPart
from ciaas.storage.history.bounds import Bounds
from ciaas.storage.history.columns import plain
from ciaas.storage.history.database import Cursor
from ciaas.storage.history.reading.measuring import Measuring
from ciaas.storage.history.reading.rows import (
    COLUMNS,
    asks_by_table,
    condition_of_times,
    newest,
    rows_of,
    within_time,
)
from ciaas.storage.history.reading.tallying import FUNCTIONS, NEEDED, tallied
from ciaas.storage.history.reading.watch import Watch
from ciaas.storage.history.segments.layout import Layout
from ciaas.storage.history.segments.tables import SampleTables

_COUNTS = Template("SELECT point_id, count(*) AS samples FROM ($rows) GROUP BY point_id")
_Columns = Mapping[str, Any]


def windows(
    tables: SampleTables, question: Windows, bounds: Bounds, watch: Watch
) -> Iterator[WindowsPart]:
    """Answer a question, some groups at a time; see `HistoryStore.windows`.

    Raises:
        AnswerTooLarge, TooSlow, HistoryError: as there.
    """
    measuring = Measuring(question)
    order = np.argsort(question.groups, kind="stable")
    points, groups = question.points[order], question.groups[order]
    budget = _Budget(watch, question.within_s)
    if _tallies(question, bounds):
        with tables.reading() as (cursor, layout), budget.spent(cursor):
            tally = _tallied(cursor, layout, question, bounds)
        if tally is not None:
            yield _part(question, [tally], 0, int(groups.max(initial=0)) + 1, groups)
            return
    with tables.reading() as (cursor, layout), budget.spent(cursor):
        samples = _samples(cursor, layout, question, points, groups)
    _check_samples(samples, measuring, bounds)
    for first, after in _parts(samples, len(question.edges) - 1, bounds):
        own = slice(*np.searchsorted(groups, [first, after]).tolist())
        with tables.reading() as (cursor, layout), budget.spent(cursor):
            answers = _ask(cursor, layout, question, measuring, points[own], groups[own])
        yield _part(question, answers, first, after, groups[own])


class _Budget:
    """The time of all statements of one question together; between two of them it stands still."""

    def __init__(self, watch: Watch, within_s: float):
        self._watch, self._left_s = watch, within_s

    @contextmanager
    def spent(self, cursor: Cursor) -> Iterator[None]:
        """Have a cursor's statements broken off when all time is over; raises TooSlow likewise."""
        began = time.monotonic()
        with self._watch.over(cursor, self._left_s):
            yield
        self._left_s -= time.monotonic() - began


def _tallies(question: Windows, bounds: Bounds) -> bool:
    """Tell whether a question may be one part, of functions that need no order."""
    cells = (int(question.groups.max(initial=0)) + 1) * (len(question.edges) - 1)
    functions = {measure.function for measure in question.measures}
    return functions <= FUNCTIONS and cells <= bounds.windows_rows


def _tallied(cursor: Cursor, layout: Layout, question: Windows, bounds: Bounds) -> _Columns | None:
    """Return the one part's columns; None when it would be several."""
    distinct = np.unique(question.points)
    asked = {"asked": pa.table({"id": pa.array(distinct)})} if asks_by_table(distinct) else {}
    with _registered(cursor, **asked):
        rows = _rows(cursor, layout, question, distinct, 0, NEEDED)
        if rows is None:
            return {"grp": np.empty(0, np.int64), "win": np.empty(0, np.int64)}
        return tallied(cursor, rows, question, bounds.windows_samples)


def _samples(
    cursor: Cursor, layout: Layout, question: Windows, points: Uint32s, groups: Uint32s
) -> NDArray[np.int64]:
    """Return how many samples each group has in the interval, all revisions counted."""
    distinct = np.unique(points)
    counted = np.zeros(len(distinct), np.int64)
    with _registered(cursor, asked=pa.table({"id": pa.array(distinct)})):
        rows = _rows(cursor, layout, question, distinct, 0)
        if rows is not None:
            found = cursor.execute(_COUNTS.substitute(rows=rows)).fetchnumpy()
            place = np.searchsorted(distinct, np.asarray(found["point_id"]))
            counted[place] = np.asarray(found["samples"])
    each = counted[np.searchsorted(distinct, points)]
    return np.bincount(groups, weights=each).astype(np.int64)


def _check_samples(samples: NDArray[np.int64], measuring: Measuring, bounds: Bounds) -> None:
    if measuring.whole_at_once and samples.max(initial=0) > bounds.windows_group_samples:
        raise AnswerTooLarge(
            f"a group has {samples.max():,} samples; medians, percentiles, integrals, shares and "
            f"availabilities take {bounds.windows_group_samples:,} at most: ask for a shorter time "
            "or smaller groups"
        )


def _parts(
    samples: NDArray[np.int64], windows_number: int, bounds: Bounds
) -> Iterator[tuple[int, int]]:
    """Yield the groups of each part, from the first until before the last."""
    first = taken = 0
    groups_max = max(1, bounds.windows_rows // windows_number)
    for group, count in enumerate(samples.tolist()):
        full = group - first >= groups_max or taken + count > bounds.windows_samples
        if full and group > first:
            yield first, group
            first, taken = group, 0
        taken += count
    yield first, len(samples)


def _ask(
    cursor: Cursor,
    layout: Layout,
    question: Windows,
    measuring: Measuring,
    points: Uint32s,
    groups: Uint32s,
) -> Sequence[_Columns]:
    """Return the columns that each of the queries for some groups gave."""
    edges = question.edges
    distinct = np.unique(points)
    tables = {
        "asked": pa.table({"id": pa.array(distinct)}),
        "asked_groups": pa.table({"point_id": pa.array(points), "grp": pa.array(groups)}),
        "windows": pa.table(
            {
                "number": pa.array(np.arange(len(edges) - 1)),
                "opens": pa.array(edges[:-1]),
                "closes": pa.array(edges[1:]),
            }
        ),
    }
    with _registered(cursor, **tables):
        rows = _rows(cursor, layout, question, distinct, 0)
        carried = _rows(cursor, layout, question, distinct, question.hold_ms)
        return [
            cursor.execute(query.sql, dict(query.parameters) or None).fetchnumpy()
            for query in measuring.queries(rows or "", carried or "")
            if (carried if query.carried else rows) is not None
        ]


def _rows(
    cursor: Cursor,
    layout: Layout,
    question: Windows,
    points: Uint32s,
    before_ms: int,
    needed: str = COLUMNS,
) -> str | None:
    """Return the SQL of the rows from some time before the first window; None without any.

    There are no fewer columns than the needed ones.
    """
    start = within_time(int(question.edges[0]) - before_ms)
    end = within_time(int(question.edges[-1]) - 1)
    tables = layout.observed_within(start, end)
    if not tables.numbers or not len(points):
        return None
    times = condition_of_times(start, end)
    if not tables.revised:
        return rows_of(tables, points, times, needed)
    return newest(cursor, tables, rows_of(tables, points, times))


@contextmanager
def _registered(cursor: Cursor, **tables: Any) -> Iterator[None]:
    """Let the statements of a block name these tables."""
    for name, table in tables.items():
        cursor.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            cursor.unregister(name)


def _part(
    question: Windows, answers: Sequence[_Columns], first: int, after: int, groups: Uint32s
) -> WindowsPart:
    """Join what the queries gave into one table by group and window."""
    windows_number = len(question.edges) - 1
    keys = [
        np.asarray(answer["grp"], np.int64) * windows_number + np.asarray(answer["win"], np.int64)
        for answer in answers
    ]
    measured = np.array([m.function == "availability" for m in question.measures])
    known_windows = np.flatnonzero(question.edges[:-1] < question.until)
    if measured.any():
        every = np.arange(first, after, dtype=np.int64)[:, None] * windows_number + known_windows
        keys.append(every.ravel())
    all_keys = np.unique(np.concatenate([np.empty(0, np.int64), *keys]))
    figures = [np.full(len(all_keys), np.nan) for _ in question.measures]
    texts: dict[int, NDArray[np.object_]] = {}
    for key, answer in zip(keys, answers, strict=False):  # the windows of availabilities are last
        place = np.searchsorted(all_keys, key)
        for number in range(len(figures)):
            if f"m{number}" in answer:
                figures[number][place] = plain(answer[f"m{number}"], "num")
            if f"t{number}" in answer:
                column = texts.setdefault(number, np.full(len(all_keys), None, np.object_))
                column[place] = plain(answer[f"t{number}"], "txt")
    group, window = np.divmod(all_keys, windows_number)
    part = WindowsPart(
        first, after, group.astype(np.uint32), window.astype(np.uint32), figures, texts
    )
    for number in np.flatnonzero(measured).tolist():
        figures[number] = _availability(question, part, figures[number], groups)
    return part


def _availability(
    question: Windows, part: WindowsPart, good_ms: NDArray[np.float64], groups: Uint32s
) -> NDArray[np.float64]:
    """Return the part of all time of a group's points, as far as it has passed, that was good."""
    opens = question.edges[:-1]
    closes: Millis = np.minimum(question.edges[1:], question.until)
    points = np.bincount(groups - part.first, minlength=part.after - part.first)
    passed = (closes - opens)[part.window] * points[part.group - part.first]
    return np.where(passed > 0, np.nan_to_num(good_ms) / np.maximum(passed, 1), np.nan)
