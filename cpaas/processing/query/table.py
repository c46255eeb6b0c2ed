"""The answer of a query as Arrow tables: long as it comes, or put together and aligned."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute
from numpy.typing import NDArray

from ciaas.kernel.sample import Millis
from ciaas.ports import WindowsPart
from cpaas.processing.query.plan import Plan

TEXT_SUFFIX = "_text"
"""Of the column beside ``first`` and ``last`` that has what is no number."""


def schema_of(plan: Plan) -> Any:
    """Return the Arrow schema: ``time`` in the query's zone, ``series`` unless aligned, figures."""
    fields = [pa.field("time", _time_type(plan))]
    if not plan.document.align:
        fields.append(pa.field("series", pa.dictionary(pa.int32(), pa.string())))
    for number, name in enumerate(plan.columns):
        fields.append(pa.field(name, pa.float64()))
        if number in plan.texts:
            fields.append(pa.field(name + TEXT_SUFFIX, pa.string()))
    return pa.schema(fields)


def long_tables(plan: Plan, parts: Iterable[WindowsPart]) -> Iterator[Any]:
    """Yield a table for each part; rows by series, then by time."""
    schema = schema_of(plan)
    labels = pa.array(plan.chosen.labels, pa.string())
    for part in parts:
        columns: list[Any] = [
            _times(plan, plan.edges[part.window]),
            pa.DictionaryArray.from_arrays(pa.array(part.group.astype(np.int32)), labels),
        ]
        figures = _with_formulas(
            plan,
            {m.name: f for m, f in zip(plan.document.measures, part.figures, strict=True)},
            len(part.group),
        )
        for number, name in enumerate(plan.columns):
            columns.append(_numbers(figures[name]))
            if number in plan.texts:
                words = part.texts.get(number, np.full(len(part.group), None, np.object_))
                columns.append(pa.array(words, pa.string()))
        yield pa.table(columns, schema=schema)


def aligned_table(plan: Plan, parts: Iterable[WindowsPart]) -> Any:
    """Return one row for each window with the figures of all series side by side.

    Unless something is filled in, windows in which no series has a figure are left out.
    """
    windows = len(plan.edges) - 1
    measures = plan.document.measures
    figures = np.full((len(measures), plan.series, windows), np.nan)
    there = np.zeros(windows, np.bool_)
    for part in parts:
        there[part.window] = True
        for number, column in enumerate(part.figures):
            figures[number, part.group, part.window] = column
    chosen = np.flatnonzero(there)
    columns = {
        plan.aligned_name(series, measure.name): figures[number, series, chosen]
        for number, measure in enumerate(measures)
        for series in range(plan.series)
    }
    columns = _with_formulas(plan, columns, len(chosen))
    arrays = [_times(plan, plan.edges[chosen]), *(_numbers(columns[n]) for n in plan.columns)]
    return pa.table(arrays, schema=schema_of(plan))


def ordered(plan: Plan, table: Any) -> Any:
    """Return the rows in the order that the query asks for; what is not there comes last."""
    keys = [
        (key.by, "descending" if key.descending else "ascending") for key in plan.document.order
    ]
    if not keys:
        return table
    sortable = table
    if "series" in table.column_names:
        place = table.column_names.index("series")
        sortable = table.set_column(place, "series", table["series"].cast(pa.string()))
    order = pa.compute.sort_indices(sortable, sort_keys=keys)
    return table.take(order)


def limited(tables: Iterable[Any], rows_max: int | None) -> Iterator[Any]:
    """Yield no more rows than that, None for all."""
    left = rows_max
    for table in tables:
        if left is not None:
            table = table.slice(0, left)
            left -= table.num_rows
        yield table
        if left == 0:
            return


def _with_formulas(
    plan: Plan, columns: dict[str, NDArray[np.float64]], rows: int
) -> dict[str, NDArray[np.float64]]:
    for name, formula in plan.formulas.items():
        read = {key: columns[key] for key in formula.names}
        # A formula of no column has one value: it needs a column to take its length from.
        columns[name] = formula.columns(read or {"": np.empty(rows)})
    return columns


def _time_type(plan: Plan) -> Any:
    return pa.timestamp("ms", tz=plan.zone.key)


def _times(plan: Plan, begins: Millis) -> Any:
    return pa.array(begins.astype("datetime64[ms]")).cast(_time_type(plan))


def _numbers(column: NDArray[np.float64]) -> Any:
    return pa.array(column, pa.float64(), from_pandas=True)
