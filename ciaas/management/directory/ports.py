"""What the directory asks of the other parts of the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import Any, Protocol

from ciaas.kernel.address import EndpointId


class Attendance(Protocol):
    """Whose devices are connected."""

    def present(self) -> Set[EndpointId]:
        """Return the endpoints whose device is connected now; not to be changed."""
        ...


@dataclass(frozen=True, slots=True)
class Candidate:
    """A thing that was noticed and is no endpoint yet."""

    kind: str
    """``discovered`` by an adapter, or ``refused`` when it asked to be let in."""
    name: str
    """What it calls itself: a bus address, a topic, the client id of a device."""
    source: str
    """Who noticed it: the name of a connection, or ``broker``."""
    project: int | None
    """Of the connection, or of the endpoint that it claims to be; None concerns administrators."""
    first_seen: int
    """Milliseconds since 1970 UTC."""
    last_seen: int
    detail: Mapping[str, Any] = field(default_factory=dict)
    """What else is known of it, such as its maker or why it was refused."""


class Candidates(Protocol):
    """A part that notices things; it bounds how many it remembers."""

    def candidates(self) -> Sequence[Candidate]:
        """Return what it noticed and is still no endpoint, in any order."""
        ...
