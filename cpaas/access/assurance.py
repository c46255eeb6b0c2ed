"""What the routes of assurance act on: groups, the log of accesses, checkpoints, copies."""

from __future__ import annotations

from dataclasses import dataclass

from security.aaa.accesses import AccessLog
from security.aaa.checkpoints import Signer
from security.ports import CheckpointStore, GroupStore


@dataclass(frozen=True, slots=True)
class Assurance:
    """Parts of the platform that answer for who may do what, who did, and that it is kept."""

    groups: GroupStore
    accesses: AccessLog
    checkpoints: CheckpointStore
    signer: Signer
    """Whose checkpoints they are."""
