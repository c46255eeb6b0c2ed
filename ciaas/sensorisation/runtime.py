"""The runtime of adapters: connections are applied, polled, reloaded, and handed over.

Only here and below are there loops, waits, retries and queues; an adapter has none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from random import Random

from ciaas.kernel.address import PointAddress
from ciaas.kernel.downlink.command import Rung
from ciaas.limits import HEARTBEAT_S, QUARANTINE_S
from ciaas.ports import Clock
from ciaas.sensorisation.connection import ConnectionPlan, PlannedDevice, PlannedPoint
from ciaas.sensorisation.contract import NO_MEANS, AnyAdapter, Means, Poll, Subscribe
from ciaas.sensorisation.ending import end
from ciaas.sensorisation.handover.gathering import Gathering
from ciaas.sensorisation.handover.sending import Sending
from ciaas.sensorisation.handover.spool import Spool, SpoolFailed, SpoolLevel
from ciaas.sensorisation.polling.backoff import Backoff, Pace
from ciaas.sensorisation.polling.device import SupervisedDevice, Surroundings
from ciaas.sensorisation.polling.health import DeviceHealth
from ciaas.sensorisation.polling.link import Link
from ciaas.sensorisation.ports import Outlet
from ciaas.sensorisation.sighting import Candidate
from ciaas.sensorisation.subscribing.channel import SupervisedChannel
from ciaas.sensorisation.subscribing.device import SubscribedDevice
from ciaas.sensorisation.writing.order import WriteOrder, WriteOutcome
from ciaas.sensorisation.writing.reading_back import Listening, Polling, ReadingBack, Unread
from ciaas.sensorisation.writing.writing import write

_OUTLET_PACE = Pace(0.5, 10.0)
"""The stream is our own and near: it is tried more often than a device."""
_DRAIN_S = 2.0
"""How long stopping waits for the stream; what is left is handed over at the next start."""


class ApplyError(Exception):
    """The connection cannot be applied, and what ran before goes on; the message says why."""


@dataclass(frozen=True, slots=True)
class Applied:
    """What applying a connection did, by device id. A repeat starts and stops nothing."""

    started: tuple[str, ...] = ()
    stopped: tuple[str, ...] = ()
    restarted: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RuntimeHealth:
    """Everything the runtime knows of itself at one moment."""

    devices: tuple[DeviceHealth, ...]
    spool: SpoolLevel
    rows_waiting: int
    """Readings in memory, not yet in the spool."""
    handed_over: int
    """Samples that the stream took since the start."""
    outlet_error: str
    """Why the stream takes nothing now; empty while it does."""


@dataclass(frozen=True, slots=True)
class _Running:
    planned: PlannedDevice
    adapter: AnyAdapter
    enabled: bool
    digest: tuple[object, ...]
    link: str
    device: SupervisedDevice | SubscribedDevice
    external_id: str | None


class Runtime:
    """Polls the devices of all connections applied. Start it before applying, stop it once."""

    def __init__(
        self,
        *,
        adapters: Mapping[str, type[AnyAdapter]],
        outlet: Outlet,
        spool: Spool,
        clock: Clock,
        random: Random,
        pace: Pace | None = None,
        quarantine_s: float = QUARANTINE_S,
        heartbeat_s: float = HEARTBEAT_S,
        means: Means = NO_MEANS,
    ) -> None:
        """Take the parts; what is a time defaults to the limits."""
        self._heartbeat_s, self._means, self._clock = heartbeat_s, means, clock
        self._adapters, self._random, self._spool = adapters, random, spool
        self._pace = pace or Pace()
        self._sending = Sending(spool, outlet, Backoff(random, _OUTLET_PACE))
        self._gathering = Gathering(spool, self._sending.wake)
        self._around = Surroundings(
            self._gathering.deliver, clock, random, self._pace, quarantine_s
        )
        self._connections: dict[str, dict[str, _Running]] = {}
        self._links: dict[str, Link | SupervisedChannel] = {}
        self._applying = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin handing over; frames that an earlier run left in the spool go first."""
        assert not self._tasks
        self._tasks = [
            asyncio.create_task(self._gathering.run(), name="gathering"),
            asyncio.create_task(self._sending.run(), name="sending"),
        ]

    async def stop(self) -> None:
        """Stop polling, store what was read, hand over what the stream takes soon, and close."""
        gathering, sending = self._tasks
        await end(gathering)
        for running in self._every():
            if isinstance(running.device, SubscribedDevice):
                running.device.hold()
        with suppress(SpoolFailed):  # while the channels are open: senders hear what is stored
            await self._gathering.flush()
        for link in self._links.values():
            if isinstance(link, SupervisedChannel):  # what is subscribed stays so
                await link.close()
        for name in list(self._connections):
            await self.remove(name)
        with suppress(SpoolFailed):  # the rows are lost with the process; the disk is gone
            await self._gathering.flush()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._sending.rest(), _DRAIN_S)
        await end(sending)
        self._spool.close()

    async def apply(
        self,
        plan: ConnectionPlan,
        points: Mapping[PointAddress, int],
        source: int,
        *,
        enabled: bool = True,
    ) -> Applied:
        """Bring one connection to its plan; devices that did not change are not disturbed.

        Args:
            plan: as `check_document` returned it.
            points: the registry's id of each of its addresses; further ones are ignored.
            source: the registry's number for this connection, written to every sample.
            enabled: False stops polling and shows its devices as disabled.

        Raises:
            ApplyError: nothing was changed.
        """
        if (kind := self._adapters.get(plan.adapter)) is None:
            raise ApplyError(f"connection {plan.name!r}: no adapter {plan.adapter!r} here")
        for device in plan.devices:
            for point in device.points:
                if point.address not in points:
                    raise ApplyError(
                        f"connection {plan.name!r}: {point.address} is not registered; enrol again"
                    )
        async with self._applying:
            return await self._exchange(plan, kind(self._means), points, source, enabled)

    async def remove(self, name: str) -> None:
        """Stop polling a connection; an unknown name is ignored."""
        async with self._applying:
            for running in self._connections.pop(name, {}).values():
                await running.device.stop()
            await self._close_links()

    async def write(self, order: WriteOrder) -> WriteOutcome:
        """Write one value to one point and read it back; never raises for what goes wrong."""
        place = self._place(order.address)
        if place is None:
            return WriteOutcome(Rung.QUEUED, "no connection of the field role has this point yet")
        running, point = place
        if not running.enabled:
            return WriteOutcome(Rung.QUEUED, "the connection of the device is switched off")
        if point.profile.direction == "r":
            return WriteOutcome(Rung.REJECTED, "its profile says that it is only read")
        way, device = self._links[running.link], running.device
        back: ReadingBack
        if point.profile.direction == "w":
            back = Unread()
        elif isinstance(way, Link):
            back = Polling(way)
        else:
            assert isinstance(device, SubscribedDevice)
            back = Listening(way, device)
        return await write(order, running.planned, point, running.adapter, way, back, self._clock)

    def _place(self, address: str) -> tuple[_Running, PlannedPoint] | None:
        for running in self._every():
            if address.startswith(running.planned.endpoint):
                for point in running.planned.points:
                    if point.address == address:
                        return running, point
        return None

    def health(self) -> RuntimeHealth:
        """Return a snapshot; devices in the order in which their connections were applied."""
        return RuntimeHealth(
            tuple(running.device.health() for running in self._every()),
            self._spool.level(),
            self._gathering.waiting,
            self._sending.samples,
            self._sending.last_error,
        )

    def candidates(self) -> Sequence[Candidate]:
        """Return the devices that were seen on a connection and that nobody enrolled."""
        enrolled = {(one.link, one.external_id) for one in self._every()}
        return [
            Candidate(name, sighting)
            for name, devices in self._connections.items()
            for link in dict.fromkeys(running.link for running in devices.values())
            for sighting in self._links[link].sightings()
            if (link, sighting.external_id) not in enrolled
        ]

    async def _exchange(
        self,
        plan: ConnectionPlan,
        adapter: AnyAdapter,
        points: Mapping[PointAddress, int],
        source: int,
        enabled: bool,
    ) -> Applied:
        before = self._connections.get(plan.name, {})
        after: dict[str, _Running] = {}
        fresh: list[str] = []
        for planned in plan.devices:
            ids = {point.address: points[point.address] for point in planned.points}
            digest = (planned.digest, plan.adapter, source, enabled, tuple(ids.values()))
            old = before.get(planned.id)
            if old is not None and old.digest == digest:
                after[planned.id] = old
                continue
            key = self._link(plan.adapter, adapter, planned)
            device = self._device(plan.name, planned, adapter, self._links[key], ids, source)
            external = adapter.external_id(planned.config)
            after[planned.id] = _Running(planned, adapter, enabled, digest, key, device, external)
            fresh.append(planned.id)
        for id_, running in before.items():
            if after.get(id_) is not running:
                await running.device.stop()
        self._connections[plan.name] = after
        if enabled:
            for id_ in fresh:
                after[id_].device.start()
        await self._close_links()
        return Applied(
            started=tuple(id_ for id_ in fresh if id_ not in before),
            stopped=tuple(id_ for id_ in before if id_ not in after),
            restarted=tuple(id_ for id_ in fresh if id_ in before),
            kept=tuple(id_ for id_ in after if id_ not in fresh),
        )

    def _device(
        self,
        connection: str,
        planned: PlannedDevice,
        adapter: AnyAdapter,
        link: Link | SupervisedChannel,
        ids: Mapping[PointAddress, int],
        source: int,
    ) -> SupervisedDevice | SubscribedDevice:
        if isinstance(link, Link):
            return SupervisedDevice(connection, planned, adapter, link, ids, source, self._around)
        self._gathering.remembered.add(source)
        return SubscribedDevice(
            *(connection, planned, adapter, link, ids, source),
            self._around,
            self._gathering,
            self._spool,
        )

    def _every(self) -> Iterator[_Running]:
        return (one for devices in self._connections.values() for one in devices.values())

    def _link(self, name: str, adapter: AnyAdapter, planned: PlannedDevice) -> str:
        """Return the key of a device's link, which all have that differ only in their id."""
        shared = planned.config.model_dump_json(exclude=set(adapter.DEVICE_KEYS))
        key = f"{name} {shared}"
        if key not in self._links:
            backoff = Backoff(self._random, self._pace)
            if isinstance(adapter, Subscribe):
                self._links[key] = SupervisedChannel(
                    *(name, adapter, planned.config, backoff),
                    heartbeat_s=self._heartbeat_s,
                    quarantine_s=self._around.quarantine_s,
                )
            else:
                assert isinstance(adapter, Poll)
                self._links[key] = Link(adapter, planned.config, backoff)
        return key

    async def _close_links(self) -> None:
        used = {
            running.link for devices in self._connections.values() for running in devices.values()
        }
        for key in [key for key in self._links if key not in used]:
            await self._links.pop(key).close()
