"""What is measured of the host, how it becomes points, and when a point was silent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from borough.clock import MachineClock
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.sample import Frame, Kind, Verdict
from ciaas.management.monitoring import silence
from ciaas.management.monitoring.host import HostMeter, Used
from ciaas.management.monitoring.platform_points import (
    PROJECT,
    PlatformPoints,
    QueueUse,
    host_measures,
    queue_measures,
    store_measures,
)
from ciaas.management.monitoring.silence import patience_ms, point_intervals
from ciaas.ports import Feed, NewPoint, Point
from ciaas.storage.history import DuckHistory, open_history
from ciaas.storage.registry import Registry, migrate, open_registry
from security.dependability.states import Interval, Resource, State

CORE = Resource.of("role:core")
ALWAYS = [Interval(CORE, State.UP, 0, None)]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    path = tmp_path / "registry.sqlite"
    migrate(path)
    with open_registry(path) as registry:
        yield registry


@pytest.fixture
def history() -> Iterator[DuckHistory]:
    with open_history(None, clock=MachineClock()) as history:
        yield history


def test_the_meter_sees_this_host_and_this_process(tmp_path: Path) -> None:
    use = HostMeter(tmp_path).look({"test": os.getpid(), "gone": 2**22 + 1})
    for used in (use.memory, use.volume):
        assert 0 < used.used < used.capacity
    assert 0 <= use.processors.used <= use.processors.capacity
    assert abs(use.clock_step_ms) < 1_000
    assert list(use.processes) == ["test"]
    assert use.processes["test"].memory_bytes > 1_000_000
    assert 0 < use.processes["test"].descriptors.used < use.processes["test"].descriptors.capacity


def test_measures_become_points_of_the_platforms_project_once(
    registry: Registry, tmp_path: Path
) -> None:
    measures = [
        *host_measures(HostMeter(tmp_path).look({"core": os.getpid()})),
        *store_measures({"history": 4096}),
        *queue_measures({"live": QueueUse(7, Used(900, 1000))}),
    ]
    points = PlatformPoints(registry.resources)
    first = points.frame(measures, 1_000)
    version = registry.version()
    second = points.frame(measures, 2_000)
    assert registry.version() == version
    assert first.point.tolist() == second.point.tolist()
    assert len(set(first.point.tolist())) == len(measures)
    assert second.observed.tolist() == [2_000] * len(measures)
    assert second.num.tolist() == [measure.value for measure in measures]
    (project,) = registry.resources.projects()
    assert project.name == PROJECT
    endpoints = registry.resources.endpoints(project.id)
    assert {e.friendly_name for e in endpoints} == {
        "Host", "Roles", "Stores", "Queues", "Jobs", "Objects",
    }  # fmt: skip
    assert {e.feed for e in endpoints} == {Feed.PLATFORM}
    assert PlatformPoints(registry.resources).frame(measures, 3_000).point.tolist() == (
        first.point.tolist()
    )


@pytest.mark.parametrize(
    ("overlay", "patience"),
    [
        ({}, None),
        ({"stale_after_s": 1.5}, 1_500),
        ({"measured_every_s": 10}, 30_000),
        ({"measured_every_s": 10, "stale_after_s": 12}, 12_000),
    ],
)
def test_patience_is_what_the_overlay_says(overlay: dict[str, float], patience: int | None) -> None:
    assert patience_ms(overlay) == patience


def recorded(registry: Registry, history: DuckHistory, *samples: tuple[int, Verdict]) -> Point:
    """Record samples of one point: time in milliseconds, and verdict."""
    project = registry.resources.create_project("city")
    endpoint = registry.resources.create_endpoint(project.id, "Pump", {})
    new = NewPoint(
        address=f"{endpoint.uuid}/n/o/a",  # type: ignore[arg-type] # a literal address
        constraint=Constraint.MEASURE,
        type=ValueType.NUMBER,
    )
    (point,) = registry.resources.ensure_points([new])
    count = len(samples)
    times = np.array([at for at, _ in samples], np.int64)
    history.record(
        Frame(
            point=np.full(count, point.id, np.uint32),
            observed=times,
            received=times,
            kind=np.full(count, Kind.NUMBER, np.uint8),
            num=np.arange(count, dtype=np.float64),
            txt=np.full(count, None, np.object_),
            verdict=np.array([verdict for _, verdict in samples], np.uint8),
            reason=np.zeros(count, np.uint16),
            raw=np.full(count, None, np.object_),
            source=np.zeros(count, np.uint32),
            revision=np.zeros(count, np.uint16),
        )
    )
    return point


def states(intervals: object) -> list[tuple[str, int, int | None]]:
    return [(i.state.value, i.since, i.until) for i in intervals]  # type: ignore[attr-defined] # a list of intervals


def test_a_bad_sample_is_no_sign_of_life(registry: Registry, history: DuckHistory) -> None:
    point = recorded(
        registry, history, (100, Verdict.GOOD), (150, Verdict.BAD), (180, Verdict.UNCERTAIN)
    )
    found = point_intervals(history, point, 100, 0, 400, ALWAYS)
    assert states(found) == [
        ("up", 100, 150),
        ("down", 150, 180),
        ("up", 180, 280),
        ("down", 280, 400),
    ]


def test_a_sample_before_the_span_still_counts(registry: Registry, history: DuckHistory) -> None:
    point = recorded(registry, history, (100, Verdict.GOOD))
    assert states(point_intervals(history, point, 100, 150, 300, ALWAYS)) == [
        ("up", 150, 200),
        ("down", 200, 300),
    ]


def test_silence_counts_where_core_was_up_alone(registry: Registry, history: DuckHistory) -> None:
    point = recorded(registry, history, (0, Verdict.GOOD))
    core = [
        Interval(CORE, State.UP, 0, 200),
        Interval(CORE, State.DOWN, 200, 250),
        Interval(CORE, State.UP, 250, None),
    ]
    assert states(point_intervals(history, point, 100, 0, 300, core)) == [
        ("up", 0, 100),
        ("down", 100, 200),
        ("unknown", 200, 250),
        ("down", 250, 300),
    ]


def test_what_lies_after_too_many_samples_is_not_observed(
    registry: Registry, history: DuckHistory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(silence, "SILENCE_SAMPLES_MAX", 2)
    point = recorded(registry, history, *((at, Verdict.GOOD) for at in (0, 50, 100, 150)))
    assert states(point_intervals(history, point, 60, 0, 300, ALWAYS)) == [("up", 0, 50)]


def test_a_point_without_samples_was_never_observed(
    registry: Registry, history: DuckHistory
) -> None:
    point = recorded(registry, history, (1_000, Verdict.GOOD))
    assert point_intervals(history, point, 10, 0, 500, ALWAYS) == []
