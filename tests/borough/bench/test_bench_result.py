"""Format of a bench's result and what makes a case pass, on made-up figures."""

from __future__ import annotations

import json

import pytest

from borough.bench.result import Better, Case, Pair, Result


def case(
    *pairs: tuple[float, float], bar: float, better: Better = "higher", above: bool = False
) -> Case:
    return Case("made-up", "ms p99", [Pair(*pair) for pair in pairs], bar, better, above)


def test_the_pair_with_the_median_ratio_counts() -> None:
    found = case((90, 100), (10, 100), (70, 100), bar=0.6)
    assert found.median == Pair(70, 100)
    assert found.as_dict()["ratio"] == 0.7
    assert found.as_dict()["measured"] == [[90, 100], [10, 100], [70, 100]]


@pytest.mark.parametrize(("better", "ours"), [("higher", 50), ("lower", 80)])
def test_of_two_pairs_the_worse_one_counts(better: Better, ours: float) -> None:
    assert case((50, 100), (80, 100), bar=1, better=better).median.ours == ours


@pytest.mark.parametrize(
    ("better", "ours", "passed"),
    [
        ("higher", 60.0, True),
        ("higher", 59.9, False),
        ("lower", 60.0, True),
        ("lower", 60.1, False),
    ],
)
def test_the_bar_itself_is_met(better: Better, ours: float, passed: bool) -> None:
    found = case((ours, 100.0), bar=0.6, better=better)
    assert found.passed is passed
    assert (found.margin >= 1) is passed


def test_a_bar_for_the_difference_leaves_the_ratio_alone() -> None:
    found = case((70, 20), bar=60, better="lower", above=True)
    assert found.passed
    assert found.as_dict() | {} == {
        "case": "made-up",
        "ours": 70,
        "baseline": 20,
        "ratio": 3.5,
        "bar": 60,
        "better": "lower",
        "pass": True,
        "unit": "ms p99",
        "above_ms": 50,
        "measured": [[70, 20]],
    }
    assert not case((81, 20), bar=60, better="lower", above=True).passed


def test_faster_than_the_baseline_is_far_from_a_bar_above_it() -> None:
    assert case((10, 20), bar=60, better="lower", above=True).margin == float("inf")


def test_the_result_names_the_ratio_of_the_case_nearest_to_failing() -> None:
    easy, close = case((9, 1), bar=4), case((0.61, 1), bar=0.6)
    result = Result("uplink", [easy, close], {"sync_interval": "1s"})
    written = json.loads(json.dumps(result.as_dict()))
    assert written["bench"] == "uplink"
    assert written["ratio"] == 0.61
    assert written["pass"] is True
    assert written["pairs"] == 1
    assert written["sync_interval"] == "1s"
    assert [set(found) >= {"case", "ours", "baseline", "ratio", "bar", "better", "pass"}
            for found in written["cases"]] == [True, True]  # fmt: skip


def test_one_failing_case_fails_the_bench() -> None:
    result = Result("uplink", [case((9, 1), bar=4), case((0.5, 1), bar=0.6)], {})
    assert not result.passed
    assert result.as_dict()["pass"] is False
    assert result.table().count(": met") == 1
    assert result.table().count("NOT MET") == 1


def test_the_table_shows_what_a_bar_above_the_baseline_is_held_against() -> None:
    table = Result("latency", [case((70, 20), bar=60, better="lower", above=True)], {}).table()
    assert "50.0 ms p99 above, ≤ 60" in table
