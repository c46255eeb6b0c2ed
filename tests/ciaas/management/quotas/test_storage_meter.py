"""Bytes of each project are what history holds, whenever the process ended."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from borough.clock import MachineClock
from ciaas.kernel.sample import Frame, Kind
from ciaas.limits import SAMPLE_BYTES
from ciaas.management.quotas.storage import StorageMeter
from ciaas.storage.history import DuckHistory, open_history
from ciaas.storage.registry import Registry, migrate, open_registry
from security.aaa.errors import OverQuota
from security.aaa.quotas import Quota, Quotas

_OWNERS = np.array([-1, 1, 1, 2], np.int64)
"""By the number of the point."""


def owners(points: ArrayLike) -> NDArray[np.int64]:
    found: NDArray[np.int64] = _OWNERS[np.asarray(points, np.int64)]
    return found


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    migrate(tmp_path / "registry")
    with open_registry(tmp_path / "registry") as opened:
        opened.resources.create_project("one")
        opened.resources.create_project("two")
        yield opened


@pytest.fixture
def history() -> Iterator[DuckHistory]:
    opened = open_history(None, clock=MachineClock())
    yield opened
    opened.close()


def meter_of(registry: Registry) -> StorageMeter:
    defaults: Mapping[str, int] = {"storage_bytes": 10 * SAMPLE_BYTES}
    quotas = Quotas(registry.quotas, lambda name: defaults if name == "2" else {}, str)
    return StorageMeter(quotas, registry.quotas, owners)


def samples(*points: int, text: str | None = None, at: int = 1) -> Frame:
    count = len(points)
    nothing = np.full(count, None, np.object_)
    frame = Frame(
        point=np.array(points, np.uint32),
        observed=np.arange(at, at + count, dtype=np.int64),
        received=np.full(count, at, np.int64),
        kind=np.full(count, Kind.NUMBER, np.uint8),
        num=np.zeros(count),
        txt=nothing,
        verdict=np.zeros(count, np.uint8),
        reason=np.zeros(count, np.uint16),
        raw=nothing,
        source=np.ones(count, np.uint32),
        revision=np.zeros(count, np.uint16),
    )
    if text is None:
        return frame
    return replace(
        frame,
        kind=np.full(count, Kind.TEXT, np.uint8),
        num=np.full(count, np.nan),
        txt=np.full(count, text, np.object_),
    )


def test_each_sample_counts_for_its_project_with_its_text(
    registry: Registry, history: DuckHistory
) -> None:
    meter = meter_of(registry)
    meter.catch_up(history)
    meter.committed(history.record(samples(1, 2, 3), None))
    meter.committed(history.record(samples(3, text="twelve chars", at=50), None))
    assert meter.used(1) == 2 * SAMPLE_BYTES
    assert meter.used(2) == 2 * SAMPLE_BYTES + 12
    assert meter.used(9) == 0


def test_after_a_crash_what_was_committed_since_is_counted_once(
    registry: Registry, history: DuckHistory
) -> None:
    first = meter_of(registry)
    first.keep(history)
    first.committed(history.record(samples(1, 1), None))
    first.keep(history)
    first.committed(history.record(samples(1, 2, at=50), None))
    again = meter_of(registry)  # the second commit was never kept
    again.keep(history)
    assert again.used(1) == 4 * SAMPLE_BYTES
    last = meter_of(registry)
    assert last.used(1) == 4 * SAMPLE_BYTES
    last.keep(history)
    assert last.used(1) == 4 * SAMPLE_BYTES


def test_a_commit_that_was_not_told_is_made_good(registry: Registry, history: DuckHistory) -> None:
    meter = meter_of(registry)
    meter.catch_up(history)
    history.record(samples(1), None)
    meter.committed(history.record(samples(1, at=50), None))
    assert meter.used(1) == 0
    meter.keep(history)
    assert meter.used(1) == 2 * SAMPLE_BYTES


def test_an_end_breaks_the_counting_off_and_the_next_start_goes_on(
    registry: Registry, history: DuckHistory
) -> None:
    history.record(samples(1), None)
    meter = meter_of(registry)
    meter.end()
    meter.keep(history)
    assert meter.used(1) == 0
    again = meter_of(registry)
    again.keep(history)
    assert again.used(1) == SAMPLE_BYTES


def test_a_project_is_full_at_its_quota(registry: Registry, history: DuckHistory) -> None:
    meter = meter_of(registry)
    meter.catch_up(history)
    meter.committed(history.record(samples(*[3] * 9), None))
    assert not meter.is_full(2)
    meter.check(2)
    meter.committed(history.record(samples(3, at=90), None))
    assert meter.is_full(2)
    with pytest.raises(OverQuota) as refused:
        meter.check(2)
    assert refused.value.quota == Quota.STORAGE and refused.value.retry_after_s is None
    assert not meter.is_full(1)
