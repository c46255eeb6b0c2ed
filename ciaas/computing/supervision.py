"""Starts one process per role, starts a crashed one again with backoff, and ends all in order."""

from __future__ import annotations

import logging
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from ciaas.limits import RESTART_WAIT_S_MAX, RESTART_WAIT_S_MIN, ROLE_STABLE_S, STOP_S_MAX

log = logging.getLogger(__name__)

EXIT_HOPELESS = 78
"""Exit code of a role that a restart cannot help, such as a stored schema of another version."""


class RoleState(StrEnum):
    """What a role is doing."""

    STARTING = "starting"
    RUNNING = "running"
    BACKOFF = "backoff"
    STOPPING = "stopping"
    STOPPED = "stopped"
    FAILED = "failed"
    """Ended with EXIT_HOPELESS: a restart would not help."""


class Role(Protocol):
    """How to start one role and how to tell that it works."""

    @property
    def name(self) -> str:
        """Name of the role, such as ``core``."""
        ...

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process; raises OSError when that is impossible."""
        ...

    def ready(self) -> bool:
        """Return True when the started process does its work."""
        ...

    def ailment(self) -> str:
        """Return why the running process has to be started again, empty while it does well."""
        ...

    def last_words(self) -> str:
        """Return the last line the process wrote to its standard error, empty if none."""
        ...


@dataclass(slots=True)
class Watched:
    """One role and what became of it. Times are seconds since 1970."""

    role: Role
    state: RoleState = RoleState.STOPPED
    process: subprocess.Popen[bytes] | None = None
    since: float = 0.0
    restarts: int = 0
    last_error: str = ""
    ailment: str = ""
    """Why the process was told to end, while it does."""
    wait_s: float = RESTART_WAIT_S_MIN
    due: float = field(default=0.0)
    """When the next start may come or patience with an end is over, on the monotonic clock."""

    @property
    def pid(self) -> int | None:
        """Process id while there is a process."""
        return self.process.pid if self.process and self.process.poll() is None else None


class Supervisor:
    """Keeps roles running. `step` is called again and again by one thread."""

    def __init__(self, roles: Sequence[Role], changed: Callable[[], None]):
        """``roles`` in the order of starting; ``changed`` is called after each change of state."""
        self.watched = [Watched(role) for role in roles]
        self._changed = changed

    def step(self) -> None:
        """Look at each role once: start what is due, notice what ended or became ready."""
        for watched in self.watched:
            if watched.state in (RoleState.STOPPED, RoleState.BACKOFF):
                if time.monotonic() >= watched.due:
                    self._start(watched)
            elif watched.process is not None and watched.process.poll() is not None:
                self._ended(watched, watched.process.returncode)
            elif watched.state is RoleState.STARTING and watched.role.ready():
                self._become(watched, RoleState.RUNNING)
            elif watched.state is RoleState.RUNNING:
                self._check(watched)
            elif watched.state is RoleState.STOPPING and time.monotonic() >= watched.due:
                assert watched.process is not None
                watched.process.kill()

    @property
    def ready(self) -> bool:
        """True when every role runs."""
        return all(watched.state is RoleState.RUNNING for watched in self.watched)

    @property
    def hopeless(self) -> Watched | None:
        """The role that no restart can help, if there is one."""
        return next((w for w in self.watched if w.state is RoleState.FAILED), None)

    def stop(self) -> None:
        """End the roles in the reverse order of starting, all within STOP_S_MAX."""
        deadline = time.monotonic() + STOP_S_MAX
        for left, watched in zip(
            range(len(self.watched), 0, -1), reversed(self.watched), strict=True
        ):
            share_s = max(0.1, (deadline - time.monotonic()) / left)
            self._end(watched, share_s if left > 1 else max(0.1, deadline - time.monotonic()))

    def _start(self, watched: Watched) -> None:
        try:
            watched.process = watched.role.start()
        except OSError as error:
            watched.last_error = str(error)
            self._back_off(watched)
        else:
            self._become(watched, RoleState.STARTING)

    def _check(self, watched: Watched) -> None:
        if time.time() - watched.since > ROLE_STABLE_S:
            watched.wait_s = RESTART_WAIT_S_MIN
        if ailment := watched.role.ailment():
            assert watched.process is not None
            log.warning("%s is started again: %s", watched.role.name, ailment)
            watched.ailment = ailment
            watched.due = time.monotonic() + STOP_S_MAX
            watched.process.terminate()
            self._become(watched, RoleState.STOPPING)

    def _ended(self, watched: Watched, code: int) -> None:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        watched.last_error = watched.ailment or watched.role.last_words() or f"ended with {how}"
        watched.ailment = ""
        log.warning("%s ended with %s: %s", watched.role.name, how, watched.last_error)
        if code == EXIT_HOPELESS:
            self._become(watched, RoleState.FAILED)
        else:
            watched.restarts += 1
            self._back_off(watched)

    def _back_off(self, watched: Watched) -> None:
        watched.due = time.monotonic() + watched.wait_s
        watched.wait_s = min(2 * watched.wait_s, RESTART_WAIT_S_MAX)
        self._become(watched, RoleState.BACKOFF)

    def _end(self, watched: Watched, timeout_s: float) -> None:
        process = watched.process
        if process is not None and process.poll() is None:
            self._become(watched, RoleState.STOPPING)
            process.terminate()
            try:
                process.wait(timeout_s)
            except subprocess.TimeoutExpired:
                watched.last_error = f"did not end within {timeout_s:.1f} s and was killed"
                log.error("%s %s", watched.role.name, watched.last_error)
                process.kill()
                process.wait()
        self._become(watched, RoleState.STOPPED)

    def _become(self, watched: Watched, state: RoleState) -> None:
        if state is not watched.state:
            watched.state, watched.since = state, time.time()
            log.info("%s is %s", watched.role.name, state)
            self._changed()
