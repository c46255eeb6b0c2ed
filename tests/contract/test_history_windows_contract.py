"""What windows of samples answer, on each history store: in memory and in a file."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ciaas.kernel.sample import Verdict
from ciaas.ports import AnswerTooLarge, HistoryError, HistoryStore, Measure, TooSlow, Windows
from ciaas.storage.history import Bounds, DuckHistory, open_history
from tests.contract.history_rows import frame

ALL = frozenset(int(verdict) for verdict in Verdict)
GOOD, BAD = int(Verdict.GOOD), int(Verdict.BAD)
HOUR = 3_600_000
LATER = 10**12


class _Clock:
    def now_ms(self) -> int:
        return 1_800_000_000_000


@pytest.fixture(params=["memory", "file"])
def history(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[DuckHistory]:
    path = None if request.param == "memory" else tmp_path / "history.duckdb"
    with open_history(path, clock=_Clock()) as opened:
        yield opened


def question(*measures: Measure, **changed: Any) -> Windows:
    asked: dict[str, Any] = {
        "points": [1],
        "groups": [0],
        "edges": [0, 100, 200, 300],
        "verdicts": ALL,
        "hold_ms": HOUR,
        "until": LATER,
        "within_s": 10.0,
    } | changed
    for name, dtype in (("points", np.uint32), ("groups", np.uint32), ("edges", np.int64)):
        asked[name] = np.array(asked[name], dtype)
    return Windows(measures=measures, **asked)


def rows(store: HistoryStore, asked: Windows) -> list[tuple[Any, ...]]:
    """Return (group, window, figure…) of all parts; None stands for NaN."""
    found: list[tuple[Any, ...]] = []
    for part in store.windows(asked):
        columns = [
            [None if math.isnan(x) else round(x, 9) for x in column.tolist()]
            for column in part.figures
        ]
        found += zip(part.group.tolist(), part.window.tolist(), *columns, strict=True)
    return found


def test_figures_of_samples(history: DuckHistory) -> None:
    history.record(frame((1, 0, 1.0), (1, 99, 3.0), (1, 100, 5.0), (1, 299, 7.0), (1, 300, 9.0)))
    names = ("count", "mean", "min", "max", "sum", "first", "last", "median")
    asked = question(*map(Measure, names))
    assert rows(history, asked) == [
        (0, 0, 2.0, 2.0, 1.0, 3.0, 4.0, 1.0, 3.0, 2.0),
        (0, 1, 1.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0),
        (0, 2, 1.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0, 7.0),
    ]


def test_spread_and_percentiles(history: DuckHistory) -> None:
    history.record(frame(*((1, at, float(at)) for at in range(0, 100, 10)), (1, 150, 1.0)))
    asked = question(Measure("stddev"), Measure("percentile", 0.9))
    assert rows(history, asked) == [
        (0, 0, round(math.sqrt(825 / 9 * 10), 9), 81.0),
        (0, 1, None, 1.0),
    ]


def test_windows_need_not_be_of_one_width(history: DuckHistory) -> None:
    history.record(frame((1, 5, 1.0), (1, 10, 2.0), (1, 99, 3.0), (1, 100, 4.0)))
    asked = question(Measure("sum"), edges=[0, 10, 100, 105])
    assert rows(history, asked) == [(0, 0, 1.0), (0, 1, 5.0), (0, 2, 4.0)]


@pytest.mark.parametrize("edges", [[0, 100, 200, 300], [0, 100, 200, 301]])
def test_an_area_is_cut_where_windows_begin(history: DuckHistory, edges: list[int]) -> None:
    history.record(frame((1, 50, 1.0), (1, 250, 3.0)))
    # The line is 1.5 at 100 and 2.5 at 200.
    assert rows(history, question(Measure("integral"), edges=edges)) == [
        (0, 0, round((1 + 1.5) / 2 * 0.05, 9)),
        (0, 1, round((1.5 + 2.5) / 2 * 0.1, 9)),
        (0, 2, round((2.5 + 3) / 2 * 0.05, 9)),
    ]


def test_a_sample_alone_has_no_area(history: DuckHistory) -> None:
    history.record(frame((1, 100, 1.0)))
    assert rows(history, question(Measure("integral"))) == []


@pytest.mark.parametrize("edges", [[0, 100, 200, 300], [0, 100, 200, 301]])
def test_a_share_counts_the_time_that_a_value_held(history: DuckHistory, edges: list[int]) -> None:
    history.record(frame((1, -20, True), (1, 50, False), (1, 150, True)))
    asked = question(Measure("share", 1.0), Measure("share", 0.0), edges=edges, hold_ms=75)
    # -20 holds until 50, 50 until 125 by the hold, 150 until 225 by the hold.
    assert rows(history, asked) == [
        (0, 0, 0.5, 0.5),
        (0, 1, round(50 / 75, 9), round(25 / 75, 9)),
        (0, 2, 1.0, 0.0),
    ]


def test_a_share_of_a_text(history: DuckHistory) -> None:
    history.record(frame((1, 0, "open"), (1, 75, "it's; DROP TABLE sample_1; --"), (1, 100, None)))
    asked = question(Measure("share", "it's; DROP TABLE sample_1; --"), Measure("share", "open"))
    assert rows(history, asked) == [(0, 0, 0.25, 0.75), (0, 1, None, None), (0, 2, None, None)]


def test_what_is_not_known_is_not_available(history: DuckHistory) -> None:
    history.record(frame((1, 50, 1.0), (1, 100, 2.0), (2, 0, 1.0), verdict=[GOOD, BAD, GOOD]))
    asked = question(Measure("availability"), points=[1, 2], groups=[0, 0], hold_ms=100, until=150)
    assert rows(history, asked) == [(0, 0, 0.75), (0, 1, 0.0)]


def test_availability_of_a_point_without_samples(history: DuckHistory) -> None:
    asked = question(Measure("availability"), Measure("count"))
    assert rows(history, asked) == [(0, window, 0.0, None) for window in range(3)]


def test_samples_judged_otherwise_are_left_out(history: DuckHistory) -> None:
    history.record(frame((1, 0, 1.0), (1, 1, 9.0), verdict=[GOOD, BAD]))
    assert rows(history, question(Measure("max"), verdicts=frozenset({GOOD}))) == [(0, 0, 1.0)]
    assert rows(history, question(Measure("max"), verdicts=frozenset())) == []


def test_the_newest_revision_counts(history: DuckHistory) -> None:
    history.record(frame((1, 0, 1.0)))
    history.record(frame((1, 0, 2.0)))
    assert rows(history, question(Measure("sum"), Measure("count"))) == [(0, 0, 2.0, 1.0)]


def test_a_point_may_count_in_several_groups(history: DuckHistory) -> None:
    history.record(frame((1, 0, 1.0), (2, 0, 3.0), (3, 0, 100.0)))
    asked = question(Measure("mean"), points=[1, 2, 2, 1], groups=[0, 0, 1, 2])
    assert rows(history, asked) == [(0, 0, 2.0), (1, 0, 3.0), (2, 0, 1.0)]


def test_texts_of_first_and_last(history: DuckHistory) -> None:
    history.record(frame((1, 0, None), (1, 1, "shut"), (1, 2, 5.0), (1, 100, "ajar")))
    [part] = history.windows(question(Measure("first"), Measure("last")))
    assert part.texts[0].tolist() == ["shut", "ajar"]
    assert part.texts[1].tolist() == [None, "ajar"]
    assert part.figures[1].tolist()[0] == 5.0


@pytest.mark.parametrize(
    ("changed", "measure"),
    [
        ({}, Measure("average")),
        ({}, Measure("percentile", 1.5)),
        ({}, Measure("percentile")),
        ({}, Measure("share")),
        ({}, Measure("mean", 1.0)),
        ({"edges": [0]}, Measure("mean")),
        ({"edges": [0, 5, 5]}, Measure("mean")),
    ],
)
def test_what_cannot_be_asked(
    history: DuckHistory, changed: dict[str, Any], measure: Measure
) -> None:
    with pytest.raises(HistoryError):
        list(history.windows(question(measure, **changed)))


def test_parts_are_whole_groups_and_as_small_as_the_bounds_say() -> None:
    samples = [(point, at, 1.0) for point in range(1, 6) for at in range(0, 300, 50)]
    points, groups = [1, 2, 3, 4, 5], [0, 1, 2, 3, 4]

    def parts(**bounds: int) -> list[tuple[int, int]]:
        with open_history(None, clock=_Clock(), bounds=Bounds(**bounds)) as history:
            history.record(frame(*samples))
            asked = question(Measure("count"), points=points, groups=groups)
            assert len(rows(history, asked)) == 15
            return [(part.first, part.after) for part in history.windows(asked)]

    assert parts() == [(0, 5)]
    assert parts(windows_rows=6) == [(0, 2), (2, 4), (4, 5)]
    assert parts(windows_samples=12) == [(0, 2), (2, 4), (4, 5)]
    assert parts(windows_rows=1) == [(n, n + 1) for n in range(5)]


def test_a_group_with_too_many_samples_for_a_median_is_refused() -> None:
    with open_history(None, clock=_Clock(), bounds=Bounds(windows_group_samples=3)) as history:
        history.record(frame(*((1, at, 1.0) for at in range(4))))
        assert rows(history, question(Measure("mean"))) == [(0, 0, 1.0)]
        with pytest.raises(AnswerTooLarge, match="4 samples"):
            list(history.windows(question(Measure("median"))))


def test_a_question_that_takes_too_long_is_broken_off(history: DuckHistory) -> None:
    at = np.arange(200_000)
    history.record(frame(*((1, int(ms), 1.0) for ms in at)))
    with pytest.raises(TooSlow):
        list(history.windows(question(Measure("median"), edges=range(200_001), within_s=0.001)))
    with pytest.raises(TooSlow):
        list(history.windows(question(Measure("mean"), within_s=0.0)))
    assert rows(history, question(Measure("count"), edges=[0, 200_000])) == [(0, 0, 200_000.0)]
