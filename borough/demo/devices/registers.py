"""The register maps of the polled devices: what the server serves and the profile describes."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from borough.demo.city.dimming import AUTOMATIC, LAG_S, POINT, REGISTER, dims
from borough.demo.city.measurands import FLOW, LAMP_ENERGY, LAMP_LEVEL, LAMP_POWER, VEHICLES
from borough.demo.city.thing import Channel, Thing

POLL_S = 2.0
"""How often the platform is asked to read each point."""
PROFILE_REVISION = 2


@dataclass(frozen=True, slots=True)
class Register:
    """How a quantity lies in holding registers, most significant word first."""

    raw: str
    """Raw type of the device profile: u16, u32 or f32."""
    scale: float = 1.0
    """Value of one count."""
    null: int | None = None
    """What stands for "no value"; None for a float, which has NaN."""

    @property
    def words(self) -> int:
        """Registers taken."""
        return int(self.raw[1:]) // 16

    def encode(self, value: float) -> list[int]:
        """Return the registers; NaN becomes ``null``, what does not fit the nearest that does."""
        if self.raw == "f32":
            packed = struct.pack(">f", value)
        else:
            top = 2 ** (16 * self.words) - 1
            null = top if self.null is None else self.null
            count = null if math.isnan(value) else min(max(round(value / self.scale), 0), top)
            packed = count.to_bytes(2 * self.words, "big")
        return list(struct.unpack(f">{self.words}H", packed))


_LAYOUT: Mapping[str, Register] = {
    VEHICLES.conforms: Register("u16", null=0xFFFF),
    FLOW.conforms: Register("f32"),
    LAMP_LEVEL.conforms: Register("u16", scale=0.1),
    LAMP_POWER.conforms: Register("u16"),
    LAMP_ENERGY.conforms: Register("u32"),
}


_SET_POINT = {
    "id": POINT,
    "direction": "rw",
    "constraint": "SetPoint",
    "address": {"table": "holding", "register": REGISTER},
    "raw": {"type": "u16"},
    "write": {"raw_range": [0, 100], "settle_s": LAG_S},
    "unit": {"source": "%", "canonical": "%"},
    "validity": {"range": [0, 100], "null_values": [AUTOMATIC]},
    "sampling": {"interval_s": POLL_S},
    "quantity": "light level, wanted",
}
"""Of a cabinet whose lamps can be dimmed."""


def registers(thing: Thing) -> Iterator[tuple[int, Channel, Register]]:
    """Yield each channel of a thing with its register and the address of its first word."""
    address = 0
    for channel in thing.channels:
        register = _LAYOUT[channel.measurand.conforms]
        yield address, channel, register
        address += register.words


def profile(thing: Thing) -> dict[str, Any]:
    """Return the device profile of a thing's kind."""
    return {
        "id": thing.kind,
        "revision": PROFILE_REVISION,
        "adapter": "modbus",
        "title": thing.kind.replace("-", " ").capitalize(),
        "implements": {channel.node: [thing.kind] for channel in thing.channels},
        "conforms": {
            f"{channel.node}/{channel.object}": channel.measurand.conforms
            for channel in thing.channels
        },
        "points": [
            *(
                _point(address, channel, register)
                for address, channel, register in registers(thing)
            ),
            *([_SET_POINT] if dims(thing) else []),
        ],
    }


def connection(name: str, things: tuple[Thing, ...], host: str, port: int) -> dict[str, Any]:
    """Return the connection document for all polled things behind one server."""
    profiles = {thing.kind: profile(thing) for thing in things}
    return {
        "name": name,
        "adapter": "modbus",
        "config": {"host": host, "port": port},
        "profiles": list(profiles.values()),
        "devices": [
            {
                "id": thing.key,
                "friendly_name": thing.name,
                "uuid": thing.uuid,
                "profile": thing.kind,
                "config": {"unit": thing.unit_id},
                "place": {"lat": thing.place[1], "lon": thing.place[0]},
                "tags": thing.overlay()["tags"],
            }
            for thing in things
        ],
    }


def _point(address: int, channel: Channel, register: Register) -> dict[str, Any]:
    measurand = channel.measurand
    validity: dict[str, Any] = {"range": list(measurand.range)}
    if register.null is not None:
        validity["null_values"] = [register.null]
    point: dict[str, Any] = {
        "id": channel.path,
        "address": {"table": "holding", "register": address},
        "raw": {"type": register.raw},
        "unit": {"source": measurand.source_unit or measurand.unit, "canonical": measurand.unit},
        "validity": validity,
        "sampling": {"interval_s": POLL_S},
        "quantity": measurand.quantity,
    }
    if register.scale != 1.0:
        point["transform"] = {"scale": register.scale}
    return point
