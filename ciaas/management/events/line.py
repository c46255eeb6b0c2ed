"""Rows of a frame as JSON objects, for live feeds and webhooks: written column by column."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

import msgspec
import numpy as np

from ciaas.kernel.sample import Frame, Kind, Millis, Reason, Verdict
from ciaas.limits import LINE_ADDRESSES_CACHED
from ciaas.ports import Point

_EXACT = 2**53
_WHOLE = re.compile(r"-?\d{1,20}")
_VERDICTS = {verdict.value: verdict.name.lower() for verdict in Verdict}
_REASONS = {reason.value: reason.name.lower().replace("_", "-") for reason in Reason}


class LineWriter:
    """Writes rows as ``{"address", "value", "observed_at", "received_at", "verdict", …}``.

    ``reason`` follows unless good, ``raw`` where the value came as something else, ``revision``
    where it replaces an earlier value of the same time. Any thread may use it.
    """

    def __init__(self, point: Callable[[int], Point]) -> None:
        self._point = point
        self._heads: dict[int, bytes] = {}
        self._endings: dict[int, bytes] = {}

    def __call__(self, frame: Frame) -> Sequence[bytes]:
        """Return one JSON object for each row, in their order."""
        heads = [self._head(point) for point in frame.point.tolist()]
        judged = (frame.verdict.astype(np.uint32) << 16 | frame.reason).tolist()
        lines = [
            b'%b%b,"observed_at":"%bZ","received_at":"%bZ","verdict":%b}' % parts
            for parts in zip(
                heads,
                _values(frame),
                _instants(frame.observed),
                _instants(frame.received),
                map(self._ending, judged),
                strict=True,
            )
        ]
        for row in np.flatnonzero(frame.revision).tolist():
            lines[row] = b'%b,"revision":%d}' % (lines[row][:-1], frame.revision[row])
        for row, raw in enumerate(frame.raw.tolist()):
            if raw is not None:
                lines[row] = b'%b,"raw":%b}' % (lines[row][:-1], msgspec.json.encode(raw))
        return lines

    def _head(self, point: int) -> bytes:
        head = self._heads.get(point)
        if head is None:
            if len(self._heads) >= LINE_ADDRESSES_CACHED:
                self._heads = {}
            address = msgspec.json.encode(self._point(point).address)
            head = self._heads[point] = b'{"address":%b,"value":' % address
        return head

    def _ending(self, code: int) -> bytes:
        ending = self._endings.get(code)
        if ending is None:
            ending = msgspec.json.encode(_VERDICTS[code >> 16])
            if reason := code & 0xFFFF:
                ending += b',"reason":' + msgspec.json.encode(_REASONS[reason])
            self._endings[code] = ending
        return ending


def value_of(
    kind: int, num: float, txt: str | None, raw: str | None
) -> bool | int | float | str | None:
    """Return one sample's value as JSON holds it; None for null."""
    if kind == Kind.TEXT:
        return txt
    if kind == Kind.NULL or not math.isfinite(num):
        return None
    if kind == Kind.BOOLEAN:
        return bool(num)
    if kind == Kind.INTEGER:
        if abs(num) < _EXACT:
            return int(num)
        if raw is not None and _WHOLE.fullmatch(raw):
            return int(raw)
    return float(num)


def _values(frame: Frame) -> Sequence[bytes]:
    if (frame.kind == Kind.NUMBER).all() and np.isfinite(frame.num).all():
        return msgspec.json.encode(frame.num.tolist())[1:-1].split(b",") if len(frame) else []
    return [
        msgspec.json.encode(value_of(*parts))
        for parts in zip(frame.kind.tolist(), frame.num.tolist(), frame.txt, frame.raw, strict=True)
    ]


def _instants(moments: Millis) -> list[bytes]:
    texts: list[bytes] = moments.astype("datetime64[ms]").astype("S").tolist()
    return texts
