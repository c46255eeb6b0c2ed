"""Data points and series as the API writes them: JSON in cloud.iO's shapes, and CSV."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from fastapi.responses import Response

from ciaas.kernel.sample import Frame, Kind, Reason, Verdict
from ciaas.ports import Point, Series

_WHOLE = re.compile(r"-?\d{1,20}")

VERDICTS = {verdict.value: verdict.name.lower() for verdict in Verdict}
REASONS = {reason.value: reason.name.lower().replace("_", "-") for reason in Reason}


def as_json(body: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return a JSON response; NaN has no place in JSON and must not be in ``body``."""
    return Response(msgspec.json.encode(body), status, headers, "application/json")


def value_of(kind: int, num: float, txt: str | None) -> bool | int | float | str | None:
    """Return one sample's value in the type it was sent as."""
    if kind == Kind.NUMBER:
        return float(num) if math.isfinite(num) else None
    if kind == Kind.BOOLEAN:
        return bool(num)
    if kind == Kind.INTEGER:
        return int(num)
    return txt if kind == Kind.TEXT else None


def times(observed: np.ndarray[Any, Any]) -> Sequence[str]:
    """Return RFC 3339 texts in UTC with milliseconds."""
    texts = np.datetime_as_string(observed.astype("datetime64[ms]"), unit="ms")
    return [f"{text}Z" for text in texts.tolist()]


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
            exact = kinds[row] == Kind.INTEGER and raw is not None and _WHOLE.fullmatch(raw)
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


def values(series: Series) -> list[bool | int | float | str | None]:
    """Return the values of a series, each in the type it was sent as."""
    kinds = series.kind
    numbers = series.num.tolist()
    if len(kinds) and (kinds == Kind.NUMBER).all() and np.isfinite(series.num).all():
        return numbers  # type: ignore[no-any-return]  # tolist is typed Any; every item is a float
    return [
        value_of(kind, number, text)
        for kind, number, text in zip(kinds.tolist(), numbers, series.txt, strict=True)
    ]


def rows(series: Series) -> list[dict[str, Any]]:
    """Return a series as the API's list of samples."""
    verdicts = [VERDICTS[code] for code in series.verdict.tolist()]
    listed = [
        {"time": time, "value": value, "verdict": verdict}
        for time, value, verdict in zip(
            times(series.observed), values(series), verdicts, strict=True
        )
    ]
    for row in np.flatnonzero(series.reason).tolist():
        listed[row]["reason"] = REASONS[int(series.reason[row])]
    return listed


def csv(series: Series, separator: str, addresses: Sequence[str] | None) -> Iterator[str]:
    """Yield ``time;value`` lines without a header; with addresses, one before each line."""
    for row, (time, value) in enumerate(zip(times(series.observed), values(series), strict=True)):
        text = "" if value is None else _csv_text(value, separator)
        if addresses is None:
            yield f"{time}{separator}{text}\n"
        else:
            yield f"{addresses[row]}{separator}{time}{separator}{text}\n"


def _csv_text(value: bool | int | float | str, separator: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    if separator in text or '"' in text or "\n" in text or "\r" in text:
        return '"' + text.replace('"', '""') + '"'
    return text
