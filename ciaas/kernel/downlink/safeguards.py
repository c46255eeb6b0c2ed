"""What is asked before a command may leave: who, where to, which value, how soon, and what else."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.downlink.interlock import Readings, why_locked
from ciaas.kernel.downlink.wanted import Unfit, as_delivered, check_allowed, typed
from ciaas.kernel.model import Constraint, Value
from ciaas.ports import Endpoint, Point

WRITABLE = frozenset({Constraint.SET_POINT, Constraint.PARAMETER})


@dataclass(frozen=True, slots=True)
class Safeguards:
    """The rules of every point, asked at the request and again just before sending."""

    points: Catalogue
    readings: Readings
    may: Callable[[int, Sequence[str]], bool]
    """Tells whether a user holds WRITE on a path ``(project, endpoint, node, …)`` now."""

    def why_not(
        self,
        point: Point,
        endpoint: Endpoint,
        value: Value,
        user: int,
        overlay: Mapping[str, Any],
        now_ms: int,
        sent_at: int | None,
    ) -> str | None:
        """Return why the command is refused, None when nothing stands against it.

        Args:
            point: to be set.
            endpoint: its endpoint.
            value: wanted, in the canonical unit.
            user: who wants it.
            overlay: what holds for the point.
            now_ms: milliseconds since 1970 UTC.
            sent_at: when another command of the point was last sent, None if none was.
        """
        if point.removed or point.constraint not in WRITABLE:
            return f"the point is a {point.constraint}; only a SetPoint or a Parameter can be set"
        if not self.may(user, (str(endpoint.project), *point.address.split("/"))):
            return "the user holds no WRITE on the point any more"
        try:
            check_allowed(typed(value, point.type), overlay)
            as_delivered(value, overlay, point.type)
        except Unfit as error:
            return str(error)
        dwell_ms = float(overlay.get("min_dwell_s", 0)) * 1_000
        if sent_at is not None and now_ms - sent_at < dwell_ms:
            wait_s = (dwell_ms - (now_ms - sent_at)) / 1_000
            return (
                f"the point keeps a value for {dwell_ms / 1_000:g} s at least; "
                f"try again in {wait_s:.1f} s"
            )
        if (interlock := overlay.get("interlock")) is not None:
            return why_locked(
                interlock, value, endpoint.project, self.points, self.readings, now_ms
            )
        return None
