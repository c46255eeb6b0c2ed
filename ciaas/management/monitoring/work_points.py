"""Jobs and buckets as resources: what each project has of them and uses, and how runs ended."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from ciaas.computing.jobs import JobRun, JobStore
from ciaas.kernel.address import AddressError, check_name
from ciaas.limits import (
    JOBS_PER_PROJECT_MAX,
    OBJECTS_PER_PROJECT_MAX,
    PLATFORM_BUCKETS_MAX,
    PLATFORM_JOBS_MAX,
)
from ciaas.management.monitoring.host import Used
from ciaas.management.monitoring.job_runs import JobRuns, newest
from ciaas.management.monitoring.platform_points import JOBS, OBJECTS, PROJECT, Measure, used
from ciaas.ports import Project
from ciaas.storage.objects import ObjectKeys

_NUMBERED = "project:"
"""Begins the node of a project that cannot have its name; no other node begins like it."""


@dataclass(slots=True)
class WorkMeter:
    """Looks at jobs and buckets; one thread."""

    jobs: JobStore
    objects: ObjectKeys
    bucket_bytes: int
    """Room of one project's bucket."""
    _runs: JobRuns = field(init=False)
    _began: bool = False
    _titles: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Begin with what has ended so far."""
        self._runs = JobRuns(self.jobs)

    def look(self, projects: Sequence[Project]) -> Iterator[Measure]:
        """Yield what projects have and use, and how runs ended since the look before.

        The first look gives the newest run of each job alone. A run's values are of the time at
        which it ended, so that the course of these points is the course of the job.
        """
        shown = [p for p in projects if p.name != PROJECT][:PLATFORM_BUCKETS_MAX]
        times = self.jobs.times()
        yield from bucket_measures(shown, self.objects.usage(), self.bucket_bytes)
        yield from job_measures(shown, Counter(time.project for time in times))
        listed = {time.id for time in times[:PLATFORM_JOBS_MAX]}
        ended = self._runs.ended()
        if not self._began:
            ended = list(newest(ended).items())
            self._began = True
        for job, run in ended:
            if job in listed:
                yield from run_measures(job, run)

    def titles(self) -> Mapping[str, str]:
        """Return the names of the jobs that are shown, by UUID."""
        listed = [time.id for time in self.jobs.times()[:PLATFORM_JOBS_MAX]]
        if listed != list(self._titles):
            found = (self.jobs.job(job) for job in listed)
            self._titles = {job.id: str(job.document["name"]) for job in found if job is not None}
        return self._titles


def bucket_measures(
    projects: Sequence[Project], usage: Mapping[int, tuple[int, int]], room: int
) -> Iterator[Measure]:
    """Yield objects and bytes of each bucket, with how many there may be; ``room`` is bytes."""
    for project in projects:
        keys, size = usage.get(project.id, (0, 0))
        node = node_of(project)
        yield from used(OBJECTS, f"{node}/bucket", "BoroughBytes", Used(size, room))
        objects = Used(keys, OBJECTS_PER_PROJECT_MAX)
        yield from used(OBJECTS, f"{node}/objects", "BoroughCount", objects)


def job_measures(projects: Sequence[Project], counts: Mapping[int, int]) -> Iterator[Measure]:
    """Yield how many jobs each project has, with how many it may have."""
    for project in projects:
        jobs = Used(counts.get(project.id, 0), JOBS_PER_PROJECT_MAX)
        yield from used(JOBS, f"{node_of(project)}/jobs", "BoroughCount", jobs)


def run_measures(job: str, run: JobRun) -> Iterator[Measure]:
    """Yield how a run ended, how long it took and how much it stored, as of its end."""
    assert run.ended_at is not None, "it has ended"
    at, took_s = run.ended_at, (run.ended_at - run.started_at) / 1000
    yield Measure(JOBS, f"{job}/run/outcome", "BoroughOutcome", run.outcome.value, at)
    yield Measure(JOBS, f"{job}/run/duration", "BoroughSeconds", took_s, at)
    yield Measure(JOBS, f"{job}/run/stored", "BoroughBytes", run.bytes, at)


def node_of(project: Project) -> str:
    """Return the name of a project's node: its own where that can stand in an address."""
    try:
        name = check_name(project.name)
    except AddressError:
        name = _NUMBERED
    return f"{_NUMBERED}{project.id}" if name.startswith(_NUMBERED) else name
