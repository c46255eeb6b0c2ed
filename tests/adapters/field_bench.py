"""A runtime over real adapters, as field has it, with an outlet that can be looked into."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from adapters.catalogue import ADAPTERS
from ciaas.kernel.address import PointAddress
from ciaas.kernel.columns import decode
from ciaas.kernel.sample import Frame
from ciaas.sensorisation.connection import ConnectionPlan, check_document
from ciaas.sensorisation.contract import NO_MEANS, Means
from ciaas.sensorisation.handover.spool import Spool
from ciaas.sensorisation.polling.backoff import Pace
from ciaas.sensorisation.polling.health import DeviceHealth, State
from ciaas.sensorisation.runtime import Runtime


class Outlet:
    def __init__(self) -> None:
        self.frames: list[Frame] = []

    async def send(self, body: bytes, message_id: str) -> None:
        self.frames.append(decode(body))

    def rows(self) -> Frame:
        return Frame.concat(self.frames)

    def values(self, point: int) -> list[float]:
        rows = self.rows()
        found: list[float] = rows.num[rows.point == point].tolist()
        return found


class WallClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class FieldBench:
    def __init__(self, runtime: Runtime, outlet: Outlet) -> None:
        self.runtime, self.outlet = runtime, outlet
        self.plan: ConnectionPlan

    async def apply(self, document: dict[str, Any]) -> None:
        self.plan = check_document(document, ADAPTERS)
        addresses = [one.address for device in self.plan.devices for one in device.points]
        ids: dict[PointAddress, int] = {a: number for number, a in enumerate(addresses, start=1)}
        await self.runtime.apply(self.plan, ids, 1)

    def health(self, number: int = 0) -> DeviceHealth:
        return self.runtime.health().devices[number]

    async def in_state(self, state: State, number: int = 0) -> None:
        await eventually(lambda: self.health(number).state is state)


@asynccontextmanager
async def field_bench(
    folder: Path, *, means: Means = NO_MEANS, heartbeat_s: float = 0.1
) -> AsyncIterator[FieldBench]:
    outlet = Outlet()
    runtime = Runtime(
        adapters=ADAPTERS,
        outlet=outlet,
        spool=Spool(folder, "field"),
        clock=WallClock(),
        random=Random(1),
        pace=Pace(0.01, 0.1),
        heartbeat_s=heartbeat_s,
        means=means,
    )
    await runtime.start()
    try:
        yield FieldBench(runtime, outlet)
    finally:
        await runtime.stop()


async def eventually(condition: Callable[[], object], seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)
