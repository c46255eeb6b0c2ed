"""What somebody holds: own grants, and those of groups, asked as one."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from security.aaa.extents import Path
from security.aaa.levels import Level, combine


class Holdings(Protocol):
    """Levels by path; the longest granted prefix decides."""

    lengths: list[int]
    """Of the granted paths, each once, the longest first."""
    size: int
    """How many grants there are, those on the same path counted each."""

    def at(self, path: Path) -> Level | None:
        """Return what is granted on exactly this path, None when nothing is."""
        ...

    def level(self, path: Path) -> Level:
        """Return what the longest granted prefix gives, DENY when there is none."""
        ...

    def below(self, path: Path) -> Iterator[Level]:
        """Yield what is granted at the path or below it, for each granted path once."""
        ...

    def paths_below(self, path: Path) -> Sequence[Path]:
        """Return the granted paths at the path or below it, each once, in order."""
        ...

    def giving(self, path: Path, need: Level) -> Iterator[Path]:
        """Yield the granted paths at the path or below it whose level includes ``need``."""
        ...


class GrantSet:
    """The grants of one user or group, never altered once built."""

    def __init__(self, grants: dict[Path, Level]) -> None:
        self.grants: Mapping[Path, Level] = grants
        self.size = len(grants)
        # Only these lengths can match: who holds one project is answered by a single look-up.
        self.lengths = sorted(set(map(len, grants)), reverse=True)

    def at(self, path: Path) -> Level | None:
        """Return what is granted on exactly this path, None when nothing is."""
        return self.grants.get(path)

    def level(self, path: Path) -> Level:
        """Return what the longest granted prefix gives, DENY when there is none."""
        grants = self.grants
        length = len(path)
        for granted_length in self.lengths:
            if granted_length <= length:
                found = grants.get(path[:granted_length])
                if found is not None:
                    return found
        return Level.DENY

    def below(self, path: Path) -> Iterator[Level]:
        """Yield what is granted at the path or below it, for each granted path once."""
        return (Level(int(level)) for level in self._levels[self._part(path)])

    def paths_below(self, path: Path) -> Sequence[Path]:
        """Return the granted paths at the path or below it, in order."""
        return self._ordered[self._part(path)]

    def giving(self, path: Path, need: Level) -> Iterator[Path]:
        """Yield the granted paths at the path or below it whose level includes ``need``."""
        part = self._part(path)
        for place in np.flatnonzero(self._levels[part] & need == need).tolist():
            yield self._ordered[part.start + place]

    def _part(self, path: Path) -> slice:
        ordered = self._ordered
        first = bisect_left(ordered, path)
        if not path:
            return slice(first, len(ordered))
        # No text lies between a name and the name with a NUL behind it, so this is the first
        # path that no longer starts with ``path``.
        return slice(first, bisect_left(ordered, (*path[:-1], path[-1] + "\0"), lo=first))

    @cached_property
    def _ordered(self) -> list[Path]:
        return sorted(self.grants)

    @cached_property
    def _levels(self) -> NDArray[np.uint16]:
        levels = map(self.grants.__getitem__, self._ordered)
        return np.fromiter(levels, np.uint16, len(self.grants))


class GrantUnion:
    """The grants of a user and of the user's groups as if they were one set.

    Where several hold a grant on the same path, a DENY among them wins, else all count together.
    So a group can be kept out of what its members were given one by one, and nobody loses by
    joining a group that has less. Looked up in each part: merged sets would multiply with the
    members.
    """

    def __init__(self, parts: Sequence[GrantSet]) -> None:
        self._parts = parts
        self.size = sum(part.size for part in parts)
        self.lengths = sorted({n for part in parts for n in part.lengths}, reverse=True)

    def at(self, path: Path) -> Level | None:
        """Return what holds on exactly this path, None when nothing is granted there."""
        found: Level | None = None
        for part in self._parts:
            level = part.grants.get(path)
            if level is None:
                continue
            if level is Level.DENY:
                return level
            found = level if found is None else Level(found | level)
        return found

    def level(self, path: Path) -> Level:
        """Return what the longest prefix that any of them holds gives, DENY when there is none."""
        length = len(path)
        for granted_length in self.lengths:
            if granted_length <= length:
                found = self.at(path[:granted_length])
                if found is not None:
                    return found
        return Level.DENY

    def merged(self) -> GrantSet:
        """Return the one set that gives the same, for many questions at a time."""
        table: dict[Path, Level] = {}
        for part in self._parts:
            for path, level in part.grants.items():
                before = table.get(path)
                table[path] = level if before is None else combine((before, level))
        return GrantSet(table)

    def paths_below(self, path: Path) -> Sequence[Path]:
        """Return the granted paths at the path or below it, each once, in order."""
        return sorted({granted for part in self._parts for granted in part.paths_below(path)})

    def below(self, path: Path) -> Iterator[Level]:
        """Yield what holds at each path granted at the path or below it, for each path once."""
        for granted in self.paths_below(path):
            level = self.at(granted)
            assert level is not None
            yield level

    def giving(self, path: Path, need: Level) -> Iterator[Path]:
        """Yield the granted paths at the path or below it whose level includes ``need``."""
        asked: Iterable[Path]
        if need is Level.OPERATE:  # two that have half of it each have it together
            asked = self.paths_below(path)
        else:
            asked = (granted for part in self._parts for granted in part.giving(path, need))
        for granted in asked:
            level = self.at(granted)
            if level is not None and level.includes(need):
                yield granted


NOTHING = GrantSet({})


def holdings_of(parts: Sequence[GrantSet]) -> Holdings:
    """Return what all parts give together."""
    if len(parts) == 1:
        return parts[0]
    return GrantUnion(parts) if parts else NOTHING


def levels_of(holdings: Holdings, paths: Iterable[Path]) -> Iterator[Level]:
    """Yield the level of each path; what the parents hold is worked out once per parent."""
    paths = list(paths)
    if isinstance(holdings, GrantUnion) and len(paths) > holdings.size:
        holdings = holdings.merged()
    at = holdings.grants.get if isinstance(holdings, GrantSet) else holdings.at
    parents: dict[Path, Level] = {}
    for path in paths:
        found = at(path)
        if found is None:
            parent = path[:-1]
            found = parents.get(parent)
            if found is None:
                found = parents[parent] = holdings.level(parent)
        yield found
