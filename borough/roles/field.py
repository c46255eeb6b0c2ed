"""The field role: adapters read legacy devices and hand their samples to core."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from random import SystemRandom

from nats.aio.client import Client
from nats.aio.msg import Msg

from adapters.catalogue import ADAPTERS
from borough.clock import MachineClock
from borough.home import Home, HomeError
from borough.roles.adapter_means import adapter_means
from borough.roles.documents import source_of
from borough.roles.field_report import write_report
from borough.roles.guard import guarded
from borough.roles.lean import settle_heap
from borough.roles.sightings import report_sightings
from borough.settings import Settings
from borough.wiring import open_keys, read_bus
from ciaas.computing.broker.connection import connect
from ciaas.computing.broker.errors import BrokerError
from ciaas.computing.commands.desk import FieldDesk
from ciaas.computing.outlet import InternalOutlet
from ciaas.ports import Connection, Missing
from ciaas.sensorisation.connection import DocumentError, check_document
from ciaas.sensorisation.handover.spool import Spool, SpoolFailed
from ciaas.sensorisation.runtime import ApplyError, Runtime
from ciaas.storage.registry import Unusable, open_registry
from security.encryption.keyring import Role

log = logging.getLogger(__name__)

POLL_S = 0.5
"""How late a change is seen when its notice was lost."""
REPORT_S = 2.0
_RECONNECT_S = 0.5


class Field:
    """Runs the connections of the registry, and follows its changes."""

    def __init__(self, home: Home, settings: Settings):
        """Open the registry for reading and the spool.

        Raises:
            HomeError: the registry cannot be used, and no restart would help.
        """
        self._home, self._keys, self._bus = home, open_keys(home), read_bus(home)
        try:
            self._registry = open_registry(home.registry, read_only=True)
        except Unusable as error:
            raise HomeError(str(error)) from error
        self._means = adapter_means(home, self._keys, settings)
        self._spool = Spool(home.spool, "field")
        self._version = 0
        self._applied: dict[str, Connection] = {}
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Poll until SIGTERM; then hand over what was read and end."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        client = await self._connect()
        runtime = Runtime(
            adapters=ADAPTERS,
            outlet=InternalOutlet(client, "uplink.field.0"),
            spool=self._spool,
            clock=MachineClock(),
            random=SystemRandom(),
            means=self._means,
        )
        await client.subscribe("registry.changed", cb=self._notice)
        await runtime.start()
        desk = FieldDesk(client, runtime.write)
        await desk.open()
        following = asyncio.create_task(self._follow(runtime))
        reporting = guarded(self._report(runtime))
        sighting = guarded(report_sightings(client, runtime))
        ended = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({following, ended}, return_when=asyncio.FIRST_COMPLETED)
            if following.done():
                following.result()
        finally:
            following.cancel()
            reporting.cancel()
            sighting.cancel()
            await desk.close()
            await runtime.stop()
            await client.close()
            self._registry.close()

    async def _connect(self) -> Client:
        while True:
            try:
                return await connect(
                    self._bus.url, self._keys.seed(Role.FIELD), role="field", tls=self._bus.tls()
                )
            except BrokerError as error:
                log.debug("waiting for the broker: %s", error)
                await asyncio.sleep(_RECONNECT_S)

    async def _report(self, runtime: Runtime) -> None:
        """Write how the devices are doing, for the watch role and whoever asks for the status."""
        while True:
            try:
                write_report(self._home, os.getpid(), runtime.health())
            except (OSError, SpoolFailed) as error:  # a full disk: polling and reports go on
                log.warning("how the devices are doing cannot be written: %s", error)
            await asyncio.sleep(REPORT_S)

    async def _notice(self, message: Msg) -> None:
        self._changed.set()

    async def _follow(self, runtime: Runtime) -> None:
        """Apply changed connections, on notice and each half second."""
        while True:
            if (version := self._registry.version()) != self._version:
                await self._apply(runtime)
                if not self._version:
                    settle_heap()  # a reading is a few small objects without a cycle
                self._version = version
            try:
                await asyncio.wait_for(self._changed.wait(), POLL_S)
            except TimeoutError:
                continue
            finally:
                self._changed.clear()

    async def _apply(self, runtime: Runtime) -> None:
        resources = self._registry.resources
        stored = {connection.name: connection for connection in resources.connections()}
        for name in self._applied.keys() - stored.keys():
            await runtime.remove(name)
            del self._applied[name]
        for name, connection in stored.items():
            if self._applied.get(name) == connection:
                continue
            try:
                plan = check_document(connection.document, ADAPTERS)
                points = {
                    point.address: resources.point(point.address).id
                    for device in plan.devices
                    for point in device.points
                }
                source = resources.source(source_of(name))
                await runtime.apply(plan, points, source, enabled=connection.enabled)
            except (DocumentError, ApplyError, Missing) as error:
                log.error("connection %s is not applied, what ran goes on: %s", name, error)
                continue
            self._applied[name] = connection
            log.info("connection %s, revision %d, is applied", name, connection.revision)


def run_field(home: Home, settings: Settings) -> None:
    """Run the field role until SIGTERM.

    Raises:
        HomeError: the registry cannot be used, and no restart would help.
    """
    asyncio.run(Field(home, settings).run())
