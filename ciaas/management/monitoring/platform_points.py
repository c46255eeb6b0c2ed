"""Computing and storage as resources of the city: ordinary endpoints of a project of their own.

So what the host, the stores and the queues have and use is found, read, kept and alarmed on like
anything else. Only administrators have rights in the project.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.sample import Frame, Kind
from ciaas.management.monitoring.host import HostUse, Used
from ciaas.ports import Feed, NewPoint, RegistryStore

PROJECT = "platform"
HOST, ROLES, STORES, QUEUES = "Host", "Roles", "Stores", "Queues"

_CLASSES: Mapping[str, Mapping[str, str]] = {
    "BoroughBytes": {"unit": "byte"},
    "BoroughProcessors": {},
    "BoroughCount": {},
    "BoroughSeconds": {"unit": "s"},
}
"""Class of a point, and its overlay."""


class Measure(NamedTuple):
    """One value of a platform endpoint."""

    endpoint: str
    path: str
    """Node, object and attribute."""
    conforms: str
    value: float


class QueueUse(NamedTuple):
    """A stream of the broker."""

    messages: int
    size: Used
    """Bytes."""


def host_measures(use: HostUse) -> Iterator[Measure]:
    """Yield what the host and the roles' processes use."""
    yield from _used(HOST, "processors/use", "BoroughProcessors", use.processors)
    yield from _used(HOST, "memory/use", "BoroughBytes", use.memory)
    yield from _used(HOST, "volume/home", "BoroughBytes", use.volume)
    yield Measure(HOST, "clock/wall/step", "BoroughSeconds", use.clock_step_ms / 1000)
    for role, process in use.processes.items():
        yield Measure(ROLES, f"{role}/process/processor", "BoroughSeconds", process.processor_s)
        yield Measure(ROLES, f"{role}/process/memory", "BoroughBytes", process.memory_bytes)
        yield from _used(ROLES, f"{role}/descriptors", "BoroughCount", process.descriptors)


def store_measures(sizes: Mapping[str, int]) -> Iterator[Measure]:
    """Yield what stores take up; sizes are bytes by the store's name."""
    for name, size in sizes.items():
        yield Measure(STORES, f"{name}/files/used", "BoroughBytes", size)


def queue_measures(queues: Mapping[str, QueueUse]) -> Iterator[Measure]:
    """Yield what waits in the broker's streams."""
    for name, queue in queues.items():
        yield Measure(QUEUES, f"{name}/queue/messages", "BoroughCount", queue.messages)
        yield from _used(QUEUES, f"{name}/queue", "BoroughBytes", queue.size)


def _used(endpoint: str, path: str, conforms: str, used: Used) -> Iterator[Measure]:
    yield Measure(endpoint, f"{path}/used", conforms, used.used)
    yield Measure(endpoint, f"{path}/capacity", conforms, used.capacity)


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
            at: When, in milliseconds since 1970 UTC.

        Raises:
            RegistryError: a new point cannot be registered now.
        """
        if not self._endpoints:
            self._prepare()
        addresses = [self._address(measure) for measure in measures]
        fresh = [
            NewPoint(address, Constraint.MEASURE, ValueType.NUMBER, measure.conforms)
            for address, measure in zip(addresses, measures, strict=True)
            if address not in self._points
        ]
        if fresh:
            found = self.registry.ensure_points(fresh)
            self._points |= {point.address: point.id for point in found}
        count = len(measures)
        times, nothing = np.full(count, at, np.int64), np.full(count, None, np.object_)
        return Frame(
            point=np.array([self._points[address] for address in addresses], np.uint32),
            observed=times,
            received=times,
            kind=np.full(count, Kind.NUMBER, np.uint8),
            num=np.array([measure.value for measure in measures], np.float64),
            txt=nothing,
            verdict=np.zeros(count, np.uint8),
            reason=np.zeros(count, np.uint16),
            raw=nothing,
            source=np.full(count, self._source, np.uint32),
            revision=np.zeros(count, np.uint16),
        )

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
        for name in (HOST, ROLES, STORES, QUEUES):
            endpoint = stored.get(name) or self.registry.create_endpoint(project.id, name, {})
            if endpoint.feed is None:
                self.registry.change_endpoint(endpoint.uuid, feed=Feed.PLATFORM)
            found[name] = endpoint.uuid
        self._source = self.registry.source("platform")
        self._endpoints = found
