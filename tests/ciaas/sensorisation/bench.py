"""A workbench: a small adapter whose devices do exactly what a test asks of them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from ciaas.kernel.address import PointAddress
from ciaas.kernel.columns import decode
from ciaas.kernel.sample import Frame
from ciaas.sensorisation.connection import ConnectionPlan, check_document
from ciaas.sensorisation.contract import (
    AnyAdapter,
    Batch,
    Checked,
    Poll,
    ProbeReport,
    RawReading,
    Session,
    Target,
)
from ciaas.sensorisation.errors import BadAddress
from ciaas.sensorisation.handover.spool import Spool
from ciaas.sensorisation.polling.backoff import Pace
from ciaas.sensorisation.runtime import Runtime


class WallClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


class Cabinet:
    """A device: 16-bit cells, and what it does instead of answering."""

    def __init__(self) -> None:
        self.cells: dict[int, int] = {cell: 100 + cell for cell in range(20)}
        self.mood: Exception | None = None
        self.mute = asyncio.Event()
        self.mute.set()
        self.cannot_open: Exception | None = None
        self.opened = 0
        self.open_now = 0
        self.reading = 0
        self.reading_most = 0
        self.requests: list[tuple[int, ...]] = []


class BenchConfig(Checked):
    cabinet: str
    drawer: int = 0


class BenchAddress(Checked):
    cell: int


class BenchSession:
    def __init__(self, cabinet: Cabinet) -> None:
        self.cabinet = cabinet
        self.closed = False

    async def read(self, batch: Batch) -> Sequence[RawReading]:
        cabinet = self.cabinet
        cabinet.requests.append(tuple(target.address.cell for target in batch.targets))
        cabinet.reading += 1
        cabinet.reading_most = max(cabinet.reading_most, cabinet.reading)
        try:
            await asyncio.sleep(0)
            await cabinet.mute.wait()
        finally:
            cabinet.reading -= 1
        if cabinet.mood is not None:
            raise cabinet.mood.with_traceback(None)
        missing = [t for t in batch.targets if t.address.cell not in cabinet.cells]
        if missing:
            raise BadAddress(f"no cell {missing[0].address.cell}", code="2")
        return [
            RawReading(target, cabinet.cells[target.address.cell].to_bytes(2, "big"))
            for target in batch.targets
        ]

    async def close(self) -> None:
        if not self.closed:
            self.closed = True
            self.cabinet.open_now -= 1


class CollectingOutlet:
    """Keeps what was published; refuses while ``refusal`` is set."""

    def __init__(self) -> None:
        self.frames: dict[str, Frame] = {}
        self.ids: list[str] = []
        self.refusal: Exception | None = None

    async def send(self, body: bytes, message_id: str) -> None:
        await asyncio.sleep(0)
        if self.refusal is not None:
            raise self.refusal
        self.ids.append(message_id)
        self.frames[message_id] = decode(body)

    def rows(self) -> Frame:
        return Frame.concat(list(self.frames.values()))


class Bench:
    """Everything a runtime test needs, with waits short enough for tests."""

    def __init__(self, directory: Path) -> None:
        cabinets = self.cabinets = {name: Cabinet() for name in ("red", "blue")}

        class BenchAdapter(Poll[BenchConfig, BenchAddress]):
            Config: ClassVar[type[Checked]] = BenchConfig
            Address: ClassVar[type[Checked]] = BenchAddress
            DEVICE_KEYS: ClassVar[frozenset[str]] = frozenset({"drawer"})

            def plan(self, config: BenchConfig, targets: Sequence[Target]) -> Sequence[Batch]:
                if any(target.address.cell < 0 for target in targets):
                    raise ValueError("cells count from 0")
                ordered = sorted(targets, key=lambda target: target.address.cell)
                return [Batch(tuple(ordered), None)] if ordered else []

            async def open(self, config: BenchConfig) -> Session:
                cabinet = cabinets[config.cabinet]
                if cabinet.cannot_open is not None:
                    raise cabinet.cannot_open.with_traceback(None)
                cabinet.opened += 1
                cabinet.open_now += 1
                return BenchSession(cabinet)

            async def probe(self, config: BenchConfig) -> ProbeReport:
                return ProbeReport(())

        self.adapters: Mapping[str, type[AnyAdapter]] = {"bench": BenchAdapter}
        self.directory = directory
        self.outlet = CollectingOutlet()

    def document(self, *, cells: Sequence[int] = (0,), **changes: Any) -> dict[str, Any]:
        document = {
            "name": "bench-1",
            "adapter": "bench",
            "profiles": [
                {
                    "id": "drawers",
                    "revision": 1,
                    "adapter": "bench",
                    "points": [
                        {
                            "id": f"drawer/cell/c{cell}",
                            "address": {"cell": cell},
                            "raw": {"type": "u16"},
                            "sampling": {"interval_s": 0.1, "jitter_s": 0},
                        }
                        for cell in cells
                    ],
                }
            ],
            "devices": [
                {
                    "id": name,
                    "friendly_name": name.title(),
                    "profile": "drawers",
                    "config": {"cabinet": name},
                }
                for name in ("red", "blue")
            ],
        }
        return document | changes

    def plan(self, document: Mapping[str, Any]) -> ConnectionPlan:
        return check_document(document, self.adapters)

    def ids(self, plan: ConnectionPlan) -> dict[PointAddress, int]:
        addresses = [point.address for device in plan.devices for point in device.points]
        return {address: number for number, address in enumerate(addresses, start=1)}

    @asynccontextmanager
    async def running(self, quarantine_s: float = 600.0) -> AsyncIterator[Runtime]:
        runtime = Runtime(
            adapters=self.adapters,
            outlet=self.outlet,
            spool=Spool(self.directory, "field"),
            clock=WallClock(),
            random=Random(1),
            pace=Pace(0.01, 0.05),
            quarantine_s=quarantine_s,
        )
        await runtime.start()
        try:
            yield runtime
        finally:
            await runtime.stop()


async def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Return as soon as the condition holds."""
    deadline = time.monotonic() + seconds
    for _ in iter(condition, True):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)
