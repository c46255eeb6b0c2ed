"""A whole platform as a child process: `borough up` on a home and ports of its own."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import httpx

from security.encryption.keyring import KeyRing

T = TypeVar("T")

PATIENCE_S = 60.0
"""How long anything may take on a busy machine before a test gives up on it."""
STOP_S = 10.0
"""What the platform promises for an orderly end."""
ROLES = ("broker", "core", "field", "compose")
_PORTS = range(20_000, 32_000)
"""Below the range from which the kernel takes ports for outgoing connections: a port of that range
could be taken by any program while the one that listens there is killed and started again."""


def until(condition: Callable[[], T | None], what: str, patience_s: float = PATIENCE_S) -> T:
    """Return the first true value of the condition."""
    deadline = time.monotonic() + patience_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come within {patience_s:g} s"
        pause(0.05)
    return value


def pause(seconds: float) -> None:
    """Let the processes under test work for a while."""
    threading.Event().wait(seconds)


def free_port() -> int:
    """Return a port of the loopback on which nothing listens."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


class Platform:
    """One home, and the processes on it. Use `running`, which always ends what it started.

    Args:
        home: data directory; what the platform prints lies beside it.
        within: command that enters a mount namespace in which the home lies.
        seen_from_here: the home as this process sees it, when that differs.
        observe_each_s: how often the platform measures itself; never, so that only what a test
            sends is counted.
        settings: further settings, by the names of their variables without the prefix.
    """

    def __init__(
        self,
        home: Path,
        *,
        within: Sequence[str] = (),
        seen_from_here: Path | None = None,
        observe_each_s: float = 0.0,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.home = home
        self.files = seen_from_here or home
        self.http, self.mqtts = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
        self._settings = {"OBSERVE_EACH_S": str(observe_each_s), **(settings or {})}
        self.process: subprocess.Popen[bytes] | None = None
        self._within = within
        self._output = home.with_name(home.name + ".out")
        self._errors = home.with_name(home.name + ".err")
        self._clients: list[httpx.Client] = []

    # -- processes

    def start(self, *, wait: bool = True) -> None:
        """Start `borough up`; returns when the API says that it is ready."""
        with self._output.open("ab") as output, self._errors.open("wb") as errors:
            self.process = subprocess.Popen(
                self._command("up"),
                env=self.environment(),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
            )
        if wait:
            self.wait_ready()

    def wait_ready(self) -> None:
        """Return when every role runs and the API is ready."""

        def ready() -> bool:
            assert self.process is not None and self.process.poll() is None, self.last_words()
            return self.healthy() and all(
                role["state"] == "running" for role in self.roles().values()
            )

        until(ready, "a running platform")

    def call(self, *words: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one word of the command line on this home to its end."""
        return subprocess.run(
            self._command(*words),
            env=self.environment() | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    def stop(self) -> int:
        """End it in order, within what it promises; returns the exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(STOP_S)

    def kill(self, name: str) -> int:
        """SIGKILL a role, or ``up`` itself; returns the pid that was killed."""
        if name == "up":
            assert self.process is not None
            self.process.kill()
            self.process.wait()
            return self.process.pid
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def end(self) -> None:
        """End whatever still runs; for the end of a test, however it went."""
        for client in self._clients:
            client.close()
        if self.process is None:
            return
        pids = {role["pid"] for role in self.roles().values()} - {None}
        if self.process.poll() is None:
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(STOP_S + 5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        until(lambda: not any(map(alive, pids)), "the end of the roles")

    def environment(self) -> dict[str, str]:
        """Return what a process of this platform finds in its environment."""
        others = {name: text for name, text in os.environ.items() if "BOROUGH_" not in name}
        return others | {
            "BOROUGH_HOME": str(self.home),
            "BOROUGH_HTTP": self.http,
            "BOROUGH_MQTTS": self.mqtts,
            "BOROUGH_CONSOLE_BUILD": "false",
            **{f"BOROUGH_{name}": text for name, text in self._settings.items()},
        }

    def last_words(self) -> str:
        """Return what the last `up` wrote to its standard error."""
        return self._errors.read_text()

    # -- what it says of itself

    def status(self) -> Mapping[str, Any]:
        """Return what the watch role last wrote, empty before it wrote anything."""
        try:
            status: Mapping[str, Any] = json.loads((self.files / "run/status.json").read_text())
        except FileNotFoundError:
            return {"roles": {}}
        assert self.process is not None
        return status if status["pid"] == self.process.pid else {"roles": {}}

    def roles(self) -> Mapping[str, Mapping[str, Any]]:
        """Return the roles of this start, empty until there are some."""
        roles: Mapping[str, Mapping[str, Any]] = self.status()["roles"]
        return roles

    def pid(self, role: str) -> int:
        """Return the pid of a running role."""
        return int(until(lambda: self.roles().get(role, {}).get("pid"), f"the process of {role}"))

    def healthy(self) -> bool:
        """Return True when the API answers that it is ready."""
        try:
            answer = httpx.get(f"http://{self.http}/api/v1/health", timeout=5.0)
        except httpx.TransportError:
            return False
        return answer.is_success

    def keys(self) -> KeyRing:
        """Return the keys of the home."""
        return KeyRing.open(self.files / "keys.json")

    def client(self) -> httpx.Client:
        """Return a client of the API with every right; it lasts over restarts."""
        client = httpx.Client(
            base_url=f"http://{self.http}/api/v1",
            headers={"Authorization": f"Bearer {self.keys().cli}"},
            timeout=PATIENCE_S,
            # A connection kept from before a restart would only tell that it is gone.
            limits=httpx.Limits(max_keepalive_connections=0),
        )
        self._clients.append(client)
        return client

    def _command(self, *words: str) -> list[str]:
        return [*self._within, sys.executable, "-m", "borough", *words]


def alive(pid: int) -> bool:
    """Return True while the process exists and has not ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


@contextlib.contextmanager
def running(home: Path, **how: Any) -> Iterator[Platform]:
    """Give a platform that is ready, and end it whatever happens."""
    platform = Platform(home, **how)
    try:
        platform.start()
        yield platform
    finally:
        platform.end()
