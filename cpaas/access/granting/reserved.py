"""What a project has beside its data: its keys and its record, which take grants of their own.

What is granted on a project for its data gives nothing on them; who owns the project has them.
"""

from __future__ import annotations

from collections.abc import Iterable

from cpaas.access.caller import Caller
from security.aaa.levels import Level
from security.aaa.rights import Applies, Path, Rights, Verdict
from security.aaa.subjects import Who

KEY = "key:"
"""Begins the second level of a key's path, where an endpoint's UUID stands else."""
RECORD = "record:"
"""Stands as the second level of a record's path."""


def is_key(path: Path) -> bool:
    """Tell whether a path is that of a key."""
    return len(path) > 1 and path[1].startswith(KEY)


def is_record(path: Path) -> bool:
    """Tell whether a path is that of a project's record."""
    return len(path) > 1 and path[1] == RECORD


def is_reserved(path: Path) -> bool:
    """Tell whether a path is none of a project's data."""
    return is_key(path) or is_record(path)


def verdict_on(rights: Rights, who: Who, path: Path) -> Verdict:
    """Return what somebody may do on a path and why, with what is particular to keys and records.

    On these a wider grant counts only as OWN; any other is told as overruled.
    """
    verdict = rights.why(who, path)
    if not is_reserved(path) or verdict.level is Level.OWN:
        return verdict
    if any(grant.path == path and grant.in_force for grant in verdict.applies):
        return verdict
    overruled = [grant._replace(decides=False) for grant in verdict.applies]
    return Verdict(Level.DENY, verdict.admin, overruled)


def level_on(caller: Caller, path: Path) -> Level:
    """Return what the caller may do on a path, be it a key's, a record's or another's."""
    if is_reserved(path):
        return verdict_on(caller.city.rights, caller.party, path).level
    return caller.city.rights.level(caller.party, path)


def floor_on(
    caller: Caller, path: Path, starts: int, ends: int | None, purpose: str | None
) -> Level:
    """Return what the caller may hand on at a path and below, all through a time, for a purpose.

    Of a key that is what a grant on it gives that holds so long, or all to who owns the project.
    A record is handed on by who owns the project alone.

    Args:
        caller: Who would hand it on.
        path: Where.
        starts: Milliseconds since 1970 UTC.
        ends: When it ends; None never.
        purpose: Which requests it would count for; None for all.
    """
    rights, party = caller.city.rights, caller.party._replace(purpose=purpose)
    floor = rights.floor(party, path, starts, ends)
    if is_record(path) and caller.level(int(path[0])) is not Level.OWN:
        return Level.DENY
    if not is_reserved(path) or floor is Level.OWN:
        return floor
    own = (grant for grant in rights.why(party, path).applies if grant.path == path)
    return floor if _lasts(own, starts, ends, purpose) else Level.DENY


def _lasts(own: Iterable[Applies], starts: int, ends: int | None, purpose: str | None) -> bool:
    """Tell whether one grant is in force all through a time: then no wider one ever decides."""
    permits = (grant.permit for grant in own)
    return any(
        permit is None
        or (
            (permit.starts is None or permit.starts <= starts)
            and (permit.ends is None or (ends is not None and ends <= permit.ends))
            and permit.purpose in (None, purpose)
        )
        for permit in permits
    )
