"""Rights: who holds which level on a path, decided by the narrowest extent that is granted."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from security.aaa.compiled import State
from security.aaa.extents import Path, SetExtent, Sets
from security.aaa.hand import ENDPOINT_LENGTH, Hand, Moment
from security.aaa.holdings import NOTHING
from security.aaa.levels import Level, meet
from security.aaa.subjects import Party, Who, group_subject, number_of
from security.ports import Grant, GroupChanges, Permit, PermitChanges

__all__ = ["Applies", "Path", "Rights", "Verdict", "monotonic_ms", "wall_ms"]


def monotonic_ms() -> int:
    """Return milliseconds of a clock that nobody can set back."""
    return time.monotonic_ns() // 1_000_000


def wall_ms() -> int:
    """Return milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


_SETS = -1
"""Stands where else the length of a prefix stands."""


class Applies(NamedTuple):
    """One grant that has a say on the path that was asked about."""

    path: Path
    """The prefix granted; of a set its project's."""
    level: Level
    group: int | None
    """Through which group it applies; None for a grant of the caller's own."""
    decides: bool
    """True for the grant, or those at the same place, that the level comes from."""
    permit: Permit | None = None
    """What is said of it besides; None for a grant without conditions."""
    in_force: bool = True
    """False outside of its time, or for another purpose."""

    def reference(self) -> str:
        """Return how the record names the grant."""
        if self.permit is not None:
            return f"permit {self.permit.id}"
        holder = "own" if self.group is None else group_subject(self.group)
        return f"{holder} {'/'.join(self.path) or '#'} {self.level.name}"


class Verdict(NamedTuple):
    """A level and where it comes from."""

    level: Level
    admin: bool
    """True when no grant was asked, since administrators own everything."""
    applies: Sequence[Applies]
    """Every grant that covers the path, the narrowest extent first."""


class Rights:
    """Answers every question of rights from memory; safe to ask from any thread.

    A caller holds what is granted to the user, to the user's groups, and to its other subjects.
    The narrowest extent granted decides, whoever it was granted to: the longest prefix down to an
    endpoint, then classes, selections and endpoint groups (all alike), then the project, then
    everything. So a DENY on something narrow takes away and a positive grant below a DENY gives
    back; at one place a DENY wins over whatever else is granted there, else all counts together.
    Administrators own everything. Each question sees one version as a whole: a change replaces
    what it touches and never alters it.

    Args:
        stale_after_ms: Deny everything when the last `confirm` is longer ago; None trusts what was
            applied last for ever, which is right where the grants are written.
        clock_ms: The clock that `confirm` is told the time of.
        now_ms: The clock that validity intervals are held against, since 1970 UTC.
    """

    def __init__(
        self,
        *,
        stale_after_ms: int | None = None,
        clock_ms: Callable[[], int] = monotonic_ms,
        now_ms: Callable[[], int] = wall_ms,
    ) -> None:
        self._stale_after_ms = stale_after_ms
        self._clock_ms = clock_ms
        self._now_ms = now_ms
        self._confirmed_ms: int | None = None
        self._state = State.untrusted()
        self._untrusted = self._state
        self._sets: Sets | None = None
        self._always = Moment(0, None, None)
        self._writing = threading.Lock()

    @property
    def version(self) -> int:
        """The registry's version that was applied last, 0 at first."""
        return self._state.version

    def bind(self, sets: Sets) -> None:
        """Have someone tell who is in a set; until then a DENY on one denies its whole project."""
        self._sets = sets
        self._always = Moment(0, None, sets)

    def tide(self) -> int:
        """Return a number that grows whenever an answer may have become another one.

        Not for what is in a set: who keeps the sets tells of that.
        """
        state = self._state
        return state.tide + bisect_right(state.boundaries, self._now_ms())

    def level(self, who: Who, path: Path) -> Level:
        """Return the caller's level on the path; DENY when nothing was granted."""
        state = self._trusted_state()
        if state.is_admin(who):
            return Level.OWN
        hand = state.hand(who)
        if hand is None:
            return Level.DENY
        if hand.is_plain:
            return hand.plain.level(path)
        return hand.level(path, self._always if hand.is_timeless else self._moment(who))

    def group_level(self, group: int, path: Path) -> Level:
        """Return what the group gives its members on the path, whatever else they hold."""
        return self.level(Party(None, frozenset({group_subject(group)})), path)

    def under(self, who: Who, path: Path, need: Level) -> bool:
        """Tell whether the caller holds ``need`` on the path or anywhere below it.

        Who was granted a single point has to find its endpoint: ``under(user, endpoint, ACCESS)``.
        """
        state = self._trusted_state()
        if need is Level.DENY or state.is_admin(who):
            return True
        hand = state.hand(who)
        return hand is not None and hand.gives(path, need, self._moment(who))

    def floor(
        self, who: Who, path: Path, start: int | None = None, end: int | None = None
    ) -> Level:
        """Return a level that the caller holds on the path and anywhere below it.

        It is the lowest one there but where sets have a say: then it may be lower.

        Args:
            who: The caller.
            path: Where.
            start: Not now but from then on, in milliseconds since 1970 UTC.
            end: Until then, exclusively; with ``start`` None stands for ever after.
        """
        state = self._trusted_state()
        if state.is_admin(who):
            return Level.OWN
        hand = state.hand(who)
        if hand is None:
            return Level.DENY
        moment = self._moment(who)
        if start is None:
            return hand.floor(path, moment)
        turns = {
            turn
            for permit in hand.permits()
            for turn in (permit.starts, permit.ends)
            if turn is not None and turn > start and (end is None or turn < end)
        }
        return meet(hand.floor(path, moment._replace(now_ms=at)) for at in (start, *turns))

    def visible(
        self,
        who: Who,
        paths: Sequence[Path],
        need: Level,
        numbers: NDArray[np.integer] | None = None,
    ) -> NDArray[np.bool_]:
        """Return a mask over the paths: True where the caller's level includes ``need``.

        Args:
            who: The caller.
            paths: What is asked about.
            need: The level.
            numbers: Of each path the number of its point; None looks them up where sets count.
        """
        state = self._trusted_state()
        if need is Level.DENY or state.is_admin(who):
            return np.ones(len(paths), dtype=np.bool_)
        hand = state.hand(who)
        if hand is None:
            return np.zeros(len(paths), dtype=np.bool_)
        return hand.visible(paths, need, self._moment(who), numbers)

    def why(self, who: Who, path: Path) -> Verdict:
        """Return the caller's level on the path with every grant that has a say in it."""
        state = self._trusted_state()
        admin, moment = state.is_admin(who), self._moment(who)
        hand = state.hand(who) or Hand(NOTHING)
        level = Level.OWN if admin else hand.level(path, moment)
        found = list(_ranked(state, who, hand, path, moment))
        place = next((at for at, grant in found if grant.in_force), None)
        there = [grant.level for at, grant in found if grant.in_force and at == place]
        deciding = {
            one
            for one in there
            if (one is Level.DENY if Level.DENY in there else not any(map(one.is_below, there)))
        }
        applies = [
            grant._replace(
                decides=not admin and grant.in_force and at == place and grant.level in deciding
            )
            for at, grant in found
        ]
        return Verdict(level, admin, applies)

    def permits_of(self, who: Who) -> Sequence[Permit]:
        """Return the permits of a caller's user, groups and other subjects, in force or not."""
        hand = self._trusted_state().hand(who)
        return [] if hand is None else sorted(hand.permits(), key=lambda permit: permit.id)

    def groups_of(self, user: int) -> Collection[int]:
        """Return the numbers of the groups that the user is in."""
        return self._trusted_state().member.get(user, frozenset())

    def counts_sets(self, who: Who) -> bool:
        """Tell whether anything of the caller's is granted on a set."""
        hand = self._trusted_state().hand(who)
        return hand is not None and hand.has_sets

    def uses_sets(self) -> bool:
        """Tell whether any permit is on a set."""
        permits = (p for held in self._trusted_state().permits.values() for p in held.values())
        return any(isinstance(permit.extent, SetExtent) for permit in permits)

    def subjects(self) -> Collection[str]:
        """Return the subjects, users and groups apart, that hold a permit."""
        return [s for s in self._trusted_state().permits if number_of(s) is None]

    def apply(
        self,
        version: int,
        put: Iterable[Grant],
        removed: Iterable[Grant],
        admins: Collection[int] | None = None,
        groups: GroupChanges | None = None,
        permits: PermitChanges | None = None,
    ) -> None:
        """Take over a change; questions asked afterwards see all of it.

        Args:
            version: Of the registry after the change. An older one than applied is ignored, since
                a notice and the poll beside it may deliver one change twice and out of order.
            put: Grants created or replaced since the version applied last.
            removed: Grants taken away since then.
            admins: All users who own everything; None leaves them as they are.
            groups: What changed of groups since then; None when nothing did.
            permits: What changed of permits since then; None when nothing did.
        """
        with self._writing:
            if version < self._state.version:
                return
            tide = self.tide() + 1
            after = self._state.after(version, put, removed, admins, groups, permits)
            self._state = after.at(tide, self._now_ms())

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

    def _moment(self, who: Who) -> Moment:
        purpose = who.purpose if isinstance(who, Party) else None
        return Moment(self._now_ms(), purpose, self._sets)

    def _trusted_state(self) -> State:
        if self._stale_after_ms is not None:
            # The clock is read after the confirmation: the other order could see a confirmation
            # from the future and deny for a moment.
            confirmed_ms = self._confirmed_ms
            if not _is_fresh(confirmed_ms, self._clock_ms(), self._stale_after_ms):
                return self._untrusted
        return self._state


def _ranked(
    state: State, who: Who, hand: Hand, path: Path, moment: Moment
) -> Iterator[tuple[int, Applies]]:
    """Yield what has a say on a path, the narrowest first, each with the length of its prefix."""
    party = who if isinstance(who, Party) else Party(who)
    joined = state.groups_of(party.user, party.subjects)
    parts = [(group, state.groups.get(group, NOTHING)) for group in joined]
    own = NOTHING if party.user is None else state.users.get(party.user, NOTHING)
    permitted: dict[int, list[Permit]] = {}
    for permit in hand.permits_on(path, moment):
        is_set = isinstance(permit.extent, SetExtent)
        permitted.setdefault(_SETS if is_set else len(permit.extent), []).append(permit)
    narrow, wide = range(len(path), ENDPOINT_LENGTH - 1, -1), (ENDPOINT_LENGTH - 1, 0)
    for length in (*narrow, _SETS, *wide):
        if length > len(path):
            continue
        prefix = path[: ENDPOINT_LENGTH - 1 if length == _SETS else length]
        if length != _SETS:
            for group, part in ((None, own), *parts):
                if (level := part.at(prefix)) is not None:
                    yield length, Applies(prefix, level, group, False)
        for permit in permitted.get(length, ()):
            holder = number_of(permit.subject)
            group = holder[1] if holder is not None and holder[0] == "group" else None
            counts = moment.counts(permit)
            yield length, Applies(prefix, permit.level, group, False, permit, counts)


def _is_fresh(confirmed_ms: int | None, now_ms: int, stale_after_ms: int) -> bool:
    return confirmed_ms is not None and 0 <= now_ms - confirmed_ms <= stale_after_ms
