"""What the routes of keys act on: the key ring of the platform and the named keys of projects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from security.encryption.named.named_keys import NamedKeys


class Ring(Protocol):
    """The key ring, and how far its secrets are wrapped under the newest version."""

    def status(self) -> Mapping[str, Any]:
        """Return the versions, by what the ring opens, and the progress of the re-wrap."""
        ...

    def rotate(self) -> Mapping[str, Any]:
        """Make a new version and begin to re-wrap; returns the status.

        Raises:
            Conflict: there are as many versions as there may be.
            DiskFull: the key file cannot be written.
        """
        ...

    def forget(self, version: int) -> Mapping[str, Any]:
        """Destroy a version under which nothing lies any more; returns the status.

        Raises:
            Missing: there is no such version.
            Conflict: it is in use, or a re-wrap is not done yet.
            DiskFull: the key file cannot be written.
        """
        ...


@dataclass(frozen=True, slots=True)
class Keys:
    """Keys of the platform and of projects."""

    ring: Ring
    named: NamedKeys
