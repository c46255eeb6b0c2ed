"""The column-wise judge agrees with a judge that looks at one row after the other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciaas.interoperability.judge import PRECEDENCE, VERDICTS, Judge
from ciaas.interoperability.overlay import check_overlay
from ciaas.interoperability.rules import Rules
from ciaas.kernel.address import PointAddress
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.sample import Frame, Kind, Reason, Verdict
from ciaas.ports import Point

UNKNOWN_POINT = 5_000
FACTORS = {("degF", "degC"): (5 / 9, -160 / 9), ("km", "m"): (1000.0, 0.0), ("m", "m"): (1.0, 0.0)}
BIG = 1.7e308


class Row(NamedTuple):
    point: int
    observed: int
    received: int
    kind: Kind
    num: float
    txt: str | None
    verdict: Verdict
    reason: Reason
    raw: str | None


Ruled = Mapping[int, tuple[ValueType, Mapping[str, Any]]]
Known = dict[int, tuple[int, float]]
"""Point to the time and canonical number of the newest sample that is not bad."""


def oracle(rows: Sequence[Row], ruled: Ruled, newest: Known) -> list[Row]:
    judged: list[tuple[Row, set[Reason]]] = []
    measures: dict[int, list[tuple[int, int, float]]] = {
        point: [(time, -1, number)] for point, (time, number) in newest.items()
    }
    for arrival, row in enumerate(rows):
        declared, overlay = ruled.get(row.point, (None, {}))
        reasons, quantity = {row.reason}, row.kind in (Kind.NUMBER, Kind.INTEGER)
        if row.kind == Kind.NULL:
            reasons.add(Reason.NULL_VALUE)
        elif declared is not None and not accepts(declared, row):
            reasons.add(Reason.TYPE_MISMATCH)
            quantity = False
        words = overlay.get("enum")
        if row.kind == Kind.TEXT and isinstance(words, list) and row.txt not in words:
            reasons.add(Reason.NOT_IN_ENUM)
        if row.received - row.observed > overlay.get("stale_after_s", math.inf) * 1000:
            reasons.add(Reason.STALE)
        if "between" in overlay:
            grid = overlay["measured_every_s"] * 1000
            phase = row.observed % grid
            if min(phase, grid - phase) > min(500, grid // 10):
                reasons.add(Reason.ESTIMATED)
        delivered = row
        if quantity and math.isfinite(row.num) and "source_unit" in overlay and "unit" in overlay:
            factor, offset = FACTORS[overlay["source_unit"], overlay["unit"]]
            if (factor, offset) != (1.0, 0.0):
                number = row.num * factor + offset
                row = row._replace(num=number, kind=Kind.NUMBER, raw=raw(delivered, number))
        if row.kind in (Kind.NUMBER, Kind.INTEGER) and not math.isfinite(row.num):
            reasons.add(Reason.NOT_FINITE)
            row = row._replace(num=math.nan, kind=Kind.NULL, raw=raw(delivered, math.nan))
        if quantity:
            low, high = overlay.get("range", (None, None))
            if (low is not None and row.num < low) or (high is not None and row.num > high):
                reasons.add(Reason.OUT_OF_RANGE)
        judged.append((row, reasons))
        bad = any(VERDICTS[reason] == Verdict.BAD for reason in reasons)
        if quantity and "rate_max" in overlay and not bad:
            measures.setdefault(row.point, []).append((row.observed, arrival, row.num))
    for point, samples in measures.items():
        samples.sort()
        for (before, _, old), (time, arrival, number) in pairwise(samples):
            limit = ruled[point][1]["rate_max"] * ((time - before) / 1000)
            if arrival >= 0 and time > before and abs(number - old) > limit:
                judged[arrival][1].add(Reason.RATE)
        newest[point] = samples[-1][0], samples[-1][2]
    worst = [max(reasons, key=PRECEDENCE.index) for _, reasons in judged]
    return [
        row._replace(reason=reason, verdict=VERDICTS[reason])
        for (row, _), reason in zip(judged, worst, strict=True)
    ]


def accepts(declared: ValueType, row: Row) -> bool:
    if declared is ValueType.INTEGER and row.kind == Kind.NUMBER:
        return math.isinf(row.num) or row.num == row.num // 1
    numeric = {ValueType.NUMBER, ValueType.INTEGER}
    return declared in {
        Kind.BOOLEAN: {ValueType.BOOLEAN},
        Kind.TEXT: {ValueType.STRING},
        Kind.NUMBER: numeric,
        Kind.INTEGER: numeric,
    }.get(row.kind, set())


def raw(delivered: Row, number: float) -> str | None:
    if delivered.raw is not None or number == delivered.num:
        return delivered.raw
    if delivered.kind == Kind.INTEGER and math.isfinite(delivered.num):
        return str(int(delivered.num))
    return repr(delivered.num)


def frame_of(rows: Sequence[Row]) -> Frame:
    columns = zip(*rows, strict=True) if rows else [()] * 9
    point, observed, received, kind, num, txt, verdict, reason, texts = map(list, columns)
    return Frame(
        np.array(point, np.uint32),
        np.array(observed, np.int64),
        np.array(received, np.int64),
        np.array(kind, np.uint8),
        np.array(num, np.float64),
        np.array(txt, np.object_),
        np.array(verdict, np.uint8),
        np.array(reason, np.uint16),
        np.array(texts, np.object_),
        np.arange(len(rows), dtype=np.uint32),
        np.zeros(len(rows), np.uint16),
    )


def rows_of(frame: Frame) -> list[tuple[Any, ...]]:
    """Comparable rows: not-a-number is written as text, since it equals nothing."""
    names = Row._fields
    columns = [getattr(frame, name).tolist() for name in names]
    return [
        tuple("nan" if value != value else value for value in row)
        for row in zip(*columns, strict=True)
    ]


FEATURES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "units": st.sampled_from(sorted(FACTORS)).map(
        lambda pair: {"source_unit": pair[0], "unit": pair[1]}
    ),
    "range": st.sampled_from([[0, 10], [None, 10], [-5, None], [None, None], [3, 3]]).map(
        lambda ends: {"range": ends}
    ),
    "rate": st.sampled_from([0.5, 2, 1e300]).map(lambda rate: {"rate_max": rate}),
    "stale": st.sampled_from([0.01, 1, 3]).map(lambda limit: {"stale_after_s": limit}),
    "grid": st.sampled_from([1, 2, 10]).map(
        lambda grid: {"measured_every_s": grid, "between": "held"}
    ),
    "enum": st.sampled_from([["on"], ["on", "off"], {"1": "on"}]).map(
        lambda words: {"enum": words}
    ),
}
NUMBERS = {
    Kind.NUMBER: [0.0, 0.5, 3.0, 9.9, 12.5, BIG, -BIG, math.inf, math.nan],
    Kind.INTEGER: [0.0, 1.0, 3.0, 11.0, -6.0],
    Kind.BOOLEAN: [0.0, 1.0],
}
NUMERIC = [Kind.NUMBER, Kind.INTEGER]


@st.composite
def overlays(draw: st.DrawFn, features: Sequence[str] = ()) -> dict[str, Any]:
    overlay: dict[str, Any] = {}
    for name in features or sorted(draw(st.sets(st.sampled_from(sorted(FEATURES))))):
        overlay |= draw(FEATURES[name])
    return overlay


@st.composite
def rows(
    draw: st.DrawFn,
    points: Sequence[int] = (0, 1, 2, 3, UNKNOWN_POINT),
    kinds: Sequence[Kind] = tuple(Kind),
    seconds: int = 8,
) -> Row:
    observed = draw(st.integers(0, seconds)) * 1_000 + draw(st.sampled_from([0, 0, 100, 200, 900]))
    received = observed + draw(st.sampled_from([0, 10, 100, 1_000, 3_000, 3_001, -500]))
    kind = draw(st.sampled_from(kinds))
    num = draw(st.sampled_from(NUMBERS[kind])) if kind in NUMBERS else math.nan
    txt = draw(st.sampled_from(["on", "off", ""])) if kind is Kind.TEXT else None
    reason = draw(st.sampled_from([Reason.NONE] * 4 + [Reason.NO_TIMESTAMP, Reason.READ_ERROR]))
    return Row(
        draw(st.sampled_from(points)),
        observed,
        received,
        kind,
        num,
        txt,
        VERDICTS[reason],
        reason,
        draw(st.sampled_from([None, None, "0x0F"])),
    )


def agree(declared: Sequence[tuple[ValueType, dict[str, Any]]], batches: list[list[Row]]) -> None:
    rules, ruled = Rules(), dict(enumerate(declared))
    for point, (type_, overlay) in ruled.items():
        address = PointAddress(f"e/n/o/{point}")
        rules.put(Point(point, address, Constraint.MEASURE, type_), check_overlay(overlay))
    judge, newest = Judge(rules), Known()
    for batch in batches:
        frame, untouched = frame_of(batch), frame_of(batch)
        judged = judge.judge(frame)
        assert rows_of(judged) == rows_of(frame_of(oracle(batch, ruled, newest)))
        # The arrival number in `source` shows that no row was dropped, added or moved.
        assert judged.source.tolist() == list(range(len(batch)))
        for field in fields(Frame):
            np.testing.assert_array_equal(
                getattr(frame, field.name), getattr(untouched, field.name)
            )


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(ValueType), overlays()), min_size=4, max_size=4),
    st.lists(st.lists(rows(), max_size=12), min_size=1, max_size=3),
)
def test_mixed_batches_are_judged_as_row_by_row(
    declared: list[tuple[ValueType, dict[str, Any]]], batches: list[list[Row]]
) -> None:
    agree(declared, batches)


@pytest.mark.parametrize(
    ("features", "kinds"),
    [
        (["units"], NUMERIC),
        (["range"], [*NUMERIC, Kind.BOOLEAN]),
        (["rate"], NUMERIC),
        (["range", "rate", "units"], NUMERIC),
        (["stale", "grid"], [Kind.NUMBER]),
        (["enum"], [Kind.TEXT]),
    ],
)
def test_each_stage_is_judged_as_row_by_row(features: list[str], kinds: list[Kind]) -> None:
    """Few points and close times, so that the samples of one point meet each other."""

    @settings(max_examples=200, deadline=None)
    @given(
        st.lists(st.tuples(st.sampled_from(ValueType), overlays(features)), min_size=2, max_size=2),
        st.lists(
            st.lists(rows((0, 0, 0, 1), kinds, seconds=2), min_size=1, max_size=6), max_size=3
        ),
    )
    def check(declared: list[tuple[ValueType, dict[str, Any]]], batches: list[list[Row]]) -> None:
        agree(declared, batches)

    check()


@settings(max_examples=100, deadline=None)
@given(st.lists(rows(), max_size=20))
def test_a_free_model_keeps_every_finite_value(batch: list[Row]) -> None:
    judged = Judge(Rules()).judge(frame_of(batch))
    for before, after in zip(batch, rows_of(judged), strict=True):
        if before.kind == Kind.NUMBER and not math.isfinite(before.num):
            assert after[3:5] == (Kind.NULL, "nan")
        else:
            assert after[:6] == rows_of(frame_of([before]))[0][:6]
            assert after[8] == before.raw
