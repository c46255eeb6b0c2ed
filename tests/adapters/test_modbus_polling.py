"""The Modbus adapter under the runtime, against real servers on loopback."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from adapters.catalogue import ADAPTERS
from ciaas.kernel.address import PointAddress
from ciaas.kernel.columns import decode
from ciaas.kernel.sample import Frame, Reason
from ciaas.sensorisation.connection import ConnectionPlan, check_document
from ciaas.sensorisation.handover.spool import Spool
from ciaas.sensorisation.polling.backoff import Pace
from ciaas.sensorisation.polling.health import DeviceHealth, State
from ciaas.sensorisation.runtime import Runtime
from tests.adapters.modbus_peers import pymodbus_server, raw_server


class Outlet:
    def __init__(self) -> None:
        self.frames: list[Frame] = []

    async def send(self, body: bytes, message_id: str) -> None:
        self.frames.append(decode(body))

    def rows(self) -> Frame:
        return Frame.concat(self.frames)


class Clock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


def point(register: int, type_: str = "u16", **changes: Any) -> dict[str, Any]:
    return {
        "id": f"meter/registers/r{register}",
        "address": {"register": register},
        "raw": {"type": type_},
        "sampling": {"interval_s": 0.1, "jitter_s": 0},
    } | changes


def document(points: Sequence[dict[str, Any]], *configs: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "meters",
        "adapter": "modbus",
        "config": {"host": "127.0.0.1", "timeout_s": 0.2},
        "profiles": [{"id": "meter", "revision": 1, "adapter": "modbus", "points": list(points)}],
        "devices": [
            {"id": f"m{number}", "friendly_name": "Meter", "profile": "meter", "config": config}
            for number, config in enumerate(configs)
        ],
    }


@asynccontextmanager
async def polling(
    directory: Path, written: dict[str, Any]
) -> AsyncIterator[tuple[Runtime, Outlet, ConnectionPlan]]:
    outlet = Outlet()
    runtime = Runtime(
        adapters=ADAPTERS,
        outlet=outlet,
        spool=Spool(directory, "field"),
        clock=Clock(),
        random=Random(1),
        pace=Pace(0.01, 0.1),
    )
    await runtime.start()
    try:
        plan = check_document(written, ADAPTERS)
        await runtime.apply(plan, ids(plan), 1)
        yield runtime, outlet, plan
    finally:
        await runtime.stop()


def ids(plan: ConnectionPlan) -> dict[PointAddress, int]:
    addresses = [one.address for device in plan.devices for one in device.points]
    return {address: number for number, address in enumerate(addresses, start=1)}


def health(runtime: Runtime, number: int = 0) -> DeviceHealth:
    return runtime.health().devices[number]


async def eventually(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    for _ in iter(condition, True):
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def test_an_illegal_register_spoils_no_other(tmp_path: Path) -> None:
    async def run() -> None:
        points = [point(number) for number in (*range(480, 500), 503)]
        async with (
            pymodbus_server() as (port, _),
            polling(tmp_path, document(points, {"port": port})) as (runtime, outlet, plan),
        ):
            await eventually(lambda: health(runtime).ok >= 10)
            assert health(runtime).state is State.DEGRADED
            assert health(runtime).quarantined == (plan.devices[0].points[-1].address,)
        rows = outlet.rows()
        assert set(rows.point[rows.reason == Reason.READ_ERROR].tolist()) == {21}
        assert set(rows.num[rows.reason == Reason.NONE].tolist()) == set(range(480, 500))

    asyncio.run(run())


def test_a_server_that_restarts_is_read_again(tmp_path: Path) -> None:
    async def run() -> None:
        async with pymodbus_server() as (port, _):
            entered = polling(tmp_path, document([point(100)], {"port": port}))
            runtime, outlet, _ = await entered.__aenter__()
            await eventually(lambda: health(runtime).state is State.ONLINE)
        try:
            await eventually(lambda: health(runtime).state is State.BACKOFF)
            async with pymodbus_server(port):
                await eventually(lambda: health(runtime).state is State.ONLINE)
        finally:
            await entered.__aexit__(None, None, None)
        reasons = outlet.rows().reason.tolist()
        assert reasons.count(Reason.READ_ERROR) == 1 and reasons[-1] == Reason.NONE

    asyncio.run(run())


def test_silent_garbled_and_absent_devices_leave_the_healthy_alone(
    tmp_path: Path, unused_port: int
) -> None:
    async def silent(request: bytes, writer: asyncio.StreamWriter) -> None:
        return

    async def noise(request: bytes, writer: asyncio.StreamWriter) -> None:
        writer.write(b"\x00" * 300)

    async def run() -> None:
        async with (
            pymodbus_server() as (good, _),
            raw_server(silent) as mute,
            raw_server(noise) as loud,
        ):
            configs = [{"port": port} for port in (good, mute, loud, unused_port)]
            async with polling(tmp_path, document([point(100)], *configs)) as (runtime, outlet, _):
                await eventually(
                    lambda: (
                        all(health(runtime, bad).errors for bad in (1, 2, 3))
                        and health(runtime).ok >= 10
                    )
                )
                assert health(runtime).state is State.ONLINE and not health(runtime).errors
                assert all(health(runtime, bad).state is not State.ONLINE for bad in (1, 2, 3))
        rows = outlet.rows()
        assert (rows.reason[rows.point == 1] == Reason.NONE).all()
        assert (rows.reason[rows.point != 1] == Reason.READ_ERROR).all()

    asyncio.run(run())


def test_a_silent_unit_costs_a_new_connection_and_then_answers(tmp_path: Path) -> None:
    async def run() -> None:
        async with (
            pymodbus_server() as (port, faults),
            polling(tmp_path, document([point(100)], {"port": port})) as (runtime, _, _),
        ):
            await eventually(lambda: health(runtime).state is State.ONLINE)
            faults.silent.clear()
            await eventually(lambda: health(runtime).errors.get("Unreachable", 0) >= 2)
            faults.silent.set()
            await eventually(lambda: health(runtime).state is State.ONLINE)

    asyncio.run(run())


def test_units_behind_one_gateway_share_its_connection(tmp_path: Path) -> None:
    async def run() -> None:
        async with pymodbus_server(units=5) as (port, _):
            configs = [{"port": port, "unit": unit} for unit in range(1, 6)]
            async with polling(tmp_path, document([point(100)], *configs)) as (runtime, _, _):
                await eventually(
                    lambda: all(one.state is State.ONLINE for one in runtime.health().devices)
                )
                assert len(runtime._links) == 1

    asyncio.run(run())


def test_values_are_scaled_and_keep_what_the_register_held(tmp_path: Path) -> None:
    async def run() -> Frame:
        points = [
            point(101, transform={"scale": 0.1, "offset": -5}),
            point(103, "u32", type="Integer"),
            point(110, "bit", raw={"type": "bit", "bit": 1}, type="Boolean"),
            point(2, "bit", address={"table": "coil", "register": 3}, type="Boolean"),
        ]
        async with (
            pymodbus_server() as (port, _),
            polling(tmp_path, document(points, {"port": port})) as (_, outlet, _),
        ):
            await eventually(lambda: len(outlet.rows()) >= 4)
        return outlet.rows()

    rows = asyncio.run(run())
    found = {
        (int(p), float(n), raw) for p, n, raw in zip(rows.point, rows.num, rows.raw, strict=True)
    }
    assert found == {
        (1, 101 / 10 - 5, "101"),
        (2, 103 * 65_536 + 104, None),
        (3, 1.0, None),
        (4, 1.0, None),
    }
