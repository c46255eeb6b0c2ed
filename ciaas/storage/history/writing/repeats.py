"""Repeats are dropped; another value at the same point and time becomes a revision."""

from __future__ import annotations

from string import Template
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from ciaas.kernel.sample import Frame, Kind, Texts, Uint16s
from ciaas.storage.history.columns import texts as to_text
from ciaas.storage.history.columns import to_arrow
from ciaas.storage.history.database import Cursor
from ciaas.storage.history.segments.layout import Layout
from ciaas.storage.history.writing.latest import Latest

_EXACT_MAX = 2.0**53

_STORED = Template(
    """
    SELECT asked.place, max(stored.revision)::INTEGER AS revision, bool_or(
        stored.kind = asked.kind
        AND stored.num IS NOT DISTINCT FROM asked.num
        AND stored.txt IS NOT DISTINCT FROM asked.txt
        AND (NOT asked.by_raw OR stored.raw IS NOT DISTINCT FROM asked.raw)) AS repeated
    FROM $tables AS stored JOIN asked
        ON stored.point_id = asked.point_id AND stored.observed_at = asked.observed_at
    WHERE stored.observed_at BETWEEN make_timestamp_ms($start) AND make_timestamp_ms($end)
        AND stored.point_id BETWEEN $low AND $high
    GROUP BY asked.place
    """
)


class Sifted(NamedTuple):
    """What is left of a batch."""

    fresh: Frame
    """Rows to store, ordered by point, time and revision, which is filled."""
    repeats: int


class _Known(NamedTuple):
    """What is stored at the point and time of each row."""

    revision: NDArray[np.int64]
    """The highest, -1 for none."""
    repeated: NDArray[np.bool_]
    """The row's own value is stored."""


def sift(frame: Frame, latest: Latest, cursor: Cursor, layout: Layout, revision_max: int) -> Sifted:
    """Drop the rows whose point, time and value are stored or came earlier in the batch.

    Rows newer than their point's newest sample need no look-up; that is nearly all of them.
    """
    if not len(frame):
        return Sifted(frame, 0)
    frame = frame.select(np.lexsort((frame.observed, frame.point)))
    newest = latest.observed(frame.point)
    same = (frame.point[1:] == frame.point[:-1]) & (frame.observed[1:] == frame.observed[:-1])
    twice = np.append(same, False) | np.append(False, same)
    doubtful = np.flatnonzero(twice | (frame.observed <= newest))
    revision = np.zeros(len(frame), np.int64)
    keep = np.ones(len(frame), bool)
    if len(doubtful):
        asked = frame.select(doubtful)
        known = _stored(asked, newest[doubtful], latest, cursor, layout)
        kept = _first_of_value(asked) & ~known.repeated
        keep[doubtful] = kept
        revision[doubtful] = known.revision + _ordinal(asked, kept)
    filled = np.minimum(revision, revision_max).astype(np.uint16)
    fresh = _with_revision(frame, filled).select(keep)
    return Sifted(fresh, len(frame) - len(fresh))


def _with_revision(frame: Frame, revision: Uint16s) -> Frame:
    return Frame(
        frame.point, frame.observed, frame.received, frame.kind, frame.num, frame.txt,
        frame.verdict, frame.reason, frame.raw, frame.source, revision,
    )  # fmt: skip


def _stored(
    asked: Frame, newest: NDArray[np.int64], latest: Latest, cursor: Cursor, layout: Layout
) -> _Known:
    """Find what is stored: the newest sample from memory, older ones by one query."""
    known = _Known(np.full(len(asked), -1, np.int64), np.zeros(len(asked), bool))
    at_newest = asked.observed == newest
    remembered = latest.of_known(asked.point)
    by_memory = np.flatnonzero(at_newest & (remembered.revision == 0))
    if len(by_memory):
        known.revision[by_memory] = 0
        known.repeated[by_memory] = _same(asked.select(by_memory), remembered.select(by_memory))
    rows = np.flatnonzero((asked.observed < newest) | (at_newest & (remembered.revision > 0)))
    if len(rows):
        _look_up(asked.select(rows), rows, known, cursor, layout)
    return known


def _look_up(
    asked: Frame, rows: NDArray[np.intp], known: _Known, cursor: Cursor, layout: Layout
) -> None:
    start, end = int(asked.observed.min()), int(asked.observed.max())
    tables = layout.observed_within(start, end)
    if not tables.numbers:
        return
    table: Any = to_arrow(asked)
    table = table.append_column("place", pa.array(rows))
    table = table.append_column("by_raw", pa.array(_by_raw(asked)))
    columns = "point_id, observed_at, kind, num, txt, raw, revision"
    query = _STORED.substitute(
        tables=tables.union(columns),
        start=start,
        end=end,
        low=int(asked.point.min()),
        high=int(asked.point.max()),
    )
    cursor.register("asked", table)
    try:
        found = cursor.execute(query).fetchnumpy()
    finally:
        cursor.unregister("asked")
    known.revision[found["place"]] = found["revision"]
    known.repeated[found["place"]] = found["repeated"]


def _by_raw(frame: Frame) -> NDArray[np.bool_]:
    """Return where two values are told apart by ``raw``, because the other columns can't."""
    large = (frame.kind == Kind.INTEGER) & (np.abs(frame.num) >= _EXACT_MAX)
    return np.asarray((frame.kind == Kind.NULL) | large, bool)


def _same(left: Frame, right: Frame) -> NDArray[np.bool_]:
    """Return where the rows of two equally long frames hold the same value."""
    number = (left.num == right.num) | (np.isnan(left.num) & np.isnan(right.num))
    value = (left.kind == right.kind) & number & _equal(left.txt, right.txt)
    return np.asarray(value & (~_by_raw(left) | _equal(left.raw, right.raw)), bool)


def _equal(left: Texts, right: Texts) -> NDArray[np.bool_]:
    return np.asarray(left == right, bool)


def _first_of_value(frame: Frame) -> NDArray[np.bool_]:
    """Return which rows are the first with their point, time and value; order is arrival."""
    # NaN equals nothing, so it is compared by a column of its own.
    number = np.where(np.isnan(frame.num), 0.0, frame.num)
    keys: list[NDArray[Any]] = [
        frame.point, frame.observed, frame.kind, number, np.isnan(frame.num), _codes(frame.txt),
        np.where(_by_raw(frame), _codes(frame.raw), 0),
    ]  # fmt: skip
    order = np.lexsort(keys[::-1])
    differs = np.zeros(len(frame) - 1, bool)
    for key in keys:
        ordered = key[order]
        differs |= ordered[1:] != ordered[:-1]
    first = np.empty(len(frame), bool)
    first[order] = np.append(True, differs)
    return first


def _codes(texts: Texts) -> NDArray[np.int64]:
    """Return equal numbers for equal texts, -1 for None."""
    encoded: Any = to_text(texts).dictionary_encode()
    return np.asarray(encoded.indices.fill_null(-1)).astype(np.int64)


def _ordinal(frame: Frame, kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many kept rows of the same point and time come up to and including each."""
    opens = np.append(
        True,
        (frame.point[1:] != frame.point[:-1]) | (frame.observed[1:] != frame.observed[:-1]),
    )
    count = np.cumsum(kept)
    before: NDArray[np.int64] = (count - kept)[opens]
    return np.asarray(count - before[np.cumsum(opens) - 1], np.int64)
