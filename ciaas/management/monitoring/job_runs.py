"""Runs of jobs as they end, and what they say of the state of a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from ciaas.computing.jobs import JobRun, JobStore, Outcome
from ciaas.limits import JOB_RUNS_READ
from security.dependability.states import State

STATES: Final = {
    Outcome.SUCCEEDED: State.UP,
    Outcome.FAILED: State.DOWN,
    Outcome.REFUSED: State.DOWN,
}
"""Of a job after a run; any other end says nothing of whether the job works."""


@dataclass(slots=True)
class JobRuns:
    """Gives each run once, after it has ended. One thread."""

    store: JobStore
    _before: int = 0
    """All runs up to this number have ended and were given."""
    _given: set[int] = field(default_factory=set)
    """Those above it that were given: a run may end before one that began earlier."""

    def ended(self) -> Sequence[tuple[str, JobRun]]:
        """Return the runs that ended since the call before, each with its job's UUID.

        The first call gives all that are kept.
        """
        found: list[tuple[str, JobRun]] = []
        under_way: int | None = None
        last = self._before
        while True:
            page = self.store.runs_after(last, JOB_RUNS_READ)
            for job, run in page:
                last = run.number
                if run.outcome is Outcome.RUNNING:
                    under_way = last if under_way is None else under_way
                elif last not in self._given:
                    found.append((job, run))
                    self._given.add(last)
            if len(page) < JOB_RUNS_READ:
                break
        self._before = last if under_way is None else under_way - 1
        self._given = {number for number in self._given if number > self._before}
        return found


def newest(runs: Sequence[tuple[str, JobRun]]) -> dict[str, JobRun]:
    """Return the last of the runs of each job."""
    return dict(runs)
