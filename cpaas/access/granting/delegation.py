"""What one may hand on: nothing that one does not hold there, then, and for that purpose."""

from __future__ import annotations

from collections.abc import Iterator
from http import HTTPStatus

from cpaas.access.caller import Caller
from cpaas.access.granting.covered import base_of
from cpaas.access.granting.holder import Holder
from cpaas.access.granting.reserved import floor_on, is_record, level_on
from cpaas.access.problems import Problem
from security.aaa.extents import Extent, SetExtent
from security.aaa.levels import Level, join
from security.aaa.subjects import group_subject, own_subjects
from security.ports import Permit


def held_for(
    caller: Caller,
    extent: Extent,
    starts: int | None = None,
    ends: int | None = None,
    purpose: str | None = None,
) -> Level:
    """Return what the caller holds everywhere in an extent, all through a time, for a purpose.

    Args:
        caller: Who would hand it on.
        extent: Where; a set counts as its whole project, since its members change.
        starts: When the grant would begin; None at once.
        ends: When it would end; None never.
        purpose: Which requests it would count for; None for all.
    """
    if caller.principal.user.admin:
        return Level.OWN
    now = caller.city.clock.now_ms()
    begins = now if starts is None else max(now, starts)
    return floor_on(caller, base_of(extent), begins, ends, purpose)


def may_grant(caller: Caller, extent: Extent) -> bool:
    """Tell whether the caller may grant anything on an extent: a record is its owner's to grant."""
    path = base_of(extent)
    if is_record(path):
        return caller.level(int(path[0])) is Level.OWN
    return level_on(caller, path) >= Level.GRANT


def refuse_more(held: Level, level: Level) -> None:
    """Raises Problem (403) when a level is not included in what the caller holds."""
    if not held.includes(level):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"nobody can grant more than the own level, {held.name}, or for longer or for another "
            "purpose than it is held",
        )


def refuse_over(caller: Caller, holder: Holder, extent: Extent, held: Level) -> None:
    """Keep the caller from taking rights from who holds more."""
    rights = caller.city.rights
    verdict = rights.why(holder.party, base_of(extent))
    # What counts at another time or for another purpose would be taken away as well.
    levels = [verdict.level, *(grant.level for grant in verdict.applies if not grant.in_force)]
    if isinstance(extent, SetExtent):
        # Any other set may have points in common with this one.
        permits = rights.permits_of(holder.party)
        levels += [
            permit.level
            for permit in permits
            if isinstance(permit.extent, SetExtent) and permit.extent.project == extent.project
        ]
    theirs = join(levels)
    own = holder.kind == "user" and holder.number == caller.user
    if not held.includes(theirs) and not own:
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"{holder.name} holds {theirs.name} there, more than you; ask who holds as much",
        )


def may_give(caller: Caller, permit: Permit) -> bool:
    """Tell whether the caller could give a permit as it is."""
    held = held_for(caller, permit.extent, permit.starts, permit.ends, permit.purpose)
    return held.includes(permit.level) and held.includes(Level.GRANT)


def refuse_over_all(caller: Caller, holder: Holder) -> None:
    """Keep the caller from acting as who holds something that the caller could not give.

    Raises:
        Problem: 403.
    """
    if not all(may_give(caller, permit) for permit in _all_of(caller, holder)):
        raise Problem(
            HTTPStatus.FORBIDDEN,
            f"{holder.name} holds rights that you could not give; ask who holds GRANT on all that "
            "it was granted, or an administrator, to do this",
        )


def _all_of(caller: Caller, holder: Holder) -> Iterator[Permit]:
    """Yield what a user was granted, alone or by a group, as permits that may yet count."""
    city, now = caller.city, caller.city.clock.now_ms()
    groups = city.rights.groups_of(holder.number)
    subjects = {
        holder.subject,
        *own_subjects(holder.name),
        *(group_subject(number) for number in groups),
    }
    found = [
        *(Permit(0, holder.subject, one.path, one.level) for one in city.grants.grants()
          if one.user == holder.number),
        *(Permit(0, group_subject(one.group), one.path, one.level)
          for one in city.assurance.groups.group_grants() if one.group in groups),
        *(one for one in city.entitlements.permits.permits() if one.subject in subjects),
    ]  # fmt: skip
    for one in found:
        # What is denied it is nothing to be had by it.
        if one.level is not Level.DENY and (one.ends is None or one.ends > now):
            yield one
