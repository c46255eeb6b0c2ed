"""Reading back: has the point what was written? Asked again and again, or heard as it comes."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import NamedTuple, Protocol

from ciaas.limits import ASK_AGAIN_EACH_S, READ_BACK_EACH_S
from ciaas.ports import Clock
from ciaas.sensorisation.connection import PlannedPoint
from ciaas.sensorisation.contract import Batch, Masked, RawReading, WrittenValue
from ciaas.sensorisation.errors import AdapterError, Malformed
from ciaas.sensorisation.polling.decoding import Value, compile_point
from ciaas.sensorisation.polling.link import Link
from ciaas.sensorisation.subscribing.channel import SupervisedChannel
from ciaas.sensorisation.subscribing.device import SubscribedDevice

_log = logging.getLogger(__name__)


class Found(NamedTuple):
    """What is known at the end."""

    same: bool
    """True when the point has what was written."""
    told: str


class Wanted:
    """What was written, to be recognised however the device writes it down."""

    def __init__(self, point: PlannedPoint, batch: Batch, raw: WrittenValue) -> None:
        self.point, self.batch = point, batch
        self._raw, self._decode = raw, compile_point(point.profile)
        self._value = _plain(self._decode(raw.value if isinstance(raw, Masked) else raw))
        rules = point.profile.write
        self.settle_s = 0.0 if rules is None else rules.settle_s

    def compare(self, reading: RawReading) -> Found:
        """Return whether a reading of the point has it."""
        if reading.error is not None or reading.value is None:
            return Found(False, str(reading.error))
        try:
            value = self._decode(reading.value)
        except Malformed as error:
            return Found(False, str(error))
        if _plain(value) == self._value:
            return Found(True, "it reads back")
        return Found(False, f"it reads {_shown(reading.value)}, {_shown(self._raw)} was written")


class Check(Protocol):
    """Finds out, at the latest when the time is over."""

    async def __call__(self, until: int, clock: Clock) -> Found:
        """``until`` is in milliseconds since 1970 UTC. Never raises for what goes wrong."""
        ...


class ReadingBack(Protocol):
    """How a device is read back."""

    def of(self, wanted: Wanted) -> AbstractContextManager[Check]:
        """Begin, before anything is written, so that no answer is too early."""
        ...


class Unread:
    """For points that are only set: there is nothing to be found out."""

    @contextmanager
    def of(self, wanted: Wanted) -> Iterator[Check]:
        """Answer at once."""

        async def check(until: int, clock: Clock) -> Found:
            return Found(False, "it cannot be read back")

        yield check


class Polling:
    """Reads the point on its link until it has what was written."""

    def __init__(self, link: Link) -> None:
        self._link = link

    @contextmanager
    def of(self, wanted: Wanted) -> Iterator[Check]:
        """Read when asked to; nothing is to be prepared."""

        async def check(until: int, clock: Clock) -> Found:
            await asyncio.sleep(wanted.settle_s)
            while True:
                found = await self._read(wanted)
                if found.same or clock.now_ms() + READ_BACK_EACH_S * 1_000 >= until:
                    return found
                await asyncio.sleep(READ_BACK_EACH_S)

        yield check

    async def _read(self, wanted: Wanted) -> Found:
        try:
            [reading] = await self._link.read(wanted.batch)
        except AdapterError as error:
            return Found(False, str(error))
        except Exception as error:  # a bug of the adapter; what was written is written all the same
            _log.error("%s: bug", wanted.point.address, exc_info=error)
            return Found(False, f"reading it back: bug: {error!r}")
        return wanted.compare(reading)


class Listening:
    """Waits until the device says that it has what was written, and asks it where it can be."""

    def __init__(self, channel: SupervisedChannel, device: SubscribedDevice) -> None:
        self._channel, self._device = channel, device

    @contextmanager
    def of(self, wanted: Wanted) -> Iterator[Check]:
        """Listen from now on."""
        last = Found(False, "it says nothing of this point")
        said = asyncio.Event()

        def hear(reading: RawReading) -> None:
            nonlocal last
            if not last.same and reading.target == wanted.point.target:
                last = wanted.compare(reading)
                if last.same:
                    said.set()

        async def check(until: int, clock: Clock) -> Found:
            wait_s = wanted.settle_s
            while not said.is_set() and (left_s := (until - clock.now_ms()) / 1_000) > 0:
                try:
                    async with asyncio.timeout(min(wait_s, left_s)):
                        await said.wait()
                except TimeoutError:
                    wait_s = ASK_AGAIN_EACH_S
                    await self._ask(wanted)
            return last

        with self._device.listening(hear):
            yield check

    async def _ask(self, wanted: Wanted) -> None:
        try:
            await self._channel.ask(wanted.batch)
        except AdapterError as error:  # it may still say it by itself
            _log.debug("%s: %s", wanted.point.address, error)
        except Exception as error:  # a bug of the adapter; it may still say it by itself
            _log.error("%s: bug", wanted.point.address, exc_info=error)


def _plain(value: Value) -> tuple[object, ...]:
    return value.kind, None if value.num != value.num else value.num, value.txt


def _shown(value: object) -> str:
    if isinstance(value, Masked):
        return f"0x{value.value.hex()} of 0x{value.mask.hex()}"
    return f"0x{value.hex()}" if isinstance(value, bytes) else repr(value)[:80]
