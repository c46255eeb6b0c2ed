"""The demo run: a city quarter comes to life, delivers for a while, and its account is drawn."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any

from borough.demo.account import Accountant, gaps, percentiles, quarantined
from borough.demo.children import Child, ChildError
from borough.demo.city.plan import quarter
from borough.demo.city.thing import Path, Thing
from borough.demo.commander import Commander
from borough.demo.concurrency import all_of
from borough.demo.devices.device_process import Spec
from borough.demo.enrol import Folders, Notes, enrol, enrolled
from borough.demo.gateways import Gateways
from borough.demo.limits import BACKFILL_WAIT_S_MAX, FIRST_SAMPLE_S_MAX, STOP_S_MAX
from borough.demo.platform_api import NotFound, Platform, PlatformError
from borough.demo.recordings.library import Recordings
from borough.demo.recordings.wheels import ensure_recordings
from borough.demo.services import Services

_STREET_KINDS = frozenset({"pedestrian-counter", "noise-meter"})
"""What the first of the two device processes runs; the second runs the rest."""
_PROGRESS_S = 10.0
_SETTLE_EVERY_S = 60.0
_LOOK_S = 0.2


@dataclass(frozen=True, slots=True)
class Site:
    """The platform that the quarter connects to; it may still be starting."""

    http: str
    """Base address of the API, such as ``http://127.0.0.1:8080``."""
    mqtts: tuple[str, int]
    """Host and port of the MQTT listener."""
    let_in: Callable[[], Awaitable[str]]
    """Returns a bearer token of an administrator as soon as devices and callers are let in."""
    authority: FilePath | None = None
    """PEM file to trust for https; None for plain http on loopback."""
    est: str | None = None
    """Base address where devices renew their certificates; None for nowhere."""


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run went. Counts are of samples unless said."""

    endpoints: int
    points: int
    device_kinds: int
    sent: int
    acked: int
    """Acknowledged by the broker and on disk in a ledger before they counted."""
    stored: int
    """Of these, how many the public history holds with the same time and value."""
    lost: int
    duplicates: int
    polled: int
    """Delivered by the polled devices while the run lasted; not part of the counts above."""
    gaps: int
    """Times that a polled device was silent for more than 2.5 poll intervals."""
    quarantined: int
    """Messages, or parts of messages, set aside during the run."""
    verdicts: Mapping[str, int]
    latency_ms: Mapping[str, float | None]
    """From a device's publish to the first answer of the API that shows the value; measured once
    the upload of the past is over."""
    resent: int
    """Sent again as ``@delayed`` after a connection was lost."""
    dropped: int
    """Given up unacknowledged by devices whose memory was full."""
    first_sample_s: float
    """From the start of the command until a live sample could be read."""
    commands: Mapping[str, int]
    """Commands to street lights, by the last rung that they reached."""
    alarms: Mapping[str, int]
    """``raised`` and ``cleared``."""
    mashups: Mapping[str, int]
    """``running``, and their ``outputs``."""
    subscriptions: Mapping[str, int]
    """Samples ``delivered`` to a webhook, and ``gaps``: those that it never got."""
    disputed: Sequence[str]
    """Some samples that were lost or doubled; empty when all is well."""


@dataclass(slots=True)
class Heard:
    """What one device process reported, across its restarts."""

    latest: Mapping[str, Any] = field(default_factory=dict)
    latencies_ms: list[float] = field(default_factory=list)
    _before: dict[str, int] = field(default_factory=dict)

    def take(self, report: Mapping[str, Any]) -> None:
        """Add one report; counters that fell belong to a new process."""
        if report["sent"] < self.latest.get("sent", 0):
            for name in ("sent", "resent", "dropped"):
                self._before[name] = self._before.get(name, 0) + self.latest[name]
        self.latest = report
        self.latencies_ms += report["latency_ms"]

    def total(self, name: str) -> int:
        """Return a counter over all restarts."""
        return int(self.latest.get(name, 0)) + self._before.get(name, 0)


async def run_demo(
    site: Site,
    home: FilePath,
    seconds: float | None,
    stop: asyncio.Event,
    *,
    began: float | None = None,
    say: Callable[[str], None] | None = None,
) -> Summary:
    """Run the quarter against a platform, and return how it went.

    The first live values flow before the past is uploaded. A run of fixed length goes on, up to a
    minute, for an unfinished upload. Call it from the main thread.

    Args:
        site: the platform.
        home: the platform's home; what is the devices' own lies in ``demo`` below it.
        seconds: how long the devices run once the first sample is there; None until ``stop``.
        stop: set it to end the run early, in order and with its account.
        began: monotonic time at which the command started; None for now.
        say: takes progress lines; None for standard error.

    Raises:
        RecordingsError: the recordings could not be installed.
        PlatformError: the platform refused, or no sample came through.
        ChildError: a process of the demo ended again and again.
    """
    run = _Run(site, home, stop, time.monotonic() if began is None else began, say)
    try:
        await run.start()
        await run.live(seconds)
        return await run.account()
    finally:
        await run.end()


class _Run:
    """One run, step by step."""

    def __init__(
        self,
        site: Site,
        home: FilePath,
        stop: asyncio.Event,
        began: float,
        say: Callable[[str], None] | None,
    ) -> None:
        self._site = site
        self._stop = stop
        self._began = began
        self._write = say or _to_stderr
        self._folders = Folders(home / "demo")
        self._things = quarter()
        self._devices: list[Child] = []
        self._heard: list[Heard] = []
        self._gateways = Gateways(self._things, self._folders.home, self._folders.recordings)
        self._first_sample_s = 0.0
        self._started_ms = 0
        self._ended_ms = 0
        authority = str(site.authority) if site.authority else None
        self._platform = Platform(site.http, None, authority)
        factors = {
            thing.address(channel): channel.measurand.factor
            for thing in self._things
            for channel in thing.channels
        }
        self._accountant = Accountant(self._platform, self._folders.ledgers, factors)
        self._commander = Commander(self._platform, self._things, self._say)
        self._commanding: asyncio.Task[None] | None = None
        self._token: asyncio.Task[str] | None = None
        self._services = Services(self._platform, self._things, self._say)

    async def start(self) -> None:
        """Bring everything up until the first live sample can be read."""
        if await asyncio.to_thread(ensure_recordings):
            self._say("recordings installed")
        self._folders.make()
        self._started_ms = round(time.time() * 1_000)
        # Reading the recordings takes as long as the enrolment, and waits for nothing in it.
        recordings = Recordings(self._folders.recordings)
        prepared = asyncio.create_task(asyncio.to_thread(recordings.prepare))
        self._token = asyncio.create_task(self._signed_in())
        if enrolled(self._things, self._folders):
            # Devices that were here before do not wait until the platform has been asked again.
            await prepared
            self._start_devices(Notes.read(self._folders.notes))
            await self._token
            await all_of(self._enrol(prepared), self._first_sample())
        else:
            await self._token
            self._start_devices(await self._enrol(prepared))
            await self._first_sample()

    async def live(self, seconds: float | None) -> None:
        """Let the devices deliver for a time, or until told to stop."""
        start = time.monotonic()
        told, settled = start, start
        await self._services.start(round(time.time() * 1_000))
        self._commanding = asyncio.create_task(self._commander.run())
        while not self._stop.is_set():
            now = time.monotonic()
            if seconds is not None and now - start >= seconds:
                late = now - start >= seconds + BACKFILL_WAIT_S_MAX
                if late or not self._past_left:
                    break
            self._check()
            if now - told >= _PROGRESS_S:
                told = now
                self._progress()
            if now - settled >= _SETTLE_EVERY_S:
                settled = now
                await self._accountant.settle(closed_only=True)
            await self._pause()
        self._commanding.cancel()
        self._ended_ms = round(time.time() * 1_000)

    async def account(self) -> Summary:
        """Stop the devices and compare what was acknowledged with what history holds."""
        await self._stop_devices()
        self._say("devices stopped; comparing their ledgers with the history")
        await self._accountant.settle()
        silent, delivered, verdicts = await self._gaps()
        account = self._accountant.account
        served = await self._services.served(self._started_ms, self._ended_ms)
        aside = await quarantined(
            self._platform, {thing.uuid for thing in self._things}, self._started_ms
        )
        self._say(f"account drawn: {account.acked} acknowledged, {account.lost} lost")
        return Summary(
            endpoints=len(self._things),
            points=sum(len(thing.channels) for thing in self._things),
            device_kinds=len({thing.kind for thing in self._things}),
            # Ledgers of an earlier run that was killed are settled too.
            sent=max(account.acked, sum(heard.total("sent") for heard in self._heard)),
            acked=account.acked,
            stored=account.stored,
            lost=account.lost,
            duplicates=account.duplicates,
            polled=delivered,
            gaps=silent,
            quarantined=aside,
            verdicts=dict(account.verdicts + verdicts),
            latency_ms=percentiles([ms for heard in self._heard for ms in heard.latencies_ms]),
            resent=sum(heard.total("resent") for heard in self._heard),
            dropped=sum(heard.total("dropped") for heard in self._heard),
            first_sample_s=self._first_sample_s,
            commands=await self._commander.counts(self._started_ms),
            alarms=served.alarms,
            mashups=served.mashups,
            subscriptions=served.subscriptions,
            disputed=tuple(account.examples),
        )

    async def _gaps(self) -> tuple[int, int, Counter[str]]:
        """Return gaps, rows and verdicts of what is read, each at its own interval."""
        silent, delivered, verdicts = 0, 0, Counter[str]()
        for interval_s, devices in self._gateways.polled().items():
            found = await gaps(
                self._platform, devices, self._started_ms, self._ended_ms, interval_s
            )
            silent, delivered = silent + found[0], delivered + found[1]
            verdicts += found[2]
        return silent, delivered, verdicts

    async def end(self) -> None:
        """End every process that is still there."""
        if self._token is not None:
            self._token.cancel()
        if self._commanding is not None:
            self._commanding.cancel()
        try:
            await self._stop_devices()
        finally:
            try:
                await self._gateways.stop()
            finally:
                try:
                    await self._services.end()
                finally:
                    await self._platform.close()

    async def _enrol(self, prepared: asyncio.Task[None]) -> Notes:
        connections = asyncio.create_task(self._gateways.documents(prepared))
        try:
            notes = await enrol(self._platform, self._things, self._folders, connections)
        finally:
            connections.cancel()
        self._say(f"{len(self._things)} endpoints enrolled")
        return notes

    def _start_devices(self, notes: Notes) -> None:
        live = [thing for thing in self._things if thing.path is Path.MQTT]
        groups = {
            "street": [thing for thing in live if thing.kind in _STREET_KINDS],
            "indoor": [thing for thing in live if thing.kind not in _STREET_KINDS],
        }
        polled = [thing for thing in self._things if thing.path is not Path.MQTT]
        for name, things in groups.items():
            path = self._folders.home / f"{name}.json"
            self._spec(name, things, polled if name == "indoor" else [], notes).write(path)
            heard = Heard()
            child = Child(
                "borough.demo.devices.device_process",
                (str(path),),
                self._told,
                heard.take,
            )
            child.start()
            self._devices.append(child)
            self._heard.append(heard)

    async def _signed_in(self) -> str:
        token = await self._site.let_in()
        self._platform.sign_in(token)
        return token

    async def _told(self) -> Mapping[str, Any]:
        """Return what a device process is told, once there is a platform to connect to."""
        assert self._token is not None
        return {"token": await asyncio.shield(self._token)}

    def _spec(
        self, name: str, things: Sequence[Thing], polled: Sequence[Thing], notes: Notes
    ) -> Spec:
        return Spec(
            name=name,
            things=tuple(thing.key for thing in things),
            past_only=tuple(thing.key for thing in polled),
            past=notes.past,
            host=self._site.mqtts[0],
            port=self._site.mqtts[1],
            http=self._site.http,
            http_authority=str(self._site.authority) if self._site.authority else None,
            authority=str(self._folders.authority),
            identities=str(self._folders.identities),
            ledgers=str(self._folders.ledgers),
            est=self._site.est,
            kept=str(self._folders.recordings),
        )

    async def _first_sample(self) -> None:
        """Wait until a value that was measured in this run can be read."""
        thing = next(thing for thing in self._things if thing.path is Path.MQTT)
        address = thing.address(thing.channels[0])
        deadline = time.monotonic() + FIRST_SAMPLE_S_MAX
        while time.monotonic() < deadline and not self._stop.is_set():
            self._check()
            try:
                shown = (await self._platform.get(f"/data/{address}"))["timestamp"]
            except NotFound:
                shown = None  # the device has not declared its model yet
            if shown is not None and shown * 1_000 >= self._started_ms:
                self._first_sample_s = round(time.monotonic() - self._began, 1)
                self._say(f"first sample readable: GET /api/v1/data/{address}")
                return
            await self._pause()
        if self._stop.is_set():
            return
        refused = next((h.latest["refused"] for h in self._heard if h.latest.get("refused")), "")
        raise PlatformError(
            f"no live sample could be read within {FIRST_SAMPLE_S_MAX:.0f} s"
            + (f"; a device says: {refused}" if refused else "")
        )

    async def _stop_devices(self) -> None:
        """End the device processes once all they sent is acknowledged."""
        devices, self._devices = self._devices, []
        ended = await asyncio.gather(
            *(child.stop(2 * STOP_S_MAX) for child in devices), return_exceptions=True
        )
        for code in ended:
            if isinstance(code, BaseException):
                raise code
            if code:
                self._say(f"a device process ended with code {code}: not all was acknowledged")

    def _check(self) -> None:
        failures = (*(child.failed() for child in self._devices), self._gateways.failed())
        if reason := next(filter(None, failures), ""):
            raise ChildError(reason)

    @property
    def _past_left(self) -> int:
        """Things whose past is not uploaded yet; all of them before a process has reported."""
        return sum(heard.latest.get("past_left", len(self._things)) for heard in self._heard)

    def _progress(self) -> None:
        up = sum(heard.latest.get("up", 0) for heard in self._heard)
        sent = sum(heard.total("sent") for heard in self._heard)
        past = f", {self._past_left} still bring their past" if self._past_left else ""
        self._say(f"{up} devices connected, {sent} samples sent{past}")

    async def _pause(self) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), _LOOK_S)
        except TimeoutError:
            return

    def _say(self, text: str) -> None:
        self._write(f"[{time.monotonic() - self._began:6.1f} s] {text}")


def _to_stderr(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
