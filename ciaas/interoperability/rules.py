"""What the overlays ask of each point, as one table indexed by point id."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from ciaas.interoperability.overlay import OverlayError, unit_conversion
from ciaas.interoperability.units import IDENTITY
from ciaas.kernel.model import ValueType
from ciaas.kernel.sample import Uint32s
from ciaas.limits import RULES_POINTS_MAX
from ciaas.ports import Point

RuleRows: TypeAlias = NDArray[np.void]
"""Rows of `RULE`, one per point asked."""

RULE = np.dtype(
    [
        ("factor", "f8"),
        ("offset", "f8"),
        ("range_min", "f8"),
        ("range_max", "f8"),
        ("rate_max", "f8"),
        ("stale_ms", "i8"),
        ("grid_ms", "i8"),
        ("grid_tolerance_ms", "i8"),
        ("uses", "u1"),
        ("type", "u1"),
    ],
    align=True,
)
"""One rule. What it does not use has a value that passes everything."""

_NEUTRAL = (1.0, 0.0, -np.inf, np.inf, np.inf, np.iinfo(np.int64).max, 1, 1, 0, 0)
_GRID_TOLERANCE_MS = 500
"""Clocks of devices are seldom better; on grids below 5 s it is a tenth of the interval."""


class Use(IntEnum):
    """Bits of a rule's ``uses``: the stages it needs."""

    CONVERSION = 1
    RANGE = 2
    RATE = 4
    STALE = 8
    GRID = 16
    ENUM = 32


TYPE_CODES = {
    ValueType.BOOLEAN: 1,
    ValueType.INTEGER: 2,
    ValueType.NUMBER: 3,
    ValueType.STRING: 4,
}
"""A rule's ``type``; 0 means that nothing is known of the point."""


class Rules:
    """The rule of every point. One thread may `put` while another reads.

    A point never put has a neutral rule: anything it sends is good.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._table = _neutral_table(1_024)
        self._words: dict[int, frozenset[str]] = {}

    @property
    def capacity(self) -> int:
        """Above every point id put so far."""
        return len(self._table)

    def put(self, point: Point, overlay: Mapping[str, Any]) -> None:
        """Replace a point's rule by that of its merged overlay, which `check_overlay` accepted.

        Raises:
            OverlayError: the units of two scopes do not convert. The old rule stays.
            ValueError: the point's id is above RULES_POINTS_MAX.
        """
        if point.id > RULES_POINTS_MAX:
            raise ValueError(
                f"point id {point.id} is above the {RULES_POINTS_MAX} points supported"
            )
        try:
            rule, words = _rule(point.type, overlay)
        except OverlayError as error:
            raise OverlayError(f"{point.address}: {error}") from None
        with self._lock:
            # The last row stays neutral: `of` clips unknown ids to it.
            if point.id >= len(self._table) - 1:
                grown = _neutral_table(max(2 * len(self._table), point.id + 2))
                grown[: len(self._table)] = self._table
                self._table = grown
            self._table[point.id] = rule
            if words is None:
                self._words.pop(point.id, None)
            else:
                self._words[point.id] = words

    def of(self, points: Uint32s) -> RuleRows:
        """Return a copy of the rule of each point; each is whole, never half of an update."""
        with self._lock:
            return self._table.take(points, mode="clip")

    def words(self, point: int) -> frozenset[str] | None:
        """Return the texts a point may hold, None when any."""
        return self._words.get(point)


def _neutral_table(rows: int) -> RuleRows:
    return np.full(rows, np.array(_NEUTRAL, RULE))


def _rule(
    declared: ValueType, overlay: Mapping[str, Any]
) -> tuple[tuple[float, ...], frozenset[str] | None]:
    factor, offset = unit_conversion(overlay)
    low, high = (
        default if end is None else float(end)
        for end, default in zip(overlay.get("range", (None, None)), (-np.inf, np.inf), strict=True)
    )
    rate_max = float(overlay.get("rate_max", np.inf))
    stale_ms = round(overlay["stale_after_s"] * 1_000) if "stale_after_s" in overlay else None
    grid_ms = round(overlay["measured_every_s"] * 1_000) if "between" in overlay else None
    enum = overlay.get("enum")
    words = frozenset(enum) if isinstance(enum, list) else None
    uses = (
        Use.CONVERSION * ((factor, offset) != IDENTITY)
        | Use.RANGE * (low > -np.inf or high < np.inf)
        | Use.RATE * (rate_max < np.inf)
        | Use.STALE * (stale_ms is not None)
        | Use.GRID * (grid_ms is not None)
        | Use.ENUM * (words is not None)
    )
    rule = (
        factor,
        offset,
        low,
        high,
        rate_max,
        stale_ms or _NEUTRAL[5],
        grid_ms or 1,
        min(_GRID_TOLERANCE_MS, grid_ms // 10) if grid_ms else 1,
        uses,
        TYPE_CODES[declared],
    )
    return rule, words
