"""What adapters saw and nobody enrolled: reported by field, kept by core, listed by the directory.

Nothing here is stored: after a restart it is seen again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import NamedTuple, Protocol

import msgspec

from ciaas.limits import SIGHTINGS_BYTES_MAX, SIGHTINGS_KEPT_S
from ciaas.ports import Connection
from ciaas.sensorisation.contract import Sighting


class Candidate(NamedTuple):
    """A device seen on a connection, not enrolled."""

    connection: str
    sighting: Sighting


class Discovered(Protocol):
    """Devices seen and not enrolled. Methods may be called from any thread."""

    def candidates(self, projects: Sequence[int]) -> Sequence[Candidate]:
        """Return those on connections of these projects, by connection and then the newest."""
        ...


class ReportError(ValueError):
    """What came is no report of sightings."""


def write_candidates(candidates: Sequence[Candidate]) -> bytes:
    """Return a report as JSON; what would make it longer than its bound is left out."""
    parts, size = [], 2
    for candidate in candidates:
        part = msgspec.json.encode(candidate)
        size += len(part) + 1
        if size > SIGHTINGS_BYTES_MAX:
            break
        parts.append(part)
    return b"[" + b",".join(parts) + b"]"


def read_candidates(report: bytes) -> Sequence[Candidate]:
    """Return what a report says.

    Raises:
        ReportError: it is none.
    """
    try:
        return msgspec.json.decode(report, type=list[Candidate])
    except msgspec.DecodeError as error:
        raise ReportError(f"no report of sightings: {error}") from error


@dataclass(frozen=True, slots=True)
class _Kept:
    heard: int
    candidates: Sequence[Candidate]


class SightingBoard:
    """What each field process last reported. A process that goes silent is forgotten in time.

    Args:
        connections: those of the registry, whose project says who may see what was seen on them.
        now_ms: milliseconds since 1970 UTC.
    """

    def __init__(
        self, connections: Callable[[], Sequence[Connection]], now_ms: Callable[[], int]
    ) -> None:
        self._connections, self._now_ms = connections, now_ms
        self._lock = Lock()
        self._reports: dict[str, _Kept] = {}

    def take(self, reporter: str, candidates: Sequence[Candidate]) -> None:
        """Replace what a field process reported before."""
        with self._lock:
            self._reports[reporter] = _Kept(self._now_ms(), candidates)
            self._reports = {
                name: kept for name, kept in self._reports.items() if self._fresh(kept)
            }

    def candidates(self, projects: Sequence[int]) -> Sequence[Candidate]:
        """Return those on connections of these projects, by connection and then the newest."""
        owned = {
            one.name for one in self._connections() if one.project in projects and not one.deleted
        }
        with self._lock:
            reports = [kept for kept in self._reports.values() if self._fresh(kept)]
        found = [one for kept in reports for one in kept.candidates if one.connection in owned]
        return sorted(found, key=lambda one: (one.connection, -one.sighting.last_seen))

    def _fresh(self, kept: _Kept) -> bool:
        return self._now_ms() - kept.heard <= SIGHTINGS_KEPT_S * 1_000
