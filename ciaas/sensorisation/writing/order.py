"""What the runtime is asked to write, and how far that came."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from ciaas.kernel.downlink.command import Rung
from ciaas.kernel.model import Value


@dataclass(frozen=True, slots=True)
class WriteOrder:
    """One value for one point of a device of an adapter."""

    command: str
    """Id of the command."""
    address: str
    value: Value
    """In the unit of the device."""
    until: int
    """Milliseconds since 1970 UTC: nothing is written after it, and read back no longer."""
    who: str


class WriteOutcome(NamedTuple):
    """How far a write came.

    ``queued``: nothing has left. ``sent``: it left, and the device said nothing. ``accepted``: the
    device said yes. ``verified``: it reads back. ``rejected``: it said no, or cannot take this.
    """

    rung: Rung
    why: str = ""
