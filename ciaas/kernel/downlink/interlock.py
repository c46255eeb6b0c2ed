"""An interlock: a formula over other points that has to hold before a point may be set.

It fails safe: a value that is missing, bad or too old refuses, and so does a result that is no
number.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from ciaas.interoperability.formula import Formula, FormulaError
from ciaas.interoperability.setting import WANTED
from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.model import Value
from ciaas.kernel.sample import Frame, Uint32s, Verdict
from ciaas.limits import INTERLOCK_AGE_S


class Readings(Protocol):
    """The newest sample of each point, as history has them."""

    def latest(self, points: Uint32s) -> Frame:
        """Return one row for each point that has a sample."""
        ...


def why_locked(
    interlock: Mapping[str, Any],
    value: Value,
    project: int,
    points: Catalogue,
    readings: Readings,
    now_ms: int,
) -> str | None:
    """Return why the interlock refuses, None when it holds.

    Args:
        interlock: as `check_overlay` accepts it: ``allow``, ``names`` and ``max_age_s``.
        value: what is wanted, in the canonical unit.
        project: of the point to be set; only points of the same project are read.
        points: finds the points of the names.
        readings: has their values.
        now_ms: milliseconds since 1970 UTC.
    """
    names: Mapping[str, str] = interlock.get("names", {})
    try:
        formula = Formula.parse(interlock["allow"], {*names, WANTED})
    except FormulaError as error:
        return f"the interlock of the point is no formula: {error}"
    values: dict[str, float] = {}
    age_ms = float(interlock.get("max_age_s", INTERLOCK_AGE_S)) * 1_000
    for name in sorted(formula.names):
        if name == WANTED:
            if isinstance(value, str) or value is None:
                return "the interlock of the point computes with its value, which is no number"
            values[name] = float(value)
            continue
        point = points.by_address(PointAddress(names[name]))
        owner = points.endpoint(EndpointId(names[name].partition("/")[0]))
        if point is None or owner is None or owner.project != project:
            return f"the interlock names {name!r}, and no such point is in this project"
        frame = readings.latest(np.array([point.id], np.uint32))
        number = float(frame.num[0]) if len(frame) else math.nan
        if math.isnan(number) or frame.verdict[0] == Verdict.BAD:
            return f"the interlock needs {name} ({point.address}), which has no good value"
        if now_ms - int(frame.observed[0]) > age_ms:
            return (
                f"the interlock needs {name} ({point.address}), whose value is older than "
                f"{age_ms / 1_000:g} s"
            )
        values[name] = number
    result = formula.value(values)
    if math.isnan(result) or result == 0:
        told = ", ".join(f"{name} is {number:g}" for name, number in sorted(values.items()))
        return f"the interlock refuses: {formula.text} does not hold ({told})"[:400]
    return None
