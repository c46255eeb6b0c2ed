"""An app's samples as columns."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.model import Value
from ciaas.kernel.sample import Frame, Kind, Reason, Uint32s, Verdict

_EXACT = 2**53
_INT64 = 2**63


class Cell(NamedTuple):
    """One value as the columns of a frame hold it."""

    kind: Kind
    num: float
    txt: str | None = None
    raw: str | None = None
    """Decimal digits of an integer that ``num`` does not hold exactly."""


def cell(value: Value) -> Cell:
    """Return a value's cell.

    Raises:
        OverflowError: an integer beyond all numbers of 64 bits.
    """
    match value:
        case None:
            return Cell(Kind.NULL, math.nan)
        case bool():
            return Cell(Kind.BOOLEAN, float(value))
        case float():
            return Cell(Kind.NUMBER, value)
        case str():
            return Cell(Kind.TEXT, math.nan, value)
        case int():
            kind = Kind.INTEGER if -_INT64 <= value < _INT64 else Kind.NUMBER
            return Cell(kind, float(value), None, None if abs(value) <= _EXACT else str(value))


def frame(
    points: Uint32s, seconds: NDArray[Any], cells: Sequence[Cell], now_ms: int, source: int
) -> Frame:
    """Return samples as they enter the uplink.

    Args:
        points: Numbers of the points.
        seconds: UNIX time of each; NaN where the app gave none: then it was observed just now.
        cells: The values.
        now_ms: When they arrived.
        source: The registry's number of the app.
    """
    rows = len(points)
    kinds, numbers, texts, raws = zip(*cells, strict=True)
    untimed = np.isnan(seconds)
    observed = np.where(untimed, now_ms, np.rint(np.where(untimed, 0, seconds) * 1000))
    return Frame(
        point=points,
        observed=observed.astype(np.int64),
        received=np.full(rows, now_ms, np.int64),
        kind=np.array(kinds, np.uint8),
        num=np.array(numbers, np.float64),
        txt=np.array(texts, np.object_),
        verdict=np.where(untimed, Verdict.UNCERTAIN, Verdict.GOOD).astype(np.uint8),
        reason=np.where(untimed, Reason.NO_TIMESTAMP, Reason.NONE).astype(np.uint16),
        raw=np.array(raws, np.object_),
        source=np.full(rows, source, np.uint32),
        revision=np.zeros(rows, np.uint16),
    )
