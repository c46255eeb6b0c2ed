"""What one sample, or two, are judged to be."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from ciaas.interoperability.judge import PRECEDENCE, VERDICTS, Judge
from ciaas.interoperability.overlay import check_overlay
from ciaas.interoperability.rules import Rules
from ciaas.kernel.address import PointAddress
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.sample import DTYPES, Frame, Kind, Reason, Verdict
from ciaas.ports import Point

NOON = 1_700_000_000_000 - 1_700_000_000_000 % 3_600_000


def judge_of(overlay: Mapping[str, Any], type_: ValueType = ValueType.NUMBER) -> Judge:
    rules = Rules()
    point = Point(7, PointAddress("e/n/o/a"), Constraint.MEASURE, type_)
    rules.put(point, check_overlay(overlay))
    return Judge(rules)


def samples(*values: tuple[int, float | str | None], **columns: Any) -> Frame:
    """Rows of point 7, given as (milliseconds after noon, value), received as observed."""
    observed = [NOON + at for at, _ in values]
    kinds = {str: Kind.TEXT, int: Kind.INTEGER, bool: Kind.BOOLEAN, float: Kind.NUMBER}
    numbers = [math.nan if isinstance(v, str | None) else float(v) for _, v in values]
    filled: dict[str, Any] = {
        "point": 7,
        "observed": observed,
        "received": observed,
        "kind": [kinds.get(type(value), Kind.NULL) for _, value in values],
        "num": numbers,
        "txt": [value if isinstance(value, str) else None for _, value in values],
        "verdict": 0,
        "reason": 0,
        "raw": None,
        "source": 1,
        "revision": 0,
    } | columns
    return Frame(
        **{
            name: np.array(np.broadcast_to(np.array(filled[name], dtype), len(values)))
            for name, dtype in DTYPES.items()
        }
    )


def reasons(frame: Frame) -> list[Reason]:
    assert [VERDICTS[Reason(code)] for code in frame.reason] == frame.verdict.tolist()
    return [Reason(code) for code in frame.reason]


@pytest.mark.parametrize(
    ("type_", "value", "reason"),
    [
        (ValueType.BOOLEAN, True, Reason.NONE),
        (ValueType.BOOLEAN, 1, Reason.TYPE_MISMATCH),
        (ValueType.INTEGER, 3, Reason.NONE),
        (ValueType.INTEGER, 3.0, Reason.NONE),
        (ValueType.INTEGER, 3.5, Reason.TYPE_MISMATCH),
        (ValueType.INTEGER, math.inf, Reason.NOT_FINITE),
        (ValueType.NUMBER, 3, Reason.NONE),
        (ValueType.NUMBER, False, Reason.TYPE_MISMATCH),
        (ValueType.NUMBER, "3", Reason.TYPE_MISMATCH),
        (ValueType.STRING, "3", Reason.NONE),
        (ValueType.STRING, 3, Reason.TYPE_MISMATCH),
        (ValueType.STRING, None, Reason.NULL_VALUE),
    ],
)
def test_a_value_must_be_of_the_declared_type(
    type_: ValueType, value: float | str | None, reason: Reason
) -> None:
    assert reasons(judge_of({}, type_).judge(samples((0, value)))) == [reason]


def test_a_converted_value_keeps_what_was_delivered() -> None:
    judge = judge_of({"source_unit": "degF", "unit": "degC"})
    judged = judge.judge(samples((0, 50.0), (1, 212), (2, -40.0)))
    assert judged.num.tolist() == pytest.approx([10.0, 100.0, -40.0])
    assert judged.raw.tolist()[:2] == ["50.0", "212"]
    assert judged.kind.tolist() == [Kind.NUMBER] * 3
    assert {type(text) for text in judged.raw[:2]} == {str}


def test_the_raw_value_of_an_adapter_is_not_overwritten() -> None:
    judge = judge_of({"source_unit": "l/s", "unit": "m**3/h"})
    judged = judge.judge(samples((0, 2.5), raw="0x0019"))
    assert (judged.num[0], judged.raw[0]) == (9.0, "0x0019")


def test_a_value_of_another_type_is_not_converted() -> None:
    judge = judge_of({"source_unit": "km", "unit": "m"}, ValueType.INTEGER)
    judged = judge.judge(samples((0, 2.5), (1, 2)))
    assert judged.num.tolist() == [2.5, 2000.0]
    assert reasons(judged) == [Reason.TYPE_MISMATCH, Reason.NONE]


def test_range_is_of_the_canonical_value_and_does_not_clamp() -> None:
    judge = judge_of({"source_unit": "degF", "unit": "degC", "range": [0, 100]})
    judged = judge.judge(samples((0, 99.0), (1, 31.0), (2, 32.0), (3, 213.0)))
    outside = Reason.OUT_OF_RANGE
    assert reasons(judged) == [Reason.NONE, outside, Reason.NONE, outside]
    assert judged.num[1] == pytest.approx(-0.5556, abs=1e-4)


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_not_finite_becomes_null_with_its_text(value: float) -> None:
    judged = judge_of({}).judge(samples((0, value)))
    assert reasons(judged) == [Reason.NOT_FINITE]
    assert (judged.kind[0], judged.raw[0]) == (Kind.NULL, repr(value))
    assert math.isnan(judged.num[0])


def test_a_value_too_large_once_converted_is_not_finite() -> None:
    judged = judge_of({"source_unit": "km", "unit": "m"}).judge(samples((0, 1e308)))
    assert reasons(judged) == [Reason.NOT_FINITE]
    assert (judged.kind[0], judged.raw[0]) == (Kind.NULL, "1e+308")


def test_rate_is_taken_in_order_of_time_over_batches() -> None:
    judge = judge_of({"rate_max": 1})
    assert reasons(judge.judge(samples((2_000, 2.0), (0, 0.0), (4_000, 9.0)))) == [
        Reason.NONE,
        Reason.NONE,
        Reason.RATE,
    ]
    assert reasons(judge.judge(samples((5_000, 8.0), (6_000, 6.9)))) == [Reason.NONE, Reason.RATE]


def test_a_late_sample_does_not_become_the_measure() -> None:
    judge = judge_of({"rate_max": 1})
    judge.judge(samples((10_000, 0.0)))
    assert reasons(judge.judge(samples((1_000, 500.0), (3_000, 0.0)))) == [
        Reason.NONE,
        Reason.RATE,
    ]
    assert reasons(judge.judge(samples((11_000, 1.0)))) == [Reason.NONE]


def test_of_two_values_at_one_time_the_one_that_came_later_is_the_measure() -> None:
    judge = judge_of({"rate_max": 1})
    judge.judge(samples((0, 0.0)))
    # In the same batch as the next sample, and in a batch of its own.
    assert reasons(judge.judge(samples((0, 50.0), (1_000, 50.0)))) == [Reason.NONE] * 2
    judge.judge(samples((1_000, 90.0)))
    assert reasons(judge.judge(samples((2_000, 90.0)))) == [Reason.NONE]


def test_a_spike_out_of_range_does_not_make_the_next_sample_suspect() -> None:
    judge = judge_of({"rate_max": 1, "range": [0, 100]})
    judged = judge.judge(samples((0, 20.0), (1_000, 9_999.0), (2_000, 20.5)))
    assert reasons(judged) == [Reason.NONE, Reason.OUT_OF_RANGE, Reason.NONE]


def test_a_change_over_the_whole_range_of_numbers_is_too_fast() -> None:
    judged = judge_of({"rate_max": 1e300}).judge(samples((0, -1.7e308), (1_000, 1.7e308)))
    assert reasons(judged) == [Reason.NONE, Reason.RATE]


def test_times_at_both_ends_of_64_bits_have_a_slow_rate() -> None:
    frame = samples((0, 0.0), (0, 9.0), observed=[-(2**62), 2**62], received=[0, 2**62])
    assert reasons(judge_of({"rate_max": 1}).judge(frame)) == [Reason.NONE, Reason.NONE]


def test_seed_compares_with_what_was_stored_before_a_restart() -> None:
    judge = judge_of({"rate_max": 1})
    judge.seed(samples((0, 0.0)))
    assert reasons(judge.judge(samples((1_000, 5.0)))) == [Reason.RATE]
    judge.seed(samples((500, 99.0)))
    judge.seed(samples((1_500, 99.0), verdict=Verdict.BAD, reason=Reason.OUT_OF_RANGE))
    judge.seed(samples((1_500, "text"), (1_500, None)))
    assert reasons(judge.judge(samples((2_000, 5.5)))) == [Reason.NONE]


def test_seed_may_know_points_that_have_no_rule_yet() -> None:
    rules = Rules()
    judge = Judge(rules)
    far = rules.capacity + 5
    judge.seed(samples((0, 0.0), point=far))
    point = Point(far, PointAddress("e/n/o/a"), Constraint.MEASURE, ValueType.NUMBER)
    rules.put(point, {"rate_max": 1})
    assert reasons(judge.judge(samples((1_000, 5.0), point=far))) == [Reason.RATE]


def test_a_sample_received_late_is_stale() -> None:
    judge = judge_of({"stale_after_s": 2})
    frame = samples((0, 1.0), (0, 1.0), received=[NOON + 2_000, NOON + 2_001])
    assert reasons(judge.judge(frame)) == [Reason.NONE, Reason.STALE]


@pytest.mark.parametrize(
    ("at", "reason"),
    [
        (0, Reason.NONE),
        (500, Reason.NONE),
        (501, Reason.ESTIMATED),
        (1_800_000, Reason.ESTIMATED),
        (3_599_500, Reason.NONE),
        (3_599_499, Reason.ESTIMATED),
    ],
)
def test_between_measurements_samples_are_estimates(at: int, reason: Reason) -> None:
    judge = judge_of({"measured_every_s": 3600, "between": "held"})
    assert reasons(judge.judge(samples((at, 1.0)))) == [reason]


def test_short_grids_have_a_tenth_of_the_interval_as_tolerance() -> None:
    judge = judge_of({"measured_every_s": 1, "between": "interpolated"})
    judged = judge.judge(samples((100, 1.0), (101, 1.0), (900, 1.0)))
    assert reasons(judged) == [Reason.NONE, Reason.ESTIMATED, Reason.NONE]


def test_enum_lists_the_texts_allowed() -> None:
    judge = judge_of({"enum": ["on", "off"]}, ValueType.STRING)
    assert reasons(judge.judge(samples((0, "on"), (1, "ON")))) == [
        Reason.NONE,
        Reason.NOT_IN_ENUM,
    ]


def test_labels_of_numbers_restrict_nothing() -> None:
    judge = judge_of({"enum": {"0": "off", "1": "on"}}, ValueType.INTEGER)
    assert reasons(judge.judge(samples((0, 2)))) == [Reason.NONE]


def test_worse_reasons_stand_behind_milder_ones() -> None:
    ranks = [VERDICTS[reason] for reason in PRECEDENCE]
    assert ranks == sorted(ranks)
    assert set(PRECEDENCE) == set(Reason)


@pytest.mark.parametrize(
    ("came_with", "value", "expected"),
    [
        (Reason.NO_TIMESTAMP, 1.0, Reason.NO_TIMESTAMP),
        (Reason.NO_TIMESTAMP, 1_000.0, Reason.OUT_OF_RANGE),
        (Reason.NO_TIMESTAMP, None, Reason.NULL_VALUE),
        (Reason.READ_ERROR, None, Reason.READ_ERROR),
        (Reason.NOT_FINITE, None, Reason.NOT_FINITE),
        (Reason.STALE, 1.0, Reason.STALE),
        (Reason.OUT_OF_RANGE, "text", Reason.TYPE_MISMATCH),
    ],
)
def test_a_verdict_that_came_with_the_row_stays_unless_a_worse_is_found(
    came_with: Reason, value: float | str | None, expected: Reason
) -> None:
    frame = samples((0, value), reason=came_with, verdict=VERDICTS[came_with])
    assert reasons(judge_of({"range": [0, 100]}).judge(frame)) == [expected]


def test_an_empty_batch_stays_empty() -> None:
    assert len(judge_of({"range": [0, 1]}).judge(Frame.empty())) == 0
