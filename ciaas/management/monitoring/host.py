"""What the host and the platform's processes use of what there is."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import psutil


class Used(NamedTuple):
    """How much is used of how much there is, in one unit."""

    used: float
    capacity: float


@dataclass(frozen=True, slots=True)
class ProcessUse:
    """One process of the platform."""

    processor_s: float
    """Processor time since its start, in seconds."""
    memory_bytes: int
    """Resident."""
    descriptors: Used
    """Open file descriptors and their limit."""


@dataclass(frozen=True, slots=True)
class HostUse:
    """The host at one moment."""

    processors: Used
    """Processors at work on average since the look before, and how many there are."""
    memory: Used
    """Bytes."""
    volume: Used
    """Bytes of the file system that holds the home."""
    clock_step_ms: float
    """How far the wall clock was set since the first look, against one that nobody can set."""
    processes: Mapping[str, ProcessUse]
    """By role; without those that just ended."""


class HostMeter:
    """Looks at the host; one thread."""

    def __init__(self, home: Path):
        """``home`` is the directory whose volume is looked at."""
        self._home = home
        self._clock_offset_s = time.time() - time.monotonic()
        psutil.cpu_percent()  # the first call has nothing to compare with

    def look(self, pids: Mapping[str, int]) -> HostUse:
        """Return what is used now; ``pids`` are the roles' processes."""
        memory, volume = psutil.virtual_memory(), psutil.disk_usage(str(self._home))
        processors = psutil.cpu_count() or 1
        processes = {}
        for role, pid in pids.items():
            with contextlib.suppress(psutil.NoSuchProcess, psutil.ZombieProcess):
                processes[role] = _use(psutil.Process(pid))
        return HostUse(
            Used(psutil.cpu_percent() / 100 * processors, processors),
            Used(memory.total - memory.available, memory.total),
            Used(volume.used, volume.total),
            (time.time() - time.monotonic() - self._clock_offset_s) * 1000,
            processes,
        )


def _use(process: psutil.Process) -> ProcessUse:
    with process.oneshot():
        times = process.cpu_times()
        soft, _ = process.rlimit(psutil.RLIMIT_NOFILE)
        return ProcessUse(
            times.user + times.system,
            process.memory_info().rss,
            Used(process.num_fds(), soft),
        )
