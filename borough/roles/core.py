"""The core role: uplink, history, registry, rights, record, admission of devices, HTTP API."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

import numpy as np
from nats.aio.client import Client
from nats.errors import Error as NatsError
from starlette.types import ASGIApp

from borough.clock import MachineClock
from borough.console.checkout import CONSOLE
from borough.home import Home, HomeError
from borough.roles.accounting import CityRecord
from borough.roles.applications import CityApplications
from borough.roles.attendance import Attendance, Claims
from borough.roles.backup import Backup
from borough.roles.commands import CityCommands
from borough.roles.composing import workshop
from borough.roles.confidential import CityConfidential
from borough.roles.documents import DocumentDoor
from borough.roles.door import PLATFORM_CLIENT, Door
from borough.roles.enrolment import batches_of
from borough.roles.events import CityEvents
from borough.roles.finding import Finding
from borough.roles.first_start import first_steps
from borough.roles.gate import DeviceGate
from borough.roles.guard import die, guard_loop, guard_threads, guarded
from borough.roles.http import serving
from borough.roles.keys import CityKeys
from borough.roles.lean import settle_heap, stay_without, take_short_turns
from borough.roles.monitoring import Monitoring
from borough.roles.own_certificate import OwnCertificate
from borough.roles.people import CityPeople
from borough.roles.processing import build_processing
from borough.roles.rights_feed import RightsFeed
from borough.roles.settled import answer_settled, settled
from borough.roles.sightings import hear_sightings
from borough.settings import Listen, Settings
from borough.tls.server import open_tls, refuse_plain
from borough.wiring import dialler, open_keys, read_bus
from ciaas.computing.admission.warmup import ensure_ingest, warm_up
from ciaas.computing.broker import configuration as broker
from ciaas.computing.broker.connection import connect
from ciaas.computing.broker.errors import BrokerError
from ciaas.computing.broker.streams import StreamBounds, ensure_streams
from ciaas.computing.devices import DeviceLine
from ciaas.computing.intake import StreamReader, attach_durable, attach_position
from ciaas.computing.live import LivePublisher
from ciaas.computing.volatile import VolatileReader
from ciaas.interoperability.judge import Judge
from ciaas.interoperability.overlay import OverlayError
from ciaas.interoperability.rules import Rules
from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.decode import Decoder
from ciaas.kernel.uplink import Uplink
from ciaas.management.provisioning import Provisioning
from ciaas.ports import Commit, DiskFull, Feed, HistoryError, Point, RegistryError
from ciaas.storage.history import DuckHistory, open_history
from ciaas.storage.registry import Unusable, open_registry
from cpaas.access.app import create_app
from cpaas.access.city import City
from cpaas.access.pages.folder import PageFolder
from security.aaa.accounts import Accounts
from security.encryption.authority import Authority
from security.encryption.certificates import AuthorityError
from security.encryption.keyring import Role

log = logging.getLogger(__name__)

_CONNECT_EACH_S = 0.1


class Core:
    """Builds the parts over one home and runs them until told to stop."""

    def __init__(self, home: Home, settings: Settings):
        """Open every store; nothing is read from the bus yet."""
        self._home, self._settings, self._clock = home, settings, MachineClock()
        self._keys = open_keys(home)
        self._bus = read_bus(home)
        now_ms = self._clock.now_ms
        self._history = open_history(home.history, clock=self._clock)  # its lock fences others
        self._registry = open_registry(home.registry, clock=self._clock)
        self._authority = Authority.open(home.authority, self._keys.ca_passphrase, now_ms)
        self._own_certificate = OwnCertificate(home, self._authority)
        self._tls = open_tls(home, settings, self._authority, self._keys.ca_passphrase)
        self._catalogue = Catalogue(self._registry.resources)
        self.accounting = CityRecord(
            home, settings, self._keys, self._registry, self._catalogue, self._clock
        )
        self._record, self._notes = self.accounting.record, self.accounting.notes
        self._rights = RightsFeed(self._registry)
        self._applications = CityApplications(
            self._registry,
            self._keys,
            settings.issuer,
            lambda: self._rights.rights.version,
            self._clock,
            settings.outgoing_allow,
        )
        self._people = CityPeople(
            settings,
            self._registry,
            self._keys,
            self._catalogue,
            self._rights.rights,
            self._record.owners,
            self._clock,
        )
        self._accounts = Accounts(
            self._registry.accounts,
            now_ms,
            lambda: self._rights.rights.version,
            issued=self._applications.access,
            factor=self._people.factor,
            devices=self._people.devices,
            names=self._people.names,
        )
        self._attendance = Attendance(self._catalogue, self._history, self._notes.add, self._clock)
        self._confidential = CityConfidential(
            home, self._keys, self._registry, self._catalogue, self._history, self._clock
        )
        self._judge = judge_of(self._catalogue, self._history)
        self._awaited: str | None = "the stores to open"
        self._control: Client | None = None
        """Connection to the broker for notices; None until there is one."""
        self._finding = Finding(
            self._catalogue,
            self._history,
            self._registry,
            self._rights,
            self._attendance,
            self._clock,
        )
        self._directory = self._finding.directory
        self._events = CityEvents(
            self._history,
            self._registry,
            self._catalogue,
            self._directory,
            self._clock,
            settings,
            self._keys.envelope("webhooks"),
            die,
            self._notes.add,
        )
        self._commands = CityCommands(
            self._registry,
            self._catalogue,
            self._history,
            self._rights.rights,
            self._record,
            self._attendance,
            self._clock,
        )
        self._commands.downlink.on_steps(self._events.stepped)
        self._confidential.on_erasure(self._events.forget)
        self._enrolment = batches_of(self._registry, self._keys, self._record, self._clock)
        self._city_keys = CityKeys(
            home, self._keys, self._registry, self._confidential, self._clock
        )
        self._build_uplink()
        self._door = Door(
            DeviceGate(
                self._catalogue, self._registry.certificates, self._clock, self._people.refusal
            ),
            self._attendance,
            self._keys,
            home.broker / "nats.log",
            self._notes.add,
            self._finding.refused,
            self._clock,
        )
        self._monitoring = Monitoring(
            home,
            settings,
            self._registry,
            self._catalogue,
            self._attendance,
            self._clock,
            self.accounting.outage,
        )

    # -- building

    def _build_uplink(self) -> None:
        dial = dialler(self._bus, self._keys, Role.CORE)
        doorbell = threading.Event()
        self._devices = StreamReader(
            dial,
            attach_durable("$MQTT_msgs", "ingest"),
            self._history,
            doorbell,
            strip=b"$MQTT.msgs.",
        )
        self._roles = StreamReader(dial, attach_position("INTERNAL"), self._history, doorbell)
        self._volatile = VolatileReader(dial, doorbell, self._clock.now_ms)
        self._live = LivePublisher(
            dial,
            self._history.sealed,
            shard=0,
            max_age_s=self._settings.live_max_age_s,
            now_ms=self._clock.now_ms,
        )
        decoder = Decoder(
            self._catalogue,
            Claims(self._claim_for_device),
            future_ms=round(self._settings.future_s * 1000),
        )
        self._uplink = Uplink(
            devices=self._devices,
            roles=self._roles,
            volatile=self._volatile,
            decode=self._people.counted(decoder.decode),
            judge=self._judge.judge,
            history=self._history,
            publish=self._publish_commit,
            known=self._catalogue,
            doorbell=doorbell,
            failed=die,
        )

    def build_city(self) -> City:
        """Return what the API reaches; once."""
        self._processing = build_processing(
            self._registry,
            self._catalogue,
            self._history,
            self._rights.rights,
            self._directory,
            self._clock,
            self._home.objects,
            self._settings.objects_project_bytes,
            self._record,
            self._people.allowance.spending,
        )
        resources = self._registry.resources
        return City(
            clock=self._clock,
            registry=resources,
            catalogue=self._catalogue,
            history=self._history,
            write=self._uplink.write,
            presence=self._attendance,
            connections=DocumentDoor(resources),
            provisioning=Provisioning(
                resources,
                self._registry.certificates,
                self._authority,
                self._clock,
                self._settings.mqtts.host,
                self._settings.mqtts.port,
                self._settings.device_certificate_days,
                self._settings.device_certificate_days_min,
            ),
            accounts=self._accounts,
            grants=self._registry.grants,
            rights=self._rights.rights,
            entitlements=self._finding.entitlements,
            record=self._record,
            ready=self._what_is_awaited,
            status=self._counters,
            future_ms=round(self._settings.future_s * 1000),
            refresh_rights=self._rights.refresh,
            processing=self._processing,
            pages=PageFolder(CONSOLE.work),
            commands=self._commands.downlink,
            events=self._events.desk,
            oidc=self._applications.desk(self._accounts, self._rights.rights),
            assurance=self.accounting.assurance(
                Backup(self._home, self._history, self.accounting.file, self._clock.now_ms)
            ),
            directory=self._finding.desk,
            mashups=workshop(
                self._registry,
                self._catalogue,
                self._history,
                self._rights.rights,
                self._directory,
                self._home,
                self._settings.outgoing_allow,
            ),
            people=self._people.desk(self._accounts),
            keys=self._city_keys.desk,
            enrolment=self._enrolment,
            observation=self._monitoring.observation(self._counters),
        )

    # -- running

    async def run(self) -> None:
        """Serve until SIGTERM; returns when everything is stored and closed."""
        self._loop = asyncio.get_running_loop()
        self.accounting.begin()
        self._monitoring.start(
            broker_connected=lambda: self._door.listening,
            stores_writable=lambda: not self._uplink.disk_full,
        )
        self._registry.on_change(self._announce_change)
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            self._loop.add_signal_handler(number, stopping.set)
        first_steps(self._registry, self._accounts, self._settings.project, self._keys.cli)
        app = create_app(self.build_city())
        async with contextlib.AsyncExitStack() as stack:
            stack.push_async_callback(self._close)
            await stack.enter_async_context(self._serving(app))
            if self._settings.est is not None:
                await stack.enter_async_context(self._serving_est(app, self._settings.est))
            self._events.start()
            self.accounting.follow(self._events.hub, self._history.sealed.of)
            stack.push_async_callback(asyncio.to_thread, self.accounting.unfollow)
            # Before the server ends, or readers of live feeds would keep it from ending.
            stack.push_async_callback(self._events.close)
            self._awaited = "the broker"
            control = await stack.enter_async_context(self._taking_part())
            stack.callback(self._door.close)
            for work in (
                self._door.follow_refusals(),
                guard_loop(),
                *self.accounting.work(),
                self._applications.watch.run(),
                self._people.run(self._history),
                self._attendance.insist(),
                self._own_certificate.follow(),
                *self._monitoring.work(control, self._uplink.write),
            ):
                stack.callback(guarded(work).cancel)
            self._city_keys.start()
            stack.push_async_callback(asyncio.to_thread, self._city_keys.stop)
            settle_heap()
            self._awaited = None
            log.info("ready")
            await self._begin_the_rest(stack)
            await stopping.wait()
            self._awaited = "the end of the process"

    async def _begin_the_rest(self, stack: contextlib.AsyncExitStack) -> None:
        """Begin what neither a device nor a caller waits for at the door."""
        await asyncio.to_thread(self._finding.warm_up)
        await self._events.deliver()
        await asyncio.to_thread(self._processing.jobs.start)
        stack.push_async_callback(asyncio.to_thread, self._processing.jobs.stop)
        self._enrolment.start()
        stack.push_async_callback(asyncio.to_thread, self._enrolment.stop)

    @contextlib.asynccontextmanager
    async def _serving(self, app: ASGIApp) -> AsyncIterator[None]:
        """Serve the API, by TLS where the settings say so."""
        if self._tls is None:
            async with serving(app, self._settings.http):
                yield
            return
        following = guarded(self._tls.follow())
        try:
            async with serving(self._tls.protect(app), self._settings.http, self._tls.context):
                yield
        finally:
            following.cancel()

    @contextlib.asynccontextmanager
    async def _serving_est(self, app: ASGIApp, listen: Listen) -> AsyncIterator[None]:
        from borough.roles.est import serving_est  # only where it is set
        from borough.tls.est import EstTls

        passphrase = self._keys.ca_passphrase
        tls = EstTls(self._home, self._settings, listen, self._authority, passphrase)
        async with serving_est(app, listen, tls):
            yield

    @contextlib.asynccontextmanager
    async def _taking_part(self) -> AsyncIterator[Client]:
        """Take hold of the bus in the one safe order; devices are let in last."""
        control = await self._connect()
        self._control = control
        self.accounting.publish(lambda line: self._announce("record.checkpoint", line))
        await hear_sightings(control, self._finding.board)
        await ensure_streams(
            control,
            StreamBounds(
                live_age_s=int(self._settings.live_max_age_s),
                live_bytes=self._settings.live_max_bytes,
                internal_bytes=self._settings.internal_max_bytes,
            ),
        )
        await self._door.answer(self._bus)
        tls = self._own_certificate.context
        await warm_up(self._own_listener(), PLATFORM_CLIENT, tls)
        births = DeviceLine(self._own_listener(), PLATFORM_CLIENT, tls)
        births.start()
        self._attendance.forget_birth = births.clear
        await ensure_ingest(control)
        await self._door.watch(self._bus)
        self._people.refuse = self._door.send_away
        for part in (self._live, self._devices, self._roles, self._volatile, self._uplink):
            part.start()
        await self._commands.take_part(control, births)
        readers = (self._devices, self._roles)
        await answer_settled(
            control, lambda: settled(self._clock, self._history, self._uplink, readers)
        )
        await asyncio.to_thread(self._devices.wait_attached, 10.0)
        self._door.open()
        try:
            yield control
        finally:
            await self._door.shut()
            await asyncio.to_thread(self._commands.stop)
            await asyncio.to_thread(self._stop_threads)
            await self._door.leave()
            await asyncio.to_thread(births.stop)
            await control.close()

    def _own_listener(self) -> broker.Listen:
        """Return where this machine reaches the devices' port by a name of its certificate."""
        host, port = self._settings.mqtts
        return broker.Listen("127.0.0.1" if host in ("0.0.0.0", "::") else host, port)  # noqa: S104

    async def _connect(self) -> Client:
        while True:
            try:
                return await connect(
                    self._bus.url, self._keys.seed(Role.CORE), role="core", tls=self._bus.tls()
                )
            except BrokerError as error:
                log.debug("waiting for the broker: %s", error)
                await asyncio.sleep(_CONNECT_EACH_S)

    def _stop_threads(self) -> None:
        for reader in (self._volatile, self._devices, self._roles):
            reader.stop()
        self._uplink.stop()
        self._live.stop(timeout_s=2.0)

    async def _close(self) -> None:
        """Close every store, also after one that a full disk keeps from its last write."""
        self._people.storage.end()
        async with contextlib.AsyncExitStack() as stores:
            stores.callback(self._registry.close)
            stores.push_async_callback(asyncio.to_thread, self.accounting.close)
            stores.callback(self._history.close)
            try:
                await asyncio.to_thread(self._people.keep, self._history)
            except (RegistryError, HistoryError) as error:
                log.warning("the last uses and figures of quotas are not kept: %s", error)

    # -- what the parts tell

    def _publish_commit(self, commit: Commit) -> None:
        self._people.storage.committed(commit)
        self._live.offer(self._history.sealed.of(commit))
        self._events.offer(commit)
        self._commands.downlink.observe(commit)

    def _what_is_awaited(self) -> str | None:
        """Return None when devices are let in and read, else what is missing."""
        if self._awaited is not None:
            return self._awaited
        if not self._devices.attached:
            return "the broker's message stream"
        if not self._door.connected:
            return "the broker"
        return None

    def _claim_for_device(self, uuid: EndpointId) -> None:
        self._commands.downlink.greeted(uuid)
        endpoint = self._catalogue.endpoint(uuid)
        if endpoint is not None and endpoint.feed is None:
            self._registry.resources.change_endpoint(uuid, feed=Feed.DEVICE)

    def _announce_change(self, version: int) -> None:
        """Make a change of the registry hold here, and tell the other roles."""
        self._catalogue.refresh()
        self._rights.refresh()
        self._announce("registry.changed", str(version).encode())

    def _announce(self, subject: str, payload: bytes) -> None:
        """Tell who listens on the bus; from any thread."""
        notice = _publish(self._control, subject, payload)
        asyncio.run_coroutine_threadsafe(notice, self._loop)

    def _counters(self) -> Mapping[str, Any]:
        return {
            **self._history.counts(),
            "skipped": self._uplink.skipped,
            "backlog": self._devices.pending,
            "disk_full": self._uplink.disk_full,
            "volatile_dropped": self._volatile.dropped,
            "live": self._live.published,
            **self._events.counts(),
            "refusals": dict(self._door.refusals),
            "commands": self._commands.downlink.counts(),
            "online": len(self._attendance.connected),
            "endpoints": len(self._catalogue.endpoints()),
        }


def judge_of(catalogue: Catalogue, history: DuckHistory) -> Judge:
    """Return the judge, knowing every point's rules and its latest sample."""
    rules = Rules()

    def learn(points: Sequence[Point]) -> None:
        for point in points:
            try:
                rules.put(point, catalogue.overlay(point.id))
            except OverlayError as error:
                log.warning("%s is judged by its type alone: %s", point.address, error)
                rules.put(point, {})

    known: list[int] = []
    catalogue.on_points(learn)
    catalogue.on_points(lambda points: known.extend(point.id for point in points))
    judge = Judge(rules)
    judge.seed(history.latest(np.array(sorted(known), np.uint32)))
    return judge


async def _publish(control: Client | None, subject: str, payload: bytes) -> None:
    if control is None or not control.is_connected:
        return
    try:
        await control.publish(subject, payload)
    except NatsError as error:  # who waits for it looks by itself, twice a second
        log.info("%s is not announced: %s", subject, error)


def run_core(home: Home, settings: Settings) -> None:
    """Run the core role until SIGTERM.

    Raises:
        HomeError: a store cannot be used, and no restart would help.
        DiskFull, Unavailable: a later start may find room.
    """
    guard_threads()
    stay_without()
    take_short_turns()
    refuse_plain(settings)
    try:
        core = Core(home, settings)
    except DiskFull:
        raise
    except (Unusable, HistoryError, AuthorityError) as error:
        raise HomeError(str(error)) from error
    asyncio.run(core.run())
