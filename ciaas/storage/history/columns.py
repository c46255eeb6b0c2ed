"""Frames as the store's columns, and back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset  # DuckDB imports it at the first batch: 0.3 s that no device should wait
from numpy.typing import NDArray

from ciaas.kernel.sample import DTYPES, Frame, Texts

STORED = {
    "point": "point_id",
    "observed": "observed_at",
    "received": "received_at",
    "kind": "kind",
    "num": "num",
    "txt": "txt",
    "verdict": "verdict",
    "reason": "reason",
    "raw": "raw",
    "source": "source",
    "revision": "revision",
}
"""Field of a frame to column of a sample table, in the table's order."""


def to_arrow(frame: Frame) -> Any:
    """Return a pyarrow table with the columns of `STORED`; NaN becomes NULL."""
    return pa.table(
        {column: _arrow(field, getattr(frame, field)) for field, column in STORED.items()}
    )


def to_frame(columns: dict[str, Any]) -> Frame:
    """Return the frame in what DuckDB's ``fetchnumpy`` gave; further columns are left aside."""
    return Frame(**{field: plain(columns[name], field) for field, name in STORED.items()})


def plain(column: Any, field: str) -> NDArray[Any]:
    """Return a fetched column in the type of a frame's field; NULL becomes NaN or None."""
    if field in ("observed", "received"):
        return np.asarray(column, "datetime64[ms]").view(np.int64)
    if isinstance(column, np.ma.MaskedArray):
        # Not `filled`: for text it takes None to mean the array's own fill value.
        absent: Any = None if field in ("txt", "raw") else np.nan
        column = np.where(np.ma.getmaskarray(column), absent, column.data)
    return np.asarray(column, DTYPES[field])


def millis(values: NDArray[Any] | Sequence[int]) -> Any:
    """Return milliseconds since 1970 as an Arrow array of timestamps."""
    return pa.array(np.ascontiguousarray(values, np.int64).view("datetime64[ms]"))


def texts(values: Texts | Iterable[str | None]) -> Any:
    """Return text as an Arrow array; half a surrogate pair, which no UTF-8 holds, becomes ``?``."""
    try:
        return pa.array(values, pa.string())
    except UnicodeEncodeError:
        return pa.array([None if text is None else storable(text) for text in values], pa.string())


def storable(text: str) -> str:
    """Return the text as UTF-8 can hold it."""
    return text.encode("utf-8", "replace").decode()


def _arrow(field: str, values: NDArray[Any]) -> Any:
    if field in ("observed", "received"):
        return millis(values)
    if field in ("txt", "raw"):
        return texts(values)
    return pa.array(values, from_pandas=field == "num")
