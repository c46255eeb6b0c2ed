"""The Modbus server process: real registers over real TCP."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from pymodbus.client import ModbusTcpClient

from borough.demo.city.dimming import AUTOMATIC, HELD_S, LAG_S, REGISTER, Dimmer
from borough.demo.city.plan import by_path
from borough.demo.city.thing import Path
from borough.demo.devices.modbus_process import free_port

THINGS = {thing.key: thing for thing in by_path(Path.MODBUS)}


@contextmanager
def server(
    environment: dict[str, str], wanted: int
) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "borough.demo.devices.modbus_process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert process.stdin is not None and process.stdout is not None
    told = {"parent": os.getpid(), "port": wanted, "kept": environment["KEPT"]}
    with process:
        process.stdin.write(json.dumps(told).encode() + b"\n")
        process.stdin.flush()
        yield json.loads(process.stdout.readline())["port"], process
        process.terminate()
        assert process.wait(timeout=20) == 0


def read(port: int, unit: int, count: int) -> list[int] | int:
    """Return the registers of a unit, or the code of its exception."""
    with ModbusTcpClient("127.0.0.1", port=port) as client:
        answer = client.read_holding_registers(0, count=count, device_id=unit)
    return int(answer.exception_code) if answer.isError() else list(answer.registers)


def held(port: int, unit: int) -> list[int]:
    words = read(port, unit, REGISTER + 1)
    assert isinstance(words, list)
    return words


def test_a_cabinet_is_dimmed_and_shows_it_a_moment_later(
    child_environment: dict[str, str],
) -> None:
    unit = THINGS["lights-03"].unit_id
    with server(child_environment, 0) as (port, _):
        with ModbusTcpClient("127.0.0.1", port=port) as client:
            assert held(port, unit)[REGISTER] == AUTOMATIC
            assert not client.write_register(REGISTER, 60, device_id=unit).isError()
            deadline = time.monotonic() + 20
            while (lit := held(port, unit))[REGISTER] != 60:
                assert time.monotonic() < deadline
            assert lit[0] == 600, "60.0 % in steps of 0.1"
            assert lit[1] > 0, "watts"
            for register, value in ((REGISTER, 101), (0, 5)):
                assert client.write_register(register, value, device_id=unit).isError()
            other = THINGS["main-1"].unit_id
            assert client.write_register(REGISTER, 1, device_id=other).isError()


def test_a_level_holds_for_a_while_and_comes_late() -> None:
    dimmer = Dimmer()
    assert dimmer.level(0.0) == AUTOMATIC
    assert not dimmer.set(101, 10.0)
    assert dimmer.set(40, 10.0)
    assert dimmer.level(10.0 + LAG_S / 2) == AUTOMATIC
    assert dimmer.level(10.0 + LAG_S) == 40
    assert dimmer.set(70, 20.0)
    assert dimmer.level(20.1) == 40
    assert dimmer.level(20.0 + HELD_S) == AUTOMATIC


def test_registers_hold_the_present_values(child_environment: dict[str, str]) -> None:
    with server(child_environment, 0) as (port, _):
        road = read(port, THINGS["road-1"].unit_id, 1)
        assert isinstance(road, list) and road[0] % 100 == 0 and road[0] <= 2_300
        main = read(port, THINGS["main-1"].unit_id, 2)
        assert isinstance(main, list)
        (flow,) = struct.unpack(">f", struct.pack(">2H", *main))
        assert 100 <= flow <= 123
        lights = read(port, THINGS["lights-03"].unit_id, 4)
        assert isinstance(lights, list)
        level, power, high, low = lights
        assert power == round(3_600 * level / 1_000) or abs(power - 3.6 * level) <= 2
        assert (high << 16) + low > 1_000_000


def test_registers_beyond_the_map_are_refused(child_environment: dict[str, str]) -> None:
    with server(child_environment, 0) as (port, _):
        assert read(port, THINGS["lights-01"].unit_id, 40) == 2


def test_wanted_port_is_taken_when_it_is_free_and_another_when_not(
    child_environment: dict[str, str],
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        busy = taken.getsockname()[1]
        with server(child_environment, busy) as (port, _):
            assert port != busy
    with server(child_environment, port) as (again, _):
        assert again == port


def test_free_port_is_free() -> None:
    port = free_port(0)
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", port))
    with pytest.raises(OverflowError):
        free_port(70_000)
