"""Supervision of real processes: start, crash, backoff, ailment and an end in order."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from ciaas.computing import supervision
from ciaas.computing.supervision import EXIT_HOPELESS, RoleState, Supervisor, Watched
from ciaas.limits import RESTART_WAIT_S_MAX, RESTART_WAIT_S_MIN, ROLE_STABLE_S, STOP_S_MAX
from tests.ciaas.computing.city import until

FOREVER = "echo > $0.up; exec sleep 1000"
STUBBORN = "trap '' TERM; echo > $0.up; while :; do sleep 0.05; done"


@dataclass
class ShellRole:
    """A role whose process is a line of shell, in a folder of its own."""

    name: str
    folder: Path
    script: str = FOREVER
    sick: str = ""

    def start(self) -> subprocess.Popen[bytes]:
        if not self.script:
            raise OSError("there is no such program")
        self._mark.unlink(missing_ok=True)
        return subprocess.Popen(
            ["/bin/sh", "-c", self.script, str(self.folder / self.name)], start_new_session=True
        )

    def ready(self) -> bool:
        return self._mark.exists()

    def ailment(self) -> str:
        return self.sick

    def last_words(self) -> str:
        return "the last words" if self.script == "exit 3" else ""

    @property
    def _mark(self) -> Path:
        return self.folder / f"{self.name}.up"


class Bench:
    """A supervisor of shell roles, stepped by the test."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.supervisor = Supervisor((), lambda: None)
        self.seen: list[list[tuple[str, RoleState]]] = []

    def watch(self, **scripts: str) -> list[ShellRole]:
        roles = [ShellRole(name, self._folder, script) for name, script in scripts.items()]
        self.supervisor = Supervisor(roles, self._look)
        return roles

    def step_until(self, state: RoleState, name: str = "core") -> Watched:
        """Step until the role is in a state; waits for a restart are cut short."""

        def there() -> Watched | None:
            self.supervisor.step()
            watched = self.watched(name)
            if watched.state is state:
                return watched
            if watched.state is RoleState.BACKOFF:
                watched.due = 0.0
            return None

        return until(there, f"{name} {state}")

    def watched(self, name: str = "core") -> Watched:
        return next(w for w in self.supervisor.watched if w.role.name == name)

    def _look(self) -> None:
        self.seen.append([(w.role.name, w.state) for w in self.supervisor.watched])

    def end(self) -> None:
        for watched in self.supervisor.watched:
            if watched.process is not None:
                watched.process.kill()
                watched.process.wait()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    try:
        yield bench
    finally:
        bench.end()


def test_roles_start_in_order_and_every_change_is_told(bench: Bench) -> None:
    bench.watch(broker=FOREVER, core=FOREVER)
    before = bench.supervisor.ready
    bench.supervisor.step()
    assert [watched.state for watched in bench.supervisor.watched] == [RoleState.STARTING] * 2
    bench.step_until(RoleState.RUNNING, "broker")
    bench.step_until(RoleState.RUNNING, "core")
    assert (before, bench.supervisor.ready) == (False, True)
    assert bench.seen[0] == [("broker", RoleState.STARTING), ("core", RoleState.STOPPED)]
    assert bench.seen[-1] == [("broker", RoleState.RUNNING), ("core", RoleState.RUNNING)]
    assert len(bench.seen) == 4


def test_a_crashed_role_starts_again_as_another_process(bench: Bench) -> None:
    bench.watch(core=FOREVER)
    process = bench.step_until(RoleState.RUNNING).process
    assert process is not None
    first = process.pid
    process.kill()
    process.wait()
    watched = bench.step_until(RoleState.BACKOFF)
    assert watched.pid is None
    assert watched.last_error == "ended with signal 9"
    watched = bench.step_until(RoleState.RUNNING)
    assert watched.pid not in (None, first)
    assert watched.restarts == 1


def test_waits_between_crashes_double_up_to_a_bound(bench: Bench) -> None:
    bench.watch(core="exit 3")
    waits = []
    for _ in range(10):
        began = time.monotonic()
        watched = bench.step_until(RoleState.BACKOFF)
        assert watched.due > began
        waits.append(watched.wait_s)
        bench.supervisor.step()
        assert watched.state is RoleState.BACKOFF, "it is not due yet"
        watched.due = 0.0
        bench.supervisor.step()
    assert waits[0] == 2 * RESTART_WAIT_S_MIN
    assert waits == [min(2**n * waits[0], RESTART_WAIT_S_MAX) for n in range(10)]
    assert waits[-1] == RESTART_WAIT_S_MAX
    assert watched.restarts == 10
    assert watched.last_error == "the last words"


def test_a_role_that_ran_long_enough_starts_without_the_waits_of_earlier_crashes(
    bench: Bench,
) -> None:
    bench.watch(core=FOREVER)
    watched = bench.step_until(RoleState.RUNNING)
    watched.wait_s = RESTART_WAIT_S_MAX
    bench.supervisor.step()
    assert watched.wait_s == RESTART_WAIT_S_MAX
    watched.since -= ROLE_STABLE_S + 1
    bench.supervisor.step()
    assert watched.wait_s == RESTART_WAIT_S_MIN


def test_a_role_that_says_no_restart_would_help_is_not_started_again(bench: Bench) -> None:
    bench.watch(core=f"exit {EXIT_HOPELESS}", field=FOREVER)
    watched = bench.step_until(RoleState.FAILED)
    assert bench.supervisor.hopeless is watched
    bench.supervisor.step()
    assert watched.state is RoleState.FAILED
    assert watched.restarts == 0


def test_a_program_that_cannot_be_started_is_tried_again(bench: Bench) -> None:
    (role,) = bench.watch(core="")
    watched = bench.step_until(RoleState.BACKOFF)
    assert watched.last_error == "there is no such program"
    role.script = FOREVER
    assert bench.step_until(RoleState.RUNNING).pid


def test_a_sick_role_is_ended_and_started_again_with_the_reason(bench: Bench) -> None:
    (role,) = bench.watch(core=FOREVER)
    first = bench.step_until(RoleState.RUNNING).pid
    role.sick = "it stores nothing"
    bench.step_until(RoleState.STOPPING)
    role.sick = ""
    watched = bench.step_until(RoleState.RUNNING)
    assert watched.pid != first
    assert (watched.restarts, watched.last_error) == (1, "it stores nothing")


def test_a_sick_role_that_does_not_end_is_killed(bench: Bench) -> None:
    (role,) = bench.watch(core=STUBBORN)
    bench.step_until(RoleState.RUNNING)
    role.sick = "it stores nothing"
    watched = bench.step_until(RoleState.STOPPING)
    role.sick = ""
    assert watched.due <= time.monotonic() + STOP_S_MAX
    bench.supervisor.step()
    assert watched.pid is not None
    watched.due = 0.0
    assert bench.step_until(RoleState.BACKOFF).last_error == "it stores nothing"


def test_roles_are_ended_in_the_reverse_order(bench: Bench) -> None:
    bench.watch(broker=FOREVER, core=FOREVER, field=FOREVER)
    for name in ("broker", "core", "field"):
        bench.step_until(RoleState.RUNNING, name)
    before = len(bench.seen)
    bench.supervisor.stop()
    ended = [dict(look) for look in bench.seen[before:]]
    stopped = [sum(state is RoleState.STOPPED for state in look.values()) for look in ended]
    assert stopped == [0, 1, 1, 2, 2, 3]
    assert ended[0]["field"] is ended[2]["core"] is ended[4]["broker"] is RoleState.STOPPING
    assert not any(watched.pid for watched in bench.supervisor.watched)


def test_a_role_that_does_not_end_is_killed_within_the_time_for_all(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervision, "STOP_S_MAX", 0.6)
    bench.watch(broker=FOREVER, core=STUBBORN)
    for name in ("broker", "core"):
        bench.step_until(RoleState.RUNNING, name)
    bench.supervisor.stop()
    assert bench.watched("core").last_error == "did not end within 0.3 s and was killed"
    assert bench.watched("broker").last_error == ""
    assert [watched.state for watched in bench.supervisor.watched] == [RoleState.STOPPED] * 2


def test_stopping_before_anything_ran_is_no_error(bench: Bench) -> None:
    bench.watch(core=FOREVER)
    bench.supervisor.stop()
    assert bench.watched().state is RoleState.STOPPED
