"""A thing of the quarter: an endpoint, where it stands, and the signals behind its data points."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from borough.demo.recordings.library import Recordings
from borough.demo.recordings.replay import Signal, measured_times
from ciaas.kernel.sample import Millis, Numbers

_NAMESPACE = uuid.UUID("5b1c2f6e-6a0f-5d7e-9b53-2f6d0c9e7a41")


class Origin(StrEnum):
    """Where the values of a thing come from."""

    REPLAYED = "replayed"
    """Recorded once, in another place and at another time."""
    SIMULATED = "simulated"


class Path(StrEnum):
    """How the values reach the platform."""

    MQTT = "mqtt"
    MODBUS = "modbus"
    DATEX = "datex"
    """XML over HTTP, polled."""
    GBFS = "gbfs"
    """JSON over HTTP, polled."""
    ZIGBEE = "zigbee"
    """A broker of its own, in the shape of Zigbee2MQTT."""


@dataclass(frozen=True, slots=True)
class Source:
    """Who recorded, or what computes, the values of a thing."""

    attribution: str
    licence: str


@dataclass(frozen=True, slots=True)
class Measurand:
    """A kind of quantity, told to the platform once for all points of the class."""

    conforms: str
    """Class of the object that carries it."""
    quantity: str
    unit: str
    """What history holds."""
    range: tuple[float, float]
    """Lowest and highest believable value, in ``unit``."""
    rate_max: float | None = None
    """Fastest believable change in ``unit`` per second."""
    source_unit: str | None = None
    """What the device delivers, where it differs from ``unit``."""
    factor: float = 1.0
    """From the delivered value to ``unit``."""

    def overlay(self) -> dict[str, Any]:
        """Return what ``PATCH /metadata/class:…`` is told."""
        stated = {
            "quantity": self.quantity,
            "unit": self.unit,
            "source_unit": self.source_unit,
            "range": list(self.range),
            "rate_max": self.rate_max,
        }
        return {key: value for key, value in stated.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Channel:
    """One data point: its place in the endpoint's model and the signal behind it."""

    node: str
    object: str
    attribute: str
    measurand: Measurand
    signal: Callable[[Recordings], Signal]
    decimals: int
    """Digits after the point that the device delivers."""

    @property
    def path(self) -> str:
        """``node/object/attribute``."""
        return f"{self.node}/{self.object}/{self.attribute}"


@dataclass(frozen=True, slots=True)
class Thing:
    """One endpoint of the quarter."""

    key: str
    """Its name within the demo; the UUID follows from it."""
    kind: str
    name: str
    path: Path
    place: tuple[float, float]
    """Longitude and latitude in degrees."""
    origin: Origin
    source: Source
    channels: tuple[Channel, ...]
    recorded_at: str = ""
    """Where the recording was made, empty for a simulation."""
    between: str | None = None
    """``held`` or ``interpolated``: what a value between two recorded samples is."""
    past_step_ms: int = 3_600_000
    """Interval of the past that it brings along; for a recording, its own."""
    cbor: bool = False
    """Speaks CBOR instead of JSON."""
    unit_id: int = 0
    """Modbus unit, 0 for a thing that is not polled."""

    @property
    def uuid(self) -> str:
        """The same at each start, so that a second start finds the endpoint again."""
        return str(uuid.uuid5(_NAMESPACE, self.key))

    def address(self, channel: Channel) -> str:
        """Return the data point's address."""
        return f"{self.uuid}/{channel.path}"

    def overlay(self) -> dict[str, Any]:
        """Return what ``PATCH /metadata/<endpoint>`` is told."""
        stated: dict[str, Any] = {
            "title": self.name,
            "place": {"lat": self.place[1], "lon": self.place[0]},
            "tags": ["demo", self.kind, f"origin: {self.origin}"],
            "origin": str(self.origin),
            "licence": self.source.licence,
            "attribution": self.source.attribution,
        }
        if self.recorded_at:
            stated["recorded_at"] = self.recorded_at
        if self.between is not None:
            stated["measured_every_s"] = self.past_step_ms / 1_000
            stated["between"] = self.between
        return stated

    def model(self) -> Mapping[str, Any]:
        """Return the nodes of the endpoint's data model, without values, as the wire has them."""
        nodes: dict[str, Any] = {}
        for channel in self.channels:
            node = nodes.setdefault(channel.node, {"implements": [self.kind], "objects": {}})
            thing = node["objects"].setdefault(
                channel.object,
                {"conforms": channel.measurand.conforms, "objects": {}, "attributes": {}},
            )
            thing["attributes"][channel.attribute] = {"type": "Number", "constraint": "Measure"}
        return nodes

    def past(
        self, recordings: Recordings, start: int, end: int
    ) -> list[tuple[Channel, Millis, Numbers]]:
        """Return each channel's samples from ``start`` on, before ``end``, in its own interval."""
        times = measured_times(self.past_step_ms, start, end)
        parts = []
        for channel in self.channels:
            values = np.round(channel.signal(recordings).at(times), channel.decimals)
            there = np.isfinite(values)
            parts.append((channel, times[there], values[there]))
        return parts
