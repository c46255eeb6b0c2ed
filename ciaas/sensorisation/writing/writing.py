"""One write on its way: made raw, sent on the device's link, read back until it is there."""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from ciaas.kernel.downlink.command import Rung
from ciaas.limits import READ_BACK_EACH_S
from ciaas.ports import Clock
from ciaas.sensorisation.connection import PlannedDevice, PlannedPoint
from ciaas.sensorisation.contract import AnyAdapter, Batch, RawValue, WriteContext, WriteResult
from ciaas.sensorisation.errors import (
    AdapterError,
    AuthFailed,
    DriverMissing,
    RateLimited,
    Rejected,
    Unsent,
)
from ciaas.sensorisation.polling.link import Link
from ciaas.sensorisation.writing.encoding import Unwritable, compile_writer
from ciaas.sensorisation.writing.order import WriteOrder, WriteOutcome

_log = logging.getLogger(__name__)


class Way(Protocol):
    """A link or channel that writes, one call at a time."""

    async def write(self, batch: Batch, value: RawValue, context: WriteContext) -> WriteResult:
        """Raises AdapterError; Unsent when nothing has left."""
        ...


async def write(
    order: WriteOrder,
    device: PlannedDevice,
    point: PlannedPoint,
    adapter: AnyAdapter,
    way: Way,
    clock: Clock,
) -> WriteOutcome:
    """Write and read back; whatever goes wrong is an outcome, a bug of the adapter included."""
    try:
        raw = compile_writer(point.profile)(order.value)
    except Unwritable as error:
        return WriteOutcome(Rung.REJECTED, str(error))
    left_s = (order.until - clock.now_ms()) / 1_000
    if left_s <= 0:
        return WriteOutcome(Rung.QUEUED, "its time was over when it reached the field role")
    context = WriteContext(order.command, left_s, order.who)
    batch = adapter.plan(device.config, [point.target])[0]
    try:
        result = await way.write(batch, raw, context)
    except Unsent as error:
        return WriteOutcome(Rung.QUEUED, str(error))
    except RateLimited as error:
        return WriteOutcome(Rung.QUEUED, str(error))
    except (Rejected, AuthFailed, DriverMissing) as error:
        return WriteOutcome(Rung.REJECTED, str(error))
    except AdapterError as error:
        return WriteOutcome(Rung.SENT, str(error))
    except Exception as error:  # a bug concerns this write alone, and it may have left
        _log.error("%s: bug", point.address, exc_info=error)
        return WriteOutcome(Rung.SENT, f"bug: {error!r}")
    if not result.accepted:
        return WriteOutcome(Rung.SENT, result.detail)
    if not isinstance(way, Link):
        return WriteOutcome(Rung.ACCEPTED, result.detail)
    return await _read_back(order, point, batch, way, raw, clock)


async def _read_back(
    order: WriteOrder,
    point: PlannedPoint,
    batch: Batch,
    link: Link,
    raw: RawValue,
    clock: Clock,
) -> WriteOutcome:
    """Read the point until it has what was written, or until the time is over."""
    write_rules = point.profile.write
    await asyncio.sleep(0.0 if write_rules is None else write_rules.settle_s)
    while True:
        try:
            [reading] = await link.read(batch)
            if reading.error is not None:
                found = str(reading.error)
            elif reading.value == raw:
                return WriteOutcome(Rung.VERIFIED, "it reads back")
            else:
                found = f"it reads {_shown(reading.value)}, {_shown(raw)} was written"
        except AdapterError as error:
            found = str(error)
        except Exception as error:  # a bug of the adapter; the device has accepted all the same
            _log.error("%s: bug", point.address, exc_info=error)
            return WriteOutcome(Rung.ACCEPTED, f"accepted; reading it back: bug: {error!r}")
        if clock.now_ms() + READ_BACK_EACH_S * 1_000 >= order.until:
            return WriteOutcome(Rung.ACCEPTED, f"accepted; {found}")
        await asyncio.sleep(READ_BACK_EACH_S)


def _shown(value: object) -> str:
    return f"0x{value.hex()}" if isinstance(value, bytes) else repr(value)[:80]
