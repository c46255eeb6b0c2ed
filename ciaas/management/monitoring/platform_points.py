"""Computing and storage as resources of the city: ordinary endpoints of a project of their own.

So what host, stores, queues, jobs and buckets have and use is found, read, kept and alarmed on like
anything else. Only administrators have rights in the project.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.sample import Frame, Kind
from ciaas.management.monitoring.host import HostUse, Used
from ciaas.ports import Conflict, Feed, NewPoint, RegistryStore

PROJECT = "platform"
HOST, ROLES, STORES, QUEUES = "Host", "Roles", "Stores", "Queues"
JOBS, OBJECTS = "Jobs", "Objects"

EXPIRING, ISSUING = "BoroughExpiringCertificates", "BoroughIssuingAuthority"
RECORD_OUTAGE = "BoroughRecordOutage"
ISSUING_LEFT_S = 180 * 86_400
"""Time enough to fetch the root's key and have another issuing authority signed."""
_CLASSES: Mapping[str, Mapping[str, Any]] = {
    "BoroughBytes": {"unit": "byte"},
    "BoroughProcessors": {},
    "BoroughCount": {},
    "BoroughSeconds": {"unit": "s"},
    "BoroughOutcome": {},
    RECORD_OUTAGE: {
        "alarm": {
            "severity": "critical",
            "text": "accesses cannot be recorded and nothing may be changed: make room on the disk",
            "raised_when": "value > 0",
        }
    },
    EXPIRING: {
        "alarm": {
            "severity": "minor",
            "text": "certificates of devices were to be renewed: search for certificate_expires",
            "raised_when": "value > 0",
        }
    },
    ISSUING: {
        "unit": "s",
        "alarm": {
            "severity": "major",
            "text": "the issuing authority ends soon: run borough ca issue-issuing",
            "raised_when": f"value < {ISSUING_LEFT_S}",
        },
    },
}
"""Class of a point, and its overlay."""


class Measure(NamedTuple):
    """One value of a platform endpoint."""

    endpoint: str
    path: str
    """Node, object and attribute."""
    conforms: str
    value: float | str
    at: int | None = None
    """When, in milliseconds since 1970 UTC; None is when it is looked at."""


class QueueUse(NamedTuple):
    """A stream of the broker."""

    messages: int
    size: Used
    """Bytes."""


def host_measures(use: HostUse) -> Iterator[Measure]:
    """Yield what the host and the roles' processes use."""
    yield from used(HOST, "processors/use", "BoroughProcessors", use.processors)
    yield from used(HOST, "memory/use", "BoroughBytes", use.memory)
    yield from used(HOST, "volume/home", "BoroughBytes", use.volume)
    yield Measure(HOST, "clock/wall/step", "BoroughSeconds", use.clock_step_ms / 1000)
    for role, process in use.processes.items():
        yield Measure(ROLES, f"{role}/process/processor", "BoroughSeconds", process.processor_s)
        yield Measure(ROLES, f"{role}/process/memory", "BoroughBytes", process.memory_bytes)
        yield from used(ROLES, f"{role}/descriptors", "BoroughCount", process.descriptors)


def store_measures(sizes: Mapping[str, int]) -> Iterator[Measure]:
    """Yield what stores take up; sizes are bytes by the store's name."""
    for name, size in sizes.items():
        yield Measure(STORES, f"{name}/files/used", "BoroughBytes", size)


def queue_measures(queues: Mapping[str, QueueUse]) -> Iterator[Measure]:
    """Yield what waits in the broker's streams."""
    for name, queue in queues.items():
        yield Measure(QUEUES, f"{name}/queue/messages", "BoroughCount", queue.messages)
        yield from used(QUEUES, f"{name}/queue", "BoroughBytes", queue.size)


def used(endpoint: str, path: str, conforms: str, share: Used) -> Iterator[Measure]:
    """Yield what is used of something, and how much there is."""
    yield Measure(endpoint, f"{path}/used", conforms, share.used)
    yield Measure(endpoint, f"{path}/capacity", conforms, share.capacity)


@dataclass(slots=True)
class PlatformPoints:
    """Registers what is measured, once, and makes frames of it. One thread at a time."""

    registry: RegistryStore
    _endpoints: dict[str, EndpointId] = field(default_factory=dict)
    _points: dict[PointAddress, int] = field(default_factory=dict)
    _source: int = 0

    def frame(self, measures: Sequence[Measure], at: int) -> Frame:
        """Return one sample of each measure.

        Args:
            measures: What was measured.
            at: Now, in milliseconds since 1970 UTC; the time of what has none of its own.

        Raises:
            RegistryError: a new point cannot be registered now.
        """
        if not self._endpoints:
            self._prepare()
        try:
            self._register(measures)
        except Conflict:
            self._begin_anew(JOBS)
            self._register(measures)
        count = len(measures)
        values = [measure.value for measure in measures]
        texts = [isinstance(value, str) for value in values]
        nothing = np.full(count, None, np.object_)
        return Frame(
            point=np.array([self._points[self._address(m)] for m in measures], np.uint32),
            observed=np.array([at if m.at is None else m.at for m in measures], np.int64),
            received=np.full(count, at, np.int64),
            kind=np.where(texts, Kind.TEXT, Kind.NUMBER).astype(np.uint8),
            num=np.array([np.nan if isinstance(v, str) else v for v in values], np.float64),
            txt=np.array([v if isinstance(v, str) else None for v in values], np.object_),
            verdict=np.zeros(count, np.uint8),
            reason=np.zeros(count, np.uint16),
            raw=nothing,
            source=np.full(count, self._source, np.uint32),
            revision=np.zeros(count, np.uint16),
        )

    def show_jobs(self, titles: Mapping[str, str]) -> None:
        """Have the points of exactly these jobs in the model, UUID to name; history stays.

        Raises:
            RegistryError: it cannot be changed now.
        """
        if not self._endpoints:
            self._prepare()
        jobs = self._endpoints[JOBS]
        shown = {
            node
            for point in self.registry.points((jobs,))
            if not point.removed and _is_uuid(node := point.address.split("/")[1])
        }
        for job in shown - titles.keys():
            self.registry.remove_node(jobs, job)
            for address in [a for a in self._points if a.startswith(f"{jobs}/{job}/")]:
                del self._points[address]
        for job, title in titles.items():
            scope = f"{jobs}/{job}"
            if self.registry.overlay(scope).get("title") != title:
                self.registry.change_overlay(scope, {"title": title})

    def _register(self, measures: Sequence[Measure]) -> None:
        fresh = [
            NewPoint(
                address,
                Constraint.MEASURE,
                ValueType.STRING if isinstance(measure.value, str) else ValueType.NUMBER,
                measure.conforms,
            )
            for measure in measures
            if (address := self._address(measure)) not in self._points
        ]
        if fresh:
            found = self.registry.ensure_points(fresh)
            self._points |= {point.address: point.id for point in found}

    def _begin_anew(self, name: str) -> None:
        """Put an endpoint aside that has no room for points: those of removed ones count too."""
        full = self.registry.endpoint(self._endpoints[name])
        self.registry.change_endpoint(full.uuid, friendly_name=f"{name}, full ({full.uuid[:8]})")
        fresh = self.registry.create_endpoint(full.project, name, {})
        self.registry.change_endpoint(fresh.uuid, feed=Feed.PLATFORM)
        self._endpoints[name] = fresh.uuid
        self._points = {a: n for a, n in self._points.items() if not a.startswith(full.uuid)}

    def _address(self, measure: Measure) -> PointAddress:
        return PointAddress(f"{self._endpoints[measure.endpoint]}/{measure.path}")

    def _prepare(self) -> None:
        project = next((p for p in self.registry.projects() if p.name == PROJECT), None)
        project = project or self.registry.create_project(PROJECT)
        stored = {e.friendly_name: e for e in self.registry.endpoints(project.id)}
        for scope, overlay in _CLASSES.items():
            if overlay and not self.registry.overlay(f"class:{scope}"):
                self.registry.change_overlay(f"class:{scope}", overlay)
        found = {}
        for name in (HOST, ROLES, STORES, QUEUES, JOBS, OBJECTS):
            endpoint = stored.get(name) or self.registry.create_endpoint(project.id, name, {})
            if endpoint.feed is None:
                self.registry.change_endpoint(endpoint.uuid, feed=Feed.PLATFORM)
            found[name] = endpoint.uuid
        self._source = self.registry.source("platform")
        self._endpoints = found


def _is_uuid(text: str) -> bool:
    try:
        return str(uuid.UUID(text)) == text
    except ValueError:
        return False
