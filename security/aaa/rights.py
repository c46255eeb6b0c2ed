"""Rights: who holds which level on a path, decided by the longest granted prefix."""

from __future__ import annotations

import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from security.aaa.levels import Level
from security.ports import Grant

Path: TypeAlias = tuple[str, ...]
"""``(project id as text, endpoint, node, …)``; the empty path stands for everything."""


def monotonic_ms() -> int:
    """Return milliseconds of a clock that nobody can set back."""
    return time.monotonic_ns() // 1_000_000


class Rights:
    """Answers every question of rights from memory; safe to ask from any thread.

    The longest granted prefix of a path decides, so that a DENY below a positive grant takes away
    and a positive grant below a DENY gives back. Administrators own everything. Each question sees
    one version as a whole: a change replaces the subjects it touches and never alters them.

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
        self._state = _State(version=0, subjects={}, admins=frozenset())
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
        subject = state.subjects.get(user)
        return Level.DENY if subject is None else subject.level(path)

    def under(self, user: int, path: Path, need: Level) -> bool:
        """Tell whether the user holds ``need`` on the path or by any grant below it.

        Who was granted a single point has to find its endpoint: ``under(user, endpoint, ACCESS)``.
        """
        state = self._trusted_state()
        if need is Level.DENY or user in state.admins:
            return True
        subject = state.subjects.get(user)
        if subject is None:
            return False
        return subject.level(path) >= need or subject.highest_below(path) >= need

    def visible(self, user: int, paths: Sequence[Path], need: Level) -> NDArray[np.bool_]:
        """Return a mask over the paths: True where the user's level is at least ``need``."""
        state = self._trusted_state()
        if need is Level.DENY or user in state.admins:
            return np.ones(len(paths), dtype=np.bool_)
        subject = state.subjects.get(user)
        if subject is None:
            return np.zeros(len(paths), dtype=np.bool_)
        levels = np.fromiter(subject.levels(paths), dtype=np.uint8)
        return levels >= int(need)

    def apply(
        self,
        version: int,
        put: Iterable[Grant],
        removed: Iterable[Grant],
        admins: Collection[int] | None = None,
    ) -> None:
        """Take over a change; questions asked afterwards see all of it.

        Args:
            version: Of the registry after the change. An older one than applied is ignored, since
                a notice and the poll beside it may deliver one change twice and out of order.
            put: Grants created or replaced since the version applied last.
            removed: Grants taken away since then.
            admins: All users who own everything; None leaves them as they are.
        """
        with self._writing:
            state = self._state
            if version < state.version:
                return
            changed: dict[int, dict[Path, Level]] = {}
            for grant in removed:
                _copy_for_change(changed, state, grant.user).pop(grant.path, None)
            for grant in put:
                path = tuple(map(sys.intern, grant.path))
                _copy_for_change(changed, state, grant.user)[path] = grant.level
            subjects = dict(state.subjects)
            for user, grants in changed.items():
                if grants:
                    subjects[user] = _Subject(grants)
                else:
                    subjects.pop(user, None)
            kept = state.admins if admins is None else frozenset(admins)
            self._state = _State(version, subjects, kept)

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
                return _NOTHING
        return self._state


class _Subject:
    """The grants of one user, never altered once built."""

    def __init__(self, grants: dict[Path, Level]) -> None:
        self.grants = grants
        # Only these lengths can match: who holds one project is answered by a single look-up.
        self._lengths = sorted(set(map(len, grants)), reverse=True)

    def level(self, path: Path) -> Level:
        grants = self.grants
        length = len(path)
        for granted_length in self._lengths:
            if granted_length <= length:
                found = grants.get(path[:granted_length])
                if found is not None:
                    return found
        return Level.DENY

    def levels(self, paths: Iterable[Path]) -> Iterable[Level]:
        """Yield the level of each path; what the parents hold is worked out once per parent."""
        grants = self.grants
        parents: dict[Path, Level] = {}
        for path in paths:
            found = grants.get(path)
            if found is None:
                parent = path[:-1]
                found = parents.get(parent)
                if found is None:
                    found = parents[parent] = self.level(parent)
            yield found

    def highest_below(self, path: Path) -> Level:
        """Return the highest level granted at the path or below it."""
        ordered, levels = self._ordered
        first = bisect_left(ordered, path)
        last = len(ordered)
        if path:
            # No text lies between a name and the name with a NUL behind it, so this is the first
            # path that no longer starts with ``path``.
            last = bisect_left(ordered, (*path[:-1], path[-1] + "\0"), lo=first)
        return Level(int(levels[first:last].max(initial=0)))

    @cached_property
    def _ordered(self) -> tuple[list[Path], NDArray[np.uint8]]:
        """The granted paths in order and the level of each; made when first needed."""
        ordered = sorted(self.grants)
        levels = np.fromiter(map(self.grants.__getitem__, ordered), np.uint8, len(ordered))
        return ordered, levels


class _State(NamedTuple):
    version: int
    subjects: Mapping[int, _Subject]
    admins: frozenset[int]


_NOTHING = _State(version=0, subjects={}, admins=frozenset())


def _copy_for_change(
    changed: dict[int, dict[Path, Level]], state: _State, user: int
) -> dict[Path, Level]:
    """Return the grants of a user that may be altered: one copy per user and change."""
    if user not in changed:
        subject = state.subjects.get(user)
        changed[user] = {} if subject is None else dict(subject.grants)
    return changed[user]


def _is_fresh(confirmed_ms: int | None, now_ms: int, stale_after_ms: int) -> bool:
    return confirmed_ms is not None and 0 <= now_ms - confirmed_ms <= stale_after_ms
