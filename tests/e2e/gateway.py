"""The gateway of the page about Modbus: two flow meters in a real Modbus TCP server."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

UNITS = 2
MILLILITRES_PER_S = 3_500
"""In input registers 0 and 1."""
_BITS = [SimData(0, values=[False] * 16, datatype=DataType.BITS)]
_HOLDING = [SimData(0, values=[0] * 10 + [184, 1] + [0] * 4, datatype=DataType.REGISTERS)]
_INPUT = [SimData(0, values=[0, MILLILITRES_PER_S] + [0] * 14, datatype=DataType.REGISTERS)]


@contextmanager
def gateway() -> Iterator[int]:
    """Serve the meters from a thread; gives the port."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    ports: queue.Queue[int] = queue.Queue()
    loop = asyncio.new_event_loop()
    ended = asyncio.Event()

    async def serve() -> None:
        devices = [
            SimDevice(unit, simdata=(_BITS, _BITS, _HOLDING, _INPUT))
            for unit in range(1, UNITS + 1)
        ]
        server: Any = ModbusTcpServer(devices, address=("127.0.0.1", 0))
        await server.serve_forever(background=True)
        ports.put(server.transport.sockets[0].getsockname()[1])
        await ended.wait()
        await server.shutdown()

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()))
    thread.start()
    try:
        yield ports.get(timeout=10)
    finally:
        loop.call_soon_threadsafe(ended.set)
        thread.join()
        loop.close()
