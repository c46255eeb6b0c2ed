"""One platform for the pages of a module, and shells that do what a reader does."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from borough.home import Home
from borough.platform import platform
from borough.settings import Listen, Settings

ROOT = Path(__file__).parents[2]
_PORTS = range(20_000, 32_000)
"""Below those that the kernel gives to outgoing connections, which might take a chosen one."""
_SHELL_S = 60.0


def free_port() -> int:
    """Return a port of the loopback on which nothing listens."""
    while True:
        port = random.SystemRandom().choice(_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class Desk:
    """Where a reader sits: a folder with ``./run`` in it, beside a running platform."""

    folder: Path
    home: Path
    settings: Settings

    def environment(self) -> dict[str, str]:
        """Return what the reader's shell knows; no setting comes from whoever runs the tests."""
        own = {key: value for key, value in os.environ.items() if not key.startswith("BOROUGH_")}
        return own | {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{own['PATH']}",
            "BOROUGH_HOME": str(self.home),
            "BOROUGH_HTTP": str(self.settings.http),
            "BOROUGH_MQTTS": str(self.settings.mqtts),
        }

    def run(self, script: str) -> str:
        """Run a script in bash; return what it printed."""
        # The pages name the default port; the test's platform has another.
        script = script.replace("127.0.0.1:8080", str(self.settings.http))
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=_SHELL_S,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture(scope="module")
def city(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Settings]]:
    """A running platform on an empty home: its home and settings."""
    home = tmp_path_factory.mktemp("platform") / "home"
    settings = Settings(
        home=home,
        http=Listen("127.0.0.1", free_port()),
        mqtts=Listen("127.0.0.1", free_port()),
        outgoing_allow=("127.0.0.1/32",),  # where the pages' feeds are served
    )
    with platform(Home(home), settings):
        yield home, settings


@pytest.fixture
def desk(city: tuple[Path, Settings], tmp_path: Path) -> Desk:
    """An empty folder in which ``./run WORD`` reaches the platform, as it does in a clone."""
    run = tmp_path / "run"
    run.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m borough "$@"\n')
    run.chmod(0o755)
    return Desk(tmp_path, *city)
