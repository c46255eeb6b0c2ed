"""The home: the one directory that holds all that Borough keeps."""

from __future__ import annotations

import errno
import fcntl
import json
import logging
import os
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FREE_BYTES_MIN = 64_000_000
"""Below this much room a start is refused: the broker and history would stop at once."""

_PROBE_BYTES = 65_536

log = logging.getLogger(__name__)


class HomeError(Exception):
    """The home cannot be used; the message is one sentence that says what to do."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where each thing lies below the data directory."""

    path: Path

    @property
    def keys(self) -> Path:
        """The one key file, 0600; never part of a backup."""
        return self.path / "keys.json"

    @property
    def registry(self) -> Path:
        """SQLite file of the registry."""
        return self.path / "registry.sqlite"

    @property
    def history(self) -> Path:
        """DuckDB file of the hot history."""
        return self.path / "history.duckdb"

    @property
    def audit(self) -> Path:
        """Directory of the record."""
        return self.path / "audit"

    @property
    def checkpoints(self) -> Path:
        """The index of the record's checkpoints."""
        return self.path / "checkpoints.sqlite"

    @property
    def accesses(self) -> Path:
        """Index over the record, made anew when it is missing."""
        return self.path / "accesses.sqlite"

    @property
    def reserve(self) -> Path:
        """Nothing but room on the disk, kept for the record."""
        return self.path / "record.reserve"

    @property
    def objects(self) -> Path:
        """Directory of the contents of objects."""
        return self.path / "objects"

    @property
    def authority(self) -> Path:
        """Directory of the certificate authority."""
        return self.path / "authority"

    @property
    def broker(self) -> Path:
        """Directory of the broker: configuration, streams and log."""
        return self.path / "broker"

    @property
    def run(self) -> Path:
        """Locks and the state of the running processes."""
        return self.path / "run"

    @property
    def logs(self) -> Path:
        """Logs of the roles."""
        return self.path / "logs"

    @property
    def spool(self) -> Path:
        """What adapters read while the broker was away."""
        return self.path / "spool"

    @property
    def states(self) -> Path:
        """What the watch role saw of the host and the roles, for core to take in."""
        return self.path / "states"

    @property
    def compose(self) -> Path:
        """What mashups remember."""
        return self.path / "compose"

    @property
    def secrets(self) -> Path:
        """Secrets of devices and gateways, sealed under the key file."""
        return self.path / "secrets"

    @property
    def subjects(self) -> Path:
        """Keys of data subjects; never part of a backup, so that an erasure holds."""
        return self.path / "subjects"

    @property
    def status(self) -> Path:
        """What the watch role last wrote of every role."""
        return self.run / "status.json"

    def prepare(self) -> None:
        """Make the directories and make sure that the disk takes what is written.

        Raises:
            HomeError: not writable, or full.
        """
        try:
            for directory in (
                self.path, self.audit, self.authority, self.broker, self.run, self.logs, self.spool
            ):  # fmt: skip
                directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            probe = self.run / "probe"
            with probe.open("wb") as file:
                file.write(os.urandom(_PROBE_BYTES))
                file.flush()
                os.fsync(file.fileno())
            probe.unlink()
        except OSError as error:
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise self._full() from error
            raise HomeError(
                f"the home {self.path} cannot be written ({error.strerror}); "
                "mend its permissions or name another with BOROUGH_HOME"
            ) from error
        if shutil.disk_usage(self.path).free < FREE_BYTES_MIN:
            raise self._full()

    def _full(self) -> HomeError:
        return HomeError(
            f"the disk of the home {self.path} is full; free at least "
            f"{FREE_BYTES_MIN // 1_000_000} MB or name another home with BOROUGH_HOME"
        )

    def write_status(self, status: Mapping[str, Any]) -> None:
        """Replace the status file atomically."""
        fresh = self.status.with_suffix(".new")
        fresh.write_text(json.dumps(status))
        fresh.replace(self.status)

    def read_status(self) -> Mapping[str, Any] | None:
        """Return what the watch role last wrote, None when it never ran or a crash tore it."""
        try:
            status: Mapping[str, Any] = json.loads(self.status.read_text())
        except (FileNotFoundError, json.JSONDecodeError):
            return None
        return status


class Lock:
    """A lock of one role on a home, held by a file descriptor that its process inherits."""

    def __init__(self, home: Home, role: str):
        self.role = role
        self.holder = 0
        """Process that the lock was last named for by this object."""
        self._path = home.run / f"{role}.lock"
        self._file = self._path.open("a+")

    def take(self, wait_s: float = 0.0) -> None:
        """Take the lock.

        Raises:
            HomeError: a live process holds it; the sentence names its pid.
        """
        deadline = time.monotonic() + wait_s
        while True:
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(0.05)  # a process that is ending gives no other sign than its lock
                    continue
                raise self._taken() from None
            self.name_holder(os.getpid())
            return

    def name_holder(self, pid: int) -> None:
        """Write which process the lock stands for."""
        self.holder = pid
        try:
            self._file.truncate(0)
            self._file.write(str(pid))
            self._file.flush()
        except OSError as error:  # the disk is full, and the lock holds all the same
            log.warning("the holder of the lock %s is not named: %s", self.role, error)

    def free(self) -> bool:
        """Return True when no process holds the lock; those who ask do not bar each other."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        fcntl.flock(self._file, fcntl.LOCK_UN)
        return True

    def fileno(self) -> int:
        """Return the descriptor, to be inherited by the role's process."""
        return self._file.fileno()

    def release(self) -> None:
        """Let go; a process that inherited the descriptor still holds it."""
        self._file.close()

    def _taken(self) -> HomeError:
        self._file.seek(0)
        pid = self._file.read().strip() or "unknown"
        if self.role == "watch":
            return HomeError(
                f"Borough already runs on this home (pid {pid}); "
                f"stop it with: kill {pid}, or use another BOROUGH_HOME"
            )
        return HomeError(
            f"the role {self.role} of an earlier start is still alive (pid {pid}); "
            f"end it with: kill {pid}"
        )
