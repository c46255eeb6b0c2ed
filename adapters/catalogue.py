"""The adapters that ship with the platform. Knowing them imports no driver."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from adapters.modbus.adapter import Modbus
from adapters.mqtt.adapter import Mqtt
from adapters.web.adapter import Web
from ciaas.sensorisation.contract import AnyAdapter
from ciaas.sensorisation.manifest import Manifest, read_manifest

ADAPTERS: Mapping[str, type[AnyAdapter]] = {"modbus": Modbus, "mqtt": Mqtt, "web": Web}
"""Name in a connection document → adapter. Each imports its driver when it first connects."""


def manifest(name: str) -> Manifest:
    """Return what the catalogue shows of one adapter of `ADAPTERS`."""
    return read_manifest(Path(__file__).parent / name / "adapter.yaml")
