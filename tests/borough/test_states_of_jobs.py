"""How core observes jobs: by their runs, not while they are paused, each failure once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from borough.home import Home
from borough.roles.attendance import Attendance
from borough.roles.observer import Observer
from ciaas.computing.jobs import Cause, Job, Outcome
from ciaas.kernel.catalogue import Catalogue
from ciaas.management.monitoring.job_runs import JobRuns
from ciaas.storage.registry import Registry, migrate, open_registry

JOB = "00000000-0000-4000-8000-000000000001"
DUE = 10**15


@dataclass
class Time:
    """A clock that the test sets."""

    now: int = 100_000

    def now_ms(self) -> int:
        return self.now


@dataclass
class Watch:
    """An observer over a registry with one job."""

    home: Home
    registry: Registry
    clock: Time
    observer: Observer

    def begin(self) -> None:
        """Start to observe, as a new process does."""
        nobody = cast(Attendance, SimpleNamespace(connected=()))  # no device has to do with it
        self.observer = Observer(
            self.home,
            self.registry.states,
            Catalogue(self.registry.resources),
            nobody,
            self.clock,
            JobRuns(self.registry.jobs),
            broker_connected=lambda: False,
            stores_writable=lambda: True,
        )
        self.observer.start()

    def run(self, outcome: Outcome, why: str = "") -> None:
        """Have a run end now; it took a second."""
        number = self.registry.jobs.begin(JOB, Cause.SCHEDULE, self.clock.now - 1_000)
        assert number is not None
        self.registry.jobs.end(number, self.clock.now, outcome, why, None, 0)

    def look(self) -> list[tuple[str, int, str]]:
        """Look, and return all intervals of the job: state, begin, cause."""
        self.observer.look()
        found = self.registry.states.intervals(0, 10**15, f"job:{JOB}")
        self.clock.now += 1_000
        return [(str(i.state), i.since, i.cause) for i in found]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry that was made once."""
    path = tmp_path_factory.mktemp("registry") / "registry.sqlite"
    migrate(path)
    return path


@pytest.fixture
def watch(tmp_path: Path, empty: Path) -> Iterator[Watch]:
    home = Home(tmp_path / "home")
    home.prepare()
    shutil.copy(empty, home.registry)
    with open_registry(home.registry) as registry:
        user = registry.accounts.add_user("maria", None, admin=True)
        project = registry.resources.create_project("city")
        registry.jobs.add(Job(JOB, project.id, user.id, {"name": "nightly"}, DUE, 0))
        watch = Watch(home, registry, Time(), cast(Observer, None))
        watch.begin()
        yield watch


def test_every_failure_between_two_looks_counts(watch: Watch) -> None:
    assert watch.look() == []
    for second, outcome in enumerate((Outcome.SUCCEEDED, Outcome.FAILED, Outcome.SUCCEEDED)):
        watch.clock.now = 200_000 + second
        watch.run(outcome, "the quota" if outcome is Outcome.FAILED else "")
    assert watch.look() == [
        ("up", 200_000, ""),
        ("down", 200_001, "the quota"),
        ("up", 200_002, ""),
    ]


@pytest.mark.parametrize("outcome", [Outcome.SKIPPED, Outcome.INTERRUPTED])
def test_a_run_that_was_not_made_says_nothing_of_the_job(watch: Watch, outcome: Outcome) -> None:
    watch.run(Outcome.SUCCEEDED)
    before = watch.look()
    watch.run(outcome)
    assert watch.look() == before


def test_while_it_is_paused_nobody_knows(watch: Watch) -> None:
    watch.run(Outcome.REFUSED, "no longer")
    assert [state for state, _, _ in watch.look()] == ["down"]
    watch.registry.jobs.put_off(JOB, None)
    assert watch.look()[-1][::2] == ("unknown", "paused")
    watch.registry.jobs.put_off(JOB, DUE)
    assert watch.look()[-1][::2] == ("down", "no longer")
    watch.registry.jobs.remove(JOB)
    assert watch.look()[-1][::2] == ("unknown", "removed")
    assert len(watch.look()) == 4


def test_after_a_start_the_last_run_counts_once(watch: Watch) -> None:
    for outcome in (Outcome.FAILED, Outcome.SUCCEEDED, Outcome.FAILED):
        watch.run(outcome)
        watch.clock.now += 1_000
    watch.look()
    watch.registry.states.seen(watch.clock.now)
    watch.clock.now += 60_000
    watch.begin()
    states = [state for state, _, _ in watch.look()]
    assert states == ["down", "up", "down", "unknown", "down"]
