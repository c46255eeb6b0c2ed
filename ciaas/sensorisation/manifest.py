"""The manifest ``adapter.yaml`` that each adapter ships beside its code."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Literal

import yaml

from ciaas.sensorisation.contract import Checked


class Tier(StrEnum):
    """How well an adapter is proven, lowest first."""

    UNVERIFIED = "unverified"
    BRONZE = "bronze"
    """Passes the contract suite against its own library's server."""
    SILVER = "silver"
    """Also reads a peer that shares no code with the library."""


class Driver(Checked):
    """The library behind an adapter."""

    package: str
    versions: str
    """PEP 440 specifier."""
    licence: str
    """SPDX expression."""


class Manifest(Checked):
    """What the catalogue shows of an adapter without importing its driver."""

    name: str
    title: str
    kind: Literal["poll", "subscribe"]
    writes: bool
    tier: Tier
    licence: str
    """SPDX expression of the adapter itself."""
    extra: str
    """The extra of the ``borough`` distribution that brings the driver."""
    driver: Driver


def read_manifest(path: Path) -> Manifest:
    """Return a checked manifest.

    Raises:
        pydantic.ValidationError: a key is missing, unknown or of the wrong type.
    """
    return Manifest.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
