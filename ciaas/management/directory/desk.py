"""The directory as the HTTP API reaches it."""

from __future__ import annotations

from dataclasses import dataclass

from ciaas.management.directory.changes import ChangeFeed
from ciaas.management.directory.directory import Directory
from ciaas.management.directory.doorstep import Doorstep
from ciaas.sensorisation.sighting import Discovered


@dataclass(frozen=True, slots=True)
class DirectoryDesk:
    """What can be asked of the directory."""

    find: Directory
    discovered: Discovered
    """Devices that adapters saw and nobody enrolled."""
    doorstep: Doorstep
    """Devices that the broker refused."""
    changes: ChangeFeed
