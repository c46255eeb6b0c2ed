"""What the routes of rights act on beside plain grants: permits, selections, endpoint groups."""

from __future__ import annotations

from dataclasses import dataclass

from ciaas.management.sets.membership import Membership
from ciaas.management.sets.ports import SetStore
from security.ports import PermitStore


@dataclass(frozen=True, slots=True)
class Entitlements:
    """Grants under conditions, and the sets that they may name."""

    permits: PermitStore
    sets: SetStore
    membership: Membership
    """Who is in a set now."""
