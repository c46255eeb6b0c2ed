"""Jobs and their runs, as they are kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol


class Cause(StrEnum):
    """Why a run began."""

    SCHEDULE = "schedule"
    MISSED = "missed"
    """Its time came while the platform was down."""
    REQUEST = "request"


class Outcome(StrEnum):
    """How a run ended."""

    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    """Its owner may not, or no longer."""
    SKIPPED = "skipped"
    """It did not begin: too late, or the run before was still under way."""
    INTERRUPTED = "interrupted"
    """The platform ended meanwhile."""


@dataclass(frozen=True, slots=True)
class Job:
    """One scheduled job. Times are milliseconds since 1970 UTC."""

    id: str
    """UUID."""
    project: int
    user: int
    """Under whose identity it runs."""
    document: Mapping[str, Any]
    due_at: int | None
    """None while it is paused, or when its schedule has no further time."""
    created_at: int


@dataclass(frozen=True, slots=True)
class JobRun:
    """One run of a job."""

    number: int
    cause: Cause
    started_at: int
    ended_at: int | None
    outcome: Outcome
    detail: str
    """One sentence, empty when all went well."""
    key: str | None
    """Of the object stored."""
    bytes: int


class JobTime(NamedTuple):
    """When a job is due next."""

    id: str
    project: int
    due_at: int | None
    """None while it is paused, or when its schedule has no further time."""


class JobStore(Protocol):
    """Jobs and the newest runs of each. A change is durable when its method returns."""

    def add(self, job: Job) -> None:
        """Raises Missing for an unknown project, Conflict when it has too many jobs."""
        ...

    def change(self, job: Job) -> None:
        """Replace document, user and due time; raises Missing."""
        ...

    def put_off(self, job: str, due_at: int | None) -> None:
        """Set when it is due next; an unknown job is ignored."""
        ...

    def remove(self, job: str) -> None:
        """Remove a job with its runs; raises Missing."""
        ...

    def job(self, job: str) -> Job | None:
        """Return a job, None when there is no such."""
        ...

    def jobs(self) -> Sequence[Job]:
        """Return all, oldest first."""
        ...

    def begin(self, job: str, cause: Cause, at: int) -> int | None:
        """Note that a run begins; returns its number, None when the job has gone."""
        ...

    def end(
        self, run: int, at: int, outcome: Outcome, detail: str, key: str | None, size: int
    ) -> None:
        """Note how a run ended; a run whose job has gone is ignored."""
        ...

    def runs(self, job: str, limit: int) -> Sequence[JobRun]:
        """Return the newest runs of a job, newest first."""
        ...

    def times(self) -> Sequence[JobTime]:
        """Return when each job is due, oldest job first."""
        ...

    def runs_after(self, number: int, limit: int) -> Sequence[tuple[str, JobRun]]:
        """Return runs of all jobs above a number, lowest first, each with the UUID of its job."""
        ...

    def break_off(self, at: int) -> int:
        """Note that what runs by the records was interrupted; returns how many runs."""
        ...

    def keys_stored(self, job: str) -> Sequence[str]:
        """Return the keys of the objects that its runs stored, newest first, each once."""
        ...
