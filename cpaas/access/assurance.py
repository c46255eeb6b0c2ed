"""What the routes of assurance act on: groups, the log of accesses, checkpoints, copies."""

from __future__ import annotations

from dataclasses import dataclass

from security.ports import GroupStore


@dataclass(frozen=True, slots=True)
class Assurance:
    """Parts of the platform that answer for who may do what, who did, and that it is kept."""

    groups: GroupStore
