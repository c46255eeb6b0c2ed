"""The broker's process: one child of the watch role, ended with it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

from ciaas.computing.broker import launch
from ciaas.computing.broker.configuration import BrokerConfiguration
from ciaas.computing.broker.errors import BrokerEnded, BrokerError, BrokerSlow, PortBusy
from ciaas.computing.broker.executable import find_nats_server
from ciaas.computing.broker.log import LogReader
from ciaas.computing.broker.secret import key_in_memory
from ciaas.limits import BROKER_READY_S, BROKER_RESTART_FREE_BYTES

_TICK_S = 0.02
_ANSWER_S = 0.5
_READY = b"[INF] Server is ready"
_FATAL = "[FTL] "
_NO_ROOM = re.compile(
    rb"^\[\d+\] \S+ \S+ \[ERR\] JetStream failed to store a msg on stream .*:"
    rb" (no space left on device|disk quota exceeded)$",
    re.MULTILINE,
)
"""The whole line: what devices choose, such as their client id, stands elsewhere in a line."""
_TAIL_BYTES = 16_384


class Broker:
    """nats-server as a role that a supervisor starts again and again."""

    name = "broker"

    def __init__(
        self,
        configuration: BrokerConfiguration,
        configuration_path: Path,
        key_pem: bytes,
        *,
        lock_fd: int | None = None,
        executable: Path | None = None,
    ):
        """Prepare; nothing is started or written.

        Args:
            configuration: what was written to ``configuration_path``.
            configuration_path: the file that the server reads.
            key_pem: private key of the MQTT listener's certificate, not encrypted.
            lock_fd: descriptor of an flock that the child shall hold too, so that a broker that
                outlives its parent is noticed by whoever takes the lock next.
            executable: another nats-server than the installed one.
        """
        self._configuration = configuration
        self._path = configuration_path
        self._key_pem = key_pem
        self._lock_fd = lock_fd
        self._executable = executable
        self._process: subprocess.Popen[bytes] | None = None
        self._log: LogReader | None = None
        """Follows the log of the process started last, while someone asks how it does."""
        self._read_to = 0
        self._announced = False
        """The server has said that it is ready."""
        self._stopped_storing = False
        self._stderr = configuration.log_file.with_name(configuration.log_file.name + ".stderr")
        self._stderr_start = 0

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server in a session of its own; it dies when the calling thread ends.

        Raises:
            FileNotFoundError: there is no nats-server to run.
            RuntimeError: not called from the main thread, whose end is the process's end.
        """
        if threading.current_thread() is not threading.main_thread():
            raise RuntimeError("start the broker from the main thread: it ends with its starter")
        program = find_nats_server(self._executable)
        self._stop_reading()
        self._log = LogReader(self._configuration.log_file)
        self._announced = self._stopped_storing = False
        with (
            key_in_memory(self._key_pem) as key,
            # What does not go through the server's own log, such as the trace of a crash.
            self._stderr.open("ab") as stderr,
        ):
            self._stderr_start = stderr.tell()
            command = [sys.executable, "-I", "-S", str(Path(launch.__file__)), str(os.getpid())]
            self._process = subprocess.Popen(  # noqa: S603 - no shell, and the program is ours
                [*command, str(program), "-c", str(self._path)],
                env=key.environment,
                pass_fds=[key.fd] if self._lock_fd is None else [key.fd, self._lock_fd],
                stdin=subprocess.DEVNULL,
                stdout=stderr,
                stderr=stderr,
                # A Ctrl-C at the terminal is for the watch role, which ends the broker last.
                start_new_session=True,
            )
        return self._process

    def ready(self) -> bool:
        """Return True when the process started last is the one that answers on its port."""
        if self._process is None or self._process.poll() is not None:
            self._stop_reading()
            return False
        if not self._announced:
            self._read_log()
            return False  # the next look asks the port itself
        self._stop_reading()
        return self._answers()

    def ailment(self) -> str:
        """Return why the server has to be started again, empty while it does well.

        A stream whose file could not be written takes nothing any more, also when there is room
        again: what devices send stays unacknowledged until the next start.
        """
        self._read_log()
        if not self._stopped_storing:
            return ""
        if shutil.disk_usage(self._configuration.store_dir).free < BROKER_RESTART_FREE_BYTES:
            return ""
        return "it stopped storing when the disk was full, and there is room again"

    def reload(self) -> None:
        """Have the running server read its configuration and its certificates again.

        Roles stay connected. Devices do not: whoever was let in by the callout has to ask again,
        and comes back as after any other break.
        """
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGHUP)

    def wait_ready(self, timeout_s: float = BROKER_READY_S) -> None:
        """Return when the broker is ready.

        Raises:
            PortBusy: another program has one of its ports.
            BrokerEnded: it ended for another reason.
            BrokerSlow: it still is not ready.
        """
        assert self._process is not None, "start the broker first"
        deadline = time.monotonic() + timeout_s
        while not self.ready():
            if self._process.poll() is not None:
                self.close()
                raise self.failure()
            if time.monotonic() > deadline:
                self.close()
                raise BrokerSlow(
                    f"the broker is not ready after {timeout_s:g} s;"
                    f" see {self._configuration.log_file}"
                )
            try:
                self._process.wait(_TICK_S)
            except subprocess.TimeoutExpired:
                continue

    def close(self) -> None:
        """Let go of the server's log; `ready` and `ailment` take it up again."""
        self._stop_reading()

    def last_words(self) -> str:
        """Return in one sentence why the server gave up, empty when it did not say."""
        words = self._fatal_line() or self._last_stderr_line()
        for what, address in (
            ("roles", self._configuration.nats),
            ("devices", self._configuration.mqtts),
        ):
            if "address already in use" in words and f":{address.port}:" in words:
                return (
                    f"port {address} for {what} is taken by another program:"
                    " end that program or set another port"
                )
        return words

    def failure(self) -> BrokerError:
        """Return the error that describes the end of the process."""
        assert self._process is not None, "start the broker first"
        words = self.last_words()
        if "is taken by another program" in words:
            return PortBusy(words)
        how = words or f"it ended with code {self._process.returncode}"
        return BrokerEnded(
            f"the broker did not start: {how}; see {self._configuration.log_file}.stderr"
        )

    def _read_log(self) -> None:
        if self._log is None:
            self._log = LogReader(self._configuration.log_file, self._read_to)
        text = self._log.read()
        self._announced = self._announced or _READY in text
        self._stopped_storing = self._stopped_storing or bool(_NO_ROOM.search(text))

    def _stop_reading(self) -> None:
        if self._log:
            self._read_to = self._log.offset
            self._log.close()
            self._log = None

    def _fatal_line(self) -> str:
        ours = f"[{self._process.pid}] " if self._process else "[]"
        for line in reversed(_tail(self._configuration.log_file).splitlines()):
            if line.startswith(ours) and _FATAL in line:
                return line.partition(_FATAL)[2].strip()
        return ""

    def _last_stderr_line(self) -> str:
        lines = _tail(self._stderr, self._stderr_start).strip().splitlines()
        return lines[-1].strip() if lines else ""

    def _answers(self) -> bool:
        try:
            with socket.create_connection(self._configuration.nats, _ANSWER_S) as connection:
                return connection.recv(5) == b"INFO "
        except OSError:
            return False


def _tail(path: Path, start: int = 0) -> str:
    """Return the last part of a file, from ``start`` at the earliest."""
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(start, path.stat().st_size - _TAIL_BYTES))
        return file.read(_TAIL_BYTES).decode(errors="replace")
