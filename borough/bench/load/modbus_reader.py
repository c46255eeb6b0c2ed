"""One side of the bench ``modbus``: reads all devices at their pace and says what that took.

Run as ``python -m borough.bench.load.modbus_reader``; hears one line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from random import Random
from typing import Any

from pymodbus.client import AsyncModbusTcpClient

from adapters.catalogue import ADAPTERS
from borough.bench.load.modbus_server import HOST
from borough.clock import MachineClock
from borough.roles.lean import settle_heap
from ciaas.sensorisation.connection import check_document
from ciaas.sensorisation.ending import end
from ciaas.sensorisation.handover.spool import Spool
from ciaas.sensorisation.runtime import Runtime


class Encoding:
    """An outlet up to the socket: takes the bytes that the stream would be sent."""

    def __init__(self) -> None:
        self.bytes = 0

    async def send(self, body: bytes, message_id: str) -> None:
        """Count the bytes of an encoded frame."""
        self.bytes += len(body)


@asynccontextmanager
async def runtime(told: Mapping[str, Any]) -> AsyncIterator[Callable[[], int]]:
    """Poll by our runtime; gives what counts the requests answered."""
    with tempfile.TemporaryDirectory(prefix="borough-bench-") as folder:
        polling = Runtime(
            adapters=ADAPTERS,
            outlet=Encoding(),
            spool=Spool(Path(folder), "field"),
            clock=MachineClock(),
            random=Random(1),  # noqa: S311 - spreads the devices over the second, the same each time
        )
        await polling.start()
        plan = check_document(document(told), ADAPTERS)
        addresses = [point.address for device in plan.devices for point in device.points]
        ids = {address: number for number, address in enumerate(addresses, start=1)}
        await polling.apply(plan, ids, 1)
        settle_heap()  # as the field role does
        try:
            yield lambda: sum(device.ok for device in polling.health().devices)
        finally:
            await polling.stop()


@asynccontextmanager
async def bare(told: Mapping[str, Any]) -> AsyncIterator[Callable[[], int]]:
    """Read by pymodbus alone, one task a device; gives what counts the requests answered."""
    answered = 0
    chance = Random(1)  # noqa: S311 - as above

    async def device(port: int) -> None:
        nonlocal answered
        client = AsyncModbusTcpClient(HOST, port=port)
        await client.connect()
        clock = asyncio.get_running_loop().time
        due = clock() + chance.uniform(0, told["interval_s"])
        try:
            while True:
                await asyncio.sleep(due - clock())
                answer = await client.read_holding_registers(
                    0, count=told["registers"], device_id=1
                )
                answered += not answer.isError()
                due += told["interval_s"]
        finally:
            client.close()

    tasks = [asyncio.create_task(device(port)) for port in told["ports"]]
    try:
        yield lambda: answered
    finally:
        await asyncio.gather(*map(end, tasks))


def document(told: Mapping[str, Any]) -> dict[str, Any]:
    """Return the connection document of all devices."""
    points = [
        {
            "id": f"meter/registers/r{number}",
            "address": {"register": number},
            "raw": {"type": "u16"},
            "sampling": {"interval_s": told["interval_s"]},
        }
        for number in range(told["registers"])
    ]
    return {
        "name": "bench",
        "adapter": "modbus",
        "config": {"host": HOST},
        "profiles": [{"id": "meter", "revision": 1, "adapter": "modbus", "points": points}],
        "devices": [
            {
                "id": f"m{port}",
                "friendly_name": f"Meter {port}",
                "profile": "meter",
                "config": {"port": port},
            }
            for port in told["ports"]
        ],
    }


async def measure(told: Mapping[str, Any]) -> dict[str, Any]:
    """Read for a while; returns processor time and requests answered of the measured part."""
    side = {"runtime": runtime, "bare": bare}[told["side"]]
    async with side(told) as answered:
        await asyncio.sleep(told["warm_s"])
        before, cpu = answered(), time.process_time()
        await asyncio.sleep(told["seconds"])
        return {"answered": answered() - before, "cpu_s": time.process_time() - cpu}


def main() -> None:
    """Measure what standard input says."""
    told = json.loads(sys.stdin.readline())
    sys.stdout.write(json.dumps(asyncio.run(measure(told))) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
