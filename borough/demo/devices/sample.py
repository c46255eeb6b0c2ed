"""What a device delivers: values of its points at one time, and their wire forms."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import cbor2


class Reading(NamedTuple):
    """One value of one point."""

    address: str
    time_ms: int
    """Milliseconds since 1970 UTC."""
    value: float


class Outgoing(NamedTuple):
    """One message and the readings that its acknowledgement covers."""

    topic: str
    document: Mapping[str, Any]
    readings: tuple[Reading, ...]
    retain: bool = False


def update(reading: Reading) -> Outgoing:
    """Return one reading as ``@update``."""
    return Outgoing(f"@update/{reading.address}", _attribute(reading), (reading,))


def transaction(uuid: str, readings: Sequence[Reading]) -> Outgoing:
    """Return several readings of one endpoint as ``@transaction``."""
    attributes = {reading.address: _attribute(reading) for reading in readings}
    return Outgoing(f"@transaction/{uuid}", {"attributes": attributes}, tuple(readings))


def delayed(uuid: str, readings: Sequence[Reading], now_ms: int) -> Outgoing:
    """Return readings of the past as ``@delayed``, whose own time is in milliseconds."""
    messages = [
        {"topic": f"@update/{reading.address}", "data": _attribute(reading)} for reading in readings
    ]
    document = {"timestamp": now_ms, "messages": messages}
    return Outgoing(f"@delayed/{uuid}", document, tuple(readings))


def online(uuid: str, nodes: Mapping[str, Any], formats: Sequence[str]) -> Outgoing:
    """Return the retained message by which a device declares its data model."""
    document = {
        "version": "v0.2",
        "messageFormatVersion": 2,
        "supportedFormats": list(formats),
        "nodes": nodes,
    }
    return Outgoing(f"@online/{uuid}", document, (), retain=True)


def encode(document: Mapping[str, Any], *, cbor: bool) -> bytes:
    """Return the document as CBOR or as JSON without spaces."""
    if cbor:
        return cbor2.dumps(document)
    return json.dumps(document, separators=(",", ":")).encode()


def _attribute(reading: Reading) -> dict[str, Any]:
    return {
        "type": "Number",
        "constraint": "Measure",
        "timestamp": reading.time_ms / 1_000,
        "value": reading.value,
    }
