"""The platform as a child process, for the demo and the benches."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from borough.home import Home, HomeError
from borough.roles.watch import api_ready
from borough.settings import Settings
from ciaas.computing.broker import launch

_READY_S = 60.0
_STOP_S = 12.0
_LOOK_S = 0.05


class Starting:
    """A platform that is coming up."""

    def __init__(self, process: subprocess.Popen[bytes], home: Home, settings: Settings):
        self._process, self._home, self._settings = process, home, settings

    def wait_ready(self) -> None:
        """Return when the API answers that devices are let in.

        Raises:
            HomeError: it did not become ready; its own sentence.
        """
        deadline = time.monotonic() + _READY_S
        while not self._ready():
            if self._process.poll() is not None:
                assert self._process.stderr is not None
                words = self._process.stderr.read().decode(errors="replace").strip()
                raise HomeError(words.removeprefix("borough: ") or "the platform did not start")
            if time.monotonic() > deadline:
                raise HomeError(
                    f"the platform is not ready after {_READY_S:g} s; see {self._home.logs}"
                )
            time.sleep(_LOOK_S)  # the other process tells it in no other way than by answering

    def _ready(self) -> bool:
        """Return True when our own platform answers, not another one that has the port."""
        status = self._home.read_status()
        ours = status is not None and status["pid"] == self._process.pid
        return ours and api_ready(self._home, self._settings)


@contextmanager
def starting(home: Home, settings: Settings, *, quiet: bool = False) -> Iterator[Starting]:
    """Run ``borough up`` for the length of the block; enter it in the main thread.

    What it says on standard output goes to standard error, or nowhere when ``quiet``.
    """
    process = subprocess.Popen(  # noqa: S603 - no shell, and the program is ours
        [
            *(sys.executable, "-I", "-S", launch.__file__, str(os.getpid())),
            *(sys.executable, "-m", "borough", "up"),
        ],
        env={
            **os.environ,
            "BOROUGH_HOME": str(home.path),
            "BOROUGH_HTTP": str(settings.http),
            "BOROUGH_MQTTS": str(settings.mqtts),
            "BOROUGH_MODE": settings.mode,
            **({} if settings.est is None else {"BOROUGH_EST": str(settings.est)}),
            "BOROUGH_OUTGOING_ALLOW": json.dumps(settings.outgoing_allow),
            # A bench and a test are not to share their processor with a build.
            "BOROUGH_CONSOLE_BUILD": str(settings.console_build and not quiet),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL if quiet else sys.stderr,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stderr is not None
    try:
        yield Starting(process, home, settings)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(_STOP_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        process.stderr.close()


@contextmanager
def platform(home: Home, settings: Settings, *, quiet: bool = False) -> Iterator[None]:
    """Run a platform that is ready for the length of the block.

    Raises:
        HomeError: it did not become ready; its own sentence.
    """
    with starting(home, settings, quiet=quiet) as coming:
        coming.wait_ready()
        yield
