"""What the routes of assurance act on: groups, the log of accesses, checkpoints, copies."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import ArrayLike

from security.aaa.accesses import AccessLog
from security.aaa.checkpoints import ChainCheckpoint, Signer
from security.aaa.outage import Outage
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


class Chains(Protocol):
    """Whose part of the record tells of what."""

    def projects_of(self, points: ArrayLike) -> frozenset[int]:
        """Return whose points of these numbers are."""
        ...

    def chain_of_project(self, project: int) -> int:
        """Return the chain of a project; the project of the platform has the platform's."""
        ...


class CoveringCheckpoints(Protocol):
    """The checkpoints of chains."""

    def covering(self, chain: int, number: int) -> ChainCheckpoint | None:
        """Return the checkpoint whose tree has an entry, None when there is none yet."""
        ...

    def covered(self, chain: int) -> int:
        """Return the last entry of a chain that a checkpoint covers, 0 when there is none."""
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
    chains: Chains
    covered: CoveringCheckpoints
    mask: Callable[[str], str]
    """Returns what stands in the record for a secret: always the same, and not to be undone."""
    outage: Outage
    """Of the record: told by who writes to it and is answered at once."""
    note: Callable[[Mapping[str, Any]], None]
    """Takes an entry for the record that nobody waits for, and returns at once."""
