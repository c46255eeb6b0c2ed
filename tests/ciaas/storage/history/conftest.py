"""What the tests of the history store share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from ciaas.kernel.sample import Frame, Kind
from ciaas.storage.history import Bounds, DuckHistory, open_history

Numbers = Callable[..., Frame]


class MovableClock:
    def __init__(self) -> None:
        self.now = 1_800_000_000_000

    def now_ms(self) -> int:
        return self.now


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.duckdb"


@pytest.fixture
def reopened(path: Path, clock: MovableClock) -> Iterator[Callable[..., DuckHistory]]:
    """Open the file, and close what this fixture opened before."""
    opened: list[DuckHistory] = []

    def reopen(**bounds: int) -> DuckHistory:
        while opened:
            opened.pop().close()
        opened.append(open_history(path, clock=clock, bounds=Bounds(**bounds)))
        return opened[0]

    yield reopen
    while opened:
        opened.pop().close()


@pytest.fixture
def numbers() -> Numbers:
    """Build a frame of numbers from points and times; the value is the time if not given."""

    def build(
        points: Sequence[int], observed: Sequence[int], values: Sequence[float] | None = None
    ) -> Frame:
        size = len(points)
        return Frame(
            point=np.array(points, np.uint32),
            observed=np.array(observed, np.int64),
            received=np.array(observed, np.int64) + 5,
            kind=np.full(size, Kind.NUMBER, np.uint8),
            num=np.array(observed if values is None else values, np.float64),
            txt=np.full(size, None, object),
            verdict=np.zeros(size, np.uint8),
            reason=np.zeros(size, np.uint16),
            raw=np.full(size, None, object),
            source=np.ones(size, np.uint32),
            revision=np.zeros(size, np.uint16),
        )

    return build
