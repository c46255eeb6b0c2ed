"""A platform of its own for one bench: temporary home, free ports, ended with the block."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from borough.client import LocalClient, local_client
from borough.home import Home
from borough.platform import platform
from borough.roles.watch import free_port
from borough.settings import Listen, Settings


class Place(NamedTuple):
    """A home that nothing runs on yet, and the settings to run it with."""

    home: Home
    settings: Settings
    folder: Path
    """For what else the bench keeps; gone at the end, like the home."""


class Counts(NamedTuple):
    """What the platform had counted at a moment."""

    at: float
    """Seconds on the monotonic clock."""
    samples: int
    repeats: int
    aside: int
    waiting: int
    """Messages that the broker still holds for the uplink."""


@contextmanager
def place(settings: Settings) -> Iterator[Place]:
    """Make a place whose settings are the given ones but for home and ports.

    It lies where TMPDIR says: on a disk that keeps what is flushed, or the figures mean little.
    """
    with tempfile.TemporaryDirectory(prefix="borough-bench-") as name:
        home = Home(Path(name) / "home")
        home.path.mkdir(mode=0o700)
        (home.path / "borough.toml").write_text(
            f'sync_interval = "{settings.sync_interval}"\n'
            "observe_each_s = 0.0\n"  # only the load's samples are to be counted
        )
        changed = {
            "home": home.path,
            "http": Listen("127.0.0.1", free_port()),
            "mqtts": Listen("127.0.0.1", free_port()),
        }
        yield Place(home, settings.model_copy(update=changed), Path(name))


class Installation:
    """A running platform and the bench's way to its API."""

    def __init__(self, where: Place, client: LocalClient):
        self.home, self.settings, self.folder = where
        self.client = client

    def pids(self) -> Mapping[str, int]:
        """Return the process of each role."""
        status = self.home.read_status()
        assert status is not None, "it runs"
        return {role: about["pid"] for role, about in status["roles"].items()}

    def counts(self) -> Counts:
        """Return the counters as of the middle of the request."""
        before = time.monotonic()
        status: Mapping[str, Any] = self.client.call("GET", "/status")
        at = (before + time.monotonic()) / 2
        return Counts(at, status["samples"], status["repeats"], status["aside"], status["backlog"])


@contextmanager
def running(where: Place) -> Iterator[Installation]:
    """Run the platform on a place for the length of the block.

    Raises:
        HomeError: it did not become ready.
    """
    with (
        platform(where.home, where.settings, quiet=True),
        local_client(where.home, where.settings) as client,
    ):
        yield Installation(where, client)
