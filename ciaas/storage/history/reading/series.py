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
from ciaas.storage.history.reading.adding import Adding
from ciaas.storage.history.reading.partials import PartialsKept
from ciaas.storage.history.reading.rows import (
    INLINE_MAX,
    condition_of_times,
    newest,
    rows_of,
    within_time,
)
from ciaas.storage.history.refusal import AnswerTooLarge
from ciaas.storage.history.segments.layout import Layout, Tables

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


def series(cursor: Cursor, layout: Layout, span: Span, rows_max: int, kept: PartialsKept) -> Series:
    """Answer a span from one snapshot; see `HistoryStore.series`.

    Args:
        cursor: In the snapshot.
        layout: The tables that it has.
        span: The question.
        rows_max: Of the answer.
        kept: Partial figures of the segments.

    Raises:
        AnswerTooLarge: more than ``rows_max`` rows.
        HistoryError: an unknown function or fill, or an interval that is not positive.
    """
    points = _distinct(span.points)
    plan = resampling.plan(span) if span.resample is not None else None
    span = replace(span, points=points, start=within_time(span.start), end=within_time(span.end))
    tables = layout.observed_within(span.start, span.end)
    if not len(points) or not tables.numbers or span.limit < 1:
        return _answer(_nothing(), points, span.limit)
    all_max = rows_max + len(points) + 1
    if plan is not None and _adds_up(layout, span, plan, kept.buckets_max):
        columns = _added(cursor, layout, span, plan, all_max, kept)
    else:
        columns = _read(cursor, tables, span, plan, all_max)
    if plan is not None:
        columns = plan.fill(columns, span, all_max)
    answer = _answer(columns, points, span.limit)
    if len(answer.point) > rows_max:
        raise AnswerTooLarge(
            f"the answer has more than {rows_max} rows: ask for fewer points, a shorter time or a "
            "longer interval"
        )
    return answer


def _read(
    cursor: Cursor, tables: Tables, span: Span, plan: resampling.Plan | None, all_max: int
) -> dict[str, NDArray[Any]]:
    """Return the rows of a span, or its buckets, worked out from all its samples."""
    # One row more than asked for tells that there are more, for each point.
    points, each_max = span.points, span.limit + 1
    rows = rows_of(tables, points, condition_of_times(span.start, span.end))
    with _asking(cursor, points):
        if not span.all_revisions:
            rows = newest(cursor, tables, rows)
        if plan is not None:
            query = plan.query(rows, len(points) == 1, each_max, all_max)
        elif len(points) == 1:
            query = _OF_ONE.substitute(rows=rows, rows_max=min(each_max, all_max))
        else:
            query = _OF_MANY.substitute(rows=rows, rows_max=each_max, answer_max=all_max)
        return _fetch(cursor, query)


def _adds_up(layout: Layout, span: Span, plan: resampling.Plan, buckets_max: int) -> bool:
    """Tell whether the answer can be had from partial figures, within the memory for them."""
    if not plan.adds_up or span.all_revisions or len(span.points) > INLINE_MAX:
        return False
    first, last = layout.extent_within(span.start, span.end)
    return ((last - first) // plan.interval_ms + 1) * len(span.points) <= buckets_max


def _added(
    cursor: Cursor,
    layout: Layout,
    span: Span,
    plan: resampling.Plan,
    all_max: int,
    kept: PartialsKept,
) -> dict[str, NDArray[Any]]:
    """Return the buckets of a span, added up; samples are read where one has two revisions."""
    adding = Adding(cursor, layout, span.points, plan.interval_ms, plan.epoch_ms, kept)
    figures = adding.figures(span.start, span.end)
    if not figures.revised.any():
        return plan.answer(figures)
    doubtful = figures.bucket[figures.revised]
    first, last = int(doubtful.min()), int(doubtful.max()) + plan.interval_ms - 1
    start = first if span.start is None else max(first, span.start)
    end = last if span.end is None else min(last, span.end)
    within = replace(span, start=start, end=end)
    read = _read(cursor, layout.observed_within(start, end), within, plan, all_max)
    beside = plan.answer(figures.select((figures.bucket < first) | (figures.bucket > last)))
    columns = {field: np.concatenate([beside[field], read[field]]) for field in _FIELDS}
    order = np.lexsort((columns["observed"], columns["point"]))
    return {field: column[order] for field, column in columns.items()}


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
