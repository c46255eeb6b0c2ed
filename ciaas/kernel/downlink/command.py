"""A command and the ladder it climbs: what has happened to it so far, and who or what did that."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from ciaas.kernel.address import PointAddress
from ciaas.kernel.model import Value


class Rung(StrEnum):
    """How far a command has come."""

    REQUESTED = "requested"
    AUTHORISED = "authorised"
    QUEUED = "queued"
    """Recorded and waiting to be sent. A command comes back to it when nothing had left."""
    SENT = "sent"
    """Recorded just before it leaves: a crash in between leaves it unknown, never sent twice."""
    ACCEPTED = "accepted"
    """The device said yes."""
    VERIFIED = "verified"
    """The device was seen to have the value."""
    REJECTED = "rejected"
    """Refused by a rule of the point, or by the device; ``why`` says which."""
    UNKNOWN = "unknown"
    """It was sent, and nothing shows what came of it."""
    EXPIRED = "expired"
    """Never sent within its time."""
    SUPERSEDED = "superseded"
    """A newer command for the same point came before it was sent."""

    @property
    def terminal(self) -> bool:
        """True when nothing follows."""
        return self in TERMINAL


TERMINAL = frozenset({Rung.VERIFIED, Rung.REJECTED, Rung.UNKNOWN, Rung.EXPIRED, Rung.SUPERSEDED})
UNDER_WAY = frozenset({Rung.SENT, Rung.ACCEPTED})

FOLLOWS: Mapping[Rung, frozenset[Rung]] = {
    Rung.REQUESTED: frozenset({Rung.AUTHORISED}),
    Rung.AUTHORISED: frozenset({Rung.QUEUED, Rung.REJECTED}),
    Rung.QUEUED: frozenset({Rung.SENT, Rung.REJECTED, Rung.UNKNOWN, Rung.EXPIRED, Rung.SUPERSEDED}),
    Rung.SENT: frozenset(
        {Rung.QUEUED, Rung.SENT, Rung.ACCEPTED, Rung.VERIFIED, Rung.REJECTED, Rung.UNKNOWN}
    ),
    Rung.ACCEPTED: frozenset({Rung.SENT, Rung.VERIFIED, Rung.REJECTED, Rung.UNKNOWN}),
}
"""What may come after a rung; nothing comes after an end."""


@dataclass(frozen=True, slots=True)
class Step:
    """One rung reached. ``at`` is milliseconds since 1970 UTC."""

    rung: Rung
    at: int
    who: str
    """The user, ``core``, ``device`` or ``field``."""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Command:
    """One wish for one point, with its steps in order, at least one."""

    number: int
    """In the order of the requests."""
    id: str
    """UUID text, for whoever asks."""
    project: int
    point: int
    address: PointAddress
    user: int
    value: Value
    """In the point's canonical unit; never None."""
    stamp: int
    """Time that a cloud.iO device is told with the value (ms, UTC), rising from one command of a
    point to its next: a device ignores a set that is not newer than what it has."""
    expires_at: int
    """When it is no longer sent (ms, UTC)."""
    steps: tuple[Step, ...]

    @property
    def state(self) -> Rung:
        """The rung reached."""
        return self.steps[-1].rung

    @property
    def requested_at(self) -> int:
        """Milliseconds since 1970 UTC."""
        return self.steps[0].at

    @property
    def sends(self) -> int:
        """How often it was sent, or may have been."""
        gone = [step.rung for step in self.steps]
        unsent = sum(
            before is Rung.SENT and after is Rung.QUEUED for before, after in pairwise(gone)
        )
        return gone.count(Rung.SENT) - unsent

    @property
    def sent_at(self) -> int | None:
        """When it was last sent (ms, UTC), None before."""
        return next((s.at for s in reversed(self.steps) if s.rung is Rung.SENT), None)
