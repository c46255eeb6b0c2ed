"""Pages of what was found: an order, and a cursor that stays right while things come and go.

A cursor holds where the last hit of a page stood, not how many were before it. What changes
meanwhile is found where it stands then; all that does not change comes exactly once.
"""

from __future__ import annotations

import base64
import binascii
import math
from bisect import bisect_left
from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Numbers
from ciaas.management.directory.filter import FilterError

ORDERS = ("name", "-name", "observed", "-observed", "value", "-value", "distance", "-distance")
"""By what hits are sorted; with ``-`` the largest, the newest, the farthest first."""


class Cursor(NamedTuple):
    """Where a page ended."""

    order: str
    key: str | float
    """A name, or a number; infinity stands for what has no number."""
    row: int

    def written(self) -> str:
        """Return the cursor as a short text for a URL."""
        key = None if self.key == math.inf else self.key
        text = msgspec.json.encode([self.order, key, self.row])
        return base64.urlsafe_b64encode(text).rstrip(b"=").decode()

    @staticmethod
    def read(text: str, order: str) -> Cursor:
        """Read what `written` gave for the same order.

        Raises:
            FilterError: it is no cursor of this order.
        """
        try:
            raw = base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
            found, key, row = msgspec.json.decode(raw, type=tuple[str, str | float | None, int])
        except (ValueError, binascii.Error, msgspec.MsgspecError):
            raise FilterError("after: no cursor; give the `next` of the page before") from None
        if found != order or isinstance(key, str) != (order.lstrip("-") == "name"):
            raise FilterError(
                f"after: the cursor is of another order; keep sort={found} or begin anew"
            )
        return Cursor(order, math.inf if key is None else key, row)


class Ordering(NamedTuple):
    """Rows with the key that each is sorted by; equal keys stand in the order of the rows."""

    order: str
    rows: NDArray[np.intp]
    keys: Numbers
    """Rank of the name, or the number itself; NaN comes last in either direction."""
    names: Sequence[str] | None = None
    """The text of each rank, for an order by name."""

    def page(self, after: str | None, limit: int) -> tuple[NDArray[np.intp], str | None]:
        """Return the positions of the next hits and the cursor behind them, None at the end.

        Raises:
            FilterError: ``after`` is no cursor of this order.
        """
        keys = -self.keys if self.order.startswith("-") else self.keys
        keys = np.where(np.isnan(keys), np.inf, keys)
        chosen = np.arange(len(keys))
        if after is not None:
            cursor = Cursor.read(after, self.order)
            key = self._position(cursor)
            chosen = np.flatnonzero((keys > key) | ((keys == key) & (self.rows > cursor.row)))
        more = len(chosen) > limit
        if more:
            last = np.partition(keys[chosen], limit - 1)[limit - 1]
            chosen = chosen[keys[chosen] <= last]
        chosen = chosen[np.lexsort((self.rows[chosen], keys[chosen]))][:limit]
        if not more:
            return chosen, None
        end = int(chosen[-1])
        shown: str | float = float(keys[end])
        if self.names is not None:
            shown = self.names[round(float(self.keys[end]))]
        return chosen, Cursor(self.order, shown, int(self.rows[end])).written()

    def _position(self, cursor: Cursor) -> float:
        """Return the key at which a page goes on; a name that went away lies between two."""
        if self.names is None:
            return float(cursor.key)
        name = str(cursor.key)
        rank = bisect_left(self.names, name)
        there = rank < len(self.names) and self.names[rank] == name
        position = rank if there else rank - 0.5
        return -position if self.order.startswith("-") else position
