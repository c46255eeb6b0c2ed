"""A link: one session of an adapter, shared by the devices behind it, one request at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from ciaas.limits import ADAPTER_CALL_S_MAX
from ciaas.sensorisation.contract import (
    Batch,
    Checked,
    Observant,
    Poll,
    RawReading,
    Session,
    Sighting,
    WriteContext,
    WriteResult,
    Writing,
    WrittenValue,
)
from ciaas.sensorisation.errors import (
    AdapterError,
    Malformed,
    RateLimited,
    Rejected,
    Unreachable,
    Unsent,
)
from ciaas.sensorisation.polling.backoff import Backoff


class Link:
    """Opens on first use and again after each failure that may have left it out of step.

    While nothing can be reached, it is tried once per wait of its own backoff, not once per device:
    a dead gateway costs its devices one time-out, not one each.
    """

    def __init__(
        self,
        adapter: Poll[Any, Any],
        config: Checked,
        backoff: Backoff,
        call_s_max: float = ADAPTER_CALL_S_MAX,
    ) -> None:
        self._adapter = adapter
        self._config = config
        self._backoff = backoff
        self._call_s_max = call_s_max
        self._lock = asyncio.Lock()
        self._session: Session | None = None
        self._closed_until = 0.0
        self._last_error = ""

    async def read(self, batch: Batch) -> Sequence[RawReading]:
        """Read one batch when the devices before us have had their turn.

        Raises:
            AdapterError: as `Session.read` and `Adapter.open`.
        """
        async with self._lock:
            session = self._session or await self._open()
            try:
                async with asyncio.timeout(self._call_s_max):
                    return await session.read(batch)
            except (Rejected, RateLimited):
                raise  # a proper answer: the session is in step
            except TimeoutError:
                await self._drop()
                raise Unreachable(f"no answer within {self._call_s_max:g} s") from None
            except BaseException:  # also a cancelled read: its answer may still be on the way
                await self._drop()
                raise

    async def write(self, batch: Batch, value: WrittenValue, context: WriteContext) -> WriteResult:
        """Write to the one target of a batch when the devices before us have had their turn.

        Raises:
            Unsent: the turn did not come in time, or the link could not be opened.
            AdapterError: as `Writing.write` and `Adapter.open`.
        """
        try:
            async with asyncio.timeout(context.deadline_s):
                await self._lock.acquire()
        except TimeoutError:
            raise Unsent("the link was busy until its time was over") from None
        try:
            try:
                session = self._session or await self._open()
            except Unreachable as error:
                raise Unsent(str(error)) from error
            if not isinstance(session, Writing):
                raise Rejected("this adapter reads only", code="read-only")
            return await self._written(session, batch, value, context)
        finally:
            self._lock.release()

    async def _written(
        self, session: Writing, batch: Batch, value: WrittenValue, context: WriteContext
    ) -> WriteResult:
        limit_s = min(self._call_s_max, context.deadline_s)
        try:
            async with asyncio.timeout(limit_s):
                return await session.write(batch, value, context)
        except (Rejected, RateLimited, Unsent):
            raise  # a proper answer: the session is in step
        except TimeoutError:
            await self._drop()
            raise Unreachable(f"no answer within {limit_s:g} s") from None
        except BaseException:  # also a cancelled write: its answer may still be on the way
            await self._drop()
            raise

    def sightings(self) -> Sequence[Sighting]:
        """Return the devices that the open session saw, nothing while there is none."""
        return self._session.sightings() if isinstance(self._session, Observant) else ()

    async def close(self) -> None:
        """End the session after the request under way."""
        async with self._lock:
            await self._drop()

    async def _open(self) -> Session:
        now = asyncio.get_running_loop().time()
        if now < self._closed_until:
            raise Unreachable(self._last_error)
        try:
            async with asyncio.timeout(self._call_s_max):
                self._session = await self._adapter.open(self._config)
        except TimeoutError:
            raise self._refused(f"cannot connect within {self._call_s_max:g} s") from None
        except (Unreachable, Malformed) as error:
            raise self._refused(str(error)) from error
        self._backoff.succeeded()
        return self._session

    def _refused(self, reason: str) -> AdapterError:
        self._last_error = reason
        self._closed_until = asyncio.get_running_loop().time() + self._backoff.failed()
        return Unreachable(reason)

    async def _drop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()
