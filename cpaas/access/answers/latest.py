"""Last values of points, each an attribute as cloud.iO writes it, with what is known besides."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

from ciaas.kernel.sample import Frame, Kind
from ciaas.ports import Point
from cpaas.access.answers.documents import EXACT, REASONS, VERDICTS, times, value_of

_WHOLE = re.compile(r"-?\d{1,20}")


def last_values(points: Sequence[Point], latest: Frame) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each point's address and entity; a point that never had a sample has value null."""
    rows = {point: row for row, point in enumerate(latest.point.tolist())}
    observed, received = times(latest.observed), times(latest.received)
    seconds = (latest.observed / 1000).tolist()
    kinds, numbers = latest.kind.tolist(), latest.num.tolist()
    verdicts, reasons = latest.verdict.tolist(), latest.reason.tolist()
    for point in points:
        entity: dict[str, Any] = {
            "constraint": point.constraint.value,
            "type": point.type.value,
            "timestamp": None,
            "value": None,
        }
        if (row := rows.get(point.id)) is not None:
            raw = latest.raw[row]
            long = kinds[row] == Kind.INTEGER and abs(numbers[row]) >= EXACT
            exact = long and raw is not None and _WHOLE.fullmatch(raw)
            entity |= {
                "timestamp": seconds[row],
                "value": int(raw) if exact else value_of(kinds[row], numbers[row], latest.txt[row]),
                "observed_at": observed[row],
                "received_at": received[row],
                "verdict": VERDICTS[verdicts[row]],
            }
            if reasons[row]:
                entity["reason"] = REASONS[reasons[row]]
            if raw is not None:
                entity["raw"] = raw
        yield point.address, entity
