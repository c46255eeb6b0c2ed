"""Jobs and buckets as points: what is there, what is used, and each run once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from ciaas.computing.jobs import Cause, Job, Outcome
from ciaas.kernel.sample import Kind
from ciaas.limits import JOBS_PER_PROJECT_MAX, OBJECTS_PER_PROJECT_MAX
from ciaas.management.monitoring import job_runs, platform_points, work_points
from ciaas.management.monitoring.job_runs import JobRuns
from ciaas.management.monitoring.platform_points import PROJECT, Measure, PlatformPoints
from ciaas.management.monitoring.work_points import WorkMeter, node_of
from ciaas.ports import Conflict, NewPoint, Point, Project
from ciaas.storage.objects import ObjectEntry
from ciaas.storage.registry import Registry, migrate, open_registry

ROOM = 10_000


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    path = tmp_path / "registry.sqlite"
    migrate(path)
    with open_registry(path) as registry:
        yield registry


@pytest.fixture
def city(registry: Registry) -> Project:
    registry.accounts.add_user("maria", None, admin=True)
    return registry.resources.create_project("city")


def add(registry: Registry, project: Project, number: int = 1, name: str = "nightly") -> str:
    id_ = f"00000000-0000-4000-8000-{number:012d}"
    registry.jobs.add(Job(id_, project.id, 1, {"name": name}, None, 0))
    return id_


def run(registry: Registry, job: str, start: int, end: int, outcome: Outcome) -> None:
    number = registry.jobs.begin(job, Cause.SCHEDULE, start)
    assert number is not None
    registry.jobs.end(number, end, outcome, "", None, 512)


def values(measures: Sequence[Measure]) -> dict[str, float | str]:
    return {f"{m.endpoint}/{m.path}": m.value for m in measures}


def look(meter: WorkMeter, registry: Registry) -> list[Measure]:
    return list(meter.look(registry.resources.projects()))


def test_a_bucket_and_jobs_have_capacity_and_use(registry: Registry, city: Project) -> None:
    registry.resources.create_project(PROJECT)
    for key, size in (("a", 300), ("b", 700)):
        entry = ObjectEntry(city.id, key, key * 64, size, "text/csv", 1, 1)
        registry.objects.put(entry, quota=ROOM)
    add(registry, city)
    told = values(look(WorkMeter(registry.jobs, registry.objects, ROOM), registry))
    assert told == {
        "Objects/city/bucket/used": 1000,
        "Objects/city/bucket/capacity": ROOM,
        "Objects/city/objects/used": 2,
        "Objects/city/objects/capacity": OBJECTS_PER_PROJECT_MAX,
        "Jobs/city/jobs/used": 1,
        "Jobs/city/jobs/capacity": JOBS_PER_PROJECT_MAX,
    }


def test_each_run_is_told_once_as_of_its_end(registry: Registry, city: Project) -> None:
    job = add(registry, city)
    run(registry, job, 1_000, 2_500, Outcome.FAILED)
    run(registry, job, 5_000, 5_250, Outcome.SUCCEEDED)
    meter = WorkMeter(registry.jobs, registry.objects, ROOM)
    first = [m for m in look(meter, registry) if "/run/" in m.path]
    assert [(m.path.rpartition("/")[2], m.value, m.at) for m in first] == [
        ("outcome", "succeeded", 5_250),
        ("duration", 0.25, 5_250),
        ("stored", 512, 5_250),
    ]
    assert not [m for m in look(meter, registry) if "/run/" in m.path]
    run(registry, job, 6_000, 7_000, Outcome.REFUSED)
    run(registry, job, 8_000, 9_000, Outcome.SUCCEEDED)
    later = [m.value for m in look(meter, registry) if m.path.endswith("outcome")]
    assert later == ["refused", "succeeded"]


def test_a_run_that_ends_after_one_that_began_later_is_not_forgotten(
    registry: Registry, city: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_runs, "JOB_RUNS_READ", 2)
    long, short = add(registry, city, 1), add(registry, city, 2)
    runs = JobRuns(registry.jobs)
    number = registry.jobs.begin(long, Cause.SCHEDULE, 1)
    assert number is not None
    for start in range(3):
        run(registry, short, start, start + 1, Outcome.SUCCEEDED)
    assert [job for job, _ in runs.ended()] == [short] * 3
    assert runs.ended() == []
    registry.jobs.end(number, 9, Outcome.FAILED, "why", None, 0)
    [(job, told)] = runs.ended()
    assert (job, told.outcome, told.detail) == (long, Outcome.FAILED, "why")
    assert runs.ended() == []


def test_what_is_shown_is_bounded(
    registry: Registry, city: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work_points, "PLATFORM_JOBS_MAX", 1)
    monkeypatch.setattr(work_points, "PLATFORM_BUCKETS_MAX", 1)
    registry.resources.create_project("second")
    shown, beyond = add(registry, city, 1), add(registry, city, 2)
    for job in (shown, beyond):
        run(registry, job, 1, 2, Outcome.SUCCEEDED)
    meter = WorkMeter(registry.jobs, registry.objects, ROOM)
    nodes = {m.path.split("/")[0] for m in look(meter, registry)}
    assert nodes == {"city", shown}
    assert list(meter.titles()) == [shown]


def test_jobs_come_into_the_model_with_their_names_and_go_with_them(
    registry: Registry, city: Project
) -> None:
    job = add(registry, city, 1, "noise by night")
    run(registry, job, 1_000, 2_000, Outcome.SUCCEEDED)
    points, meter = (
        PlatformPoints(registry.resources),
        WorkMeter(registry.jobs, registry.objects, 1),
    )
    frame = points.frame(look(meter, registry), 9_000)
    kinds = dict(zip(frame.kind.tolist(), frame.observed.tolist(), strict=True))
    assert kinds == {Kind.TEXT: 2_000, Kind.NUMBER: 2_000}
    assert "succeeded" in frame.txt.tolist()
    points.show_jobs(meter.titles())
    [jobs] = [e for e in registry.resources.endpoints() if e.friendly_name == "Jobs"]
    assert registry.resources.overlay(f"{jobs.uuid}/{job}") == {"title": "noise by night"}

    def present() -> list[Point]:
        return [p for p in registry.resources.points((jobs.uuid, job)) if not p.removed]

    assert len(present()) == 3
    version = registry.version()
    points.show_jobs(meter.titles())
    assert registry.version() == version
    registry.jobs.remove(job)
    points.show_jobs(meter.titles())
    assert present() == []
    again = points.frame([Measure("Jobs", f"{job}/run/stored", "BoroughBytes", 1.0)], 1)
    assert again.point.tolist()[0] in frame.point.tolist()


def test_an_endpoint_that_is_full_of_removed_jobs_makes_room(
    registry: Registry, city: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    points = PlatformPoints(registry.resources)
    points.frame([Measure("Jobs", "first/run/stored", "BoroughBytes", 1.0)], 1)
    true_ensure, refusals = registry.resources.ensure_points, [Conflict("too many points")]

    def ensure(new: Sequence[NewPoint]) -> Sequence[Point]:
        if refusals:
            raise refusals.pop()
        return true_ensure(new)

    monkeypatch.setattr(registry.resources, "ensure_points", ensure)
    frame = points.frame([Measure("Jobs", "second/run/stored", "BoroughBytes", 2.0)], 2)
    assert frame.num.tolist() == [2.0]
    names = sorted(e.friendly_name for e in registry.resources.endpoints())
    assert names == ["Host", "Jobs", names[2], "Objects", "Queues", "Roles", "Stores"]
    assert names[2].startswith("Jobs, full (")
    assert (
        platform_points.PlatformPoints(registry.resources)
        .frame([Measure("Jobs", "second/run/stored", "BoroughBytes", 2.0)], 3)
        .point.tolist()
        == frame.point.tolist()
    )


@pytest.mark.parametrize(
    ("name", "node"),
    [
        ("city", "city"),
        ("old town", "project:7"),
        ("a/b", "project:7"),
        ("project:9", "project:7"),
        ("x" * 100, "x" * 100),
    ],
)
def test_a_project_whose_name_no_address_can_hold_has_a_number(name: str, node: str) -> None:
    assert node_of(Project(7, name)) == node
