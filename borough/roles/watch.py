"""The watch role: ``borough up``. Starts one process per role and outlives what it watches."""

from __future__ import annotations

import contextlib
import http.client
import logging
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import SystemRandom
from typing import Any
from urllib.parse import urlsplit

from borough.home import Home, HomeError, Lock
from borough.roles.state_journal import ALIVE_EACH_S, StateJournal
from borough.settings import Listen, Settings
from borough.tls.local import local_context
from borough.unlock import handed_over
from ciaas.computing.broker import launch
from ciaas.computing.supervision import Role, RoleState, Supervisor
from security.dependability.states import State

log = logging.getLogger(__name__)

ORPHAN_WAIT_S = 3.0
"""How long a start waits for processes of an earlier one that are about to end."""
_LOOK_EACH_S = 0.1
_TAIL_BYTES = 4_096
_BROKER_PORTS = range(10_000, 32_000)
_OBSERVED = {
    RoleState.RUNNING: State.UP,
    RoleState.BACKOFF: State.DOWN,
    RoleState.FAILED: State.DOWN,
    RoleState.STOPPED: State.UNKNOWN,
}
"""What a role's state says of it; while it starts or ends, what was said before holds."""


@dataclass(frozen=True, slots=True)
class PythonRole:
    """A role that is a Python process of ours: ``borough run NAME``."""

    name: str
    home: Home
    lock: Lock
    is_ready: Callable[[int], bool]
    """Told the pid of the process started last."""
    unlock_key: bytes = field(default=b"", repr=False)
    """What opens the key ring; empty when the ring opens by its file."""
    _waiting: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def load(self) -> None:
        """Start the process ahead of its turn: it loads its libraries, then waits for `start`."""
        self._waiting.append(self._process("--told", stdin=subprocess.PIPE))

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process; it holds the role's lock and dies with this one."""
        while self._waiting:
            process = self._waiting.pop()
            assert process.stdin is not None
            with contextlib.suppress(BrokenPipeError), process.stdin as told:
                told.write(b"go\n")
                told.flush()
                return process
        return self._process(stdin=subprocess.DEVNULL)

    def _process(self, *options: str, stdin: int) -> subprocess.Popen[bytes]:
        with self._errors.open("wb") as errors, handed_over(self.unlock_key) as hand:
            process = subprocess.Popen(  # noqa: S603 - no shell, and the program is ours
                [
                    *(sys.executable, "-I", "-S", launch.__file__, str(os.getpid())),
                    *(sys.executable, "-m", "borough", "run", self.name, *options),
                ],
                env={**os.environ, "BOROUGH_HOME": str(self.home.path), **hand.environment},
                stdin=stdin,
                stderr=errors,
                pass_fds=[self.lock.fileno(), *hand.descriptors],
                start_new_session=True,
            )
        self.lock.name_holder(process.pid)
        return process

    def ready(self) -> bool:
        """Return True when the role does its work."""
        return self.is_ready(self.lock.holder)

    def ailment(self) -> str:
        """Return nothing: a role of ours ends itself when it cannot go on (see `guard`)."""
        return ""

    def last_words(self) -> str:
        """Return the last line the process wrote to its standard error."""
        return tail(self._errors)

    @property
    def _errors(self) -> Path:
        return self.home.logs / f"{self.name}.err"


def tail(path: Path) -> str:
    """Return the last line of a file that is not blank, empty when there is none."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


@contextlib.contextmanager
def held(home: Home) -> Iterator[dict[str, Lock]]:
    """Hold the home for this start: no second ``up``, no live process of an earlier one.

    Raises:
        HomeError: the sentence names the pid that is in the way.
    """
    with contextlib.ExitStack() as stack:
        watch = Lock(home, "watch")
        stack.callback(watch.release)
        watch.take()
        locks: dict[str, Lock] = {}
        for role in ("broker", "core", "field", "compose"):
            lock = locks[role] = Lock(home, role)
            stack.callback(lock.release)
            lock.take(ORPHAN_WAIT_S)
        yield locks


def check_port(name: str, listen: Listen) -> None:
    """Make sure that nothing else listens there.

    Raises:
        HomeError: the port is taken, or the address is not of this machine.
    """
    try:
        family = socket.AF_INET6 if ":" in listen.host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((listen.host, listen.port))
    except OSError as error:
        raise HomeError(
            f"{listen} cannot be used for {name} ({error.strerror}); "
            f"end the program that uses it or choose another with BOROUGH_{name.upper()}"
        ) from error


def free_port() -> int:
    """Return a port of the loopback that is free now, for the broker's own protocol.

    Not one of those that the kernel gives to outgoing connections: while the broker is down, a
    role that tries to reach it could be given the very port and keep it from its owner.
    """
    for port in SystemRandom().sample(_BROKER_PORTS, len(_BROKER_PORTS)):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise HomeError("no port from 10000 to 31999 of 127.0.0.1 is free; end what listens there")


def api_ready(home: Home, settings: Settings) -> bool:
    """Return True when the API of this home answers that it is ready."""
    host = urlsplit(settings.base_url).hostname or settings.http.host
    try:
        tls = local_context(home, settings)
    except HomeError:  # its certificate is not there yet
        return False
    return http_ready(Listen(host, settings.http.port), tls)


def http_ready(listen: Listen, tls: ssl.SSLContext | None = None) -> bool:
    """Return True when the API answers that it is ready."""
    connection = (
        http.client.HTTPConnection(listen.host, listen.port, timeout=1.0)
        if tls is None
        else http.client.HTTPSConnection(listen.host, listen.port, timeout=1.0, context=tls)
    )
    try:
        connection.request("GET", "/api/v1/health")
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):  # nobody, or somebody else
        return False
    finally:
        connection.close()


class Watch:
    """Supervises the roles until it is told to stop, and writes what it sees to the home."""

    def __init__(self, home: Home, settings: Settings, roles: Sequence[Role]):
        self._home, self._settings = home, settings
        self._stopping = threading.Event()
        self._started = time.time()
        self._alive_due = 0.0
        self._journal = StateJournal(home.states, _now_ms())
        self.supervisor = Supervisor(roles, self._write_status)

    def run(self, on_ready: Callable[[], None]) -> int:
        """Run until SIGTERM or SIGINT; return the exit code.

        ``on_ready`` is called once, when every role runs for the first time.
        """
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: self._stopping.set())
        announced = False
        try:
            while not self._stopping.is_set():
                self.supervisor.step()
                if hopeless := self.supervisor.hopeless:
                    sys.stderr.write(f"borough: {hopeless.last_error}\n")
                    return 1
                if not announced and self.supervisor.ready:
                    announced = True
                    on_ready()
                if time.monotonic() >= self._alive_due:
                    self._alive_due = time.monotonic() + ALIVE_EACH_S
                    self._keep_journal()
                self._stopping.wait(_LOOK_EACH_S)
            return 0
        finally:
            self.supervisor.stop()
            self._write_status()
            with contextlib.suppress(OSError):  # the end comes all the same
                self._journal.close(_now_ms())

    def _write_status(self) -> None:
        try:
            self._home.write_status(self._status())
        except OSError as error:  # the disk is full: the roles go on, and so must who starts them
            log.warning("the status cannot be written: %s", error)
        self._keep_journal()

    def _keep_journal(self) -> None:
        """Write down what state each role is in, and that this host is up."""
        try:
            self._journal.note("host", State.UP, round(self._started * 1000))
            for watched in self.supervisor.watched:
                if (state := _OBSERVED.get(watched.state)) is not None:
                    cause = watched.last_error if state is State.DOWN else str(watched.state)
                    self._journal.note(
                        f"role:{watched.role.name}", state, round(watched.since * 1000), cause
                    )
            self._journal.alive(_now_ms())
        except OSError as error:  # as above; what was not written is told again
            log.warning("states of roles cannot be written: %s", error)

    def _status(self) -> dict[str, Any]:
        return {
            "pid": os.getpid(),
            "started_at": self._started,
            "http": str(self._settings.http),
            "mqtts": str(self._settings.mqtts),
            "sync_interval": self._settings.sync_interval,
            "roles": {
                watched.role.name: {
                    "state": str(watched.state),
                    "pid": watched.pid,
                    "since": watched.since,
                    "restarts": watched.restarts,
                    "last_error": watched.last_error,
                }
                for watched in self.supervisor.watched
            },
        }


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


def describe(home: Home) -> dict[str, Any]:
    """Return what is known of the roles now; a dead watch leaves none of them running."""
    status = dict(home.read_status() or {"roles": {}})
    alive = status["running"] = home.run.is_dir() and _watched(home)
    now = time.time()
    for role in status["roles"].values():
        if not alive:
            role.update(state=str(RoleState.STOPPED), pid=None)
        role["uptime_s"] = round(now - role["since"], 1) if role["pid"] else 0.0
    return status


def _watched(home: Home) -> bool:
    """Return True while a watch role holds the home."""
    lock = Lock(home, "watch")
    try:
        return not lock.free()
    finally:
        lock.release()
