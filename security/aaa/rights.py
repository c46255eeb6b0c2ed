"""Rights: who holds which level on a path, decided by the longest granted prefix."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from security.aaa.holdings import NOTHING, GrantSet, Holdings, Path, holdings_of, levels_of
from security.aaa.levels import Level
from security.ports import Grant, GroupChanges

__all__ = ["Applies", "Path", "Rights", "Verdict", "monotonic_ms"]


def monotonic_ms() -> int:
    """Return milliseconds of a clock that nobody can set back."""
    return time.monotonic_ns() // 1_000_000


class Applies(NamedTuple):
    """One grant on a prefix of the path that was asked about."""

    path: Path
    level: Level
    group: int | None
    """Through which group it applies; None for a grant of the user's own."""
    decides: bool
    """True for the grant, or the equal ones, that the level comes from."""


class Verdict(NamedTuple):
    """A level and where it comes from."""

    level: Level
    admin: bool
    """True when no grant was asked, since administrators own everything."""
    applies: Sequence[Applies]
    """Every grant on a prefix of the path, the longest prefix first."""


class Rights:
    """Answers every question of rights from memory; safe to ask from any thread.

    A user holds own grants and those of groups. The longest granted prefix of a path decides,
    whoever holds it, so that a DENY below a positive grant takes away and a positive grant below a
    DENY gives back; at one prefix a DENY wins over whatever else is granted there, else the highest
    level counts. Administrators own everything. Each question sees one version as a whole: a change
    replaces the holdings it touches and never alters them.

    Args:
        stale_after_ms: Deny everything when the last `confirm` is longer ago; None trusts what was
            applied last for ever, which is right where the grants are written.
        clock_ms: The clock that `confirm` is told the time of.
    """

    def __init__(
        self, *, stale_after_ms: int | None = None, clock_ms: Callable[[], int] = monotonic_ms
    ) -> None:
        self._stale_after_ms = stale_after_ms
        self._clock_ms = clock_ms
        self._confirmed_ms: int | None = None
        self._state = _UNTRUSTED
        self._writing = threading.Lock()

    @property
    def version(self) -> int:
        """The registry's version that was applied last, 0 at first."""
        return self._state.version

    def level(self, user: int, path: Path) -> Level:
        """Return the user's level on the path; DENY when nothing was granted."""
        state = self._trusted_state()
        if user in state.admins:
            return Level.OWN
        holdings = state.holdings.get(user)
        return Level.DENY if holdings is None else holdings.level(path)

    def group_level(self, group: int, path: Path) -> Level:
        """Return what the group gives its members on the path, whatever else they hold."""
        return self._trusted_state().groups.get(group, NOTHING).level(path)

    def under(self, user: int, path: Path, need: Level) -> bool:
        """Tell whether the user holds ``need`` on the path or by any grant below it.

        Who was granted a single point has to find its endpoint: ``under(user, endpoint, ACCESS)``.
        """
        state = self._trusted_state()
        if need is Level.DENY or user in state.admins:
            return True
        holdings = state.holdings.get(user)
        if holdings is None:
            return False
        return holdings.level(path) >= need or holdings.highest_below(path) >= need

    def floor(self, user: int, path: Path) -> Level:
        """Return the lowest level that the user holds on the path or anywhere below it."""
        state = self._trusted_state()
        if user in state.admins:
            return Level.OWN
        holdings = state.holdings.get(user, NOTHING)
        return min([holdings.level(path), *holdings.below(path)])

    def visible(self, user: int, paths: Sequence[Path], need: Level) -> NDArray[np.bool_]:
        """Return a mask over the paths: True where the user's level is at least ``need``."""
        state = self._trusted_state()
        if need is Level.DENY or user in state.admins:
            return np.ones(len(paths), dtype=np.bool_)
        holdings = state.holdings.get(user)
        if holdings is None:
            return np.zeros(len(paths), dtype=np.bool_)
        levels = np.fromiter(levels_of(holdings, paths), dtype=np.uint8)
        return levels >= int(need)

    def why(self, user: int, path: Path) -> Verdict:
        """Return the user's level on the path with every grant that has a say in it."""
        state = self._trusted_state()
        parts: list[tuple[int | None, GrantSet]] = [(None, state.users.get(user, NOTHING))]
        parts += [(g, state.groups.get(g, NOTHING)) for g in sorted(state.member.get(user, ()))]
        level = (
            Level.OWN if user in state.admins else holdings_of([p for _, p in parts]).level(path)
        )
        found: list[Applies] = []
        for length in range(len(path), -1, -1):
            prefix = path[:length]
            here = [(g, at) for g, part in parts if (at := part.at(prefix)) is not None]
            first = not found and user not in state.admins
            found += [Applies(prefix, at, group, first and at is level) for group, at in here]
        return Verdict(level, user in state.admins, found)

    def groups_of(self, user: int) -> Collection[int]:
        """Return the numbers of the groups that the user is in."""
        return self._trusted_state().member.get(user, frozenset())

    def apply(
        self,
        version: int,
        put: Iterable[Grant],
        removed: Iterable[Grant],
        admins: Collection[int] | None = None,
        groups: GroupChanges | None = None,
    ) -> None:
        """Take over a change; questions asked afterwards see all of it.

        Args:
            version: Of the registry after the change. An older one than applied is ignored, since
                a notice and the poll beside it may deliver one change twice and out of order.
            put: Grants created or replaced since the version applied last.
            removed: Grants taken away since then.
            admins: All users who own everything; None leaves them as they are.
            groups: What changed of groups since then; None when nothing did.
        """
        with self._writing:
            state = self._state
            if version < state.version:
                return
            own: list[tuple[tuple[int, Path], Level | None]] = [
                *(((g.user, g.path), None) for g in removed),
                *(((g.user, g.path), g.level) for g in put),
            ]
            users = _changed(state.users, own)
            touched = {user for (user, _), _ in own}
            shared, member = state.groups, state.member
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
                touched |= {user for user, theirs in member.items() if theirs & moved}
            holdings = dict(state.holdings)
            for user in touched:
                parts = [users.get(user), *map(shared.get, sorted(member.get(user, ())))]
                held = [part for part in parts if part is not None]
                if held:
                    holdings[user] = holdings_of(held)
                else:
                    holdings.pop(user, None)
            kept = state.admins if admins is None else frozenset(admins)
            self._state = _State(version, users, shared, member, holdings, kept)

    def confirm(self, now_ms: int) -> None:
        """Note that the version applied was the registry's newest at that moment.

        Args:
            now_ms: Read from the engine's clock *before* the registry was asked.
        """
        self._confirmed_ms = now_ms

    def fresh(self, now_ms: int) -> bool:
        """Tell whether the engine still trusts itself; when not, it denies everything."""
        if self._stale_after_ms is None:
            return True
        return _is_fresh(self._confirmed_ms, now_ms, self._stale_after_ms)

    def _trusted_state(self) -> _State:
        if self._stale_after_ms is not None:
            # The clock is read after the confirmation: the other order could see a confirmation
            # from the future and deny for a moment.
            confirmed_ms = self._confirmed_ms
            if not _is_fresh(confirmed_ms, self._clock_ms(), self._stale_after_ms):
                return _UNTRUSTED
        return self._state


class _State(NamedTuple):
    version: int
    users: Mapping[int, GrantSet]
    groups: Mapping[int, GrantSet]
    member: Mapping[int, frozenset[int]]
    """Groups of each user who is in one."""
    holdings: Mapping[int, Holdings]
    """Of each user who holds anything, own grants and those of groups together."""
    admins: frozenset[int]


_UNTRUSTED = _State(0, {}, {}, {}, {}, frozenset())


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


def _is_fresh(confirmed_ms: int | None, now_ms: int, stale_after_ms: int) -> bool:
    return confirmed_ms is not None and 0 <= now_ms - confirmed_ms <= stale_after_ms
