"""The compose role: mashups read what is recorded, and hand what they make of it to core."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import time

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg

from borough.clock import MachineClock
from borough.home import Home, HomeError
from borough.roles.compose_report import write_report
from borough.roles.compose_rights import MashupRights
from borough.roles.compose_sending import Sending
from borough.roles.guard import guarded
from borough.roles.settled import ask_settled
from borough.settings import Settings
from borough.wiring import dialler, open_keys, read_bus
from ciaas.computing.broker.connection import connect
from ciaas.computing.broker.errors import BrokerError
from ciaas.computing.following import LiveFollower, Passage, Place
from ciaas.computing.outlet import InternalOutlet
from ciaas.kernel.sample import Frame
from ciaas.management.mashup import ToRun
from ciaas.ports import RegistryError
from ciaas.sensorisation.ports import OutletFull, OutletUnavailable
from ciaas.storage.registry import Unusable, open_registry
from cpaas.composition.nodes.contract import Fault
from cpaas.composition.running.checkpoint import Checkpoint, CheckpointFailed, Kept
from cpaas.composition.running.engine import Engine, Job, Outcome
from cpaas.composition.workshop import source_of
from security.encryption.keyring import Role

log = logging.getLogger(__name__)

POLL_S = 0.5
"""How late a change of mashups or rights is seen when its notice was lost."""
_READ_S = 0.2
_REPORT_S = 1.0
_CHECKPOINT_S = 1.0
_RETRY_S = 0.5
_KEEP_MS = 10_000
"""A mashup that was published so long ago at most has everything received since."""


class _Mark(msgspec.Struct):
    """What a checkpoint says of the stream."""

    place: Place
    clock: int


class Compose:
    """Runs the mashups of the registry over the live stream, and follows changes of both."""

    def __init__(self, home: Home, settings: Settings):
        """Open the registry for reading, and what was kept at the last checkpoint.

        Raises:
            HomeError: a store cannot be used, and no restart would help.
        """
        self._home, self._clock = home, MachineClock()
        self._keys, self._bus = open_keys(home), read_bus(home)
        try:
            self._registry = open_registry(home.registry, read_only=True)
            self._checkpoint = Checkpoint(home.compose)
            mark, self._kept, waiting = self._checkpoint.read()
        except (Unusable, CheckpointFailed) as error:
            raise HomeError(str(error)) from error
        stored = _Mark(Place(), 0) if mark is None else msgspec.json.decode(mark, type=_Mark)
        self._mark = stored
        self._follower = LiveFollower(dialler(self._bus, self._keys, Role.COMPOSE), stored.place)
        self._engine = Engine(stored.clock)
        self._rights = MashupRights(self._registry)
        self._sending = Sending(self._clock, settings.outgoing_allow, self._tell)
        self._sending.take_back(waiting)
        self._changed = asyncio.Event()
        self._changed.set()
        self._version = self._tide = -1
        self._looked = self._kept_at = 0.0
        self._missed = 0
        self._owed: list[Outcome] = []
        """What mashups made of the past when they began."""
        self._client: Client | None = None

    async def run(self) -> None:
        """Work until SIGTERM; what is not at a checkpoint is computed again by the next start."""
        stopping = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        client = self._client = await self._connect()
        await client.subscribe("registry.changed", cb=self._notice)
        outlet = InternalOutlet(client, "uplink.compose.0")
        working = asyncio.create_task(self._work(outlet))
        others = [guarded(self._report()), *map(guarded, self._sending.work(client))]
        ended = asyncio.create_task(stopping.wait())
        try:
            await asyncio.wait({working, ended}, return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                working.result()
        finally:
            for task in (working, *others):
                task.cancel()
            await asyncio.gather(working, *others, return_exceptions=True)
            await self._sending.close()
            self._follower.close()
            await client.close()
            self._checkpoint.close()
            self._registry.close()

    async def _connect(self) -> Client:
        while True:
            try:
                return await connect(
                    self._bus.url,
                    self._keys.seed(Role.COMPOSE),
                    role="compose",
                    tls=self._bus.tls(),
                )
            except BrokerError as error:
                log.debug("waiting for the broker: %s", error)
                await asyncio.sleep(_RETRY_S)

    # -- the flow

    async def _work(self, outlet: InternalOutlet) -> None:
        """Read, compute, hand over, and keep how far that came, for ever."""
        while True:
            if not await self._follow_registry():
                await asyncio.sleep(_RETRY_S)  # unsure of rights: nothing is read
                continue
            while self._owed:
                await self._deliver(outlet, self._owed[0])
                del self._owed[0]
            passage = await asyncio.to_thread(self._follower.read, _READ_S)
            if passage is None:
                frame, clock = Frame.empty(), await self._settled()
            else:
                frame, clock = passage.frame, 0
                self._note(passage)
            outcome = await asyncio.to_thread(self._engine.advance, frame, clock)
            await self._deliver(outlet, outcome)
            if time.monotonic() - self._kept_at >= _CHECKPOINT_S:
                await self._keep()

    async def _deliver(self, outlet: InternalOutlet, outcome: Outcome) -> None:
        """Return when the stream has every sample; commands and webhooks go their own way."""
        self._sending.add(outcome.orders, outcome.tellings)
        for written in outcome.written:
            while True:
                try:
                    await outlet.publish(written.frame, written.id)
                    break
                except (OutletFull, OutletUnavailable) as error:
                    log.warning("results wait, the stream takes nothing now: %s", error)
                    await asyncio.sleep(_RETRY_S)

    async def _settled(self) -> int:
        """Return until when everything received is in, when that is sure, else 0."""
        client = self._client
        if client is None or not client.is_connected or not self._follower.attached:
            return 0
        return await ask_settled(client, self._follower.place.whole)

    async def _keep(self) -> None:
        """Write a checkpoint, when anything is new."""
        place, jobs = self._follower.place, self._engine.jobs
        self._kept_at = time.monotonic()
        dirty = [job for job in jobs.values() if job.dirty]
        waiting = self._sending.waiting()
        same = place == self._mark.place and jobs.keys() == self._kept.keys()
        if same and not dirty and waiting is None:
            return
        changed = {job.uuid: _kept(job) for job in dirty}
        mark = _Mark(place, self._engine.clock)
        try:
            await asyncio.to_thread(
                self._checkpoint.write, msgspec.json.encode(mark), changed, list(jobs), waiting
            )
        except CheckpointFailed as error:  # what came since the last one is computed again then
            log.error("no checkpoint could be written: %s", error)
            return
        self._mark = mark
        self._kept = {uuid: kept for uuid, kept in self._kept.items() if uuid in jobs} | changed
        for job in dirty:
            job.dirty = False
        if waiting is not None:
            self._sending.kept()

    # -- what is to run

    async def _notice(self, message: Msg) -> None:
        self._changed.set()

    async def _follow_registry(self) -> bool:
        """Take over changes of mashups and rights; returns False when they are not sure."""
        if not self._changed.is_set() and time.monotonic() - self._looked < POLL_S:
            return True
        self._changed.clear()
        try:
            await asyncio.to_thread(self._look)
        except RegistryError as error:
            log.warning("the registry cannot be read, mashups wait: %s", error)
            self._changed.set()
            return False
        self._looked = time.monotonic()
        return True

    def _look(self) -> None:
        version = self._registry.version()
        if version == self._version:
            if (tide := self._rights.tide()) != self._tide:  # a grant began or ended by its time
                self._engine.recheck(self._rights.blocked)
                self._tide = tide
            return
        self._rights.refresh()
        wanted = self._registry.mashups.in_force()
        if not self._follower.place.created:
            # Never read: from where the first of them began, so that it has all of its time.
            now = self._clock.now_ms()
            self._follower.origin = min([now, *(wish.since for wish in wanted.values())]) - _KEEP_MS
            self._engine.clock = self._engine.clock or self._follower.origin
        for uuid in self._engine.jobs.keys() - wanted.keys():
            self._engine.end(uuid)
            log.info("mashup %s rests", uuid)
        for uuid, wish in wanted.items():
            job = self._engine.jobs.get(uuid)
            if job is None or job.version.number != wish.number or job.start < wish.since:
                self._begin(uuid, wish)
        tide = self._rights.tide()  # read first: what begins or ends meanwhile is seen next time
        self._engine.recheck(self._rights.blocked)
        self._version, self._tide = version, tide

    def _begin(self, uuid: str, wish: ToRun) -> None:
        number, since = wish
        version = self._registry.mashups.version(uuid, number)
        source = self._registry.resources.source(source_of(uuid))
        kept = self._kept.get(uuid)
        try:
            if kept is not None and kept.version == number and kept.start >= since:
                self._engine.resume(version, source, kept)
            else:
                self._owed.append(self._engine.begin(version, source, since, _KEEP_MS))
        except (Fault, msgspec.MsgspecError, KeyError) as error:
            log.error("mashup %s, version %d cannot run here: %s", uuid, number, error)
            return
        self._kept_at = 0.0  # at once: a crash before would not know since when it runs
        log.info("mashup %s, version %d runs", uuid, number)

    # -- what it tells

    def _note(self, passage: Passage) -> None:
        if passage.missed:
            self._missed += passage.missed
            for job in self._engine.jobs.values():
                job.last_error = (
                    f"{self._missed} commits were gone from the live stream before they were read; "
                    "keep more of it with live_max_age_s"
                )

    def _tell(self, mashup: str, error: str) -> None:
        """Note what went wrong for the owner of a mashup."""
        log.warning("mashup %s: %s", mashup, error)
        if job := self._engine.jobs.get(mashup):
            job.last_error = error

    async def _report(self) -> None:
        while True:
            commit = self._follower.place.whole
            told = {job.uuid: job.status(commit) for job in list(self._engine.jobs.values())}
            try:
                write_report(self._home, os.getpid(), told)
            except OSError as error:  # a full disk: mashups go on
                log.warning("how the mashups are doing cannot be written: %s", error)
            await asyncio.sleep(_REPORT_S)


def _kept(job: Job) -> Kept:
    return Kept(job.version.number, job.outputs, job.start, job.runtime.snapshot())


def run_compose(home: Home, settings: Settings) -> None:
    """Run the compose role until SIGTERM.

    Raises:
        HomeError: a store cannot be used, and no restart would help.
    """

    async def main() -> None:
        await Compose(home, settings).run()

    asyncio.run(main())
