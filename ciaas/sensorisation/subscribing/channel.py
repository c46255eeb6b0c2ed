"""A supervised channel: opened, proved alive by heartbeats, opened again after growing waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine, Sequence
from typing import Any, Protocol, TypeVar

from ciaas.limits import ADAPTER_CALL_S_MAX, HEARTBEAT_S, QUARANTINE_S
from ciaas.sensorisation.contract import (
    Asking,
    Batch,
    Channel,
    Checked,
    Observant,
    Sighting,
    Sink,
    Subscribe,
    WriteContext,
    WriteResult,
    Writing,
    WrittenValue,
)
from ciaas.sensorisation.ending import end
from ciaas.sensorisation.errors import (
    AdapterError,
    AuthFailed,
    DriverMissing,
    Rejected,
    Unreachable,
    Unsent,
)
from ciaas.sensorisation.polling.backoff import Backoff
from ciaas.sensorisation.polling.health import State

_log = logging.getLogger(__name__)
_T = TypeVar("_T")
_PARTING_S = 2.0
"""For telling the other side that nobody listens any more."""


class Member(Sink, Protocol):
    """A device on a channel."""

    @property
    def batches(self) -> Sequence[Batch]:
        """What it wants to hear."""
        ...

    @property
    def refused(self) -> bool:
        """True while the other side refuses a part of that."""
        ...

    def asking_again(self) -> None:
        """Forget what was refused: it is subscribed anew."""
        ...

    def entered(self, state: State, reason: str) -> None:
        """Follow the channel into a state."""
        ...


class SupervisedChannel:
    """One connection for all devices that agree in how to reach it.

    Its task runs while it has members. Whatever goes wrong ends the connection and nothing else.
    """

    def __init__(
        self,
        name: str,
        adapter: Subscribe[Any, Any],
        config: Checked,
        backoff: Backoff,
        *,
        heartbeat_s: float = HEARTBEAT_S,
        quarantine_s: float = QUARANTINE_S,
        call_s_max: float = ADAPTER_CALL_S_MAX,
    ) -> None:
        self._name, self._adapter, self._config, self._backoff = name, adapter, config, backoff
        self._heartbeat_s, self._quarantine_s = heartbeat_s, quarantine_s
        self._call_s_max = call_s_max
        self._members: list[Member] = []
        self._changed = asyncio.Event()
        self._calling = asyncio.Lock()
        self._channel: Channel | None = None
        self._task: asyncio.Task[None] | None = None
        self._subscribed: list[Member] = []

    def attach(self, member: Member) -> None:
        """Subscribe a device from now on."""
        self._members.append(member)
        self._changed.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._run(), name=f"channel {self._name}")

    async def detach(self, member: Member) -> None:
        """Bring a device nothing more; what has reached its sink already stays there."""
        self._members.remove(member)
        if self._task is None:
            return
        self._changed.set()
        if not self._members:
            if self._channel is not None:  # it unsubscribes before it goes
                await asyncio.wait([self._task], timeout=_PARTING_S)
            await self.close()

    async def close(self) -> None:
        """End the task and its connection; what is subscribed stays so, for the next start."""
        if self._task is not None:
            task, self._task = self._task, None
            await end(task)

    async def write(self, batch: Batch, value: WrittenValue, context: WriteContext) -> WriteResult:
        """Write to the one target of a batch; a failure of it ends nothing else.

        Raises:
            Unsent: there is no connection, or the turn did not come in time.
            AdapterError: as `Writing.write`.
        """
        limit_s = min(self._call_s_max, context.deadline_s)
        try:
            async with asyncio.timeout(context.deadline_s):
                await self._calling.acquire()
        except TimeoutError:
            raise Unsent("the connection was busy until its time was over") from None
        try:
            channel = self._channel
            if channel is None:
                raise Unsent("there is no connection now")
            if not isinstance(channel, Writing):
                raise Rejected("this adapter reads only", code="read-only")
            async with asyncio.timeout(limit_s):
                return await channel.write(batch, value, context)
        except TimeoutError:
            raise Unreachable(f"no answer to a write within {limit_s:g} s") from None
        finally:
            self._calling.release()

    async def ask(self, batch: Batch) -> None:
        """Have the device of a batch say what it has, where the adapter offers that.

        Raises:
            AdapterError: it was not asked.
        """
        channel = self._channel
        if channel is None or not isinstance(channel, Asking):
            return
        await self._within(channel.ask(batch), "cannot be asked")

    def sightings(self) -> Sequence[Sighting]:
        """Return what the open connection saw, nothing while there is none."""
        return self._channel.sightings() if isinstance(self._channel, Observant) else ()

    async def _run(self) -> None:
        while self._members:
            try:
                await self._live()
            except AuthFailed as error:
                self._tell(State.AUTH_FAILED, str(error))
                return
            except DriverMissing as error:
                self._tell(State.DISABLED, str(error))
                return
            # whatever an adapter does wrong, a bug included, concerns its own devices alone
            except Exception as error:
                known = isinstance(error, AdapterError)
                if not known:
                    _log.error("channel %s: bug", self._name, exc_info=error)
                self._tell(State.BACKOFF, str(error) if known else f"bug: {error!r}")
                await asyncio.sleep(self._backoff.failed())

    async def _live(self) -> None:
        """Hold one connection until it breaks.

        Raises:
            AdapterError: it did.
        """
        clock = asyncio.get_running_loop().time
        self._subscribed = []
        self._channel = await self._within(self._adapter.open(self._config), "cannot connect")
        synced = clock()
        try:
            await self._align()
            self._backoff.succeeded()
            while True:
                try:
                    await asyncio.wait_for(self._changed.wait(), self._heartbeat_s)
                except TimeoutError:
                    await self._within(self._channel.heartbeat(), "no sign of life")
                again = clock() - synced >= self._quarantine_s and any(
                    member.refused for member in self._members
                )
                if again or self._changed.is_set():
                    await self._align()
                    synced = clock()
                if not self._members:
                    return
        finally:
            channel, self._channel = self._channel, None
            await channel.close()

    async def _align(self) -> None:
        """Bring the subscriptions to the members that there are now."""
        assert self._channel is not None
        self._changed.clear()
        channel, members = self._channel, list(self._members)
        for gone in [member for member in self._subscribed if member not in members]:
            await self._within(channel.unsubscribe(gone), "cannot unsubscribe")
        for fresh in [member for member in members if member not in self._subscribed]:
            await self._within(channel.subscribe(fresh.batches, fresh), "cannot subscribe")
        self._subscribed = members
        for member in members:
            member.asking_again()
        await self._within(channel.resync(), "cannot subscribe")
        self._tell(State.ONLINE, "")

    async def _within(self, call: Coroutine[Any, Any, _T], what: str) -> _T:
        try:
            async with self._calling, asyncio.timeout(self._call_s_max):
                return await call
        except TimeoutError:
            raise Unreachable(f"{what} within {self._call_s_max:g} s") from None
        finally:
            call.close()  # one whose turn never came would count as forgotten

    def _tell(self, state: State, reason: str) -> None:
        for member in self._members:
            member.entered(state, reason)
