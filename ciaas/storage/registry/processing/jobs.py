"""`ciaas.computing.jobs.JobStore` in the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import sqlalchemy as sa

from ciaas.computing.jobs import Cause, Job, JobRun, JobTime, Outcome
from ciaas.limits import (
    JOB_BYTES_MAX,
    JOB_DETAIL_CHARS_MAX,
    JOB_RUNS_KEPT_MAX,
    JOBS_PER_PROJECT_MAX,
)
from ciaas.ports import Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import decode, encode
from ciaas.storage.registry.processing.tables import job as jobs_table
from ciaas.storage.registry.processing.tables import run as runs_table
from ciaas.storage.registry.resources.projects import check_project

_JOBS = sa.select(
    jobs_table.c.uuid,
    jobs_table.c.project,
    jobs_table.c.account,
    jobs_table.c.document,
    jobs_table.c.due_at,
    jobs_table.c.created_at,
)
_RUNS = sa.select(
    runs_table.c.id,
    runs_table.c.cause,
    runs_table.c.started_at,
    runs_table.c.ended_at,
    runs_table.c.outcome,
    runs_table.c.detail,
    runs_table.c.key,
    runs_table.c.bytes,
)
_JobRow: TypeAlias = sa.Row[str, int, int, str, int | None, int]


class Jobs:
    """Jobs over one open registry; any thread may call."""

    def __init__(self, database: Database, runs_max: int = JOB_RUNS_KEPT_MAX) -> None:
        self._database = database
        self._runs_max = runs_max

    def add(self, job: Job) -> None:
        """Raises Missing for an unknown project, Conflict when it has too many jobs."""
        text = _encoded(job)
        with self._database.change() as change:
            check_project(change.connection, job.project)
            change.check_room(
                sa.select(sa.func.count()).select_from(jobs_table).filter_by(project=job.project),
                JOBS_PER_PROJECT_MAX,
                f"the project has {JOBS_PER_PROJECT_MAX} jobs already: remove one first",
            )
            change.connection.execute(
                jobs_table.insert().values(
                    uuid=job.id,
                    project=job.project,
                    account=job.user,
                    document=text,
                    due_at=job.due_at,
                    created_at=job.created_at,
                )
            )

    def change(self, job: Job) -> None:
        """Replace document, user and due time; raises Missing."""
        text = _encoded(job)
        with self._database.change() as change:
            _number(change, job.id)
            change.connection.execute(
                jobs_table.update()
                .filter_by(uuid=job.id)
                .values(account=job.user, document=text, due_at=job.due_at)
            )

    def put_off(self, job: str, due_at: int | None) -> None:
        """Set when it is due next; an unknown job is ignored."""
        with self._database.change() as change:
            change.connection.execute(jobs_table.update().filter_by(uuid=job).values(due_at=due_at))

    def remove(self, job: str) -> None:
        """Remove a job with its runs; raises Missing."""
        with self._database.change() as change:
            number = _number(change, job)
            change.connection.execute(runs_table.delete().filter_by(job=number))
            change.connection.execute(jobs_table.delete().filter_by(id=number))

    def job(self, job: str) -> Job | None:
        """Return a job, None when there is no such."""
        with self._database.read() as connection:
            row = connection.execute(_JOBS.filter_by(uuid=job)).one_or_none()
        return None if row is None else _job(row)

    def jobs(self) -> Sequence[Job]:
        """Return all, oldest first."""
        with self._database.read() as connection:
            return [_job(row) for row in connection.execute(_JOBS.order_by(jobs_table.c.id))]

    def begin(self, job: str, cause: Cause, at: int) -> int | None:
        """Note that a run begins; the oldest runs beyond the bound are forgotten.

        Returns:
            The run's number, None when the job has gone.
        """
        with self._database.change() as change:
            try:
                number = _number(change, job)
            except Missing:
                return None
            row = runs_table.insert().values(
                job=number,
                cause=cause.value,
                started_at=at,
                ended_at=None,
                outcome=Outcome.RUNNING.value,
                detail="",
                key=None,
                bytes=0,
            )
            key = change.connection.execute(row).inserted_primary_key
            assert key is not None
            kept = (
                sa.select(runs_table.c.id)
                .filter_by(job=number)
                .order_by(runs_table.c.id.desc())
                .limit(self._runs_max)
            )
            change.connection.execute(
                runs_table.delete().where(runs_table.c.job == number, runs_table.c.id.not_in(kept))
            )
            return int(key[0])

    def end(
        self, run: int, at: int, outcome: Outcome, detail: str, key: str | None, size: int
    ) -> None:
        """Note how a run ended; a run whose job has gone is ignored."""
        with self._database.change() as change:
            change.connection.execute(
                runs_table.update()
                .filter_by(id=run)
                .values(
                    ended_at=at,
                    outcome=outcome.value,
                    detail=detail[:JOB_DETAIL_CHARS_MAX],
                    key=key,
                    bytes=size,
                )
            )

    def runs(self, job: str, limit: int) -> Sequence[JobRun]:
        """Return the newest runs of a job, newest first."""
        chosen = _RUNS.join(jobs_table, jobs_table.c.id == runs_table.c.job).where(
            jobs_table.c.uuid == job
        )
        with self._database.read() as connection:
            rows = connection.execute(chosen.order_by(runs_table.c.id.desc()).limit(limit)).all()
        return [
            JobRun(number, Cause(cause), started, ended, Outcome(outcome), detail, key, size)
            for number, cause, started, ended, outcome, detail, key, size in rows
        ]

    def times(self) -> Sequence[JobTime]:
        """Return when each job is due, oldest job first."""
        chosen = sa.select(jobs_table.c.uuid, jobs_table.c.project, jobs_table.c.due_at)
        with self._database.read() as connection:
            return [JobTime(*row) for row in connection.execute(chosen.order_by(jobs_table.c.id))]

    def runs_after(self, number: int, limit: int) -> Sequence[tuple[str, JobRun]]:
        """Return runs of all jobs above a number, lowest first, each with the UUID of its job."""
        chosen = (
            _RUNS.add_columns(jobs_table.c.uuid)
            .join(jobs_table, jobs_table.c.id == runs_table.c.job)
            .where(runs_table.c.id > number)
        )
        with self._database.read() as connection:
            rows = connection.execute(chosen.order_by(runs_table.c.id).limit(limit)).all()
        return [
            (uuid, JobRun(run, Cause(cause), started, ended, Outcome(outcome), detail, key, size))
            for run, cause, started, ended, outcome, detail, key, size, uuid in rows
        ]

    def break_off(self, at: int) -> int:
        """Note that what runs by the records was interrupted; returns how many runs."""
        with self._database.change() as change:
            done = change.connection.execute(
                runs_table.update()
                .filter_by(outcome=Outcome.RUNNING.value)
                .values(
                    ended_at=at,
                    outcome=Outcome.INTERRUPTED.value,
                    detail="the platform ended while it ran",
                )
            )
            return int(done.rowcount)

    def keys_stored(self, job: str) -> Sequence[str]:
        """Return the keys of the objects that its runs stored, newest first, each once."""
        newest = sa.func.max(runs_table.c.id)
        chosen = (
            sa.select(runs_table.c.key, newest)
            .join(jobs_table, jobs_table.c.id == runs_table.c.job)
            .where(jobs_table.c.uuid == job, runs_table.c.key.is_not(None))
            .group_by(runs_table.c.key)
            .order_by(newest.desc())
        )
        with self._database.read() as connection:
            return [key for key, _ in connection.execute(chosen) if key is not None]


def _number(change: Change, job: str) -> int:
    """Return the row's number; raises Missing."""
    found = change.connection.execute(sa.select(jobs_table.c.id).filter_by(uuid=job)).first()
    if found is None:
        raise Missing(f"there is no job {job!r}")
    return int(found[0])


def _encoded(job: Job) -> str:
    return encode(dict(job.document), JOB_BYTES_MAX, "the document of the job")


def _job(row: _JobRow) -> Job:
    uuid, project, account, document, due_at, created_at = row
    return Job(uuid, project, account, decode(document), due_at, created_at)
