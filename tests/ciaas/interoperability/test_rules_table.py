"""Rules: one row per point, neutral where nothing is known."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from ciaas.interoperability.overlay import OverlayError
from ciaas.interoperability.rules import RULE, Rules, Use
from ciaas.interoperability.staleness import stale
from ciaas.kernel.address import PointAddress
from ciaas.kernel.model import Constraint, ValueType
from ciaas.limits import RULES_POINTS_MAX
from ciaas.ports import Point


def point(number: int, type_: ValueType = ValueType.NUMBER) -> Point:
    return Point(number, PointAddress(f"e/n/o/{number}"), Constraint.MEASURE, type_)


def ids(*numbers: int) -> Any:
    return np.array(numbers, np.uint32)


def test_points_never_put_are_neutral_also_beyond_the_table() -> None:
    rules = Rules()
    rows = rules.of(ids(0, 5, 2**32 - 1))
    assert rows["uses"].tolist() == [0, 0, 0]
    assert rows["type"].tolist() == [0, 0, 0]


def test_the_table_grows_and_keeps_what_it_held() -> None:
    rules = Rules()
    rules.put(point(3), {"range": [0, None]})
    last = rules.capacity - 1
    rules.put(point(last), {"rate_max": 2})
    rules.put(point(100_000, ValueType.STRING), {"enum": ["on"]})
    rows = rules.of(ids(3, last, 100_000, 100_001, rules.capacity + 9))
    assert rows["uses"].tolist() == [Use.RANGE, Use.RATE, Use.ENUM, 0, 0]
    assert rows["range_min"][0] == 0
    assert np.isinf(rows["range_max"][0])
    assert rules.words(100_000) == frozenset({"on"})


def test_a_second_put_replaces_all_of_the_first() -> None:
    rules = Rules()
    rules.put(point(1, ValueType.STRING), {"enum": ["on"], "stale_after_s": 5})
    rules.put(point(1), {})
    assert rules.of(ids(1))["uses"].tolist() == [0]
    assert rules.words(1) is None


def test_units_of_two_scopes_that_do_not_convert_leave_the_old_rule() -> None:
    rules = Rules()
    rules.put(point(1), {"range": [0, 5]})
    with pytest.raises(OverlayError, match=r"e/n/o/1: source_unit: 'degF' .* 'm'"):
        rules.put(point(1), {"unit": "m", "source_unit": "degF"})
    assert rules.of(ids(1))["uses"].tolist() == [Use.RANGE]


def test_a_point_id_above_the_bound_is_refused() -> None:
    with pytest.raises(ValueError, match=str(RULES_POINTS_MAX)):
        Rules().put(point(RULES_POINTS_MAX + 1), {})


def test_a_rule_has_the_size_that_bounds_the_table() -> None:
    assert RULE.itemsize == 72


def test_a_reader_sees_whole_rules_while_a_writer_changes_them() -> None:
    rules = Rules()
    celsius = {"unit": "degC", "source_unit": "degF"}
    kelvin = {"unit": "K", "source_unit": "degC"}
    rules.put(point(1), celsius)
    allowed = set()
    for overlay in (celsius, kelvin):
        rules.put(point(1), overlay)
        allowed.add(rules.of(ids(1))[["factor", "offset"]][0].item())
    asked = np.full(5_000, 1, np.uint32)
    done = threading.Event()

    def write() -> None:
        turn = 0
        while not done.is_set():
            turn += 1
            rules.put(point(1), kelvin if turn % 2 else celsius)
            rules.put(point(1_000 + turn % 5_000), {})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(300):
            rows = rules.of(asked)
            assert (
                set(zip(rows["factor"].tolist(), rows["offset"].tolist(), strict=True)) <= allowed
            )
    finally:
        done.set()
        writer.join()


def test_points_silent_for_longer_than_their_limit_are_stale() -> None:
    rules = Rules()
    rules.put(point(1), {"stale_after_s": 60})
    rules.put(point(2), {"stale_after_s": 0.5})
    never = np.iinfo(np.int64).min
    now = 1_700_000_000_000
    observed = np.array([now - 60_000, now - 501, now - 60_001, never, never], np.int64)
    mask = stale(now, observed, rules.of(ids(1, 2, 1, 1, 3)))
    assert mask.tolist() == [False, True, True, True, False]
