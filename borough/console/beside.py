"""Runs the build of the console beside the platform that starts."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from borough.home import Home
from ciaas.computing.broker import launch

_END_S = 5.0


@contextmanager
def building(home: Home, wanted: bool) -> Iterator[None]:
    """Build the console during the block, when it is wanted; the block never waits for it.

    The child has a group of its own, dies with this process and gives way to everything else. What
    it says last stands in ``logs/console.log``, and on the page that stands in for the console.
    """
    if not wanted:
        yield
        return
    with (home.logs / "console.log").open("wb") as log:
        child = subprocess.Popen(  # noqa: S603 - no shell, and the program is ours
            [
                *(sys.executable, "-I", "-S", launch.__file__, str(os.getpid())),
                *(sys.executable, "-m", "borough.console.build"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        try:
            child.wait(_END_S)
        except subprocess.TimeoutExpired:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
