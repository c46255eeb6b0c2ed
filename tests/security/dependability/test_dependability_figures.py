"""Availability, failures, MTBF and MTTR against figures computed by hand."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.dependability.report import duration, mean_time, restoring_time, share
from security.dependability.states import Interval, Resource, State, clipped, merged
from security.dependability.statistics import Dependability, _chi_square, measure
from security.limits import FAILURES_SUFFICIENT

PUMP = Resource.of("device:pump")
HOUR = 3_600_000


def history(text: str) -> list[Interval]:
    """Return intervals of an hour a letter: u up, d down, ``?`` unknown, a blank nothing."""
    states = {"u": State.UP, "d": State.DOWN, "?": State.UNKNOWN}
    return [
        Interval(PUMP, states[letter], hour * HOUR, (hour + 1) * HOUR)
        for hour, letter in enumerate(text)
        if letter != " "
    ]


@pytest.mark.parametrize(
    ("text", "up", "down", "unknown", "failures", "restorations", "restoring"),
    [
        ("", 0, 0, 0, 0, 0, 0),
        ("uuuu", 4, 0, 0, 0, 0, 0),
        ("uuduuddu", 5, 3, 0, 2, 2, 3),
        # Down when first seen is down time, and no failure that anybody saw.
        ("dduu", 2, 2, 0, 0, 0, 0),
        # Nobody looked for two hours: neither up nor down, and it went down meanwhile.
        ("u??d", 1, 1, 2, 1, 0, 0),
        # It came back, but when it went down nobody saw.
        ("u?du", 2, 1, 1, 1, 0, 0),
        # Down, not observed, down: one failure; when it came back nobody saw.
        ("ud?du", 2, 2, 1, 1, 0, 0),
        # Up before and after a time unobserved is no failure.
        ("u?u", 2, 0, 1, 0, 0, 0),
        # Before the first observation there is nothing.
        ("    uud", 2, 1, 0, 1, 0, 0),
        ("????", 0, 0, 4, 0, 0, 0),
    ],
)
def test_figures_computed_by_hand(
    text: str,
    up: int,
    down: int,
    unknown: int,
    failures: int,
    restorations: int,
    restoring: int,
) -> None:
    figures = measure(history(text))
    assert (figures.up, figures.down, figures.unknown) == (up * HOUR, down * HOUR, unknown * HOUR)
    assert (figures.failures, figures.restorations) == (failures, restorations)
    assert figures.restoring == restoring * HOUR
    assert figures.availability == (up / (up + down) if up + down else None)


def test_means_are_time_over_events() -> None:
    figures = measure(history("uuuuduuuddu"))
    assert figures.mtbf == pytest.approx(8 / 2 * HOUR)
    assert figures.mttr == pytest.approx(3 / 2 * HOUR)


def test_time_before_the_first_observation_does_not_count() -> None:
    observed = clipped(history("          uuud"), 0, 14 * HOUR)
    assert measure(observed).availability == 0.75
    assert measure(observed).observed_from == 10 * HOUR


def test_what_lasts_is_counted_to_the_end_of_the_span() -> None:
    lasting = [Interval(PUMP, State.UP, 0, None)]
    assert measure(clipped(lasting, HOUR, 3 * HOUR)).up == 2 * HOUR


@given(st.text("ud?", max_size=60))
def test_no_time_is_lost_or_counted_twice(text: str) -> None:
    figures = measure(history(text))
    assert figures.up + figures.down + figures.unknown == len(text) * HOUR
    assert figures.restorations <= figures.failures
    assert figures.restoring <= figures.down
    known = text.replace("?", "")
    assert figures.failures == sum(a == "u" and b == "d" for a, b in itertools.pairwise(known))


@given(st.text("ud? ", max_size=40))
def test_joined_intervals_alternate(text: str) -> None:
    joined = merged(history(text))
    for one, next_one in itertools.pairwise(joined):
        assert one.state is not next_one.state or one.until != next_one.since


@pytest.mark.parametrize(
    ("probability", "freedom", "quantile"),
    # Printed tables of the chi-square distribution.
    [(0.975, 2, 7.378), (0.025, 2, 0.0506), (0.975, 20, 34.170), (0.025, 20, 9.591),
     (0.95, 100, 124.342), (0.025, 1_000, 914.257), (0.975, 1_000, 1_089.531)],
)  # fmt: skip
def test_quantiles_are_those_of_the_tables(
    probability: float, freedom: int, quantile: float
) -> None:
    assert _chi_square(probability, freedom) == pytest.approx(quantile, rel=2e-3)


def test_the_interval_of_the_mean_holds_it_and_narrows() -> None:
    few, many = (
        Dependability(0, n * 1_000, 0, 0, failures=n, restorations=0, restoring=0)
        for n in (10, 1_000)
    )
    for figures in (few, many):
        assert figures.mtbf is not None and figures.mtbf_bounds.high is not None
        assert figures.mtbf_bounds.low < figures.mtbf < figures.mtbf_bounds.high
    assert few.mtbf_bounds.low < many.mtbf_bounds.low


def test_without_a_failure_there_is_a_lower_bound_alone() -> None:
    bounds = measure(history("uuuu")).mtbf_bounds
    assert bounds.low == pytest.approx(4 * HOUR / -math.log(0.025))
    assert bounds.high is None


def test_few_failures_are_told_to_be_too_few() -> None:
    few = measure(history("ud" * (FAILURES_SUFFICIENT - 1) + "u"))
    enough = measure(history("ud" * FAILURES_SUFFICIENT + "u"))
    assert mean_time(few).startswith(f"insufficient: n = {FAILURES_SUFFICIENT - 1}, 95% interval ")
    assert restoring_time(few) == f"insufficient: n = {FAILURES_SUFFICIENT - 1}, seen 1 h"
    assert mean_time(enough).startswith(f"1.1 h (n = {FAILURES_SUFFICIENT}, ")
    assert restoring_time(enough) == f"1 h (n = {FAILURES_SUFFICIENT})"


def test_nearly_always_is_not_always() -> None:
    assert share(0.99999999) == "99.999 %"
    assert (share(1.0), share(0.0), share(None)) == ("100 %", "0.000 %", "–")


@pytest.mark.parametrize(
    ("milliseconds", "text"),
    [(None, "–"), (12, "12 ms"), (1_500, "1.5 s"), (90_000, "1.5 min"), (36 * HOUR, "1.5 d")],
)
def test_durations_have_a_unit_that_fits(milliseconds: float | None, text: str) -> None:
    assert duration(milliseconds) == text
