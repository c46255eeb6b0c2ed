"""The platform's figures as OpenMetrics, for a monitoring system."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.registry import Collector

from borough.home import Home
from ciaas.management.monitoring.host import HostMeter, HostUse, Used
from security.dependability.states import State
from security.ports import StateStore

_COUNTERS = {
    "samples": "Samples recorded in history.",
    "repeats": "Samples dropped because they were stored already.",
    "aside": "Messages and parts that were set aside.",
    "commits": "Commits of history.",
    "skipped": "Messages that came again although recorded.",
    "volatile_dropped": "QoS 0 messages dropped because too many waited.",
}
"""Of the counters in `GET /status`."""
_GAUGES = {
    "backlog": "Messages that the broker holds for the uplink.",
    "online": "Devices that are connected.",
    "endpoints": "Endpoints that exist.",
}
_STATES = {"up": State.UP, "down": State.DOWN, "unknown": State.UNKNOWN}


@dataclass(slots=True, eq=False)
class Metrics(Collector):
    """Collects at each request; nothing is kept."""

    home: Home
    counters: Callable[[], Mapping[str, Any]]
    states: StateStore
    meter: HostMeter

    def text(self) -> bytes:
        """Return OpenMetrics text."""
        registry = CollectorRegistry(auto_describe=False)
        registry.register(self)
        return bytes(generate_latest(registry))  # type: ignore[no-untyped-call] # it has no types

    def collect(self) -> Iterator[Metric]:
        """Yield every family of metrics."""
        counters = self.counters()
        for name, words in _COUNTERS.items():
            yield CounterMetricFamily(f"borough_{name}", words, value=counters[name])
        for name, words in _GAUGES.items():
            yield GaugeMetricFamily(f"borough_{name}", words, value=counters[name])
        refusals = CounterMetricFamily(
            "borough_refusals", "What the broker refused, by kind.", labels=["kind"]
        )
        for kind, count in counters["refusals"].items():
            refusals.add_metric([kind], count)
        yield refusals
        yield from self._resources()
        status = self.home.read_status() or {"roles": {}}
        roles: Mapping[str, Mapping[str, Any]] = status["roles"]
        restarts = CounterMetricFamily("borough_role_restarts", "Restarts.", labels=["role"])
        for role, about in roles.items():
            restarts.add_metric([role], about["restarts"])
        yield restarts
        pids = {role: about["pid"] for role, about in roles.items() if about["pid"]}
        yield from _host(self.meter.look(pids))

    def _resources(self) -> Iterator[Metric]:
        """Yield how many resources are in each state, and the platform's own one by one."""
        lasting = self.states.current()
        found = Counter((last.resource.kind, last.state) for last in lasting)
        family = GaugeMetricFamily(
            "borough_resources", "Observed resources by state.", labels=["kind", "state"]
        )
        for kind in sorted({kind for kind, _ in found}):
            for name, state in _STATES.items():
                family.add_metric([kind, name], found[kind, state])
        yield family
        up = GaugeMetricFamily(
            "borough_up", "1 while a resource of the platform is up.", labels=["resource"]
        )
        for last in lasting:
            if last.resource.kind != "device":
                up.add_metric([last.resource.name], float(last.state is State.UP))
        yield up


def _host(use: HostUse) -> Iterator[Metric]:
    yield from _used("host_processors", "Processors at work on average.", use.processors)
    yield from _used("host_memory_bytes", "Memory of the host.", use.memory)
    yield from _used("volume_bytes", "The file system that holds the home.", use.volume)
    yield GaugeMetricFamily(
        "borough_host_clock_step_seconds",
        "How far the wall clock was set since the start of core.",
        value=use.clock_step_ms / 1000,
    )
    processor = CounterMetricFamily(
        "borough_process_processor_seconds", "Processor time of a role.", labels=["role"]
    )
    memory = GaugeMetricFamily(
        "borough_process_memory_bytes", "Resident memory of a role.", labels=["role"]
    )
    descriptors = GaugeMetricFamily(
        "borough_process_descriptors", "Open file descriptors of a role.", labels=["role"]
    )
    for role, process in use.processes.items():
        processor.add_metric([role], process.processor_s)
        memory.add_metric([role], process.memory_bytes)
        descriptors.add_metric([role], process.descriptors.used)
    yield from (processor, memory, descriptors)


def _used(name: str, words: str, used: Used) -> Iterator[Metric]:
    yield GaugeMetricFamily(f"borough_{name}_used", words, value=used.used)
    yield GaugeMetricFamily(f"borough_{name}_capacity", f"{words} All of it.", value=used.capacity)
