"""What a bench found: cases held to bars, as JSON and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

Better = Literal["higher", "lower"]


class Pair(NamedTuple):
    """One measurement of ours and, right beside it, one of the baseline."""

    ours: float
    baseline: float

    @property
    def ratio(self) -> float:
        """Ours to baseline."""
        return self.ours / self.baseline

    @property
    def above(self) -> float:
        """Ours less baseline."""
        return self.ours - self.baseline


@dataclass(frozen=True, slots=True)
class Case:
    """One case: its pairs, interleaved in one run, and the bar that the median pair is held to."""

    name: str
    unit: str
    pairs: Sequence[Pair]
    bar: float
    better: Better
    above: bool = False
    """The bar is for ours less baseline, in the unit, instead of for the ratio."""
    alone: bool = False
    """The bar is for ours by itself, in the unit; the baseline is there to be seen."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """What else a reader needs to judge the figures."""

    def __post_init__(self) -> None:
        assert self.pairs, "a case needs a pair"

    @property
    def median(self) -> Pair:
        """The pair in the middle; of an even number the worse of the two."""
        ordered = sorted(self.pairs, key=self._value, reverse=self.better == "higher")
        return ordered[len(ordered) // 2]

    @property
    def margin(self) -> float:
        """How far the case is on the good side of its bar: 1 at the bar, below 1 failed."""
        value = self._value(self.median)
        if self.better == "higher":
            return value / self.bar
        return self.bar / value if value > 0 else float("inf")

    @property
    def passed(self) -> bool:
        """True when the bar is met."""
        value = self._value(self.median)
        return value >= self.bar if self.better == "higher" else value <= self.bar

    def _value(self, pair: Pair) -> float:
        if self.alone:
            return pair.ours
        return pair.above if self.above else pair.ratio

    def as_dict(self) -> dict[str, Any]:
        """Return the case in the format of all benches."""
        median = self.median
        return {
            "case": self.name,
            "ours": round(median.ours, 3),
            "baseline": round(median.baseline, 3),
            "ratio": round(median.ratio, 3),
            "bar": self.bar,
            "better": self.better,
            "pass": self.passed,
            "unit": self.unit,
            **({"above_ms": round(median.above, 3)} if self.above else {}),
            "measured": [[round(pair.ours, 3), round(pair.baseline, 3)] for pair in self.pairs],
            **self.facts,
        }


@dataclass(frozen=True, slots=True)
class Result:
    """All cases of one run of a bench."""

    bench: str
    cases: Sequence[Case]
    facts: Mapping[str, Any]
    """Such as ``sync_interval``."""

    @property
    def passed(self) -> bool:
        """True when every case met its bar."""
        return all(case.passed for case in self.cases)

    def as_dict(self) -> dict[str, Any]:
        """Return the result in the format of all benches."""
        worst = min(self.cases, key=lambda case: case.margin)
        return {
            "bench": self.bench,
            "cases": [case.as_dict() for case in self.cases],
            "ratio": round(worst.median.ratio, 3),
            "pass": self.passed,
            "pairs": len(worst.pairs),
            **self.facts,
        }

    def table(self) -> str:
        """Return the result for a person."""
        lines = [f"{'case':<16}{'ours':>12}{'baseline':>12} {'unit':<10}{'ratio':>7}  bar"]
        for case in self.cases:
            median = case.median
            lines.append(
                f"{case.name:<16}{median.ours:>12,.1f}{median.baseline:>12,.1f} {case.unit:<10}"
                f"{median.ratio:>7.2f}  {_bar(case)}: {'met' if case.passed else 'NOT MET'}"
            )
        facts = ", ".join(f"{name} {value}" for name, value in self.facts.items())
        pairs = min(len(case.pairs) for case in self.cases)
        lines.append(f"medians of {pairs} interleaved pairs; {facts}")
        return "\n".join(lines)


def _bar(case: Case) -> str:
    sign = "≥" if case.better == "higher" else "≤"
    if case.alone:
        return f"{sign} {case.bar:g} {case.unit}"
    if case.above:
        return f"{case.median.above:.1f} {case.unit} above, {sign} {case.bar:g}"
    return f"{sign} {case.bar:g}"
