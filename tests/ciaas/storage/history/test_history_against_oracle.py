"""Random histories against a dictionary: batches, late rows, repeats, sealing, closing."""

from __future__ import annotations

import math
import shutil
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from ciaas.kernel.sample import Frame, Kind
from ciaas.ports import Intake, Span, StreamId
from ciaas.storage.history import Bounds, DuckHistory, open_history

STREAM = StreamId("S", "1")
SMALL = Bounds(segment_rows=12, fan_in=2, levels=3, tidy_commits=5, commits_page_rows=9)


class Value(NamedTuple):
    kind: int
    num: float | None
    txt: str | None
    raw: str | None

    @property
    def identity(self) -> tuple[object, ...]:
        large = self.kind == Kind.INTEGER and abs(self.num or 0) >= 2**53
        told_by_raw = large or self.kind == Kind.NULL
        return self.kind, self.num, self.txt, self.raw if told_by_raw else None


RAW = st.sampled_from([None, "r", "9007199254740993"])
VALUES = st.one_of(
    st.builds(Value, st.just(Kind.NULL), st.none(), st.none(), RAW),
    st.builds(Value, st.just(Kind.NUMBER), st.sampled_from([0.0, -0.0, 1.5]), st.none(), RAW),
    st.builds(Value, st.just(Kind.BOOLEAN), st.sampled_from([0.0, 1.0]), st.none(), RAW),
    st.builds(Value, st.just(Kind.INTEGER), st.sampled_from([1.0, 2.0**53]), st.none(), RAW),
    st.builds(Value, st.just(Kind.TEXT), st.none(), st.sampled_from(["", "a", "ü\0"]), RAW),
)
POINTS = st.sampled_from([0, 1, 2, 3, 2_000, 9_999])
ROWS = st.lists(st.tuples(POINTS, st.integers(-3, 25), VALUES), max_size=15)
Row = tuple[int, int, Value, int]


class Clock:
    def now_ms(self) -> int:
        return 0


class HistoryAgainstDictionary(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.history = self.opened()
        self.samples: dict[tuple[int, int], list[Value]] = {}
        self.commits: list[list[Row]] = []
        self.repeats = 0
        self.sequence = 0

    def opened(self) -> DuckHistory:
        return open_history(self.folder / "h.duckdb", clock=Clock(), bounds=SMALL)

    def teardown(self) -> None:
        assert [rows_of(commit.frame) for commit in self.history.commits(0)] == self.commits
        self.history.close()
        shutil.rmtree(self.folder)

    @rule(rows=ROWS, later=st.integers(0, 60))
    def record(self, rows: list[tuple[int, int, Value]], later: int) -> None:
        rows = [(point, observed + later, value) for point, observed, value in rows]
        fresh: list[Row] = []
        for point, observed, value in rows:
            versions = self.samples.setdefault((point, observed), [])
            if value.identity in [version.identity for version in versions]:
                self.repeats += 1
            else:
                versions.append(value)
                fresh.append((point, observed, value, len(versions) - 1))
        fresh.sort(key=lambda row: (row[0], row[1], row[3]))
        self.sequence += 1
        sequences = np.array([self.sequence], np.uint64)

        commit = self.history.record(
            frame_of(rows), Intake(STREAM, sequences, np.array([self.sequence]))
        )

        assert rows_of(commit.frame) == fresh
        assert commit.repeats == len(rows) - len(fresh)
        if fresh:
            self.commits.append(fresh)
        assert commit.number == len(self.commits)

    @rule()
    def seal(self) -> None:
        self.history.seal()

    @rule()
    def reopen(self) -> None:
        self.history.close()
        self.history = self.opened()

    @rule(asked=st.lists(POINTS, unique=True))
    def latest(self, asked: list[int]) -> None:
        expected = []
        for point in asked:
            times = [time for (other, time), found in self.samples.items() if other == point]
            if times:
                versions = self.samples[point, max(times)]
                expected.append((point, max(times), versions[-1], len(versions) - 1))
        assert rows_of(self.history.latest(np.array(asked, np.uint32))) == expected

    @rule(
        asked=st.lists(POINTS, unique=True, min_size=1),
        ends=st.tuples(*[st.none() | st.integers(-5, 90)] * 2),
        limit=st.sampled_from([1, 3, 1000]),
        all_revisions=st.booleans(),
    )
    def series(
        self,
        asked: list[int],
        ends: tuple[int | None, int | None],
        limit: int,
        all_revisions: bool,
    ) -> None:
        expected, cut = [], False
        first = -math.inf if ends[0] is None else ends[0]
        last = math.inf if ends[1] is None else ends[1]
        for point in asked:
            rows = [
                (point, observed, version[:3])
                for (other, observed), versions in sorted(self.samples.items())
                if other == point and first <= observed <= last
                for version in (versions if all_revisions else versions[-1:])
            ]
            expected += rows[:limit]
            cut |= len(rows) > limit

        found = self.history.series(
            Span(np.array(asked, np.uint32), *ends, limit, None, all_revisions)
        )

        columns = (found.point, found.observed, found.kind, found.num, found.txt)
        assert [
            (point, observed, (kind, None if math.isnan(num) else num, txt))
            for point, observed, kind, num, txt in zip(
                *(column.tolist() for column in columns), strict=True
            )
        ] == expected
        assert found.truncated == cut

    @precondition(lambda self: self.commits)
    @rule(back=st.integers(0, 12))
    def commits_after(self, back: int) -> None:
        after = max(0, len(self.commits) - back)
        found = [rows_of(commit.frame) for commit in self.history.commits(after)]
        assert found == self.commits[after:]

    @invariant()
    def totals(self) -> None:
        counts = self.history.counts()
        assert counts["samples"] == sum(map(len, self.samples.values()))
        assert counts["repeats"] == self.repeats
        assert counts["commits"] == self.history.last_commit() == len(self.commits)
        assert self.history.position(STREAM) == self.sequence


def frame_of(rows: list[tuple[int, int, Value]]) -> Frame:
    size = len(rows)
    values = [value for _, _, value in rows]
    return Frame(
        point=np.array([point for point, _, _ in rows], np.uint32),
        observed=np.array([observed for _, observed, _ in rows], np.int64),
        received=np.zeros(size, np.int64),
        kind=np.array([value.kind for value in values], np.uint8),
        num=np.array([math.nan if v.num is None else v.num for v in values], np.float64),
        txt=np.array([value.txt for value in values], object),
        verdict=np.zeros(size, np.uint8),
        reason=np.zeros(size, np.uint16),
        raw=np.array([value.raw for value in values], object),
        source=np.zeros(size, np.uint32),
        revision=np.zeros(size, np.uint16),
    )


def rows_of(frame: Frame) -> list[Row]:
    names = ("point", "observed", "kind", "num", "txt", "raw", "revision")
    columns = (getattr(frame, name).tolist() for name in names)
    return [
        (point, observed, Value(kind, None if math.isnan(num) else num, txt, raw), revision)
        for point, observed, kind, num, txt, raw, revision in zip(*columns, strict=True)
    ]


TestHistoryAgainstDictionary = HistoryAgainstDictionary.TestCase
TestHistoryAgainstDictionary.settings = settings(
    max_examples=8,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
