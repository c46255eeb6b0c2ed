"""What the routes of assurance act on: groups, the log of accesses, checkpoints, copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import ArrayLike

from security.aaa.accesses import AccessLog
from security.aaa.checkpoints import Signer
from security.ports import CheckpointStore, GroupStore


class Packer(Protocol):
    """Makes one consistent copy of the platform."""

    def pack(self) -> Iterator[bytes]:
        """Return the pieces of a tar archive.

        Raises:
            Conflict: another one is under way.
            DiskFull: there is no room for the copies that it takes.
        """
        ...


@dataclass(frozen=True, slots=True)
class Assurance:
    """Parts of the platform that answer for who may do what, who did, and that it is kept."""

    groups: GroupStore
    accesses: AccessLog
    checkpoints: CheckpointStore
    signer: Signer
    """Whose checkpoints they are."""
    backup: Packer
    projects_of: Callable[[ArrayLike], frozenset[int]]
    """Returns whose points of these numbers are."""
    note: Callable[[Mapping[str, Any]], None]
    """Takes an entry for the record that nobody waits for, and returns at once."""
