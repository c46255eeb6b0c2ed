"""Scheduled jobs: kept in the registry, called by APScheduler, run one at a time in core.

They run in core because core alone has the history: another role would ask it for the same query
over HTTP. They cannot harm it, being bounded as every query is: one at a time, broken off after
QUERY_S_MAX in history, with one thread of DuckDB, never in the event loop or the uplink.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.jobstores.base import JobLookupError
from apscheduler.schedulers.background import BackgroundScheduler

from ciaas.computing.jobs import Cause, Job, JobRun
from cpaas.limits import JOB_LATE_S_MAX, JOB_SWEEP_EACH_S, JOBS_AT_ONCE
from cpaas.processing.errors import Crowded, Invisible
from cpaas.processing.jobs.document import JobDocument
from cpaas.processing.jobs.runner import Runner
from cpaas.processing.jobs.schedule import next_ms, trigger

log = logging.getLogger(__name__)

_SWEEP_AFTER_S = 10.0


class Jobs:
    """Scheduled jobs of all projects. Any thread may call; rights are the caller's to ask."""

    def __init__(self, runner: Runner):
        self._runner, self._store, self._clock = runner, runner.store, runner.clock
        self._turn = threading.Lock()
        self._called: dict[str, str] = {}
        """By job, the call that waits in the scheduler; one that is outdated does nothing."""
        self._requested: set[str] = set()
        """Jobs that somebody asked for and that have not begun."""
        self._scheduler = BackgroundScheduler(
            executors={"default": ThreadPoolExecutor(JOBS_AT_ONCE)},
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
            timezone=UTC,
        )

    # -- running

    def start(self) -> None:
        """Go on after a start: runs that were broken off are told, times that passed made up."""
        now = self._clock.now_ms()
        if broken := self._store.break_off(now):
            log.warning("%d runs of jobs were interrupted by the end of the platform", broken)
        for job in self._store.jobs():
            self._catch_up(job, now)
        self._scheduler.add_job(
            self._runner.buckets.sweep,
            "interval",
            seconds=JOB_SWEEP_EACH_S,
            next_run_time=datetime.now(UTC) + timedelta(seconds=_SWEEP_AFTER_S),
        )
        self._scheduler.start()

    def stop(self) -> None:
        """Break the run under way off and begin no other; returns when it has ended."""
        self._runner.stopping.set()
        if self._scheduler.running:
            self._scheduler.shutdown(wait=True)

    def _catch_up(self, job: Job, now: int) -> None:
        """Call a job again; a time that passed meanwhile is made up for or noted as missed."""
        document = JobDocument.model_validate(job.document)
        if not document.enabled:
            return
        missed = job.due_at is not None and job.due_at <= now
        if missed and document.missed == "run":
            self._call(job, now, Cause.MISSED)
            return
        due_at = job.due_at
        if missed or due_at is None:
            due_at = self._next(job, document, now)
        if missed:
            self._runner.skip(job, Cause.MISSED, "its time passed while the platform was down")
        self._call(job, due_at, Cause.SCHEDULE)

    def _call(self, job: Job, due_at: int | None, cause: Cause) -> None:
        """Have a job run at its time, or not any more when there is none."""
        self._store.put_off(job.id, due_at)
        self._forget(job.id)
        if due_at is None:
            return
        # An id of its own for each time: the scheduler drops a call whose id is still at work.
        call = self._scheduler.add_job(
            self._due,
            "date",
            run_date=datetime.fromtimestamp(due_at / 1000, UTC),
            args=(job.id, due_at, cause),
        )
        with self._turn:
            self._called[job.id] = call.id

    def _due(self, id_: str, due_at: int, cause: Cause) -> None:
        """Run a job whose time has come, then have it called again.

        The next time is kept before the run, so that a crash in it does not repeat it.
        """
        job = self._store.job(id_)
        if job is None or job.due_at != due_at:
            return  # changed or removed since it was called
        document = JobDocument.model_validate(job.document)
        now = self._clock.now_ms()
        coming = self._next(job, document, now)
        self._store.put_off(id_, coming)
        try:
            if document.missed == "skip" and now - due_at > JOB_LATE_S_MAX * 1000:
                late_s = (now - due_at) // 1000
                self._runner.skip(job, cause, f"other jobs took until {late_s} s after its time")
            else:
                self._runner.run(job, cause)
        finally:
            job = self._store.job(id_)
            if job is not None and job.due_at == coming and not self._runner.stopping.is_set():
                self._call(job, coming, Cause.SCHEDULE)

    def _next(self, job: Job, document: JobDocument, now: int) -> int | None:
        schedule = document.schedule
        due = trigger(schedule.cron, schedule.every, schedule.zone, job.created_at)
        return next_ms(due, now)

    def _forget(self, id_: str) -> None:
        with self._turn:
            call = self._called.pop(id_, None)
        if call is not None:
            with suppress(JobLookupError):  # its time has come just now: it finds itself outdated
                self._scheduler.remove_job(call)

    # -- keeping

    def add(self, project: int, user: int, document: JobDocument) -> Job:
        """Keep and schedule a new job; durable when it returns.

        Raises:
            Missing, Conflict: the project is unknown, or has too many.
        """
        now = self._clock.now_ms()
        job = Job(str(uuid.uuid4()), project, user, _kept(document), None, now)
        self._store.add(job)
        return self._rescheduled(job, document)

    def change(self, id_: str, user: int, document: JobDocument) -> Job:
        """Replace a job's document; from now on it runs as the user who changes it.

        Raises:
            Invisible: there is no such job.
        """
        before = self.job(id_)
        job = Job(id_, before.project, user, _kept(document), None, before.created_at)
        self._store.change(job)
        return self._rescheduled(job, document)

    def remove(self, id_: str) -> None:
        """Remove a job and its runs; the objects that it stored stay.

        Raises:
            Missing: there is no such job.
        """
        self._store.remove(id_)
        self._forget(id_)

    def request(self, id_: str) -> None:
        """Have a job run as soon as there is a turn.

        Raises:
            Invisible: there is no such job.
            Crowded: it was asked for already and has not begun.
        """
        job = self.job(id_)
        with self._turn:
            if id_ in self._requested:
                raise Crowded("this job was asked for already and waits for its turn")
            self._requested.add(id_)
        self._scheduler.add_job(self._as_requested, "date", args=(job.id,))

    def _as_requested(self, id_: str) -> None:
        with self._turn:
            self._requested.discard(id_)
        job = self._store.job(id_)
        if job is not None:
            self._runner.run(job, Cause.REQUEST)

    def job(self, id_: str) -> Job:
        """Return a job.

        Raises:
            Invisible: there is no such job.
        """
        found = self._store.job(id_)
        if found is None:
            raise Invisible
        return found

    def jobs(self) -> Sequence[Job]:
        """Return all jobs, oldest first."""
        return self._store.jobs()

    def runs(self, id_: str, limit: int) -> Sequence[JobRun]:
        """Return the newest runs of a job, newest first."""
        return self._store.runs(id_, limit)

    def _rescheduled(self, job: Job, document: JobDocument) -> Job:
        now = self._clock.now_ms()
        self._call(
            job, self._next(job, document, now) if document.enabled else None, Cause.SCHEDULE
        )
        return self.job(job.id)


def _kept(document: JobDocument) -> Mapping[str, Any]:
    return document.model_dump(mode="json", by_alias=True, exclude_unset=True)
