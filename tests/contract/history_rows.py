"""Rows of history as tests write them, and the stream that they come from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ciaas.kernel.sample import Frame, Kind
from ciaas.ports import HistoryStore, Intake, Span, StreamId

DEVICES = StreamId("$MQTT_msgs", "2026-11-03T10:00:00.123456789Z")
Value = float | int | bool | str | None


def frame(
    *rows: tuple[int, int, Value],
    received: int = 9_000_000,
    raw: Sequence[str | None] | None = None,
    verdict: Sequence[int] | None = None,
    reason: Sequence[int] | None = None,
) -> Frame:
    """Build a frame of (point, observed, value)."""
    size = len(rows)
    values = [value for _, _, value in rows]
    return Frame(
        point=np.array([point for point, _, _ in rows], np.uint32),
        observed=np.array([observed for _, observed, _ in rows], np.int64),
        received=np.full(size, received, np.int64),
        kind=np.array([kind_of(value) for value in values], np.uint8),
        num=np.array(
            [math.nan if value is None or isinstance(value, str) else value for value in values],
            np.float64,
        ),
        txt=np.array([value if isinstance(value, str) else None for value in values], object),
        verdict=np.array(verdict if verdict is not None else [0] * size, np.uint8),
        reason=np.array(reason if reason is not None else [0] * size, np.uint16),
        raw=np.array(raw if raw is not None else [None] * size, object),
        source=np.full(size, 7, np.uint32),
        revision=np.zeros(size, np.uint16),
    )


def kind_of(value: Value) -> Kind:
    match value:
        case None:
            return Kind.NULL
        case bool():
            return Kind.BOOLEAN
        case int():
            return Kind.INTEGER
        case float():
            return Kind.NUMBER
        case str():
            return Kind.TEXT


def values(answer: Any) -> list[tuple[int, int, Value]]:
    """Return (point, observed, value) of a frame or a series."""
    rows = zip(
        answer.point.tolist(),
        answer.observed.tolist(),
        answer.kind.tolist(),
        answer.num.tolist(),
        answer.txt.tolist(),
        strict=True,
    )
    return [(point, observed, value(kind, num, txt)) for point, observed, kind, num, txt in rows]


def value(kind: int, num: float, txt: str | None) -> Value:
    match Kind(kind):
        case Kind.NULL:
            assert math.isnan(num) and txt is None
            return None
        case Kind.TEXT:
            assert math.isnan(num)
            return txt
        case Kind.BOOLEAN:
            return bool(num)
        case Kind.INTEGER:
            return int(num)
        case _:
            assert txt is None
            return num


def intake(*sequences: int, received: int = 100, stream: StreamId = DEVICES) -> Intake:
    return Intake(
        stream,
        np.array(sequences, np.uint64),
        np.full(len(sequences), received, np.int64),
    )


def stored(history: HistoryStore, *sequences: int, received: int = 100) -> list[bool]:
    asked = intake(*sequences, received=received)
    mask: list[bool] = history.stored(DEVICES, asked.sequences, asked.received).tolist()
    return mask


def points(*ids: int) -> Any:
    return np.array(ids, np.uint32)


def span(
    *ids: int, start: int | None = None, end: int | None = None, limit: int = 1000, **more: Any
) -> Span:
    return Span(points(*ids), start, end, limit, **more)
