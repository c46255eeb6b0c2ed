"""Modbus servers to test against: pymodbus's own, umodbus, and some that misbehave."""

from __future__ import annotations

import asyncio
import logging
import struct
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

FIRST = 100
"""The register of this number and the input register hold it, and so on."""
COUNT = 400
FAILING = 450
"""A read that touches this register is answered by the code in `Faults`."""


class Faults:
    """What the server does instead of answering; changed by a test at any time."""

    def __init__(self) -> None:
        self.code: ExcCodes | None = None
        self.silent = asyncio.Event()
        self.silent.set()
        self.requests = 0

    async def act(
        self,
        function: int,
        start: int,
        address: int,
        count: int,
        registers: list[int],
        values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        self.requests += 1
        await self.silent.wait()
        return self.code if address <= FAILING < address + count else None


@asynccontextmanager
async def pymodbus_server(port: int = 0, units: int = 1) -> AsyncIterator[tuple[int, Faults]]:
    """Serve registers 100 to 499, of which each holds its number, and 32 bits, every third set."""
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    faults = Faults()
    bits = [SimData(0, values=[number % 3 == 0 for number in range(32)], datatype=DataType.BITS)]
    registers = [
        SimData(FIRST, values=list(range(FIRST, FIRST + COUNT)), datatype=DataType.REGISTERS)
    ]
    server: Any = ModbusTcpServer(
        [
            SimDevice(unit, simdata=(bits, bits, registers, registers), action=faults.act)
            for unit in range(1, units + 1)
        ],
        address=("127.0.0.1", port),
    )
    await server.serve_forever(background=True)
    try:
        yield server.transport.sockets[0].getsockname()[1], faults
    finally:
        faults.silent.set()
        await server.shutdown()


Reply = Callable[[bytes, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def raw_server(reply: Reply) -> AsyncIterator[int]:
    """Accept connections and let ``reply`` answer each chunk received."""
    writers: set[asyncio.StreamWriter] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.add(writer)
        try:
            while request := await reader.read(1_024):
                await reply(request, writer)
        except ConnectionError:
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for writer in writers:
            writer.close()
        server.close()
        await server.wait_closed()
        await asyncio.sleep(0)


def answer(request: bytes, body: bytes, unit: int | None = None) -> bytes:
    """Return a response frame to a request with this PDU."""
    transaction = request[:2]
    unit = request[6] if unit is None else unit
    return transaction + struct.pack(">HHB", 0, len(body) + 1, unit) + body


@contextmanager
def umodbus_server() -> Iterator[int]:
    """Serve holding registers 0 to 199 (3 · number) and coils 0 to 19 (even ones set), unit 7."""
    from socketserver import TCPServer, ThreadingMixIn

    from umodbus.server.tcp import RequestHandler, get_server

    class Server(ThreadingMixIn, TCPServer):
        allow_reuse_address = True
        daemon_threads = True

    server = get_server(Server, ("127.0.0.1", 0), RequestHandler)

    @server.route(slave_ids=[7], function_codes=[3], addresses=range(200))  # type: ignore[untyped-decorator]
    def registers(slave_id: int, function_code: int, address: int) -> int:
        return 3 * address

    @server.route(slave_ids=[7], function_codes=[1], addresses=range(20))  # type: ignore[untyped-decorator]
    def coils(slave_id: int, function_code: int, address: int) -> int:
        return (address + 1) % 2

    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
