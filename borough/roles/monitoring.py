"""Watching over the platform and its devices: states, metrics, and points of host and stores."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from typing import Any

from nats.aio.client import Client

from borough.home import Home
from borough.roles.attendance import Attendance
from borough.roles.observer import Observer
from borough.roles.sampler import Sampler
from borough.settings import Settings
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.sample import Frame
from ciaas.management.monitoring.host import HostMeter
from ciaas.management.monitoring.job_runs import JobRuns
from ciaas.management.monitoring.platform_points import PlatformPoints
from ciaas.management.monitoring.work_points import WorkMeter
from ciaas.ports import Clock, Commit, Receipt
from ciaas.storage.registry import Registry
from cpaas.access.city import Observation
from security.aaa.outage import Outage


class Monitoring:
    """Core's part of the watch: builds the parts, and gives out what has to run."""

    def __init__(
        self,
        home: Home,
        settings: Settings,
        registry: Registry,
        catalogue: Catalogue,
        attendance: Attendance,
        clock: Clock,
        outage: Outage,
    ):
        """``attendance`` is told to pass on what it hears; ``outage`` is the record's."""
        self._outage = outage
        self._home, self._settings, self._registry, self._clock = home, settings, registry, clock
        self._catalogue, self._attendance = catalogue, attendance
        self._observer: Observer

    def observation(self, counters: Callable[[], Mapping[str, Any]]) -> Observation:
        """Return what the API reaches of it; ``counters`` are those of `GET /status`."""
        states, meter = self._registry.states, HostMeter(self._home.path)

        def metrics() -> bytes:
            from borough.roles.metrics import Metrics  # its library is for who asks for metrics

            return Metrics(self._home, counters, states, meter).text()

        return Observation(states, metrics)

    def start(
        self, broker_connected: Callable[[], bool], stores_writable: Callable[[], bool]
    ) -> None:
        """Close what an earlier process left open; call it before devices are let in."""
        self._observer = Observer(
            self._home,
            self._registry.states,
            self._catalogue,
            self._attendance,
            self._clock,
            JobRuns(self._registry.jobs),
            broker_connected,
            stores_writable,
        )
        self._observer.start()
        self._attendance.observed = self._observer.came_or_went

    def work(
        self, control: Client, write: Callable[[Frame, Receipt | None], Future[Commit]]
    ) -> Sequence[Coroutine[Any, Any, None]]:
        """Return what has to run while core runs; ``write`` is the uplink's door for samples."""
        if not self._settings.observe_each_s:
            return [self._observer.run()]
        sampler = Sampler(
            self._home,
            PlatformPoints(self._registry.resources),
            HostMeter(self._home.path),
            write,
            self._clock,
            self._settings.observe_each_s,
            WorkMeter(
                self._registry.jobs, self._registry.objects, self._settings.objects_project_bytes
            ),
            self._registry.resources.projects,
            self._settings.broker_store_bytes,
            self._registry.certificates,
            self._outage,
        )
        return [self._observer.run(), sampler.run(control)]
