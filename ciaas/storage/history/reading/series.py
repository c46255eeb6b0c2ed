"""Series of many points in one query."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from string import Template
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ciaas.kernel.sample import Frame, Uint32s
from ciaas.ports import Series, Span
from ciaas.storage.history.columns import plain
from ciaas.storage.history.database import Cursor
from ciaas.storage.history.reading import resampling
from ciaas.storage.history.reading.rows import (
    INLINE_MAX,
    condition_of_times,
    newest,
    rows_of,
    within_time,
)
from ciaas.storage.history.refusal import AnswerTooLarge
from ciaas.storage.history.segments.layout import Layout

_OF_ONE = Template("$rows ORDER BY observed_at, revision, commit_no LIMIT $rows_max")
_OF_MANY = Template(
    """
    FROM ($rows) SELECT *
    QUALIFY row_number() OVER (
        PARTITION BY point_id ORDER BY observed_at, revision, commit_no) <= $rows_max
    ORDER BY point_id, observed_at, revision, commit_no LIMIT $answer_max
    """
)
_FIELDS = ("point", "observed", "kind", "num", "txt", "verdict", "reason")
_STORED = ("point_id", "observed_at", "kind", "num", "txt", "verdict", "reason")


def series(cursor: Cursor, layout: Layout, span: Span, rows_max: int) -> Series:
    """Answer a span from one snapshot; see `HistoryStore.series`.

    Raises:
        AnswerTooLarge: more than ``rows_max`` rows.
        HistoryError: an unknown function or fill, or an interval that is not positive.
    """
    points = _distinct(span.points)
    plan = resampling.plan(span) if span.resample is not None else None
    span = replace(span, start=within_time(span.start), end=within_time(span.end))
    tables = layout.observed_within(span.start, span.end)
    if not len(points) or not tables.numbers or span.limit < 1:
        return _answer(_nothing(), points, span.limit)
    rows = rows_of(tables, points, condition_of_times(span.start, span.end))
    # One row more than asked for tells that there are more, for each point.
    each_max, all_max = span.limit + 1, rows_max + len(points) + 1
    with _asking(cursor, points):
        if not span.all_revisions:
            rows = newest(cursor, tables, rows)
        if plan is not None:
            query = plan.query(rows, len(points) == 1, each_max, all_max)
        elif len(points) == 1:
            query = _OF_ONE.substitute(rows=rows, rows_max=min(each_max, all_max))
        else:
            query = _OF_MANY.substitute(rows=rows, rows_max=each_max, answer_max=all_max)
        columns = _fetch(cursor, query)
    if plan is not None:
        columns = plan.fill(columns, span, all_max)
    answer = _answer(columns, points, span.limit)
    if len(answer.point) > rows_max:
        raise AnswerTooLarge(
            f"the answer has more than {rows_max} rows: ask for fewer points, a shorter time or a "
            "longer interval"
        )
    return answer


def _distinct(points: Uint32s) -> Uint32s:
    """Return the points in the order asked, each once."""
    _, first = np.unique(points, return_index=True)
    return points[np.sort(first)]


@contextmanager
def _asking(cursor: Cursor, points: Uint32s) -> Iterator[None]:
    """Make the points a table for the queries of a block, when they are too many to write out."""
    if len(points) <= INLINE_MAX:
        yield
        return
    cursor.register("asked", pa.table({"id": pa.array(points)}))
    try:
        yield
    finally:
        cursor.unregister("asked")


def _fetch(cursor: Cursor, query: str) -> dict[str, NDArray[Any]]:
    fetched = cursor.execute(query).fetchnumpy()
    return {
        field: plain(fetched[stored], field) for field, stored in zip(_FIELDS, _STORED, strict=True)
    }


def _nothing() -> dict[str, NDArray[Any]]:
    empty = Frame.empty()
    return {field: getattr(empty, field) for field in _FIELDS}


def _answer(columns: dict[str, NDArray[Any]], points: Uint32s, limit: int) -> Series:
    """Cut each point at the limit, and put the points in the order asked."""
    point = columns["point"]
    starts = np.flatnonzero(np.append(True, point[1:] != point[:-1])[: len(point)])
    counts = np.diff(np.append(starts, len(point))).astype(np.int64)
    place = np.arange(len(point)) - np.repeat(starts, counts)
    chosen = np.flatnonzero(place < limit)
    if np.any(points[1:] < points[:-1]):
        order = np.argsort(points, kind="stable")
        rank = order[np.searchsorted(points[order], point[chosen])]
        chosen = chosen[np.argsort(rank, kind="stable")]
    return Series(
        **{field: column[chosen] for field, column in columns.items()},
        truncated=bool(np.any(counts > limit)),
    )
