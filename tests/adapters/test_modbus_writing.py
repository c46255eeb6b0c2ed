"""Writes by Modbus under the runtime: echo, read-back, refusals, silence; real servers."""

from __future__ import annotations

import asyncio
import struct
from pathlib import Path
from typing import Any

import pytest
from pymodbus.constants import ExcCodes

from adapters.modbus.adapter import Modbus
from ciaas.kernel.downlink.command import Rung
from ciaas.kernel.model import Value
from ciaas.sensorisation.connection import DocumentError, check_document
from ciaas.sensorisation.polling.health import State
from ciaas.sensorisation.runtime import Runtime
from ciaas.sensorisation.writing.order import WriteOrder, WriteOutcome
from tests.adapters.modbus_peers import FAILING, answer, pymodbus_server, raw_server
from tests.adapters.test_modbus_polling import Clock, document, eventually, point, polling

WRITABLE = {"direction": "rw", "constraint": "SetPoint"}


def settable(register: int, type_: str = "u16", **changes: Any) -> dict[str, Any]:
    return point(register, type_, **(WRITABLE | changes))


async def write(
    runtime: Runtime, address: str, value: Value, within_ms: int = 3_000
) -> WriteOutcome:
    until = Clock().now_ms() + within_ms
    return await runtime.write(WriteOrder("id", address, value, until, "ada"))


COIL: dict[str, Any] = {"raw": {"type": "bit"}, "type": "Boolean"}
SWAPPED: dict[str, Any] = {"raw": {"type": "f32", "word_order": "little"}}


@pytest.mark.parametrize(
    ("written", "value", "reads"),
    [
        (settable(110), 40, (3, 110, [40])),
        (settable(110, "i16", transform={"scale": 0.1}), -2.5, (3, 110, [65_511])),
        (settable(120, "u32"), 70_000, (3, 120, [1, 4_464])),
        (settable(130, **SWAPPED), 1.5, (3, 130, [0, 0x3FC0])),
        (settable(3, address={"table": "coil", "register": 3}, **COIL), False, (1, 3, [False])),
        (settable(4, address={"table": "coil", "register": 4}, **COIL), True, (1, 4, [True])),
    ],
)
def test_what_is_written_reads_back(
    tmp_path: Path, written: dict[str, Any], value: Value, reads: tuple[int, int, list[Any]]
) -> None:
    async def steps() -> None:
        async with pymodbus_server() as (port, _):
            async with polling(tmp_path, document([written], {"port": port})) as (
                runtime,
                _outlet,
                plan,
            ):
                outcome = await write(runtime, plan.devices[0].points[0].address, value)
                assert outcome == (Rung.VERIFIED, "it reads back")
            from pymodbus.client import AsyncModbusTcpClient

            client = AsyncModbusTcpClient("127.0.0.1", port=port)
            assert await client.connect()
            function, first, found = reads
            ask = client.read_coils if function == 1 else client.read_holding_registers
            told = await ask(first, count=len(found), device_id=1)
            assert (told.bits if function == 1 else told.registers)[: len(found)] == found
            client.close()

    asyncio.run(steps())


BIT: dict[str, Any] = {"raw": {"type": "bit", "bit": 3}, "type": "Boolean"}
LITTLE: dict[str, Any] = {"raw": {"type": "bit", "bit": 3, "byte_order": "little"}}
FIELD: dict[str, Any] = {"raw": {"type": "u16", "mask": 0x00F0}}
WIDE: dict[str, Any] = {"raw": {"type": "u32", "mask": 0x0000_0F00}}


@pytest.mark.parametrize(
    ("written", "value", "reads"),
    [
        (settable(112, **BIT), True, (112, [112 | 8])),
        (settable(120, **BIT), False, (120, [120 & ~8])),
        (settable(112, **(BIT | LITTLE)), True, (112, [112 | 0x0800])),
        (settable(300, **FIELD), 5, (300, [300 & ~0x00F0 | 0x0050])),
        (settable(300, **WIDE), 9, (300, [300, 301 & ~0x0F00 | 0x0900])),
    ],
)
@pytest.mark.parametrize("masks", [True, False])
def test_bits_are_set_and_their_neighbours_stay(
    tmp_path: Path, written: dict[str, Any], value: Value, reads: tuple[int, list[int]], masks: bool
) -> None:
    async def steps() -> None:
        device = Registers(masks)
        async with raw_server(device.reply) as port:
            config = {"port": port, "reread": not masks}
            async with polling(tmp_path, document([written], config)) as (runtime, _, plan):
                address = plan.devices[0].points[0].address
                for _ in range(2):
                    assert await write(runtime, address, value) == (Rung.VERIFIED, "it reads back")
        first, found = reads
        assert [device.words[first + index] for index in range(len(found))] == found
        assert device.functions == ([22, 22] if masks else [22, 6, 6])

    asyncio.run(steps())


class Registers:
    """A device written for this test: registers that hold their numbers, with mask write or not."""

    def __init__(self, masks: bool) -> None:
        self.words = list(range(500))
        self.functions: list[int] = []
        self._masks = masks

    async def reply(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        function, first, second = struct.unpack(">BHH", request[7:12])
        body = request[7:]
        if function == 3:
            words = self.words[first : first + second]
            body = struct.pack(f">BB{second}H", 3, 2 * second, *words)
        else:
            self.functions.append(function)
        if function == 6:
            self.words[first] = second
        elif function == 22 and self._masks:
            (or_mask,) = struct.unpack(">H", request[12:14])
            self.words[first] = self.words[first] & second | or_mask & ~second
        elif function == 22:
            body = bytes([0x80 | 22, 1])
        writer.write(answer(request, body))


def test_bits_of_a_device_without_mask_write_are_left_alone_unless_allowed(tmp_path: Path) -> None:
    async def steps() -> WriteOutcome:
        device = Registers(masks=False)
        async with raw_server(device.reply) as port:
            written = document([settable(112, **BIT)], {"port": port})
            async with polling(tmp_path, written) as (runtime, _, plan):
                outcome = await write(runtime, plan.devices[0].points[0].address, True)
        assert device.words == list(range(500))
        return outcome

    outcome = asyncio.run(steps())
    assert outcome.rung is Rung.REJECTED
    assert "write reread: true in its config" in outcome.why


def test_bits_are_set_by_mask_write_of_a_library_server(tmp_path: Path) -> None:
    async def steps() -> None:
        async with pymodbus_server() as (port, _):
            written = document([settable(112, **BIT)], {"port": port})
            async with polling(tmp_path, written) as (runtime, _outlet, plan):
                outcome = await write(runtime, plan.devices[0].points[0].address, True)
                assert outcome.rung is Rung.VERIFIED, outcome.why

    asyncio.run(steps())


def test_a_code_too_large_for_its_bits_never_leaves(tmp_path: Path) -> None:
    async def steps() -> list[WriteOutcome]:
        device = Registers(masks=True)
        async with raw_server(device.reply) as port:
            written = document([settable(300, **FIELD)], {"port": port})
            async with polling(tmp_path, written) as (runtime, _, plan):
                address = plan.devices[0].points[0].address
                outcomes = [await write(runtime, address, value) for value in (16, -1)]
        assert device.functions == []
        return outcomes

    for outcome in asyncio.run(steps()):
        assert outcome.rung is Rung.REJECTED
        assert "does not fit into the bits of mask 0xf0" in outcome.why


def test_bits_of_two_registers_are_refused_in_the_document() -> None:
    written = settable(300, **(WIDE | {"raw": {"type": "u32", "mask": 0x0001_8000}}))
    with pytest.raises(DocumentError, match="bits of two registers cannot be set at once"):
        check_document(document([written], {"port": 502}), {"modbus": Modbus})


def test_what_is_only_set_is_never_read_and_accepted_at_most(tmp_path: Path) -> None:
    async def steps() -> None:
        device = Registers(masks=True)
        async with raw_server(device.reply) as port:
            silent = settable(300, direction="w")
            del silent["sampling"]
            written = document([silent, point(110)], {"port": port, "gap_max": 0})
            async with polling(tmp_path, written) as (runtime, outlet, plan):
                only_set, read = (each.address for each in plan.devices[0].points)
                assert await write(runtime, only_set, 7) == (
                    Rung.ACCEPTED,
                    "accepted; it cannot be read back",
                )
                assert device.words[300] == 7
                assert (await write(runtime, read, 7)).rung is Rung.REJECTED
                await eventually(lambda: bool(outlet.frames))
                assert set(outlet.rows().point.tolist()) == {2}
                assert runtime.health().devices[0].state is State.ONLINE

    asyncio.run(steps())


def test_a_device_of_which_nothing_is_read_is_refused() -> None:
    silent = settable(300, direction="w")
    del silent["sampling"]
    with pytest.raises(DocumentError, match="none is read: add one"):
        check_document(document([silent], {"port": 502}), {"modbus": Modbus})


def test_a_refused_register_is_rejected_with_the_devices_words(tmp_path: Path) -> None:
    async def steps() -> WriteOutcome:
        async with pymodbus_server() as (port, faults):
            faults.code = ExcCodes.ILLEGAL_VALUE
            written = document([settable(FAILING)], {"port": port})
            async with polling(tmp_path, written) as (runtime, _, plan):
                return await write(runtime, plan.devices[0].points[0].address, 1)

    outcome = asyncio.run(steps())
    assert outcome.rung is Rung.REJECTED
    assert "illegal data value" in outcome.why


def test_a_busy_device_did_nothing_and_is_asked_again(tmp_path: Path) -> None:
    async def steps() -> WriteOutcome:
        async with pymodbus_server() as (port, faults):
            faults.code = ExcCodes.DEVICE_BUSY
            written = document([settable(FAILING)], {"port": port})
            async with polling(tmp_path, written) as (runtime, _, plan):
                return await write(runtime, plan.devices[0].points[0].address, 1)

    assert asyncio.run(steps()).rung is Rung.QUEUED


def test_a_black_hole_leaves_it_open_whether_it_was_written(tmp_path: Path) -> None:
    async def steps() -> tuple[WriteOutcome, WriteOutcome]:
        async with pymodbus_server() as (port, faults):
            rare = settable(110, sampling={"interval_s": 60})
            async with polling(tmp_path, document([rare], {"port": port})) as (runtime, _, plan):
                address = plan.devices[0].points[0].address
                before = await write(runtime, address, 1)
                faults.silent.clear()
                return before, await write(runtime, address, 2)

    before, outcome = asyncio.run(steps())
    assert before.rung is Rung.VERIFIED
    assert outcome == (Rung.SENT, "unit 1 does not answer")


def test_nobody_listening_means_that_nothing_has_left(tmp_path: Path, unused_port: int) -> None:
    async def steps() -> WriteOutcome:
        written = document([settable(110)], {"port": unused_port})
        async with polling(tmp_path, written) as (runtime, _, plan):
            return await write(runtime, plan.devices[0].points[0].address, 1)

    outcome = asyncio.run(steps())
    assert (outcome.rung, "cannot connect" in outcome.why) == (Rung.QUEUED, True)


class Lamp:
    """Answers reads of one register with its old value for a while, as lamps do that fade."""

    def __init__(self, lag: int) -> None:
        self.value, self.wanted, self.lag = 100, 100, lag

    async def reply(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        function = request[7]
        if function == 6:
            (self.wanted,) = struct.unpack(">H", request[10:12])
            writer.write(answer(request, request[7:12]))
            return
        if self.value != self.wanted:
            self.lag -= 1
        if self.lag <= 0:
            self.value = self.wanted
        writer.write(answer(request, struct.pack(">BBH", 3, 2, self.value)))


def test_a_device_that_takes_its_time_is_read_until_it_has_the_value(tmp_path: Path) -> None:
    async def steps() -> WriteOutcome:
        lamp = Lamp(lag=3)
        async with raw_server(lamp.reply) as port:
            slow = settable(0, sampling={"interval_s": 60}, write={"settle_s": 0.05})
            async with polling(tmp_path, document([slow], {"port": port})) as (runtime, _, plan):
                return await write(runtime, plan.devices[0].points[0].address, 40)

    assert asyncio.run(steps()).rung is Rung.VERIFIED


def test_a_device_that_keeps_its_own_mind_is_accepted_and_no_more(tmp_path: Path) -> None:
    async def steps() -> WriteOutcome:
        lamp = Lamp(lag=10_000)
        async with raw_server(lamp.reply) as port:
            stubborn = settable(0, sampling={"interval_s": 60})
            written = document([stubborn], {"port": port})
            async with polling(tmp_path, written) as (runtime, _, plan):
                return await write(runtime, plan.devices[0].points[0].address, 40, 700)

    outcome = asyncio.run(steps())
    assert outcome == (Rung.ACCEPTED, "accepted; it reads 0x0064, 0x0028 was written")


def test_an_echo_of_something_else_is_no_yes(tmp_path: Path) -> None:
    async def crooked(request: bytes, writer: asyncio.StreamWriter) -> None:
        if request[7] == 6:
            writer.write(answer(request, struct.pack(">BHH", 6, 9, 40)))
        else:
            writer.write(answer(request, struct.pack(">BBH", 3, 2, 1)))

    async def steps() -> WriteOutcome:
        async with raw_server(crooked) as port:
            written = document([settable(0, sampling={"interval_s": 60})], {"port": port})
            async with polling(tmp_path, written) as (runtime, _, plan):
                return await write(runtime, plan.devices[0].points[0].address, 40)

    assert asyncio.run(steps()) == (Rung.SENT, "address 9 is echoed, 0 was written")


def test_what_cannot_be_written_never_leaves(tmp_path: Path) -> None:
    async def steps() -> list[WriteOutcome]:
        async with pymodbus_server() as (port, _):
            points = [settable(110, write={"raw_range": [0, 100]}), point(111)]
            async with polling(tmp_path, document(points, {"port": port})) as (runtime, _, plan):
                set_, read = (each.address for each in plan.devices[0].points)
                late = WriteOrder("id", set_, 1, Clock().now_ms() - 1, "ada")
                return [
                    await write(runtime, set_, 101),
                    await write(runtime, read, 1),
                    await write(runtime, set_ + "x", 1),
                    await runtime.write(late),
                ]

    rungs = [outcome.rung for outcome in asyncio.run(steps())]
    assert rungs == [Rung.REJECTED, Rung.REJECTED, Rung.QUEUED, Rung.QUEUED]


def test_a_connection_that_is_switched_off_keeps_commands_waiting(tmp_path: Path) -> None:
    async def steps() -> WriteOutcome:
        async with pymodbus_server() as (port, _):
            written = document([settable(110)], {"port": port})
            async with polling(tmp_path, written) as (runtime, _outlet, plan):
                points = {
                    each.address: number for number, each in enumerate(plan.devices[0].points)
                }
                await runtime.apply(plan, points, 1, enabled=False)
                return await write(runtime, plan.devices[0].points[0].address, 1)

    assert asyncio.run(steps()) == (
        Rung.QUEUED,
        "the connection of the device is switched off",
    )


@pytest.mark.parametrize("table", ["input", "discrete"])
def test_a_table_that_is_only_read_is_refused_in_the_document(table: str) -> None:
    bits = COIL if table == "discrete" else {}
    written = settable(5, address={"table": table, "register": 5}, **bits)
    with pytest.raises(DocumentError, match="is only read; coils and holding registers are set"):
        check_document(document([written], {"port": 502}), {"modbus": Modbus})
