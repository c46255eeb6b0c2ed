"""Figures of buckets and windows, added up or counted, against every sample looked at singly."""

from __future__ import annotations

import math
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

from ciaas.kernel.sample import Frame, Kind
from ciaas.ports import Measure, Resample, Span, Windows
from ciaas.storage.history import Bounds, DuckHistory, open_history
from ciaas.storage.history.reading import series
from ciaas.storage.history.reading.adding import Adding
from ciaas.storage.history.reading.partials import Kept, Key, Partials, PartialsKept

SMALL = Bounds(
    segment_rows=25,
    fan_in=2,
    levels=4,
    partials_bytes=9_000,
    partials_samples=2,
    windows_samples=60,
)
POINTS = [1, 2]
WHEN = st.integers(-10, 50)
"""Close together: samples are to meet others of their time, and of their bucket."""
VALUES = st.one_of(st.none(), st.just("open"), st.integers(-50, 50).map(float))
SAMPLES = st.tuples(st.sampled_from(POINTS), WHEN, VALUES, st.integers(0, 2), st.integers(0, 9))
ROWS = st.lists(SAMPLES, min_size=5, max_size=30)
Sample = tuple[int, int, float | str | None, int, int]
FIGURES: dict[str, Callable[[list[float], list[Any]], float]] = {
    "COUNT": lambda _, values: float(len(values)),
    "MEAN": lambda numbers, _: sum(numbers) / len(numbers),
    "SUM": lambda numbers, _: sum(numbers),
    "MIN": lambda numbers, _: min(numbers),
    "MAX": lambda numbers, _: max(numbers),
    "SPREAD": lambda numbers, _: max(numbers) - min(numbers),
}
Judged = tuple[float | str | None, int, int]


class Question(NamedTuple):
    points: list[int]
    interval: int
    function: str
    start: int | None
    length: int | None


QUESTIONS = st.builds(
    Question,
    points=st.lists(st.sampled_from([*POINTS, 5]), min_size=1, unique=True),
    interval=st.sampled_from([3, 20, 40, 1000]),
    function=st.sampled_from([*FIGURES]),
    start=st.none() | st.integers(-20, 60),
    length=st.none() | st.integers(0, 130),
)


class Clock:
    def now_ms(self) -> int:
        return 0


class FiguresAgainstSamples(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.history = self.opened()
        self.newest: dict[int, dict[int, Judged]] = {point: {} for point in POINTS}
        self.known = set[tuple[int, int, float | str | None]]()

    def opened(self) -> DuckHistory:
        return open_history(self.folder / "h.duckdb", clock=Clock(), bounds=SMALL)

    def teardown(self) -> None:
        self.history.close()
        shutil.rmtree(self.folder)

    @initialize(rows=st.lists(SAMPLES, min_size=25, max_size=60))
    def begin(self, rows: list[Sample]) -> None:
        self.record(rows, 0)
        self.seal()

    @rule(rows=ROWS, later=st.sampled_from([0, 0, 30, 60]))
    def record(self, rows: list[Sample], later: int) -> None:
        rows = [(row[0], row[1] + later, *row[2:]) for row in rows]
        for point, at, value, verdict, reason in rows:
            if (point, at, value) not in self.known:
                self.known.add((point, at, value))
                self.newest[point][at] = (value, verdict, reason)
        self.history.record(frame(rows))

    @rule()
    def seal(self) -> None:
        self.history.seal()

    @rule()
    def reopen(self) -> None:
        self.history.close()
        self.history = self.opened()

    @rule(questions=st.lists(QUESTIONS, min_size=2, max_size=8), slides=st.integers(0, 40))
    def thin_out(self, questions: list[Question], slides: int) -> None:
        """Each is asked again some time later: most of the answer is known by then."""
        for asked in questions:
            for later in (0, slides):
                first = None if asked.start is None else asked.start + later
                last = None if asked.length is None else (first or 0) + asked.length
                resample = Resample(asked.interval * 1_000_000, asked.function, "NONE")
                span = Span(np.array(asked.points, np.uint32), first, last, 10_000, resample)
                found = self.history.series(span)
                names = ("point", "observed", "num", "verdict", "reason")
                rows = zip(*(getattr(found, name).tolist() for name in names), strict=True)
                assert [*rows] == [*self.thinned(asked, first, last)]

    def thinned(
        self, asked: Question, first: int | None, last: int | None
    ) -> Iterator[tuple[int, int, float, int, int]]:
        for point in asked.points:
            buckets = defaultdict[int, list[Judged]](list)
            for at, judged in self.newest.get(point, {}).items():
                if (first is None or at >= first) and (last is None or at <= last):
                    buckets[at // asked.interval * asked.interval].append(judged)
            for bucket, samples in sorted(buckets.items()):
                figure = figure_of(asked.function, samples)
                if figure is not None:
                    yield (point, bucket, figure, *max(judged[1:] for judged in samples))

    @rule(
        start=st.integers(-20, 60),
        widths=st.lists(st.integers(1, 60), min_size=1, max_size=5),
        even=st.booleans(),
        verdicts=st.sets(st.integers(0, 2)),
        members=st.lists(
            st.sets(st.sampled_from([*POINTS, 5]), min_size=1), min_size=1, max_size=3
        ),
        ordered=st.booleans(),
    )
    def windows(
        self,
        start: int,
        widths: list[int],
        even: bool,
        verdicts: set[int],
        members: list[set[int]],
        ordered: bool,
    ) -> None:
        """A function that needs an order among the others has all of them answered by SQL."""
        widths = widths[:1] * len(widths) if even else widths
        edges = np.cumsum([start, *widths])
        functions = ["count", "mean", "sum", "min", "max"]
        question = Windows(
            points=np.array([point for own in members for point in sorted(own)], np.uint32),
            groups=np.repeat(np.arange(len(members), dtype=np.uint32), [len(m) for m in members]),
            edges=edges.astype(np.int64),
            measures=[Measure(name) for name in functions + ["last"] * ordered],
            verdicts=frozenset(verdicts),
            hold_ms=1,
            until=10_000,
            within_s=30.0,
        )
        expected = {}
        for group, own in enumerate(members):
            for window in range(len(widths)):
                samples = [
                    judged
                    for point in own
                    for at, judged in self.newest.get(point, {}).items()
                    if edges[window] <= at < edges[window + 1] and judged[1] in verdicts
                ]
                figures = [figure_of(function.upper(), samples) for function in functions]
                if figures[0] is not None:
                    expected[group, window] = figures
        found = {}
        for part in self.history.windows(question):
            columns = [column.tolist() for column in part.figures[: len(functions)]]
            for place, cell in enumerate(zip(part.group, part.window, strict=True)):
                cells = [float(column[place]) for column in columns]
                found[cell] = [None if math.isnan(figure) else figure for figure in cells]
        assert found == expected


def figure_of(function: str, samples: Sequence[Judged]) -> float | None:
    values = [value for value, *_ in samples if value is not None]
    numbers = [value for value in values if isinstance(value, float)]
    if not (values if function == "COUNT" else numbers):
        return None
    return FIGURES[function](numbers, values)


def frame(rows: Sequence[Sample]) -> Frame:
    size = len(rows)
    values = [row[2] for row in rows]
    kinds = {type(None): Kind.NULL, str: Kind.TEXT, float: Kind.NUMBER}
    return Frame(
        point=np.array([row[0] for row in rows], np.uint32),
        observed=np.array([row[1] for row in rows], np.int64),
        received=np.zeros(size, np.int64),
        kind=np.array([kinds[type(value)] for value in values], np.uint8),
        num=np.array([v if isinstance(v, float) else math.nan for v in values], np.float64),
        txt=np.array([v if isinstance(v, str) else None for v in values], np.object_),
        verdict=np.array([row[3] for row in rows], np.uint8),
        reason=np.array([row[4] for row in rows], np.uint16),
        raw=np.full(size, None, np.object_),
        source=np.zeros(size, np.uint32),
        revision=np.zeros(size, np.uint16),
    )


TestFiguresAgainstSamples = FiguresAgainstSamples.TestCase
TestFiguresAgainstSamples.settings = settings(
    max_examples=5,
    stateful_step_count=20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


def test_an_interval_that_moves_reads_its_ends_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What whole buckets of a segment hold is read from the file once."""
    read: list[tuple[int, int]] = []
    really = Adding._read

    def noted(adding: Adding, stretches: Any) -> Any:
        read.extend((stretch.start, stretch.end) for stretch in stretches)
        return really(adding, stretches)

    monkeypatch.setattr(Adding, "_read", noted)
    with open_history(tmp_path / "h", clock=Clock(), bounds=Bounds(segment_rows=1000)) as history:
        history.record(frame([(1, at, float(at), 0, 0) for at in range(1000)]))
        history.seal()
        assert len(history._tables.layout.segments) == 1

        def ask(first: int, last: int) -> list[float]:
            read.clear()
            each = Resample(100_000_000, "MEAN", "NONE")
            found = history.series(Span(np.array([1], np.uint32), first, last, 100, each))
            return [float(number) for number in found.num]

        assert ask(150, 849) == [174.5, 249.5, 349.5, 449.5, 549.5, 649.5, 749.5, 824.5]
        assert sorted(read) == [(150, 199), (200, 799), (800, 849)]
        assert ask(170, 869)[0] == 184.5
        assert sorted(read) == [(170, 199), (800, 869)]
        assert len(ask(250, 949)) == 8
        assert sorted(read) == [(250, 299), (800, 899), (900, 949)]
        assert len(ask(0, 899)) == 9
        assert sorted(read) == [(0, 199)]


def of_buckets(samples: int) -> Partials:
    """Return the figures of ten buckets with so many samples each."""
    one = np.arange(10, dtype=np.int64)
    half = one / 2
    number = np.full(10, samples, np.int64)
    return Partials(
        np.ones(10, np.uint32), one, number, number, number, half, half, half, one, one < 0
    )


def test_what_is_kept_has_a_bound_and_the_oldest_goes() -> None:
    figures = of_buckets(samples=50)
    kept = PartialsKept(bytes_max=5_000, buckets_max=9, samples_min=4)
    for segment in range(4):
        kept.keep(Key(segment, 1, 1), Kept(0, 10, figures))
        assert kept.get(Key(0, 1, 1))  # used, so another goes first
    assert [kept.get(Key(segment, 1, 1)) is not None for segment in range(4)] == [
        True, False, True, True,
    ]  # fmt: skip
    kept.keep(Key(0, 1, 1), Kept(0, 10, figures))  # in place of itself
    assert kept.get(Key(2, 1, 1)) and kept.get(Key(3, 1, 1))


def test_figures_that_would_save_nothing_are_not_kept() -> None:
    figures = of_buckets(samples=3)
    kept = PartialsKept(bytes_max=5_000, buckets_max=9, samples_min=4)
    kept.keep(Key(1, 1, 1), Kept(0, 10, figures))
    found = kept.get(Key(1, 1, 1))
    assert found is not None and found.dense and not len(found.partials)


@pytest.mark.parametrize(
    ("points", "interval", "added"),
    [([3, 4], 10, True), ([1, 3, 5], 10, False), ([3, 4], 2, False), ([3], 2, True)],
)
def test_what_would_take_too_much_memory_is_worked_out_from_samples(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    points: list[int],
    interval: int,
    added: bool,
) -> None:
    """There is a bound to the points that a query names, and one to the buckets of all of them."""
    asked = []
    really = Adding.figures

    def noted(adding: Adding, start: int | None, end: int | None) -> Partials:
        asked.append(adding)
        return really(adding, start, end)

    monkeypatch.setattr(Adding, "figures", noted)
    monkeypatch.setattr(series, "INLINE_MAX", 2)
    bounds = Bounds(partials_buckets=5)
    with open_history(tmp_path / "h", clock=Clock(), bounds=bounds) as history:
        history.record(frame([(point, at, 1.0, 0, 0) for point in range(9) for at in range(10)]))
        resample = Resample(interval * 1_000_000, "SUM", "NONE")
        found = history.series(Span(np.array(points, np.uint32), None, None, 99, resample))
    assert found.num.tolist() == [float(interval)] * (len(points) * 10 // interval)
    assert bool(asked) == added
