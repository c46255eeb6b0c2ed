"""Availability, failures, MTBF and MTTR of a resource, from its state intervals.

Source of the terms: IEC 60050-192. Availability is mean up time to mean up time and mean down time
together; both are taken over the time in which the state was known. Time before the first
observation is no part of it, and time in which nobody observed is told apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from security.dependability.states import Interval, State, merged
from security.limits import FAILURES_SUFFICIENT

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Bounds:
    """A two-sided confidence interval of a mean time, in milliseconds; ``high`` None: no bound."""

    low: float
    high: float | None


@dataclass(frozen=True, slots=True)
class Dependability:
    """How dependable a resource was within a time span. Times are milliseconds."""

    observed_from: int | None
    """First observation within the span, since 1970 UTC; None: it was never observed."""
    up: int
    down: int
    unknown: int
    failures: int
    """Times that it went down after it had been up."""
    restorations: int
    """Times that it was seen to come up from down."""
    restoring: int
    """Down time of the restored failures."""

    @property
    def availability(self) -> float | None:
        """Share of the known time in which it was up, 0 to 1; None when nothing is known."""
        known = self.up + self.down
        return self.up / known if known else None

    @property
    def mtbf(self) -> float | None:
        """Mean operating time between failures; None without a failure."""
        return self.up / self.failures if self.failures else None

    @property
    def mttr(self) -> float | None:
        """Mean time to restoration; None when nothing was restored."""
        return self.restoring / self.restorations if self.restorations else None

    @property
    def sufficient(self) -> bool:
        """True with FAILURES_SUFFICIENT failures: with fewer a mean says little."""
        return self.failures >= FAILURES_SUFFICIENT

    @property
    def mtbf_bounds(self) -> Bounds:
        """Confidence interval of the mean operating time between failures.

        Source: failures at a constant rate, observed for a given time; the bounds are
        ``2 T / chi2(1 - a/2, 2 n + 2)`` and ``2 T / chi2(a/2, 2 n)``.
        """
        tail = (1 - CONFIDENCE) / 2
        low = 2 * self.up / _chi_square(1 - tail, 2 * self.failures + 2)
        if not self.failures:
            return Bounds(low, None)
        return Bounds(low, 2 * self.up / _chi_square(tail, 2 * self.failures))


def measure(intervals: Sequence[Interval]) -> Dependability:
    """Return the figures of one resource from its intervals, clipped to a span and oldest first.

    A failure is counted where it goes down after it was up, also when nobody looked in between.
    What was down, then unobserved, then down again is one failure. A restoration is counted where
    it comes up right after down that began right after up; else nobody knows how long it took.
    """
    total = {state: 0 for state in State}
    failures = restorations = restoring = 0
    known: State | None = None
    before: State | None = None
    down_since: int | None = None
    for interval in merged(intervals):
        assert interval.until is not None, "clip the intervals to a span first"
        total[interval.state] += interval.until - interval.since
        match interval.state:
            case State.DOWN:
                failures += known is State.UP
                down_since = interval.since if before is State.UP else None
                known = State.DOWN
            case State.UP:
                if down_since is not None:
                    restorations += 1
                    restoring += interval.since - down_since
                down_since, known = None, State.UP
            case State.UNKNOWN:
                down_since = None
        before = interval.state
    return Dependability(
        intervals[0].since if intervals else None,
        total[State.UP],
        total[State.DOWN],
        total[State.UNKNOWN],
        failures,
        restorations,
        restoring,
    )


def _chi_square(probability: float, freedom: int) -> float:
    """Return a quantile of the chi-square distribution with an even number of degrees of freedom.

    Exact: with ``2 m`` degrees its distribution function is one minus a sum of ``m`` Poisson terms,
    which is turned around by bisection. For many degrees the sum is too long and Wilson and
    Hilferty's approximation is better than one in ten thousand.
    """
    if freedom > 400:
        z = NormalDist().inv_cdf(probability)
        part = 2 / (9 * freedom)
        return float(freedom * (1 - part + z * math.sqrt(part)) ** 3)
    low, high = 0.0, freedom + 20 * math.sqrt(freedom) + 40
    for _ in range(200):
        middle = (low + high) / 2
        if _chi_square_share(middle, freedom) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _chi_square_share(value: float, freedom: int) -> float:
    half, term, total = value / 2, 1.0, 1.0
    for number in range(1, freedom // 2):
        term *= half / number
        total += term
    return 1 - math.exp(-half) * total
