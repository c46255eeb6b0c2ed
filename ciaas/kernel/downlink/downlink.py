"""The downlink: a wish for a point becomes a recorded command, and is followed to its one end."""

from __future__ import annotations

import logging
import threading
import uuid
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import replace
from functools import partial
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import numpy as np

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.downlink.command import Command, Rung, Step
from ciaas.kernel.downlink.flight import GREETING_MS, Flight
from ciaas.kernel.downlink.order import NotWritable, Order, digest, read_value, ttl_s
from ciaas.kernel.downlink.ports import Answer, Climb, CommandStore, Courier, NewCommand, Parcel
from ciaas.kernel.downlink.safeguards import WRITABLE, Safeguards
from ciaas.kernel.downlink.waiters import Waiters
from ciaas.kernel.downlink.wanted import Unfit, as_delivered
from ciaas.kernel.model import Value
from ciaas.kernel.sample import Frame, Uint32s
from ciaas.kernel.uplink import Busy
from ciaas.limits import (
    COMMAND_EVIDENCE_WAITING_MAX,
    COMMANDS_OPEN_MAX,
)
from ciaas.ports import (
    Clock,
    Commit,
    Endpoint,
    Feed,
    HistoryError,
    HistoryStore,
    KeyReused,
    Missing,
    Point,
    RegistryError,
    Span,
)
from security.ports import Record

log = logging.getLogger(__name__)

_T = TypeVar("_T")

_IDLE_S = 5.0
_RETRY_MS = 500
_RETRY_MS_MAX = 10_000
_FAULT_S = 1.0
_LOOK_BACK_ROWS = 1_000
_AWAY = "the device is away, or has no such point now"


class Downlink:
    """The one owner of commands. Requests come from any thread, the rest is done by its own.

    Every step is in the record and in the store before what it says is done: a command that may
    have left is never taken for one that has not.
    """

    def __init__(
        self,
        *,
        store: CommandStore,
        catalogue: Catalogue,
        history: HistoryStore,
        safeguards: Safeguards,
        record: Record,
        clock: Clock,
        couriers: Mapping[Feed, Courier],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Take the parts; ``failed`` is told when the thread ends by a fault."""
        self._store, self._catalogue, self._history = store, catalogue, history
        self._safeguards, self._record, self._clock = safeguards, record, clock
        self._couriers, self._failed = couriers, failed
        self._lock = threading.RLock()
        self._bell = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._flights: dict[int, Flight] = {}
        """By number, oldest first."""
        self._waiters = Waiters()
        self._answers: SimpleQueue[tuple[int, int, Answer]] = SimpleQueue()
        self._greetings: SimpleQueue[EndpointId] = SimpleQueue()
        self._evidence: SimpleQueue[Frame] = SimpleQueue()
        self._awaited: Uint32s | None = None
        """Points of commands under way; None while there are none: then a commit costs nothing."""
        self._owners: frozenset[str] = frozenset()
        """Endpoints with an open command."""
        self._listeners: list[Callable[[], None]] = []

    # -- from outside

    def request(self, order: Order) -> Command:
        """Record a wish and return the command: queued, or rejected with the reason.

        It is durable when this returns. The caller has been authorised by whoever asks; the user's
        right is looked at here again, and once more just before sending.

        Raises:
            NotWritable: there is nothing to be recorded.
            Missing: there is no such point.
            KeyReused: the idempotency key was used for something else.
            Busy: COMMANDS_OPEN_MAX commands are open.
        """
        point, endpoint = self._find(order.address)
        asked = digest(order)
        with self._lock:
            if order.key is not None and (known := self._store.by_key(order.user, order.key)):
                if known[1] != asked:
                    raise KeyReused(
                        f"the idempotency key {order.key!r} was used for another command; "
                        "take another key"
                    )
                return known[0]
            if len(self._flights) >= COMMANDS_OPEN_MAX:
                raise Busy(f"{COMMANDS_OPEN_MAX:,} commands are open; try again in a moment")
            command, others = self._enter(order, point, endpoint, asked)
        self._tell_followers()
        self._tell_ended([command, *others])
        self._bell.set()
        return command

    def command(self, id_: str) -> Command:
        """Return a command as it stands; raises Missing."""
        return self._store.command(id_)

    def listed(
        self,
        *,
        project: int | None,
        prefix: Sequence[str],
        states: Collection[Rung],
        before: int | None,
        limit: int,
    ) -> Sequence[Command]:
        """Return commands newest first, as `CommandStore.listed`."""
        return self._store.listed(
            project=project, prefix=prefix, states=states, before=before, limit=limit
        )

    def outcome(self, command: Command) -> Future[Command]:
        """Return a future of the command's end; cancel it when nobody waits any more.

        Raises:
            Busy: COMMAND_WAITERS_MAX callers wait already.
        """
        with self._lock:
            if command.number not in self._flights:
                done: Future[Command] = Future()
                done.set_result(self._store.command(command.id))
                return done
            return self._waiters.add(command.id)

    def counts(self) -> Mapping[str, int]:
        """Return how many commands are open, by the rung they have reached."""
        with self._lock:
            found: dict[str, int] = defaultdict(int)
            for flight in self._flights.values():
                found[flight.command.state.value] += 1
            return dict(found)

    def observe(self, commit: Commit) -> None:
        """Take note of a commit; called by the writer of history, returns at once."""
        awaited = self._awaited
        if awaited is None:
            return
        rows = np.isin(commit.frame.point, awaited)
        if rows.any() and self._evidence.qsize() < COMMAND_EVIDENCE_WAITING_MAX:
            self._evidence.put(commit.frame.select(rows))
            self._bell.set()

    def on_steps(self, listener: Callable[[], None]) -> None:
        """Have a listener called after rungs were stored; it returns at once."""
        self._listeners.append(listener)

    def greeted(self, endpoint: EndpointId) -> None:
        """Take note of a device's ``@online``; returns at once."""
        if endpoint in self._owners:
            self._greetings.put(endpoint)
            self._bell.set()

    def start(self) -> None:
        """Take up the commands that an earlier run left open, then send and follow."""
        with self._lock:
            for command in self._store.open():
                self._take_up(command)
            self._publish_awaited()
        self._thread = threading.Thread(target=self._run, name="downlink", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End; what is open is taken up by the next start."""
        self._stopping.set()
        self._bell.set()
        if self._thread is not None:
            self._thread.join()
        for id_ in self._waiters.awaited:  # nothing more comes of it in this process
            self._waiters.tell(self._store.command(id_))

    # -- a request

    def _find(self, address: PointAddress) -> tuple[Point, Endpoint]:
        point = self._catalogue.by_address(address)
        endpoint = self._catalogue.endpoint(EndpointId(address.partition("/")[0]))
        if point is None or endpoint is None:
            raise Missing(f"there is no point {address}")
        if point.constraint not in WRITABLE:
            raise NotWritable(
                f"{address} is a {point.constraint}; only a SetPoint or a Parameter can be set"
            )
        if endpoint.feed not in self._couriers:
            raise NotWritable(
                f"nothing behind {address} takes commands: its endpoint has no device"
            )
        return point, endpoint

    def _enter(
        self, order: Order, point: Point, endpoint: Endpoint, asked: str
    ) -> tuple[Command, list[Command]]:
        """Record the command and what it does to older ones of the point; under the lock."""
        now = self._clock.now_ms()
        overlay = self._catalogue.overlay(point.id)
        known = self._store.latest(point.id)
        value, why = read_value(order, point)
        why = why or self._safeguards.why_not(
            point, endpoint, value, order.user, overlay, now, known.sent_at
        )
        steps = [Step(Rung.REQUESTED, now, order.who), Step(Rung.AUTHORISED, now, "core")]
        older: list[Flight] = []
        if why is not None:
            steps.append(Step(Rung.REJECTED, now, "core", why))
        else:
            steps.append(Step(Rung.QUEUED, now, "core"))
            older = [
                flight
                for flight in self._flights.values()
                if flight.command.point == point.id and flight.command.state is Rung.QUEUED
            ]
        new = NewCommand(
            id=str(uuid.uuid4()),
            project=endpoint.project,
            point=point.id,
            address=point.address,
            user=order.user,
            value=value,
            stamp=max(now, (known.stamp or 0) + 1, self._newest(point) + 1),
            expires_at=now + round(ttl_s(order, point) * 1_000),
            steps=steps,
            key=order.key,
            digest=asked,
        )
        end = Step(Rung.SUPERSEDED, now, order.who, f"by {new.id}")
        climbs = [Climb(flight.command.number, end) for flight in older]
        lines = [_line(new.id, new.address, new.value, step) for step in steps]
        lines += [_line_of(flight.command, end) for flight in older]
        self._record.append_all(lines)
        command = self._store.add(new, climbs)
        if not command.state.terminal:
            self._flights[command.number] = self._flight(command, point, endpoint)
        ended = [self._apply(flight, end) for flight in older]
        self._publish_awaited()
        return command, ended

    def _newest(self, point: Point) -> int:
        """Return the time of the newest sample: a device ignores a set that is not newer."""
        latest = self._history.latest(np.array([point.id], np.uint32))
        return int(latest.observed[0]) if len(latest) else 0

    # -- the thread

    def _run(self) -> None:
        try:
            while not self._stopping.is_set():
                try:
                    wait_s = self._round()
                except (RegistryError, HistoryError, OSError) as error:
                    log.error("commands are held up, none is lost: %s", error)
                    wait_s = _FAULT_S
                    self._stopping.wait(wait_s)
                    continue
                self._bell.wait(wait_s)
                self._bell.clear()
        except BaseException as error:
            self._failed(error)
            raise

    def _round(self) -> float:
        """Take in what happened, record the steps that follow, send; return seconds to wait."""
        with self._lock:
            self._take_in()
            now = self._clock.now_ms()
            moves = list(self._moves(now))
            if moves:
                self._record.append_all([_line_of(f.command, step) for f, step in moves])
                self._store.climb([Climb(f.command.number, step) for f, step in moves])
                applied = [self._apply(flight, step) for flight, step in moves]
                self._publish_awaited()
            else:
                applied = []
            leaving = [flight for flight, step in moves if step.rung is Rung.SENT]
            wakes = min((flight.wakes for flight in self._flights.values()), default=None)
        for flight in leaving:
            self._send(flight)
        if applied:
            self._tell_followers()
        self._tell_ended(applied)
        if applied:
            return 0.0
        return _IDLE_S if wakes is None else min(max((wakes - now) / 1_000, 0.01), _IDLE_S)

    def _take_in(self) -> None:
        for number, attempt, answer in _drain(self._answers):
            flight = self._flights.get(number)
            if flight is not None and flight.attempts == attempt:
                flight.answers.append(answer)
        for frame in _drain(self._evidence):
            for flight in self._flights.values():
                if flight.under_way:
                    flight.look_at(frame)
        now = self._clock.now_ms()
        for endpoint in set(_drain(self._greetings)):
            for flight in self._flights.values():
                if flight.stamped and flight.command.address.startswith(endpoint):
                    flight.away = False
                    flight.due = max(flight.due, now + GREETING_MS)
                    flight.repeat_at = now + GREETING_MS

    def _moves(self, now: int) -> Iterable[tuple[Flight, Step]]:
        """Yield flights with their next step; of one point, one command is under way at a time."""
        busy = {f.command.point for f in self._flights.values() if f.under_way}
        for flight in list(self._flights.values()):
            if flight.under_way:
                if now >= flight.verify_by:
                    self._look_back(flight)
                reachable = self._reachable(flight)
                step = flight.ended(now, reachable)
                if step is not None and step.rung is Rung.SENT:
                    step = self._again(flight, step, reachable, now)
            elif now >= flight.command.expires_at:
                step = flight.overtaken(now)
            elif flight.command.point in busy:
                flight.waits_for = "another command of the point is under way"
                flight.due = max(flight.due, now + _RETRY_MS)
                step = None
            else:
                step = self._departure(flight, now)
                busy.add(flight.command.point)
            if step is not None:
                yield flight, step

    def _departure(self, flight: Flight, now: int) -> Step | None:
        """Return the step of a queued command whose turn it is, None when it has to wait."""
        if now < flight.due:
            return None
        if not self._reachable(flight):
            flight.away, flight.waits_for = True, _AWAY
            flight.due = now + _RETRY_MS
            return None
        if flight.away and flight.stamped:
            flight.away, flight.due = False, now + GREETING_MS
            return None
        if why := self._refused(flight):
            return Step(Rung.REJECTED, now, "core", why)
        return Step(Rung.SENT, now, "core")

    def _again(self, flight: Flight, step: Step, reachable: bool, now: int) -> Step | None:
        """Return the step of a command to be sent once more, looked at as at the first time."""
        if not reachable and now < flight.verify_by:
            flight.repeat_at = now + _RETRY_MS
            return None
        if why := self._refused(flight):
            return Step(Rung.UNKNOWN, now, "core", f"sent once, and not again: {why}")
        return step

    def _refused(self, flight: Flight) -> str | None:
        """Return why the command may not leave now, None when it may.

        The pause between two commands was looked at when this one was asked for.
        """
        command = flight.command
        try:
            point, endpoint = self._find(command.address)
        except (Missing, NotWritable) as error:
            return str(error)
        flight.overlay = self._catalogue.overlay(point.id)
        now = self._clock.now_ms()
        return self._safeguards.why_not(
            point, endpoint, command.value, command.user, flight.overlay, now, None
        )

    def _reachable(self, flight: Flight) -> bool:
        """Tell whether a set would find its point now.

        A device that has just come online may bring the node of the point a moment later. What
        will never be reachable counts as reachable: what is wrong is found when it is to be sent.
        """
        endpoint = self._catalogue.endpoint(EndpointId(flight.command.address.partition("/")[0]))
        if endpoint is None or endpoint.feed is None:
            return True
        courier = self._couriers.get(endpoint.feed)
        if courier is None:
            return True
        if self._catalogue.by_address(flight.command.address) is None:
            return False
        return courier.ready(endpoint)

    def _send(self, flight: Flight) -> None:
        command = flight.command
        answered = partial(self._answered, command.number, flight.attempts)
        try:
            point, endpoint = self._find(command.address)
            value = as_delivered(command.value, flight.overlay, point.type)
        except (Missing, NotWritable, Unfit) as error:  # gone since it was looked at
            answered(Answer(Rung.QUEUED, "core", str(error)))
            return
        assert endpoint.feed is not None
        parcel = Parcel(command, point, endpoint, value, flight.overlay, flight.verify_by)
        self._couriers[endpoint.feed].send(parcel, answered)

    def _answered(self, number: int, attempt: int, answer: Answer) -> None:
        self._answers.put((number, attempt, answer))
        self._bell.set()

    # -- what is in memory

    def _flight(self, command: Command, point: Point, endpoint: Endpoint) -> Flight:
        courier = None if endpoint.feed is None else self._couriers.get(endpoint.feed)
        stamped = courier is not None and courier.stamped
        return Flight(command, point.constraint, stamped, self._catalogue.overlay(point.id))

    def _take_up(self, command: Command) -> None:
        """Go on with a command of an earlier run.

        What had been sent gets its whole time for a confirmation once more: it may lie in what the
        uplink has not read yet. A device that is told stamps is sent it again as well.
        """
        point = self._catalogue.point(command.point)
        uuid_ = EndpointId(command.address.partition("/")[0])
        endpoint = self._catalogue.endpoint(uuid_) or self._catalogue.deleted(uuid_)
        assert endpoint is not None, "points outlive their endpoint's deletion"
        flight = self._flight(command, point, endpoint)
        flight.attempts = 1
        if flight.under_way:
            now = self._clock.now_ms()
            flight.verify_by = now + flight.verify_ms
            if flight.stamped and command.state is Rung.SENT:
                flight.repeat_at = now + GREETING_MS
            self._look_back(flight)
        self._flights[command.number] = flight

    def _look_back(self, flight: Flight) -> None:
        """Look in history for a confirmation that was not seen in passing."""
        sent_at = flight.command.sent_at
        if sent_at is None:
            return
        stamp = flight.command.stamp
        start, end = (stamp, stamp) if flight.stamped else (sent_at + 1, None)
        point = np.array([flight.command.point], np.uint32)
        flight.look_at(_as_frame(self._history.series(Span(point, start, end, _LOOK_BACK_ROWS))))

    def _apply(self, flight: Flight, step: Step) -> Command:
        """Have a recorded step hold in memory; under the lock."""
        flight.command = command = replace(flight.command, steps=(*flight.command.steps, step))
        if step.rung.terminal:
            del self._flights[command.number]
        elif step.rung is Rung.SENT:
            flight.attempts += 1
            flight.answers.clear()
            flight.verify_by = step.at + flight.verify_ms
            flight.repeat_at = None
            flight.waits_for = ""
        elif step.rung is Rung.QUEUED:
            flight.waits_for = step.why
            flight.away = flight.stamped
            flight.due = step.at + min(_RETRY_MS * 2 ** min(flight.attempts, 10), _RETRY_MS_MAX)
        return command

    def _publish_awaited(self) -> None:
        """Tell the writer of history which points are of interest, by exchanging one reference."""
        under_way = [f.command.point for f in self._flights.values() if f.under_way]
        self._awaited = np.unique(np.array(under_way, np.uint32)) if under_way else None
        self._owners = frozenset(
            f.command.address.partition("/")[0] for f in self._flights.values()
        )

    def _tell_followers(self) -> None:
        for listener in self._listeners:
            listener()

    def _tell_ended(self, commands: Sequence[Command]) -> None:
        for command in commands:
            if command.state.terminal:
                self._waiters.tell(command)


def _line(id_: str, address: str, value: Value, step: Step) -> dict[str, Any]:
    """Return what the record says of a step."""
    return {
        "kind": "command",
        "who": step.who,
        "what": step.rung.value,
        "command": id_,
        "address": address,
        "value": value,
        "since": step.at,
        "reason": step.why,
    }


def _line_of(command: Command, step: Step) -> dict[str, Any]:
    return _line(command.id, command.address, command.value, step)


def _drain(queue: SimpleQueue[_T]) -> list[_T]:
    found: list[_T] = []
    while True:
        try:
            found.append(queue.get_nowait())
        except Empty:
            return found


def _as_frame(series: Any) -> Frame:
    """Return the columns of a series that a flight looks at."""
    frame = Frame.empty()
    return replace(
        frame,
        point=series.point,
        observed=series.observed,
        kind=series.kind,
        num=series.num,
        txt=series.txt,
        verdict=series.verdict,
    )
