"""A device under supervision: one task that polls it and answers for whatever goes wrong."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from random import Random

from ciaas.kernel.address import PointAddress
from ciaas.limits import QUARANTINE_S, RETRY_AFTER_S_MAX
from ciaas.ports import Clock
from ciaas.sensorisation.connection import PlannedDevice
from ciaas.sensorisation.contract import AnyAdapter, Batch, RawReading, Target
from ciaas.sensorisation.ending import end
from ciaas.sensorisation.errors import AdapterError, AuthFailed, DriverMissing, RateLimited
from ciaas.sensorisation.polling.backoff import Backoff, Pace
from ciaas.sensorisation.polling.health import DeviceHealth, State, Tally, quantile_ms
from ciaas.sensorisation.polling.link import Link
from ciaas.sensorisation.polling.partition import Partition
from ciaas.sensorisation.polling.points import Deliver, PolledPoints, complete
from ciaas.sensorisation.polling.schedule import Schedule, Turn

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What devices share: where rows go, the clock, chance, and how patient the runtime is."""

    deliver: Deliver
    clock: Clock
    random: Random
    pace: Pace = field(default_factory=Pace)
    quarantine_s: float = QUARANTINE_S


class SupervisedDevice:
    """Polls one device until stopped; nothing that goes wrong in it gets out of its task."""

    def __init__(
        self,
        connection: str,
        planned: PlannedDevice,
        adapter: AnyAdapter,
        link: Link,
        ids: Mapping[PointAddress, int],
        source: int,
        around: Surroundings,
    ) -> None:
        self._connection, self._planned, self._link, self._around = (
            connection,
            planned,
            link,
            around,
        )
        self._points = PolledPoints(planned, ids, source, around.deliver, around.clock)
        groups: dict[tuple[float, float], dict[Target, None]] = defaultdict(dict)
        for point in planned.read:
            sampling = point.profile.sampling
            assert sampling is not None, "a checked document of a polled device has it"
            groups[sampling.interval_s, sampling.phase_s_max][point.target] = None
        self._groups = list(groups)
        self._partitions = [
            Partition(lambda targets: adapter.plan(planned.config, targets), list(targets))
            for targets in groups.values()
        ]
        self._refined_at: dict[int, float] = {}
        self._backoff = Backoff(around.random, around.pace)
        self._tally = Tally()
        self._state = State.DISABLED
        self._last_error = ""
        self._skipped = 0
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin polling; needs a running loop."""
        assert self._task is None
        self._state = State.STARTING
        self._task = asyncio.create_task(
            self._run(), name=f"device {self._connection}/{self._planned.id}"
        )

    async def stop(self) -> None:
        """End polling; a request under way is cancelled."""
        if self._task is not None:
            await end(self._task)
        self._state = State.DISABLED

    def health(self) -> DeviceHealth:
        """Return how the device is doing now."""
        tally = self._tally
        refused = {target for part in self._partitions for target in part.quarantined}
        return DeviceHealth(
            connection=self._connection,
            device=self._planned.id,
            endpoint=self._planned.endpoint,
            state=self._state,
            last_error=self._last_error,
            attempts=tally.attempts,
            ok=tally.ok,
            errors=dict(tally.errors),
            p50_ms=quantile_ms(tally.latencies_s, 0.5),
            p95_ms=quantile_ms(tally.latencies_s, 0.95),
            late_p95_ms=quantile_ms(tally.lateness_s, 0.95),
            skipped=self._skipped,
            last_good=self._points.last_good,
            quarantined=self._points.addresses(refused),
            stale=self._points.stale() if self._state is not State.DISABLED else (),
        )

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        schedule = Schedule(self._groups, clock(), self._around.random)
        try:
            while True:
                turn = schedule.next()
                await asyncio.sleep(turn.due - clock())
                if self._state is not State.BACKOFF:
                    self._tally.lateness_s.append(max(0.0, clock() - turn.due))
                if wait_s := await self._turn(turn):
                    await asyncio.sleep(wait_s)
                    continue
                schedule.done(turn, clock())
                if self._backoff.succeeded():
                    schedule.all_due(clock())
                self._skipped = schedule.skipped
                self._reconsider(turn.group, clock())
        except AuthFailed as error:
            self._enter(State.AUTH_FAILED, str(error))
        except DriverMissing as error:
            self._enter(State.DISABLED, str(error))

    async def _turn(self, turn: Turn) -> float:
        """Read one group; return the seconds to wait before trying it again, 0 when it went well.

        Raises:
            AuthFailed: trying again would make it worse.
            DriverMissing: trying again is of no use.
        """
        partition = self._partitions[turn.group]
        self._points.begin_turn()
        try:
            await partition.sweep(self._read, self._points.take)
        except (AuthFailed, DriverMissing) as error:
            self._points.fail_rest(error)
            raise
        except RateLimited as error:
            self._points.fail_rest(error)
            self._enter(State.DEGRADED, str(error))
            return min(max(error.retry_after_s, self._around.pace.shortest_s), RETRY_AFTER_S_MAX)
        # whatever an adapter does wrong, a bug included, concerns its own device alone
        except Exception as error:
            self._points.fail_rest(error)
            known = isinstance(error, AdapterError)
            if not known and self._state is not State.BACKOFF:
                _log.error("%s/%s: bug", self._connection, self._planned.id, exc_info=error)
            self._enter(State.BACKOFF, str(error) if known else f"bug: {error!r}")
            return self._backoff.failed()
        self._points.take(
            [RawReading(target, None, error) for target, error in partition.quarantined.items()]
        )
        self._settle()
        return 0.0

    async def _read(self, batch: Batch) -> Sequence[RawReading]:
        clock = asyncio.get_running_loop().time
        self._tally.attempts += 1
        began = clock()
        try:
            readings = await self._link.read(batch)
        # counted under its name and passed on: the turn decides what follows from it
        except Exception as error:
            name = type(error).__name__ if isinstance(error, AdapterError) else "bug"
            self._tally.errors[name] += 1
            raise
        self._tally.ok += 1
        self._tally.latencies_s.append(clock() - began)
        return complete(batch, readings)

    def _settle(self) -> None:
        """Enter the state that a device which answers is in."""
        failing = self._points.failing
        if not failing:
            self._enter(State.ONLINE, "")
        elif not any(part.batches for part in self._partitions):
            self._enter(State.QUARANTINED, next(iter(failing.values())))
        else:
            self._enter(State.DEGRADED, next(iter(failing.values())))

    def _enter(self, state: State, reason: str) -> None:
        """Change the state; each change is logged once, however often it is confirmed."""
        if state is not self._state:
            level = logging.INFO if state is State.ONLINE else logging.WARNING
            _log.log(level, "%s/%s: %s %s", self._connection, self._planned.id, state, reason)
        self._state, self._last_error = state, reason

    def _reconsider(self, group: int, now: float) -> None:
        """Try everything again once in a while: a refused address may have come to exist."""
        partition = self._partitions[group]
        if not partition.refined:
            self._refined_at.pop(group, None)
        elif now - self._refined_at.setdefault(group, now) >= self._around.quarantine_s:
            del self._refined_at[group]
            partition.rejoin()
