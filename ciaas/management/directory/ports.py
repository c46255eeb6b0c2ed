"""What the directory asks of the other parts of the platform."""

from __future__ import annotations

from collections.abc import Set
from typing import Protocol

from ciaas.kernel.address import EndpointId


class Attendance(Protocol):
    """Whose devices are connected."""

    def present(self) -> Set[EndpointId]:
        """Return the endpoints whose device is connected now; not to be changed."""
        ...
