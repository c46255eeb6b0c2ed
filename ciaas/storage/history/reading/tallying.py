"""Figures of windows from samples held in memory, where they are few enough.

For the functions that need no order, counting into a table of groups by windows takes a fraction of
what planning the same as SQL does: 1 of 4 ms for 20,000 samples.
"""

from __future__ import annotations

from collections.abc import Mapping
from string import Template
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Kind, Millis, Numbers, Uint32s, Verdict
from ciaas.ports import Windows
from ciaas.storage.history.database import Cursor
from ciaas.storage.history.reading.measuring import even_width

FUNCTIONS = frozenset({"count", "mean", "min", "max", "sum"})
NEEDED = "point_id, observed_at, kind, num, verdict"
"""Columns of the samples."""
_ROWS = Template("SELECT $columns FROM ($rows) LIMIT $samples_max + 1")
_Columns = Mapping[str, NDArray[Any]]


def tallied(cursor: Cursor, rows: str, question: Windows, samples_max: int) -> _Columns | None:
    """Return ``grp``, ``win`` and a column for each measure; None when there are too many samples.

    Args:
        cursor: In a snapshot.
        rows: The SQL of the samples within the interval, one for each time of a point.
        question: All of its functions are among `FUNCTIONS`.
        samples_max: What may be held.
    """
    query = _ROWS.substitute(columns=NEEDED, rows=rows, samples_max=samples_max)
    table: Any = cursor.execute(query).to_arrow_table()
    if table.num_rows > samples_max:
        return None
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    if len(question.verdicts) < len(Verdict):
        judged = np.isin(columns["verdict"], list(question.verdicts))
        columns = {name: column[judged] for name, column in columns.items()}
    sample, group = _grouped(columns["point_id"], question)
    window = _window(columns["observed_at"].view(np.int64), question.edges)
    cells = group.astype(np.int64) * (len(question.edges) - 1) + window[sample]
    return _figures(cells, columns["kind"][sample], columns["num"][sample], question)


def _grouped(points: Uint32s, question: Windows) -> tuple[NDArray[np.intp], Uint32s]:
    """Return each sample's place and group, as often as its point is in groups."""
    order = np.argsort(question.points, kind="stable")
    distinct, first, times = np.unique(
        question.points[order], return_index=True, return_counts=True
    )
    place = np.searchsorted(distinct, points)
    repeated = times[place]
    sample = np.repeat(np.arange(len(points)), repeated)
    ordinal = np.arange(len(sample)) - np.repeat(np.cumsum(repeated) - repeated, repeated)
    return sample, question.groups[order][first[place][sample] + ordinal]


def _window(times: Millis, edges: Millis) -> NDArray[np.int64]:
    width = even_width(edges)
    if width is None:
        return np.searchsorted(edges, times, side="right") - 1
    return np.asarray((times - edges[0]) // width)


def _figures(
    cells: NDArray[np.int64], kinds: NDArray[Any], numbers: Numbers, question: Windows
) -> _Columns:
    windows = len(question.edges) - 1
    size = (int(question.groups.max(initial=0)) + 1) * windows
    values = np.bincount(cells[kinds != Kind.NULL], minlength=size)
    there = ~np.isnan(numbers)
    cells, numbers = cells[there], numbers[there]
    known = np.bincount(cells, minlength=size)
    sums = np.bincount(cells, weights=numbers, minlength=size)
    chosen = np.flatnonzero(values)
    none = known[chosen] == 0
    group, window = np.divmod(chosen, windows)
    answer: dict[str, NDArray[Any]] = {"grp": group, "win": window}
    for number, measure in enumerate(question.measures):
        figure: Numbers
        match measure.function:
            case "count":
                answer[f"m{number}"] = values[chosen].astype(np.float64)
                continue
            case "mean":
                figure = sums[chosen] / np.maximum(known[chosen], 1)
            case "sum":
                figure = np.asarray(sums[chosen])
            case "min":
                figure = _extreme(np.minimum, np.inf, cells, numbers, size)[chosen]
            case _:
                figure = _extreme(np.maximum, -np.inf, cells, numbers, size)[chosen]
        answer[f"m{number}"] = np.where(none, np.nan, figure)
    return answer


def _extreme(
    pick: np.ufunc, start: float, cells: NDArray[np.int64], numbers: Numbers, size: int
) -> Numbers:
    extreme = np.full(size, start)
    pick.at(extreme, cells, numbers)
    return extreme
