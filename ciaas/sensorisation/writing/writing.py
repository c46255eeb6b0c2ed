"""One write on its way: made raw, sent on the device's link, read back until it is there."""

from __future__ import annotations

import logging
from typing import Protocol

from ciaas.kernel.downlink.command import Rung
from ciaas.ports import Clock
from ciaas.sensorisation.connection import PlannedDevice, PlannedPoint
from ciaas.sensorisation.contract import AnyAdapter, Batch, WriteContext, WriteResult, WrittenValue
from ciaas.sensorisation.errors import (
    AdapterError,
    AuthFailed,
    DriverMissing,
    RateLimited,
    Rejected,
    Unsent,
)
from ciaas.sensorisation.writing.encoding import Unwritable, compile_writer
from ciaas.sensorisation.writing.order import WriteOrder, WriteOutcome
from ciaas.sensorisation.writing.reading_back import ReadingBack, Wanted

_log = logging.getLogger(__name__)


class Way(Protocol):
    """A link or channel that writes, one call at a time."""

    async def write(self, batch: Batch, value: WrittenValue, context: WriteContext) -> WriteResult:
        """Raises AdapterError; Unsent when nothing has left."""
        ...


async def write(
    order: WriteOrder,
    device: PlannedDevice,
    point: PlannedPoint,
    adapter: AnyAdapter,
    way: Way,
    back: ReadingBack,
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
    with back.of(Wanted(point, batch, raw)) as check:
        try:
            result = await way.write(batch, raw, context)
        except (Unsent, RateLimited) as error:
            return WriteOutcome(Rung.QUEUED, str(error))
        except (Rejected, AuthFailed, DriverMissing) as error:
            return WriteOutcome(Rung.REJECTED, str(error))
        except AdapterError as error:
            return WriteOutcome(Rung.SENT, str(error))
        except Exception as error:  # a bug concerns this write alone, and it may have left
            _log.error("%s: bug", point.address, exc_info=error)
            return WriteOutcome(Rung.SENT, f"bug: {error!r}")
        found = await check(order.until, clock)
    if found.same:
        return WriteOutcome(Rung.VERIFIED, found.told)
    if result.accepted:
        return WriteOutcome(Rung.ACCEPTED, f"accepted; {found.told}")
    return WriteOutcome(Rung.SENT, f"{result.detail}; {found.told}")
