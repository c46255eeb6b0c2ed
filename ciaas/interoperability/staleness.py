"""Points that have been silent for longer than their overlay allows."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ciaas.interoperability.rules import RuleRows, Use
from ciaas.kernel.sample import Millis


def stale(now_ms: int, last_observed: Millis, rules: RuleRows) -> NDArray[np.bool_]:
    """Return which points are older than ``stale_after_s`` allows at this moment.

    Args:
        now_ms: milliseconds since 1970 UTC.
        last_observed: time of each point's newest sample.
        rules: the rule of each of the same points, from `Rules.of`.
    """
    limited: NDArray[np.bool_] = (rules["uses"] & Use.STALE) != 0
    return limited & (last_observed < now_ms - rules["stale_ms"])
