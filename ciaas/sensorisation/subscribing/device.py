"""A device that tells by itself: a bounded queue in front of its points, and one task behind it."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, TypeAlias

from ciaas.kernel.address import PointAddress
from ciaas.kernel.sample import Kind, Reason, Verdict
from ciaas.limits import READINGS_WAITING_MAX
from ciaas.sensorisation.connection import PlannedDevice
from ciaas.sensorisation.contract import AnyAdapter, Batch, RawReading, Target
from ciaas.sensorisation.ending import end
from ciaas.sensorisation.errors import AdapterError, BadAddress, Unreachable
from ciaas.sensorisation.handover.gathering import Gathering
from ciaas.sensorisation.handover.spool import Last, Spool
from ciaas.sensorisation.polling.decoding import Value
from ciaas.sensorisation.polling.device import Surroundings
from ciaas.sensorisation.polling.health import DeviceHealth, State
from ciaas.sensorisation.polling.points import PolledPoints, Stored
from ciaas.sensorisation.subscribing.channel import SupervisedChannel

_log = logging.getLogger(__name__)


Told: TypeAlias = Callable[[RawReading], None]


class _Told(NamedTuple):
    readings: Sequence[RawReading]
    stored: Stored | None


class SubscribedDevice:
    """Takes what a channel brings for one device; what goes wrong in it concerns no other."""

    def __init__(
        self,
        connection: str,
        planned: PlannedDevice,
        adapter: AnyAdapter,
        channel: SupervisedChannel,
        ids: Mapping[PointAddress, int],
        source: int,
        around: Surroundings,
        gathering: Gathering,
        spool: Spool,
    ) -> None:
        self.name = f"{connection}/{planned.id}"
        self._connection, self._planned, self._channel = connection, planned, channel
        self._around, self._gathering, self._spool = around, gathering, spool
        self._ids = ids
        self._points = PolledPoints(planned, ids, source, around.deliver, around.clock)
        self.batches: Sequence[Batch] = adapter.plan(
            planned.config, list(dict.fromkeys(point.target for point in planned.read))
        )
        self._waiting: deque[_Told] = deque()
        self._size = 0
        self._arrived = asyncio.Event()
        self._refused: set[Target] = set()
        self._curious: list[Told] = []
        self._errors: Counter[str] = Counter()
        self._heard = self._dropped = 0
        self._state, self._last_error = State.DISABLED, ""
        self._away = ""
        self._holding = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to listen; needs a running loop."""
        assert self._task is None
        self._state = State.STARTING
        self._task = asyncio.create_task(self._run(), name=f"device {self.name}")
        self._channel.attach(self)

    async def stop(self) -> None:
        """Listen no more; what has come already is taken in first."""
        self.hold()
        if self._task is not None:
            await self._channel.detach(self)
            await end(self._task)
        self._state = State.DISABLED

    def hold(self) -> None:
        """Take in what has come, and nothing after it: its sender keeps that for the next start."""
        self._holding = True
        self._take_all()

    @contextmanager
    def listening(self, told: Told) -> Iterator[None]:
        """Have every reading that comes meanwhile told as well.

        Those that a broker retained are left out: nobody knows since when they hold.
        """
        self._curious.append(told)
        try:
            yield
        finally:
            self._curious.remove(told)

    # -- what the channel says

    def readings(
        self, readings: Sequence[RawReading], stored: Callable[[], None] | None = None
    ) -> None:
        """Queue readings; beyond READINGS_WAITING_MAX the oldest are dropped, and that is a gap."""
        if self._holding:
            return
        for told in self._curious:
            for reading in readings:
                if not reading.retained:
                    told(reading)
        self._waiting.append(_Told(readings, stored))
        self._size += len(readings)
        while self._size > READINGS_WAITING_MAX and len(self._waiting) > 1:
            self._drop(self._waiting.popleft())
        self._arrived.set()

    def absent(self, reason: str) -> None:
        """Let every point have no value: the device's own gateway says that it is away."""
        if self._away:
            return
        self._away = reason
        error = Unreachable(reason)
        self.readings([RawReading(point.target, None, error) for point in self._planned.read])

    def present(self) -> None:
        """The device is back; its points have a value again as they come."""
        if self._away:
            self._away = ""
            self.readings([])

    def asking_again(self) -> None:
        """Forget what was refused: it is subscribed anew."""
        self._refused.clear()

    def entered(self, state: State, reason: str) -> None:
        """Follow the channel into a state, logged once."""
        if state is State.BACKOFF and self._state is not State.BACKOFF:
            self._errors["Unreachable"] += 1
        if state is State.ONLINE:
            state, reason = self._standing()
        self._enter(state, reason)

    @property
    def refused(self) -> bool:
        """True while the other side refuses one of the subscriptions."""
        return bool(self._refused)

    def health(self) -> DeviceHealth:
        """Return how the device is doing now."""
        return DeviceHealth(
            connection=self._connection,
            device=self._planned.id,
            endpoint=self._planned.endpoint,
            state=self._state,
            last_error=self._last_error,
            attempts=self._heard,
            ok=self._heard,
            errors=dict(self._errors),
            p50_ms=None,
            p95_ms=None,
            late_p95_ms=None,
            skipped=self._dropped,
            last_good=self._points.last_good,
            quarantined=self._points.addresses(self._refused),
            stale=self._points.stale() if self._state is not State.DISABLED else (),
        )

    # -- taking in

    async def _run(self) -> None:
        last = await asyncio.to_thread(self._spool.last, list(self._ids.values()))
        self._points.recall({row.point: _value(row) for row in last})
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            self._take_all()

    def _take_all(self) -> None:
        while self._waiting:
            told = self._waiting.popleft()
            self._size -= len(told.readings)
            try:
                self._take(told)
            # a reading that no decoder expected must not end the device, nor be asked for for ever
            except Exception as bug:
                self._errors["bug"] += 1
                _log.exception("%s: bug", self.name)
                self._enter(State.DEGRADED, f"bug: {bug!r}")
                if told.stored is not None:
                    told.stored()

    def _take(self, told: _Told) -> None:
        self._heard += bool(told.readings)
        for reading in told.readings:
            if isinstance(reading.error, BadAddress):
                self._refused.add(reading.target)
            if isinstance(reading.error, AdapterError):
                self._errors[type(reading.error).__name__] += 1
        self._points.take(told.readings, told.stored)
        if self._state in (State.ONLINE, State.DEGRADED, State.OFFLINE, State.QUARANTINED):
            self._enter(*self._standing())

    def _standing(self) -> tuple[State, str]:
        failing = self._points.failing
        if self._away:
            return State.OFFLINE, self._away
        if not failing:
            return State.ONLINE, ""
        refused = all(target in self._refused for batch in self.batches for target in batch.targets)
        return State.QUARANTINED if refused else State.DEGRADED, next(iter(failing.values()))

    def _drop(self, told: _Told) -> None:
        self._size -= len(told.readings)
        self._dropped += len(told.readings)
        now = self._around.clock.now_ms()
        if told.readings:
            self._gathering.lost(len(told.readings), now, now)
        if told.stored is not None:
            told.stored()

    def _enter(self, state: State, reason: str) -> None:
        if state is not self._state:
            level = logging.INFO if state is State.ONLINE else logging.WARNING
            _log.log(level, "%s: %s %s", self.name, state, reason)
        self._state, self._last_error = state, reason


def _value(row: Last) -> Value:
    reason = Reason(row.reason)
    if reason is Reason.NO_TIMESTAMP:  # a doubt about its time, which is none about the value
        reason = Reason.NONE
    num = float("nan") if row.num is None else row.num
    return Value(Kind(row.kind), num, row.txt, Verdict(row.verdict), reason, None)
