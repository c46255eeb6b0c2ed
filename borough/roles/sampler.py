"""Measures host, stores, queues, jobs and buckets, and records it as samples of the platform."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path

from nats.aio.client import Client

from borough.home import Home
from ciaas.computing.broker.errors import BrokerError
from ciaas.computing.broker.streams import api
from ciaas.kernel.sample import Frame
from ciaas.kernel.uplink import Busy
from ciaas.management.monitoring.certificate_points import certificate_measures
from ciaas.management.monitoring.host import HostMeter, Used
from ciaas.management.monitoring.platform_points import (
    Measure,
    PlatformPoints,
    QueueUse,
    host_measures,
    queue_measures,
    store_measures,
)
from ciaas.management.monitoring.record_points import record_measures
from ciaas.management.monitoring.work_points import WorkMeter
from ciaas.ports import Clock, Commit, HistoryError, Project, Receipt, RegistryError
from security.aaa.outage import Outage
from security.encryption.certificates import AuthorityError
from security.encryption.tiers import newest_of
from security.ports import CertificateStore

log = logging.getLogger(__name__)

_NOT_NOW = (BrokerError, HistoryError, RegistryError, AuthorityError, Busy, OSError)
STREAMS = {"devices": "$MQTT_msgs", "live": "LIVE", "internal": "INTERNAL"}
"""Name of a queue for people, and the stream that it is."""


@dataclass(slots=True)
class Sampler:
    """Runs in core's event loop; what takes time is done in a thread."""

    home: Home
    points: PlatformPoints
    meter: HostMeter
    write: Callable[[Frame, Receipt | None], Future[Commit]]
    clock: Clock
    interval_s: float
    work: WorkMeter
    projects: Callable[[], Sequence[Project]]
    broker_bytes: int
    """Room of the broker for all streams: the capacity of those without a bound of their own."""
    certificates: CertificateStore
    outage: Outage
    """Of the record."""

    _shown: Mapping[str, str] | None = None
    """Names of the jobs that are in the model."""

    async def run(self, control: Client) -> None:
        """Measure until cancelled; a measurement that cannot be taken or recorded is left out."""
        while True:
            await asyncio.sleep(self.interval_s)
            try:
                queues = await self._queues(control)
                await asyncio.wrap_future(await asyncio.to_thread(self._record, queues))
            except _NOT_NOW as error:
                log.info("the platform was not measured this time: %s", error)

    def _record(self, queues: Mapping[str, QueueUse]) -> Future[Commit]:
        status = self.home.read_status() or {"roles": {}}
        pids = {role: about["pid"] for role, about in status["roles"].items() if about["pid"]}
        measures = [
            *host_measures(self.meter.look(pids)),
            *store_measures(self._sizes()),
            *queue_measures(queues),
            *self.work.look(self.projects()),
            *self._certificates(),
            *record_measures(self.outage.recent),
        ]
        titles = self.work.titles()
        if titles is not self._shown:
            self.points.show_jobs(titles)
            self._shown = titles
        return self.write(self.points.frame(measures, self.clock.now_ms()), None)

    def _certificates(self) -> Iterator[Measure]:
        now_ms = self.clock.now_ms()
        issuing = newest_of(self.home.authority).issuing.not_valid_after_utc
        left_s = issuing.timestamp() - now_ms / 1000
        return certificate_measures(len(self.certificates.expiring(now_ms)), left_s)

    def _sizes(self) -> dict[str, int]:
        home = self.home
        stores = {
            "history": [home.history, home.history.with_name(home.history.name + ".wal")],
            "registry": [home.registry, home.registry.with_name(home.registry.name + "-wal")],
            "record": [*home.audit.iterdir()],
            "spool": [*home.spool.iterdir()],
        }
        return {name: sum(map(_size, paths)) for name, paths in stores.items()}

    async def _queues(self, control: Client) -> dict[str, QueueUse]:
        found = {}
        for name, stream in STREAMS.items():
            told = await api(control, f"STREAM.INFO.{stream}", {})
            if "error" in told:
                continue
            state, limit = told["state"], told["config"]["max_bytes"]
            capacity = limit if limit > 0 else self.broker_bytes
            found[name] = QueueUse(state["messages"], Used(state["bytes"], capacity))
        return found


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # a write-ahead log comes and goes
        return 0
