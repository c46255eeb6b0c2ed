"""Fill the empty windows of series, all of a part at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Millis, Numbers
from ciaas.ports import WindowsPart
from cpaas.processing.query.document import FillName

_COUNTED = frozenset({"count"})
"""Functions whose figure of an empty window is known: nothing was counted."""


def filled(
    part: WindowsPart, functions: Sequence[str], how: FillName, edges: Millis
) -> WindowsPart:
    """Return the part with a row for each window of each of its groups.

    ``previous`` repeats the last figure of the series, ``linear`` draws a line from it to the next
    one by the begins of the windows, ``zero`` and ``null`` are what they say. Before the first
    figure of a series, and for lines after its last one, there is nothing. A count is 0 where it
    was not filled. With ``none`` the part is returned as it is. Texts stay where they were.
    """
    if how == "none":
        return part
    groups, windows = part.after - part.first, len(edges) - 1
    place = (part.group - part.first).astype(np.intp) * windows + part.window
    figures = []
    for function, column in zip(functions, part.figures, strict=True):
        table = np.full(groups * windows, np.nan)
        table[place] = column
        filling = _filling(table.reshape(groups, windows), how, edges[:-1])
        if function in _COUNTED:
            filling = np.nan_to_num(filling)
        figures.append(filling.ravel())
    texts = {}
    for number, words in part.texts.items():
        texts[number] = np.full(groups * windows, None, np.object_)
        texts[number][place] = words
    return WindowsPart(
        part.first,
        part.after,
        np.repeat(np.arange(part.first, part.after, dtype=np.uint32), windows),
        np.tile(np.arange(windows, dtype=np.uint32), groups),
        figures,
        texts,
    )


def _filling(table: NDArray[np.float64], how: FillName, begins: Millis) -> Numbers:
    empty = np.isnan(table)
    if how == "zero":
        return np.where(empty, 0.0, table)
    if how == "previous":
        last = np.maximum.accumulate(np.where(empty, -1, np.arange(table.shape[1])), axis=1)
        held = np.take_along_axis(table, np.maximum(last, 0), axis=1)
        return np.where(last < 0, np.nan, held)
    if how == "linear":
        for row, missing in zip(table, empty, strict=True):
            known = np.flatnonzero(~missing)
            if len(known):
                row[:] = np.interp(begins, begins[known], row[known], left=np.nan, right=np.nan)
        return table
    return table
