"""The Modbus TCP server process: one unit for each polled device, registers from the signals.

Run as ``python -m borough.demo.devices.modbus_process``; reports the port it listens on.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Sequence
from pathlib import Path as FilePath

import numpy as np
from pymodbus.constants import ExcCodes
from pymodbus.server import ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

from borough.demo.city.dimming import AUTOMATIC, REGISTER, Dimmer, dims
from borough.demo.city.lamps import LampPower
from borough.demo.city.measurands import LAMP_LEVEL, LAMP_POWER
from borough.demo.city.plan import by_path
from borough.demo.city.thing import Path, Thing
from borough.demo.devices.launch import Stop, hear_parent, report
from borough.demo.devices.registers import registers
from borough.demo.recordings.library import Recordings
from borough.demo.recordings.replay import Signal

HOST = "127.0.0.1"
_LOOK_S = 0.1


class Unit:
    """One polled device: its registers hold the values of the present second."""

    def __init__(self, thing: Thing, recordings: Recordings) -> None:
        self.id = thing.unit_id
        self._signals: list[Signal] = []
        self._layout = list(registers(thing))
        self._signals = [channel.signal(recordings) for _, channel, _ in self._layout]
        self._second = -1
        self.words = self.at(0)
        self._dimmer = Dimmer() if dims(thing) else None

    def at(self, second: int) -> list[int]:
        """Return the registers at a second since 1970 UTC."""
        if second != self._second:
            now = np.array([second * 1_000], np.int64)
            self._second = second
            self.words = [
                word
                for (_, channel, register), signal in zip(self._layout, self._signals, strict=True)
                for word in register.encode(round(float(signal.at(now)[0]), channel.decimals))
            ]
        return self.words

    def device(self) -> SimDevice:
        """Return it as a device of the Modbus server."""
        words = self.at(0) + ([AUTOMATIC] if self._dimmer else [])
        data = SimData(0, values=words, datatype=DataType.REGISTERS, readonly=self._dimmer is None)
        return SimDevice(self.id, simdata=[data], action=self._refresh)

    async def _refresh(
        self,
        function_code: int,
        start_address: int,
        address: int,
        count: int,
        current_registers: list[int],
        set_values: list[int] | list[bool] | None,
    ) -> ExcCodes | None:
        now = time.time()
        words = self.at(int(now))
        if self._dimmer is None:
            current_registers[: len(words)] = words
            return None
        if set_values is not None:
            if (address, len(set_values)) != (REGISTER, 1):
                return ExcCodes.ILLEGAL_ADDRESS
            if not self._dimmer.set(int(set_values[0]), now):
                return ExcCodes.ILLEGAL_VALUE
        wanted = self._dimmer.level(now)
        current_registers[: REGISTER + 1] = [*self._lit(words, wanted), wanted]
        return None

    def _lit(self, words: list[int], wanted: int) -> list[int]:
        """Return the registers with level and power as wanted; the counter stays the sun's."""
        if wanted == AUTOMATIC:
            return words
        values = {LAMP_LEVEL: float(wanted)}
        power = next(signal for signal in self._signals if isinstance(signal, LampPower))
        values[LAMP_POWER] = power.rated_w * wanted / 100
        lit = list(words)
        for address, channel, register in self._layout:
            if channel.measurand in values:
                fresh = register.encode(values[channel.measurand])
                lit[address : address + register.words] = fresh
        return lit


def free_port(wanted: int) -> int:
    """Return the wanted port when it is free on this machine, else one that is."""
    for port in (wanted, 0):
        with socket.socket() as trial:
            trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                trial.bind((HOST, port))
            except OSError:
                continue
            return int(trial.getsockname()[1])
    raise OSError("no TCP port is free")


async def serve(things: Sequence[Thing], recordings: Recordings, wanted: int, stop: Stop) -> None:
    """Serve the things' registers until told to stop; ``wanted`` 0 takes any port."""
    devices = [Unit(thing, recordings).device() for thing in things]
    port = free_port(wanted)
    server = ModbusTcpServer(devices, address=(HOST, port))
    await server.serve_forever(background=True)
    report(port=port)
    # A signal handler cannot wake the loop by itself: it is looked at.
    while not stop:  # noqa: ASYNC110
        await asyncio.sleep(_LOOK_S)
    server.close()


def main() -> None:
    """Run the server as its parent says."""
    stop = Stop()
    told = hear_parent()
    # pymodbus logs every packet of a connection that ends.
    logging.getLogger("pymodbus").setLevel(logging.CRITICAL)
    recordings = Recordings(FilePath(told["kept"]) if told.get("kept") else None)
    asyncio.run(serve(by_path(Path.MODBUS), recordings, int(told["port"]), stop))


if __name__ == "__main__":
    main()
