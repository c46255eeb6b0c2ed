"""Keeps the states of roles, stores, connections, devices and jobs, as far as core sees them."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from borough.home import Home
from borough.roles.attendance import Attendance
from borough.roles.field_report import read_report
from borough.roles.state_journal import WATCHED_KINDS, Line, tidy, unread
from ciaas.computing.jobs import JobRun
from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.management.monitoring.job_runs import STATES, JobRuns, newest
from ciaas.ports import Clock, Feed, RegistryError
from security.dependability.states import Resource, State, Transition
from security.ports import StateStore

log = logging.getLogger(__name__)

LOOK_S = 1.0
SEEN_EACH_S = 5.0
RETURN_MS = 30_000
"""So long devices have to come back after core or the broker was away before they count as down."""
OWN_KINDS = ("store", "connection", "device", "job")
"""What core observes itself; host and roles it takes from the watch role's journal."""

_FIELD_STATES = {
    "online": State.UP,
    "degraded": State.UP,
    "backoff": State.DOWN,
    "auth-failed": State.DOWN,
    "quarantined": State.DOWN,
}
"""Of an adapter's device; in any other state nobody knows."""


@dataclass(slots=True)
class Observer:
    """Looks each second, in a thread, and stores what changed; presence comes by `came_or_went`."""

    home: Home
    states: StateStore
    catalogue: Catalogue
    attendance: Attendance
    clock: Clock
    runs: JobRuns
    broker_connected: Callable[[], bool]
    stores_writable: Callable[[], bool]
    _events: deque[Transition] = field(default_factory=deque)
    _known: dict[str, State] = field(default_factory=dict)
    _trusted_from: int = 0
    """From when on a device that is not connected counts as down; ms since 1970 UTC."""
    _broker_was: bool = False
    _began: int = 0
    """When this process began to observe; ms since 1970 UTC."""
    _results: dict[str, JobRun] = field(default_factory=dict)
    """By job, its newest run that says whether it works."""

    def start(self) -> None:
        """Close what an earlier process left open."""
        self._began = self.clock.now_ms()
        self.states.resume(self._began, OWN_KINDS)
        self._known = {last.resource.name: last.state for last in self.states.current()}

    async def run(self) -> None:
        """Look until cancelled."""
        seen_due = 0.0
        loop = asyncio.get_running_loop()
        while True:
            try:
                await asyncio.to_thread(self.look)
                if loop.time() >= seen_due:
                    seen_due = loop.time() + SEEN_EACH_S
                    await asyncio.to_thread(self.states.seen, self.clock.now_ms())
            except RegistryError as error:  # a full disk: what was not stored is seen again
                log.warning("states cannot be stored now: %s", error)
            await asyncio.sleep(LOOK_S)

    def came_or_went(self, uuid: EndpointId, online: bool, at_ms: int, reason: str) -> None:
        """Take over what the broker tells of a device's connection; returns at once."""
        state = State.UP if online else State.DOWN
        self._events.append(Transition(_device(uuid), state, at_ms, "" if online else reason))

    def look(self) -> None:
        """Store what changed since the last look."""
        self._take_in_journal()
        # One by one: the event loop may add another at any moment.
        events = [self._events.popleft() for _ in range(len(self._events))]
        now = self.clock.now_ms()
        known = dict(self._known)
        fresh = [told for told in (*events, *self._see(now)) if _changes(known, told)]
        if not fresh:
            return
        try:
            self.states.note(fresh)
        except RegistryError:
            self._events.extendleft(reversed(events))
            raise
        self._known = known

    # -- what can be seen

    def _see(self, now: int) -> Iterator[Transition]:
        writable = self.stores_writable()
        yield Transition(
            Resource.of("store:history"),
            State.UP if writable else State.DOWN,
            now,
            "" if writable else "the disk of the home is full",
        )
        yield from self._see_connected_devices(now)
        yield from self._see_adapters(now)
        yield from self._see_jobs(now)

    def _see_jobs(self, now: int) -> Iterator[Transition]:
        """Whether jobs work, by how their runs ended; a run from before this start counts once."""
        told = [(job, run) for job, run in self.runs.ended() if run.outcome in STATES]
        past = newest([(job, run) for job, run in told if _ended(run) < self._began])
        fresh = [(job, run) for job, run in told if _ended(run) >= self._began]
        for job, run in (*past.items(), *fresh):
            self._results[job] = run
            at = max(_ended(run), self._began)
            yield Transition(_job(job), STATES[run.outcome], at, run.detail)
        times = {time.id: time.due_at for time in self.runs.store.times()}
        for job, run in list(self._results.items()):
            if job not in times:
                del self._results[job]
                yield Transition(_job(job), State.UNKNOWN, now, "removed")
            elif times[job] is None:
                yield Transition(_job(job), State.UNKNOWN, now, "paused")
            else:  # again, for when it was paused, or could not be stored when it was news
                yield Transition(_job(job), STATES[run.outcome], now, run.detail)

    def _see_connected_devices(self, now: int) -> Iterator[Transition]:
        """Devices that speak MQTT; what never came is not observed."""
        connected = self.broker_connected()
        if connected and not self._broker_was:
            self._trusted_from = now + RETURN_MS
        self._broker_was = connected
        here = set(self.attendance.connected)
        for name in [name for name in self._known if name.startswith("device:")]:
            uuid = EndpointId(name.removeprefix("device:"))
            endpoint = self.catalogue.endpoint(uuid)
            if endpoint is None:
                yield Transition(_device(uuid), State.UNKNOWN, now, "deleted")
            elif endpoint.feed is Feed.ADAPTER:
                continue
            elif not connected:
                yield Transition(_device(uuid), State.UNKNOWN, now, "the broker is away")
            elif uuid not in here and now >= self._trusted_from:
                yield Transition(_device(uuid), State.DOWN, now, "did not come back")
        if connected:
            for uuid in here:
                yield Transition(_device(uuid), State.UP, now)

    def _see_adapters(self, now: int) -> Iterator[Transition]:
        """What field reports of the devices that it reads, and of its connections."""
        status = self.home.read_status() or {"roles": {}}
        field_role: Mapping[str, Any] = status["roles"].get("field", {})
        report = read_report(self.home, field_role.get("pid"))
        if report is None:
            for name, state in self._known.items():
                resource = Resource.of(name)
                if state is not State.UNKNOWN and self._of_adapter(resource):
                    yield Transition(resource, State.UNKNOWN, now, "field is not running")
            return
        by_connection: dict[str, list[State]] = {}
        for device in report["devices"]:
            state = _FIELD_STATES.get(device["state"], State.UNKNOWN)
            by_connection.setdefault(device["connection"], []).append(state)
            uuid = EndpointId(device["endpoint"])
            yield Transition(_device(uuid), state, now, device["last_error"] or device["state"])
        for connection, states in by_connection.items():
            yield Transition(Resource.of(f"connection:{connection}"), _best(states), now)

    def _of_adapter(self, resource: Resource) -> bool:
        if resource.kind == "connection":
            return True
        if resource.kind != "device":
            return False
        endpoint = self.catalogue.endpoint(EndpointId(resource.name.removeprefix("device:")))
        return endpoint is not None and endpoint.feed is Feed.ADAPTER

    # -- the watch role's journal

    def _take_in_journal(self) -> None:
        """Store the lines that are new, each once, whatever is killed in between."""
        read = self.states.read_to()
        lines = list(unread(self.home.states, read))
        if lines:
            read = (lines[-1].file, lines[-1].end)
            transitions = [told for line in lines for told in self._told(line)]
            self.states.note(transitions, read)
            self._known.update((told.resource.name, told.state) for told in transitions)
        tidy(self.home.states, read)

    def _told(self, line: Line) -> Iterable[Transition]:
        if not line.start_of_watch:
            return [line.transition()]
        at = line.document["seen"]
        return [
            Transition(Resource.of(name), State.UNKNOWN, at, "not observed")
            for name in self._known
            if Resource.of(name).kind in WATCHED_KINDS
        ]


def _changes(known: dict[str, State], told: Transition) -> bool:
    """Tell whether a state is news, and take it over if so; nothing known begins nothing."""
    before = known.get(told.resource.name, State.UNKNOWN)
    if before is told.state:
        return False
    known[told.resource.name] = told.state
    return True


def _device(uuid: EndpointId) -> Resource:
    return Resource.of(f"device:{uuid}", uuid)


def _job(uuid: str) -> Resource:
    return Resource.of(f"job:{uuid}")


def _ended(run: JobRun) -> int:
    assert run.ended_at is not None, "only runs that ended are given"
    return run.ended_at


def _best(states: Iterable[State]) -> State:
    """Return up when one of a connection's devices is, unknown when of none is anything known."""
    found = set(states)
    return next(state for state in (State.UP, State.DOWN, State.UNKNOWN) if state in found)
