from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.constants import ExcCodes

from adapters.modbus.adapter import (
    BITS_PER_READ_MAX,
    REGISTERS_PER_READ_MAX,
    Modbus,
    ModbusAddress,
    ModbusConfig,
    extent,
)
from ciaas.sensorisation.contract import RawReading, Target
from ciaas.sensorisation.errors import (
    AdapterError,
    BadAddress,
    Malformed,
    RateLimited,
    Rejected,
    Unreachable,
)
from tests.adapters.modbus_peers import (
    FAILING,
    answer,
    pymodbus_server,
    raw_server,
    umodbus_server,
)

CONFIG = {"host": "127.0.0.1", "timeout_s": 0.2}


def target(number: int, size: int = 2, table: str = "holding") -> Target:
    return Target(ModbusAddress.model_validate({"table": table, "register": number}), size)


async def read(port: int, targets: Sequence[Target], **config: Any) -> list[RawReading]:
    adapter, checked = Modbus(), ModbusConfig.model_validate(CONFIG | {"port": port} | config)
    session = await adapter.open(checked)
    try:
        return [
            reading
            for batch in adapter.plan(checked, targets)
            for reading in await session.read(batch)
        ]
    finally:
        await session.close()
        await session.close()


@given(st.lists(st.tuples(st.integers(0, 2_000), st.sampled_from([2, 4, 8])), min_size=1))
def test_a_plan_covers_every_target_once_within_the_bounds(spans: list[tuple[int, int]]) -> None:
    config = ModbusConfig(host="h")
    targets = list({target(number, size) for number, size in spans})
    batches = Modbus().plan(config, targets)
    covered = [one for batch in batches for one in batch.targets]
    assert len(covered) == len(targets) and set(covered) == set(targets)
    for batch in batches:
        assert batch.request.length <= REGISTERS_PER_READ_MAX
        for one in batch.targets:
            first = one.address.number - batch.request.start
            assert 0 <= first and first + extent(one) <= batch.request.length


def test_contiguous_registers_and_small_gaps_are_one_request() -> None:
    config = ModbusConfig(host="h", gap_max=4)
    batches = Modbus().plan(config, [target(n) for n in (10, 0, 1, 5, 16)])
    spans = [(batch.request.start, batch.request.length) for batch in batches]
    assert spans == [(0, 11), (16, 1)]


def test_a_long_run_is_cut_at_the_limit_of_the_protocol_or_the_device() -> None:
    targets = [target(number) for number in range(500)]
    assert len(Modbus().plan(ModbusConfig(host="h"), targets)) == 4
    assert len(Modbus().plan(ModbusConfig(host="h", registers_max=10), targets)) == 50
    bits = [target(number, 0, "coil") for number in range(BITS_PER_READ_MAX + 1)]
    lengths = [batch.request.length for batch in Modbus().plan(ModbusConfig(host="h"), bits)]
    assert lengths == [BITS_PER_READ_MAX, 1]


def test_tables_are_never_mixed() -> None:
    batches = Modbus().plan(
        ModbusConfig(host="h"), [target(0), target(0, 2, "input"), target(0, 0, "coil")]
    )
    assert len(batches) == 3


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (target(0, 2, "coil"), "holds single bits"),
        (target(0, 0), "give 'bit'"),
        (target(65_535, 4), "the last address"),
    ],
)
def test_what_can_never_be_read_is_refused_in_the_plan(asked: Target, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Modbus().plan(ModbusConfig(host="h"), [asked])


def test_a_text_longer_than_the_device_answers_is_refused_in_the_plan() -> None:
    with pytest.raises(ValueError, match="a request reads 2 at most"):
        Modbus().plan(ModbusConfig(host="h", registers_max=2), [target(0, 8)])


def test_all_four_tables_are_read() -> None:
    async def run() -> None:
        asked = [
            target(100, 4),
            target(105),
            target(200, 2, "input"),
            target(3, 0, "coil"),
            target(4, 0, "discrete"),
        ]
        async with pymodbus_server() as (port, faults):
            values = {reading.target: reading.value for reading in await read(port, asked)}
        assert [values[one] for one in asked] == [
            struct.pack(">HH", 100, 101),
            struct.pack(">H", 105),
            struct.pack(">H", 200),
            True,
            False,
        ]
        assert faults.requests >= 4

    asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (ExcCodes.ILLEGAL_FUNCTION, Rejected),
        (ExcCodes.ILLEGAL_ADDRESS, BadAddress),
        (ExcCodes.ILLEGAL_VALUE, Rejected),
        (ExcCodes.DEVICE_FAILURE, Rejected),
        (ExcCodes.ACKNOWLEDGE, RateLimited),
        (ExcCodes.DEVICE_BUSY, RateLimited),
        (ExcCodes.GATEWAY_PATH_UNAVIABLE, Unreachable),
        (ExcCodes.GATEWAY_NO_RESPONSE, Unreachable),
    ],
)
def test_each_exception_code_is_its_kind_of_error(
    code: ExcCodes, error: type[AdapterError]
) -> None:
    async def run() -> AdapterError:
        async with pymodbus_server() as (port, faults):
            faults.code = code
            with pytest.raises(AdapterError) as raised:
                await read(port, [target(FAILING)])
            return raised.value

    raised = asyncio.run(run())
    assert type(raised) is error and str(FAILING) in str(raised)
    assert not isinstance(raised, Rejected) or raised.code == str(int(code))


def test_a_closed_port_is_unreachable(unused_port: int) -> None:
    with pytest.raises(Unreachable, match=str(unused_port)):
        asyncio.run(read(unused_port, [target(0)]))


async def _nothing(request: bytes, writer: asyncio.StreamWriter) -> None:
    return


async def _hang_up(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.close()


async def _half(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(request, b"\x03\x04\x00\x01\x00\x02")[:9])


async def _noise(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 400 Bad Request\r\nServer: nginx\r\n\r\n")


async def _flood(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(b"\xff" * 70_000)


async def _too_few(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(request, b"\x03\x02\x00\x01"))


async def _other_function(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(request, b"\x04\x04\x00\x01\x00\x02"))


async def _other_unit(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(request, b"\x03\x04\x00\x01\x00\x02", unit=99))


async def _lying_length(request: bytes, writer: asyncio.StreamWriter) -> None:
    writer.write(answer(request, b"\x03\xfe\x00\x01\x00\x02"))


@pytest.mark.parametrize(
    ("reply", "errors"),
    [
        (_nothing, Unreachable),
        (_hang_up, Unreachable),
        (_half, Unreachable),
        (_noise, (Unreachable, Malformed)),
        (_flood, (Unreachable, Malformed)),
        (_too_few, Malformed),
        (_other_function, Malformed),
        (_other_unit, (Unreachable, Malformed)),
        (_lying_length, (Unreachable, Malformed)),
    ],
)
def test_whatever_a_peer_does_becomes_a_typed_error(
    reply: Any, errors: type[AdapterError] | tuple[type[AdapterError], ...]
) -> None:
    async def run() -> None:
        async with raw_server(reply) as port:
            with pytest.raises(errors):
                await read(port, [target(0), target(1)])

    asyncio.run(run())


def test_probe_tells_how_far_it_gets(unused_port: int) -> None:
    async def run() -> None:
        adapter = Modbus()

        def config(**changes: Any) -> ModbusConfig:
            return ModbusConfig.model_validate(CONFIG | changes)

        async with pymodbus_server() as (port, _):
            report = await adapter.probe(config(port=port))
            assert report.ok and [step.name for step in report.steps] == ["dns", "tcp", "protocol"]
        async with raw_server(_nothing) as port:
            report = await adapter.probe(config(port=port))
            assert not report.ok and "check unit 1" in report.next_step
        report = await adapter.probe(config(port=unused_port))
        assert not report.ok and str(unused_port) in report.next_step
        report = await adapter.probe(config(host="no.such.host.invalid", port=1))
        assert not report.ok and "host name" in report.next_step

    asyncio.run(run())


@pytest.mark.peer
def test_a_peer_that_shares_no_code_is_read() -> None:
    asked = [target(0), target(199), target(10, 8), target(2, 0, "coil"), target(3, 0, "coil")]
    with umodbus_server() as port:
        values = {r.target: r.value for r in asyncio.run(read(port, asked, unit=7, gap_max=0))}
    assert [values[one] for one in asked] == [
        struct.pack(">H", 0),
        struct.pack(">H", 597),
        struct.pack(">HHHH", 30, 33, 36, 39),
        True,
        False,
    ]


@pytest.mark.peer
def test_a_peer_that_shares_no_code_refuses_what_it_does_not_have() -> None:
    with umodbus_server() as port, pytest.raises(BadAddress):
        asyncio.run(read(port, [target(200)], unit=7))
