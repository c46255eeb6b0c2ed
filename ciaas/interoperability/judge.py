"""Judge a batch: convert to canonical units and attach verdicts, column by column.

Nothing is dropped, clamped or reordered: a value out of range is kept and judged bad.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ciaas.interoperability.rules import TYPE_CODES, RuleRows, Rules, Use
from ciaas.kernel.model import ValueType
from ciaas.kernel.sample import Frame, Kind, Millis, Numbers, Reason, Uint8s, Verdict

Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]

PRECEDENCE = (
    Reason.NONE,
    Reason.STALE,
    Reason.ESTIMATED,
    Reason.RATE,
    Reason.NO_TIMESTAMP,
    Reason.NULL_VALUE,
    Reason.OUT_OF_RANGE,
    Reason.NOT_IN_ENUM,
    Reason.TYPE_MISMATCH,
    Reason.NOT_FINITE,
    Reason.READ_ERROR,
)
"""A sample has one reason: of several, the last in this order, which is the one that says most.

The uncertain come before the bad, so that the worst verdict wins.
"""

VERDICTS = {
    Reason.NONE: Verdict.GOOD,
    Reason.STALE: Verdict.UNCERTAIN,
    Reason.ESTIMATED: Verdict.UNCERTAIN,
    Reason.RATE: Verdict.UNCERTAIN,
    Reason.NO_TIMESTAMP: Verdict.UNCERTAIN,
    Reason.NULL_VALUE: Verdict.UNCERTAIN,
    Reason.OUT_OF_RANGE: Verdict.BAD,
    Reason.NOT_IN_ENUM: Verdict.BAD,
    Reason.TYPE_MISMATCH: Verdict.BAD,
    Reason.NOT_FINITE: Verdict.BAD,
    Reason.READ_ERROR: Verdict.BAD,
}
"""The verdict that goes with each reason."""

_VERDICT_OF = np.array([VERDICTS[Reason(code)] for code in range(len(Reason))], np.uint8)
_RANK_OF = np.array([PRECEDENCE.index(Reason(code)) for code in range(len(Reason))], np.uint8)
_NEVER = np.iinfo(np.int64).min
_NO_TEXT = np.array(None, np.object_)

# What a declared type and a kind say together, as bits.
_NUMERIC, _QUANTITY, _MISMATCH, _NULL, _WHOLE = 1, 2, 4, 8, 16
_ACCEPTED = {
    ValueType.BOOLEAN: {Kind.BOOLEAN},
    ValueType.INTEGER: {Kind.INTEGER, Kind.NUMBER},
    ValueType.NUMBER: {Kind.INTEGER, Kind.NUMBER},
    ValueType.STRING: {Kind.TEXT},
}


def _facts() -> Uint8s:
    table = np.zeros((len(TYPE_CODES) + 1, 8), np.uint8)
    for kind in Kind:
        quantity = _NUMERIC | _QUANTITY if kind in (Kind.NUMBER, Kind.INTEGER) else 0
        table[:, kind] = _NULL if kind is Kind.NULL else quantity
        for declared, code in TYPE_CODES.items():
            if kind is not Kind.NULL and kind not in _ACCEPTED[declared]:
                table[code, kind] = _MISMATCH | (quantity & _NUMERIC)
    table[TYPE_CODES[ValueType.INTEGER], Kind.NUMBER] |= _WHOLE
    return table.ravel()


_FACTS = _facts()
"""Bits indexed by type code * 8 + kind."""


class Judge:
    """Judges batches in the order they arrive; not for several threads at once.

    The rate of change is taken against the sample before in time, among those judged before and
    the rest of the batch; bad samples are no measure for others. Judge a batch once: when storing
    it fails, store the judged frame again.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._observed: Millis = np.full(rules.capacity, _NEVER)
        self._number: Numbers = np.zeros(rules.capacity)

    def seed(self, latest: Frame) -> None:
        """Compare the next samples with these: the latest stored, at most one of a point."""
        known = (latest.verdict != Verdict.BAD) & np.isfinite(latest.num)
        rows = np.flatnonzero(known)
        if rows.size:
            self._reach(int(latest.point[rows].max()) + 1)
            rows = rows[latest.observed[rows] >= self._observed[latest.point[rows]]]
            self._observed[latest.point[rows]] = latest.observed[rows]
            self._number[latest.point[rows]] = latest.num[rows]

    def judge(self, frame: Frame) -> Frame:
        """Return the frame in canonical units with verdicts; the frame given is not altered.

        A converted value is a NUMBER and keeps the delivered one as text in ``raw``; a value of
        another type than declared is kept unconverted. Infinity and not-a-number become null with
        their text in ``raw``. A verdict that came with the row stays unless a worse one is found.
        """
        if not len(frame):
            return frame
        rules = self._rules.of(frame.point)
        uses = int(np.bitwise_or.reduce(rules["uses"]))
        facts = _FACTS.take((rules["type"] << 3) | frame.kind, mode="clip")
        found = int(np.bitwise_or.reduce(facts))
        doubts: dict[Reason, Mask] = {}
        quantity = _mark_types(frame, facts, found, doubts)
        if found & _NUMERIC:
            frame, quantity = _convert(frame, rules, uses, facts, quantity, doubts)
        if uses:
            self._mark_rules(frame, rules, uses, quantity, doubts)
        return _conclude(frame, doubts)

    def _mark_rules(
        self, frame: Frame, rules: RuleRows, uses: int, quantity: Mask, doubts: dict[Reason, Mask]
    ) -> None:
        if uses & Use.STALE:
            limited = (rules["uses"] & Use.STALE) != 0
            doubts[Reason.STALE] = limited & (frame.observed < frame.received - rules["stale_ms"])
        if uses & Use.GRID:
            phase = frame.observed % rules["grid_ms"]
            distance = np.minimum(phase, rules["grid_ms"] - phase)
            doubts[Reason.ESTIMATED] = distance > rules["grid_tolerance_ms"]
        if uses & Use.ENUM:
            doubts[Reason.NOT_IN_ENUM] = self._outside_enum(frame, rules)
        if uses & Use.RANGE:
            outside = (frame.num < rules["range_min"]) | (frame.num > rules["range_max"])
            doubts[Reason.OUT_OF_RANGE] = outside & quantity
        if uses & Use.RATE:
            measure = quantity & ((rules["uses"] & Use.RATE) != 0) & (frame.verdict != Verdict.BAD)
            if Reason.OUT_OF_RANGE in doubts:
                measure &= ~doubts[Reason.OUT_OF_RANGE]
            rows = np.flatnonzero(measure)
            if rows.size:
                doubts[Reason.RATE] = fast = np.zeros(len(frame), np.bool_)
                fast[self._too_fast(frame, rules, rows)] = True

    def _outside_enum(self, frame: Frame, rules: RuleRows) -> Mask:
        outside = np.zeros(len(frame), np.bool_)
        rows = np.flatnonzero(((rules["uses"] & Use.ENUM) != 0) & (frame.kind == Kind.TEXT))
        texts, points = frame.txt[rows].tolist(), frame.point[rows].tolist()
        for row, text, point in zip(rows.tolist(), texts, points, strict=True):
            words = self._rules.words(point)
            outside[row] = words is not None and text not in words
        return outside

    def _too_fast(self, frame: Frame, rules: RuleRows, rows: Rows) -> Rows:
        """Return those of the rows that changed too fast, and remember the newest of each point.

        The row before is the newest known with a time not after: it may be in the batch or the
        remembered one. A late row is compared with late ones only. Rows of equal time have no rate.
        """
        rows = rows[np.lexsort((frame.observed[rows], frame.point[rows]))]
        point, time, number = frame.point[rows], frame.observed[rows], frame.num[rows]
        first = np.ones(len(rows), np.bool_)
        np.not_equal(point[1:], point[:-1], out=first[1:])
        time_before, number_before = np.empty_like(time), np.empty_like(number)
        time_before[1:], number_before[1:] = time[:-1], number[:-1]
        time_before[first] = _NEVER

        self._reach(self._rules.capacity)
        remembered = self._observed[point]
        use = (remembered > time_before) & (remembered <= time)
        time_before[use], number_before[use] = remembered[use], self._number[point[use]]

        newest = np.append(first[1:], True) & (time >= remembered)
        self._observed[point[newest]] = time[newest]
        self._number[point[newest]] = number[newest]

        later = (time_before != _NEVER) & (time > time_before)
        rows = rows[later]
        # In floats, since the distance of two times of 64 bits may have 65.
        elapsed_s = np.subtract(time[later], time_before[later], dtype=np.float64) / 1_000
        with np.errstate(over="ignore"):  # a change above the largest number is too fast as well
            change = np.abs(number[later] - number_before[later])
            fast: Mask = change > rules["rate_max"][rows] * elapsed_s
        return rows[fast]

    def _reach(self, points: int) -> None:
        if points > len(self._observed):
            more = max(points, 2 * len(self._observed)) - len(self._observed)
            self._observed = np.append(self._observed, np.full(more, _NEVER))
            self._number = np.append(self._number, np.zeros(more))


def _mark_types(frame: Frame, facts: Uint8s, found: int, doubts: dict[Reason, Mask]) -> Mask:
    """Return which rows hold a number of a type that units and ranges apply to."""
    quantity: Mask = (facts & _QUANTITY) != 0
    if found & _NULL:
        doubts[Reason.NULL_VALUE] = (facts & _NULL) != 0
    if found & (_MISMATCH | _WHOLE):
        mismatch = (facts & _MISMATCH) != 0
        if found & _WHOLE:
            broken = ((facts & _WHOLE) != 0) & (np.floor(frame.num) != frame.num)
            mismatch |= broken
            quantity &= ~broken
        doubts[Reason.TYPE_MISMATCH] = mismatch
    return quantity


def _convert(
    frame: Frame,
    rules: RuleRows,
    uses: int,
    facts: Uint8s,
    quantity: Mask,
    doubts: dict[Reason, Mask],
) -> tuple[Frame, Mask]:
    """Return the frame in canonical units without infinities, and which quantities are left."""
    num, kind, raw = frame.num, frame.kind, frame.raw
    if uses & Use.CONVERSION:
        rows = np.flatnonzero(quantity & ((rules["uses"] & Use.CONVERSION) != 0))
        if rows.size:
            num, kind, raw = num.copy(), kind.copy(), raw.copy()
            with np.errstate(over="ignore"):  # an overflow is judged not finite below
                num[rows] = num[rows] * rules["factor"][rows] + rules["offset"][rows]
            _keep_raw(raw, frame, rows[num[rows] != frame.num[rows]])
            kind[rows] = Kind.NUMBER
    finite = np.isfinite(num)
    infinite = ~finite & ((facts & _NUMERIC) != 0)
    if infinite.any():
        doubts[Reason.NOT_FINITE] = infinite
        if num is frame.num:
            num, kind, raw = num.copy(), kind.copy(), raw.copy()
        _keep_raw(raw, frame, np.flatnonzero(infinite))
        num[infinite], kind[infinite] = np.nan, Kind.NULL
        quantity = quantity & finite
    if num is not frame.num:
        frame = replace(frame, kind=kind, num=num, raw=raw)
    return frame, quantity


def _keep_raw(raw: NDArray[np.object_], frame: Frame, rows: Rows) -> None:
    """Write the delivered numbers as text where the sender's own text is not there already."""
    empty = rows[np.equal(raw[rows], _NO_TEXT)]
    whole = frame.kind[empty] == Kind.INTEGER
    numbers = frame.num[empty].tolist()
    if whole.any():
        texts = [
            str(int(number)) if is_whole and math.isfinite(number) else repr(number)
            for number, is_whole in zip(numbers, whole.tolist(), strict=True)
        ]
    else:
        texts = list(map(repr, numbers))
    raw[empty] = texts


def _conclude(frame: Frame, doubts: dict[Reason, Mask]) -> Frame:
    """Return the frame with the worst of the verdicts found and those that came with the rows."""
    reason = np.zeros(len(frame), np.uint16)
    for worse in PRECEDENCE:
        if worse in doubts:
            reason[doubts[worse]] = worse
    verdict = _VERDICT_OF.take(reason)
    if frame.verdict.any():
        kept = (frame.verdict > verdict) | (
            (frame.verdict == verdict) & (_RANK_OF.take(frame.reason) > _RANK_OF.take(reason))
        )
        verdict[kept], reason[kept] = frame.verdict[kept], frame.reason[kept]
    return replace(frame, verdict=verdict, reason=reason)
