"""Readings of a batch on their way to columns: collected one by one, converted all at once."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from itertools import compress
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.model import Value
from ciaas.kernel.sample import (
    Frame,
    Kind,
    Millis,
    Numbers,
    Reason,
    Texts,
    Uint8s,
    Uint16s,
    Uint32s,
    Verdict,
)

_EXACT_INTEGER_MAX = 2**53


@dataclass(slots=True)
class Rows:
    """Equally long lists, one entry a reading, in the order of arrival."""

    point: list[int] = field(default_factory=list)
    value: list[Value] = field(default_factory=list)
    timestamp: list[float | None] = field(default_factory=list)
    """UNIX seconds; None when the sender gave no time."""
    message: list[int] = field(default_factory=list)
    """Index of the message that brought the reading."""

    def append(self, point: int, value: Value, timestamp: float | None, message: int) -> int:
        """Add one reading; returns its row."""
        self.point.append(point)
        self.value.append(value)
        self.timestamp.append(timestamp)
        self.message.append(message)
        return len(self.point) - 1

    def select(self, keep: NDArray[np.bool_]) -> Rows:
        """Return the rows that a mask names."""
        return Rows(
            list(compress(self.point, keep)),
            list(compress(self.value, keep)),
            list(compress(self.timestamp, keep)),
            list(compress(self.message, keep)),
        )


@dataclass(frozen=True, slots=True)
class Times:
    """When each row was observed, and which rows have a time that can not be."""

    observed: Millis
    """Undefined in the rows of ``future`` and ``past``."""
    received: Millis
    untimed: NDArray[np.bool_]
    future: NDArray[np.bool_]
    past: NDArray[np.bool_]
    """Before 1970."""

    def select(self, keep: NDArray[np.bool_]) -> Times:
        """Return the rows that a mask names."""
        return Times(*(getattr(self, column.name)[keep] for column in fields(self)))


def times_of(rows: Rows, received: Sequence[int], future_ms: int) -> Times:
    """Return times in milliseconds; a row without a timestamp was observed when received.

    Args:
        rows: the readings.
        received: the broker's time of each message, milliseconds since 1970 UTC.
        future_ms: how far a device's clock may run ahead of it.
    """
    seconds: Numbers = np.array(rows.timestamp, np.float64)  # None becomes not-a-number
    arrived: Millis = np.array(received, np.int64)[np.array(rows.message, np.intp)]
    untimed = np.isnan(seconds)
    with np.errstate(over="ignore"):
        millis = np.where(untimed, arrived, np.rint(seconds * 1000.0))
    future, past = millis > arrived + future_ms, millis < 0
    observed = np.where(future | past, 0, millis).astype(np.int64)
    return Times(observed, arrived, untimed, future, past)


def frame_of(
    rows: Rows, times: Times, types: Uint8s, sources_of: Callable[[Uint32s], Uint32s]
) -> Frame:
    """Return all rows as a frame, values checked against the type of their point.

    An integer sent for a Number is a number. A value of another type than its point's is kept as
    what it is and judged bad; so is one that no double can hold, whose text goes to ``raw``.

    Args:
        rows: the readings; none of them has an impossible time.
        times: as `times_of` returned them.
        types: by point id, the kind of value it should have.
        sources_of: gives the source of each point.
    """
    point: Uint32s = np.array(rows.point, np.uint32)
    expected: Uint8s = types[point]
    values = _values(rows.value, expected)
    kind, num = values.kind, values.num
    verdict: Uint8s = np.zeros(len(point), np.uint8)
    reason: Uint16s = np.zeros(len(point), np.uint16)

    def judge(where: NDArray[np.bool_], worth: Verdict, why: Reason) -> None:
        verdict[where], reason[where] = worth, why

    # the last word counts: what is worse comes later
    judge(times.untimed, Verdict.UNCERTAIN, Reason.NO_TIMESTAMP)
    judge(kind == Kind.NULL, Verdict.UNCERTAIN, Reason.NULL_VALUE)
    judge((kind != expected) & (kind != Kind.NULL), Verdict.BAD, Reason.TYPE_MISMATCH)
    judge(values.wide & (kind == Kind.INTEGER), Verdict.BAD, Reason.TYPE_MISMATCH)
    unusable = ~np.isfinite(num) & (kind != Kind.TEXT) & (kind != Kind.NULL)
    judge(unusable, Verdict.BAD, Reason.NOT_FINITE)
    for row in np.flatnonzero(unusable):
        values.raw[row] = values.raw[row] or _NOT_FINITE[str(num[row])]
    kind[unusable], num[unusable] = Kind.NULL, math.nan
    return Frame(
        point=point,
        observed=times.observed,
        received=times.received,
        kind=kind,
        num=num,
        txt=values.txt,
        verdict=verdict,
        reason=reason,
        raw=values.raw,
        source=sources_of(point),
        revision=np.zeros(len(point), np.uint16),
    )


class _Values(NamedTuple):
    """Values of all rows, by kind."""

    kind: Uint8s
    num: Numbers
    txt: Texts
    raw: Texts
    wide: NDArray[np.bool_]
    """Integers that 64 bits do not hold."""


def _values(sent: Sequence[Value], expected: Uint8s) -> _Values:
    size = len(sent)
    kind: Uint8s = np.fromiter(map(_KINDS.__getitem__, map(type, sent)), np.uint8, size)
    txt: Texts = np.empty(size, np.object_)
    raw: Texts = np.empty(size, np.object_)
    wide = np.zeros(size, np.bool_)
    if (kind == Kind.NUMBER).all():
        return _Values(kind, np.array(sent, np.float64), txt, raw, wide)
    values: Texts = np.empty(size, np.object_)
    values[:] = sent
    num = _numbers(values, kind)
    text = kind == Kind.TEXT
    txt[text] = values[text]
    for row in np.flatnonzero((kind == Kind.INTEGER) & ~(abs(num) < _EXACT_INTEGER_MAX)):
        raw[row] = _exact(values[row])
        wide[row] = not -(2**63) <= values[row] < 2**63
    kind[(kind == Kind.INTEGER) & (expected == Kind.NUMBER)] = Kind.NUMBER
    return _Values(kind, num, txt, raw, wide)


def _numbers(values: Texts, kind: Uint8s) -> Numbers:
    """Return numbers and truth values as doubles, infinity for integers beyond their range."""
    num: Numbers = np.full(len(values), math.nan)
    numeric = (kind != Kind.TEXT) & (kind != Kind.NULL)
    try:
        num[numeric] = values[numeric].astype(np.float64)
    except OverflowError:
        for row in np.flatnonzero(numeric):
            try:
                num[row] = float(values[row])
            except OverflowError:
                num[row] = math.inf
    return num


def _exact(value: int) -> str | None:
    """Return the text of an integer that a double rounds, None for one that it holds exactly."""
    if abs(value) <= _EXACT_INTEGER_MAX:
        return None
    # beyond some thousand digits Python refuses decimal text, which takes quadratic time
    return str(value) if value.bit_length() <= _DECIMAL_BITS_MAX else hex(value)


_DECIMAL_BITS_MAX = 4_096
_KINDS: dict[type, Kind] = {
    type(None): Kind.NULL,
    bool: Kind.BOOLEAN,
    int: Kind.INTEGER,
    float: Kind.NUMBER,
    str: Kind.TEXT,
}
_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
