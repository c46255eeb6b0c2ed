"""Modbus TCP devices, each on a port of its own, for as long as standard input is open.

Run as ``python -m borough.bench.load.modbus_server DEVICES REGISTERS``; says its ports.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import Any

from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

HOST = "127.0.0.1"


async def serve(devices: int, registers: int) -> None:
    """Serve so many devices with so many registers until standard input ends."""
    ports = []
    servers = []
    for _ in range(devices):
        data = SimData(0, values=list(range(registers)), datatype=DataType.REGISTERS)
        server: Any = ModbusTcpServer([SimDevice(1, simdata=[data])], address=(HOST, 0))
        await server.serve_forever(background=True)
        servers.append(server)
        ports.append(server.transport.sockets[0].getsockname()[1])
    sys.stdout.write(json.dumps({"ports": ports}) + "\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.readline)
    for server in servers:
        await server.shutdown()


def main() -> None:
    """Serve what the arguments say."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    asyncio.run(serve(int(sys.argv[1]), int(sys.argv[2])))


if __name__ == "__main__":
    main()
