"""What the directory asks of the other parts of the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple, Protocol

from ciaas.kernel.address import EndpointId
from ciaas.ports import Endpoint, Point


class Attendance(Protocol):
    """Whose devices are connected."""

    def present(self) -> Set[EndpointId]:
        """Return the endpoints whose device is connected now; not to be changed."""
        ...


class EntryKind(IntEnum):
    """What was changed, in the order in which the changes of one version are told."""

    ENDPOINT = 0
    POINT = 1
    OVERLAY = 2


class Position(NamedTuple):
    """A place among the changes: behind a row of one kind, of all rows of one version.

    Positions are ordered as the changes are.
    """

    version: int
    kind: int
    row: int

    @staticmethod
    def behind(version: int) -> Position:
        """Return the place behind everything of a version."""
        return Position(version, len(EntryKind), 0)


@dataclass(frozen=True, slots=True)
class Entry:
    """The last change of one thing."""

    position: Position
    created: int
    """Version in which the thing came to be; 0 when that was before such a note was kept."""
    of: Endpoint | Point | Overlay


@dataclass(frozen=True, slots=True)
class Overlay:
    """What is said at one scope; empty when it was taken back."""

    scope: str
    document: Mapping[str, Any]


class ChangeLog(Protocol):
    """The registry's changes in their order; what changed several times stands at its last."""

    def version(self) -> int:
        """Return the number of the last change."""
        ...

    def after(self, position: Position, limit: int) -> Sequence[Entry]:
        """Return the next entries behind a position in order."""
        ...
