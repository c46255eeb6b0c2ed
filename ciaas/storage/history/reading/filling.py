"""Fill the empty buckets of a thinned-out series.

Each point's grid runs from the bucket of the interval's start to that of its end; an open end is
the point's own first or last bucket. A point without any bucket gets none, as in InfluxQL.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import DTYPES, Kind, Millis, Reason, Verdict
from ciaas.ports import Span

FILLS = ("NONE", "NULL", "ZERO", "PREVIOUS", "LINEAR")
_Columns = dict[str, NDArray[Any]]


def fill(columns: _Columns, span: Span, interval_ms: int, how: str, rows_max: int) -> _Columns:
    """Return the columns with a row for each empty bucket, ordered by point and time.

    A value that is held, interpolated or set to zero is a number of uncertain verdict, because it
    was estimated; where there is nothing to take it from, and with NULL, it is null.

    It stops after the point that passes ``rows_max`` rows.
    """
    point = columns["point"]
    parts: list[_Columns] = []
    rows = 0
    for own in np.split(np.arange(len(point)), np.flatnonzero(np.diff(point)) + 1):
        if not len(own):
            continue
        part = {field: column[own] for field, column in columns.items()}
        grid = _grid(part["observed"], span, interval_ms)
        missing = grid[~np.isin(grid, part["observed"])]
        filled = _joined(part, _filled(part, missing, how))
        rows += len(filled["point"])
        parts.append(filled)
        if rows >= rows_max:
            break
    if not parts:
        return columns
    return {field: np.concatenate([part[field] for part in parts]) for field in columns}


def _grid(observed: Millis, span: Span, interval_ms: int) -> Millis:
    """Return the starts of the buckets of one point, one more than the limit at most."""
    start = observed[0] if span.start is None else span.start // interval_ms * interval_ms
    end = observed[-1] if span.end is None else span.end
    count = min((int(end) - int(start)) // interval_ms + 1, span.limit + 1)
    return int(start) + np.arange(count, dtype=np.int64) * interval_ms


def _filled(part: _Columns, missing: Millis, how: str) -> _Columns:
    """Return rows for the missing buckets."""
    size = len(missing)
    before = np.searchsorted(part["observed"], missing) - 1
    filled: _Columns = {
        "point": np.full(size, part["point"][0], DTYPES["point"]),
        "observed": missing,
        "kind": np.full(size, Kind.NULL, DTYPES["kind"]),
        "num": np.full(size, np.nan),
        "txt": np.full(size, None, object),
        "verdict": np.full(size, Verdict.UNCERTAIN, DTYPES["verdict"]),
        "reason": np.full(size, Reason.NONE, DTYPES["reason"]),
    }
    if how == "ZERO":
        filled["num"][:] = 0.0
    elif how == "PREVIOUS":
        known = before >= 0
        for field in ("kind", "num", "txt"):
            filled[field][known] = part[field][before[known]]
    elif how == "LINEAR":
        filled["num"] = _between(part, missing, before)
    estimated = (filled["kind"] != Kind.NULL) | ~np.isnan(filled["num"])
    numbers = estimated & (filled["kind"] == Kind.NULL)
    filled["kind"][numbers] = Kind.NUMBER
    filled["reason"][estimated] = Reason.ESTIMATED
    return filled


def _between(part: _Columns, missing: Millis, before: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the points of the lines between two buckets, NaN outside them."""
    after = before + 1
    inside = (before >= 0) & (after < len(part["observed"]))
    low, high = np.maximum(before, 0), np.minimum(after, len(part["observed"]) - 1)
    times, values = part["observed"], part["num"]
    width = np.maximum(times[high] - times[low], 1)
    line = values[low] + (values[high] - values[low]) * ((missing - times[low]) / width)
    return np.where(inside, line, np.nan)


def _joined(part: _Columns, filled: _Columns) -> _Columns:
    joined = {field: np.concatenate([part[field], filled[field]]) for field in part}
    order = np.argsort(joined["observed"], kind="stable")
    return {field: column[order] for field, column in joined.items()}
