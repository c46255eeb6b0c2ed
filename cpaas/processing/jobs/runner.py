"""One run of a job: rights, query, object, and what is no longer kept."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from ciaas.computing.jobs import Cause, Job, JobStore, Outcome
from ciaas.kernel.address import AddressError
from ciaas.management.directory.filter import FilterError
from ciaas.ports import Clock, HistoryError, RegistryError
from ciaas.storage.objects import ObjectError, Received
from cpaas.limits import JOB_OUTPUT_BYTES_MAX, JOB_S_MAX
from cpaas.processing.errors import Invisible, NotAllowed, ProcessingError, TooMuch
from cpaas.processing.jobs.document import JobDocument
from cpaas.processing.objects.buckets import Buckets
from cpaas.processing.query.calendar import zone_of
from cpaas.processing.query.queries import Queries
from cpaas.processing.query.writing import written
from security.aaa.accesses import told_points
from security.aaa.levels import Level
from security.aaa.rights import Rights
from security.ports import Record, User

log = logging.getLogger(__name__)

_REFUSALS = (
    ProcessingError, ObjectError, HistoryError, RegistryError, FilterError, AddressError, OSError,
)  # fmt: skip
"""What is told as a sentence; anything else is a fault of ours."""


class Ended(NamedTuple):
    """How a run ended."""

    outcome: Outcome
    detail: str = ""
    key: str | None = None
    bytes: int = 0


class Stopped(ProcessingError):
    """The platform is told to end."""


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs jobs, one call a run; each under the identity of its owner as it is by then."""

    store: JobStore
    queries: Queries
    buckets: Buckets
    rights: Rights
    record: Record
    clock: Clock
    user: Callable[[int], User | None]
    """Returns a user by number."""
    stopping: threading.Event = field(default_factory=threading.Event)
    """Set when the platform ends: runs under way break off."""

    def run(self, job: Job, cause: Cause) -> Ended | None:
        """Run a job and keep how it ended; None when the job has gone meanwhile."""
        number = self.store.begin(job.id, cause, self.clock.now_ms())
        if number is None:
            return None
        try:
            ended = self._outcome(job)
        except Exception:  # whatever it is, the run must not stay open and the next one comes
            log.exception("job %s failed", job.id)
            ended = Ended(Outcome.FAILED, "the platform failed on this job; its log says why")
        self.store.end(number, self.clock.now_ms(), *ended)
        return ended

    def skip(self, job: Job, cause: Cause, why: str) -> None:
        """Keep that a run did not take place."""
        number = self.store.begin(job.id, cause, self.clock.now_ms())
        if number is not None:
            self.store.end(number, self.clock.now_ms(), Outcome.SKIPPED, why, None, 0)

    def _outcome(self, job: Job) -> Ended:
        owner = self.user(job.user)
        try:
            if owner is None or owner.disabled:
                raise NotAllowed("its owner may no longer sign in: let somebody else save it")
            if self.rights.level(job.user, (str(job.project),)) < Level.WRITE:
                raise NotAllowed(f"{owner.name} no longer holds WRITE on the project")
            return self._stored(job, owner)
        except (NotAllowed, Invisible) as error:
            return Ended(Outcome.REFUSED, str(error))
        except Stopped as error:
            return Ended(Outcome.INTERRUPTED, str(error))
        except _REFUSALS as error:
            return Ended(Outcome.FAILED, str(error))

    def _stored(self, job: Job, owner: User) -> Ended:
        document = JobDocument.model_validate(job.document)
        target = document.target
        now = datetime.fromtimestamp(self.clock.now_ms() / 1000, UTC)
        local = now.astimezone(zone_of(document.schedule.zone))
        key = target.key_at(f"{local:%Y-%m-%d}", f"{local:%H%M%S}")
        with self.buckets.contents.receive() as received:
            self._write(job, owner, document, key, received)
            stored, _ = self.buckets.store(
                job.project, key, received, target.form.media_type, job.user
            )
        self._forget(job, target.keep, key)
        return Ended(Outcome.SUCCEEDED, "", key, stored.bytes)

    def _write(
        self, job: Job, owner: User, document: JobDocument, key: str, received: Received
    ) -> None:
        deadline = time.monotonic() + JOB_S_MAX
        answer = self.queries.ask(job.user, document.query)
        # A read like any other: it is on record before it is made.
        told = told_points([point.id for point in answer.plan.chosen.points])
        self.record.append(
            {
                "kind": "access",
                "who": owner.name,
                "verb": "RUN",
                "path": f"/api/v1/jobs/{job.id}",
                "about": {"reads": True, "object": key, **told},
            }
        )
        for piece in written(answer, document.target.form):
            received.write(piece)
            if received.bytes > JOB_OUTPUT_BYTES_MAX:
                raise TooMuch(f"the answer has more than {JOB_OUTPUT_BYTES_MAX:,} bytes: ask less")
            if time.monotonic() > deadline:
                raise TooMuch(f"the run took more than {JOB_S_MAX:g} s: ask for less")
            if self.stopping.is_set():
                raise Stopped("the platform ended while it ran")

    def _forget(self, job: Job, keep: int, fresh: str) -> None:
        """Remove the oldest objects of a job beyond those it keeps."""
        older = [key for key in self.store.keys_stored(job.id) if key != fresh]
        for key in older[keep - 1 :]:
            with suppress(Invisible):  # somebody removed it before
                self.buckets.remove(job.project, key)
