"""One version of everything granted, compiled for questions."""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from security.aaa.extents import Path, SetExtent
from security.aaa.hand import Hand
from security.aaa.holdings import NOTHING, GrantSet, holdings_of
from security.aaa.levels import Level
from security.aaa.subjects import Party, Who, group_subject, number_of, user_subject
from security.limits import PARTIES_CACHED_MAX
from security.ports import Grant, GroupChanges, Permit, PermitChanges


@dataclass(frozen=True, slots=True)
class State:
    """Grants by holder, and what each user holds by all of them; never altered."""

    version: int
    users: Mapping[int, GrantSet]
    groups: Mapping[int, GrantSet]
    member: Mapping[int, frozenset[int]]
    """Groups of each user who is in one."""
    permits: Mapping[str, Mapping[int, Permit]]
    """By subject and number."""
    hands: Mapping[int, Hand]
    """Of each user who holds anything, by own grants or by those of groups."""
    admins: frozenset[int]
    tide: int = 0
    boundaries: tuple[int, ...] = ()
    """Moments at which a permit begins or ends, in order; those past are left out now and then."""
    _parties: dict[tuple[int | None, frozenset[str]], Hand | None] = field(default_factory=dict)

    @classmethod
    def untrusted(cls) -> Self:
        """Return a state in which nobody holds anything."""
        return cls(0, {}, {}, {}, {}, {}, frozenset())

    def is_admin(self, who: Who) -> bool:
        """Tell whether the caller owns everything."""
        return (who.user if isinstance(who, Party) else who) in self.admins

    def hand(self, who: Who) -> Hand | None:
        """Return what the caller holds, None for nothing."""
        if not isinstance(who, Party):
            return self.hands.get(who)
        if not who.subjects:
            return None if who.user is None else self.hands.get(who.user)
        key = (who.user, who.subjects)
        found = self._parties.get(key)
        if found is None and key not in self._parties:
            if len(self._parties) >= PARTIES_CACHED_MAX:
                self._parties.clear()
            found = self._parties[key] = self._made(who.user, who.subjects)
        return found

    def after(
        self,
        version: int,
        put: Iterable[Grant],
        removed: Iterable[Grant],
        admins: Collection[int] | None,
        groups: GroupChanges | None,
        permits: PermitChanges | None,
    ) -> State:
        """Return the state after a change; arguments as those of `Rights.apply`."""
        own: list[tuple[tuple[int, Path], Level | None]] = [
            *(((g.user, g.path), None) for g in removed),
            *(((g.user, g.path), g.level) for g in put),
        ]
        touched = {user for (user, _), _ in own}
        shared, member, moved = self.groups, self.member, set[int]()
        if groups is not None:
            shared = _changed(
                shared,
                [
                    *(((g.group, g.path), None) for g in groups.removed),
                    *(((g.group, g.path), g.level) for g in groups.put),
                ],
            )
            member = _joined(member, groups)
            moved = {grant.group for grant in (*groups.put, *groups.removed)}
            touched |= {change.user for change in groups.members}
        permitted, boundaries = self.permits, self.boundaries
        if permits is not None and (permits.put or permits.removed):
            permitted = _permitted(permitted, permits)
            boundaries = _boundaries(permitted)
            for permit in (*permits.put, *permits.removed):
                match number_of(permit.subject):
                    case ("user", user):
                        touched.add(user)
                    case ("group", group):
                        moved.add(group)
        if moved:
            touched |= {user for user, theirs in member.items() if theirs & moved}
        after = replace(
            self,
            version=version,
            users=_changed(self.users, own),
            groups=shared,
            member=member,
            permits=permitted,
            boundaries=boundaries,
            admins=self.admins if admins is None else frozenset(admins),
            _parties={},
        )
        if not touched:
            return after
        hands = dict(self.hands)
        for user in touched:
            hand = after._made(user, frozenset())
            if hand is None:
                hands.pop(user, None)
            else:
                hands[user] = hand
        return replace(after, hands=hands)

    def at(self, tide: int, now_ms: int) -> State:
        """Return the same at a moment: what lies before it is counted in the tide."""
        ahead = bisect_right(self.boundaries, now_ms)
        return replace(self, tide=tide, boundaries=self.boundaries[ahead:])

    def _made(self, user: int | None, subjects: Collection[str]) -> Hand | None:
        joined = self.groups_of(user, subjects)
        asked = {*subjects, *map(group_subject, joined)}
        held = [self.groups.get(group) for group in joined]
        if user is not None:
            held.insert(0, self.users.get(user))
            asked.add(user_subject(user))
        parts = [part for part in held if part is not None]
        permits = [p for subject in asked for p in self.permits.get(subject, {}).values()]
        if not parts and not permits:
            return None
        return Hand(holdings_of(parts) if parts else NOTHING, permits)

    def groups_of(self, user: int | None, subjects: Collection[str]) -> list[int]:
        """Return the groups that a caller is in, as a member or by another subject."""
        groups = set() if user is None else set(self.member.get(user, ()))
        for subject in subjects:
            match number_of(subject):
                case ("group", group):
                    groups.add(group)
        return sorted(groups)


def _changed(
    sets: Mapping[int, GrantSet], changes: Iterable[tuple[tuple[int, Path], Level | None]]
) -> Mapping[int, GrantSet]:
    """Return the sets after the changes, each changed one replaced; a level of None takes away."""
    drafts: dict[int, dict[Path, Level]] = {}
    for (holder, path), level in changes:
        if holder not in drafts:
            drafts[holder] = dict(sets[holder].grants) if holder in sets else {}
        if level is None:
            drafts[holder].pop(path, None)
        else:
            drafts[holder][tuple(map(sys.intern, path))] = level
    if not drafts:
        return sets
    after = dict(sets)
    for holder, grants in drafts.items():
        if grants:
            after[holder] = GrantSet(grants)
        else:
            after.pop(holder, None)
    return after


def _joined(
    member: Mapping[int, frozenset[int]], changes: GroupChanges
) -> Mapping[int, frozenset[int]]:
    """Return the groups of each user after people joined and left."""
    after = dict(member)
    for change in changes.members:
        groups = after.get(change.user, frozenset())
        groups = groups | {change.group} if change.present else groups - {change.group}
        if groups:
            after[change.user] = groups
        else:
            after.pop(change.user, None)
    return after


def _boundaries(permits: Mapping[str, Mapping[int, Permit]]) -> tuple[int, ...]:
    """Return the moments at which any permit begins or ends, in order."""
    held = (permit for theirs in permits.values() for permit in theirs.values())
    turns = (turn for permit in held for turn in (permit.starts, permit.ends))
    return tuple(sorted(turn for turn in turns if turn is not None))


def _permitted(
    before: Mapping[str, Mapping[int, Permit]], changes: PermitChanges
) -> Mapping[str, Mapping[int, Permit]]:
    """Return the permits by subject after some were put and some taken away."""
    drafts: dict[str, dict[int, Permit]] = {}
    for permit in (*changes.removed, *changes.put):
        drafts.setdefault(permit.subject, dict(before.get(permit.subject, {})))
    for permit in changes.removed:
        drafts[permit.subject].pop(permit.id, None)
    for permit in changes.put:
        extent = permit.extent
        if not isinstance(extent, SetExtent):
            extent = tuple(map(sys.intern, extent))
        drafts[permit.subject][permit.id] = replace(permit, extent=extent)
    after = dict(before)
    for subject, permits in drafts.items():
        if permits:
            after[subject] = permits
        else:
            after.pop(subject, None)
    return after
