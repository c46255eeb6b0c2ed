"""All that one caller holds, plain grants and permits together, asked at one moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from security.aaa.extents import Path, SetExtent, Sets
from security.aaa.holdings import GrantSet, GrantUnion, Holdings, levels_of
from security.aaa.levels import Level, combine, meet
from security.ports import Permit

ENDPOINT_LENGTH = 2
"""Of the path of an endpoint: what is shorter is wider than a set, what is not is narrower."""
_UNDECIDED = -1


class Moment(NamedTuple):
    """What a permit's conditions are held against."""

    now_ms: int
    """Since 1970 UTC."""
    purpose: str | None
    sets: Sets | None
    """None where nobody knows who is in a set: then a DENY holds for all of the set's project,
    and no other level for anything."""

    def counts(self, permit: Permit) -> bool:
        """Tell whether a permit is in force for this request."""
        return (
            (permit.starts is None or permit.starts <= self.now_ms)
            and (permit.ends is None or self.now_ms < permit.ends)
            and permit.purpose in (None, self.purpose)
        )


class _OnSet(NamedTuple):
    """A permit on a set."""

    key: str
    project: str
    permit: Permit

    def has(self, path: Path, number: int | None, moment: Moment) -> bool:
        """Tell whether a path is in the set, or may be and is denied for it."""
        if moment.sets is not None:
            return moment.sets.has(self.key, path, number)
        return self.permit.level is Level.DENY and path[:1] == (self.project,)

    def reaches(self, path: Path, moment: Moment) -> bool:
        """Tell whether a member of the set lies at or below a path, or may."""
        if path and path[0] != self.project:
            return False
        return moment.sets is None or next(moment.sets.below(self.key, path), None) is not None


class Hand:
    """Grants and permits of a caller, never altered once built.

    The narrowest extent that something is granted on decides: the longest prefix down to an
    endpoint's, then the sets that the path is in, all of them alike, then the project, then
    everything. What is granted at one place counts together, and a DENY among it wins.

    Args:
        plain: The grants without conditions.
        permits: Those of all of the caller's subjects.
    """

    def __init__(self, plain: Holdings, permits: Iterable[Permit] = ()) -> None:
        self.plain = plain
        at: dict[Path, list[Permit]] = {}
        sets: list[_OnSet] = []
        for permit in permits:
            if isinstance(permit.extent, SetExtent):
                sets.append(_OnSet(str(permit.extent), permit.extent.project, permit))
            else:
                at.setdefault(permit.extent, []).append(permit)
        self._at: Mapping[Path, Sequence[Permit]] = at
        self._places = GrantSet(dict.fromkeys(at, Level.DENY))
        """Where permits are, for finding those below a path."""
        self._sets = sets
        self.is_plain = not at and not sets
        self.has_sets = bool(sets)
        self.is_timeless = all(
            (permit.starts, permit.ends, permit.purpose) == (None, None, None)
            for permit in self.permits()
        )
        """True when neither the time nor a purpose changes anything."""
        lengths = sorted({*plain.lengths, *map(len, at)}, reverse=True)
        self._deep = [length for length in lengths if length >= ENDPOINT_LENGTH]
        self._wide = [length for length in lengths if length < ENDPOINT_LENGTH]

    def level(self, path: Path, moment: Moment) -> Level:
        """Return the level on a path; DENY when nothing was granted."""
        if self.is_plain:
            return self.plain.level(path)
        found = self._among(self._deep, path, moment)
        if found is None and self._sets:
            found = self._of_sets(path, moment)
        if found is None:
            found = self._among(self._wide, path, moment)
        return Level.DENY if found is None else found

    def gives(self, path: Path, need: Level, moment: Moment) -> bool:
        """Tell whether the level on the path, or anywhere below it, includes ``need``."""
        if self.level(path, moment).includes(need):
            return True
        if self.is_plain:
            return next(self.plain.giving(path, need), None) is not None
        for granted in self._permitted_below(path):
            if (level := self.here(granted, moment)) is not None and level.includes(need):
                return True
        if any(granted not in self._at for granted in self.plain.giving(path, need)):
            return True
        return any(
            self.level(member, moment).includes(need)
            for one in self._sets
            if moment.sets is not None and moment.counts(one.permit)
            # One of the sets that a point is in may give half of what another one completes.
            if one.permit.level is not Level.DENY
            for member in moment.sets.below(one.key, path)
        )

    def floor(self, path: Path, moment: Moment) -> Level:
        """Return a level that the caller holds on the path and everywhere below it.

        The greatest such level where no set has a say; with sets it may be lower, since a set
        counts here as soon as one of its members lies below the path.
        """
        levels = [self.level(path, moment)]
        if levels[0] is Level.DENY:
            return Level.DENY
        if self.is_plain:
            return meet([*levels, *self.plain.below(path)])
        below = {*self.plain.paths_below(path), *self._permitted_below(path)}
        held = (self.here(granted, moment) for granted in below)
        levels += (level for level in held if level is not None)
        if self._sets and self._among(self._deep, path, moment) is None:
            levels += (
                one.permit.level
                for one in self._sets
                if moment.counts(one.permit) and one.reaches(path, moment)
            )
        return meet(levels)

    def visible(
        self,
        paths: Sequence[Path],
        need: Level,
        moment: Moment,
        numbers: NDArray[np.integer] | None = None,
    ) -> NDArray[np.bool_]:
        """Return a mask over the paths: True where the level includes ``need``.

        Args:
            paths: What is asked about.
            need: The level.
            moment: Now, and what for.
            numbers: Of each path, the number of its point; below 0 for none. None looks them up.
        """
        if self.is_plain:
            found = np.fromiter(levels_of(self.plain, paths), np.int16, len(paths))
            return np.asarray(found & need == need)
        levels = self._deep_levels(paths, moment)
        open_ = np.flatnonzero(levels == _UNDECIDED)
        if len(open_) and self._sets:
            self._set_levels(levels, open_, paths, moment, numbers)
            open_ = open_[levels[open_] == _UNDECIDED]
        if not self._wide:
            levels[open_] = int(Level.DENY)
            return np.asarray(levels & need == need)
        tops: dict[Path, int] = {}
        for place in open_.tolist():
            top = paths[place][: ENDPOINT_LENGTH - 1]
            if top not in tops:
                found_ = self._among(self._wide, top, moment)
                tops[top] = int(Level.DENY if found_ is None else found_)
            levels[place] = tops[top]
        return np.asarray(levels & need == need)

    def here(self, path: Path, moment: Moment) -> Level | None:
        """Return what holds on exactly this prefix, None when nothing in force is granted there."""
        plain, permits = self.plain.at(path), self._at.get(path)
        if permits is None:
            return plain
        levels = [permit.level for permit in permits if moment.counts(permit)]
        if plain is not None:
            levels.append(plain)
        return combine(levels) if levels else None

    def permits_on(self, path: Path, moment: Moment) -> Iterator[Permit]:
        """Yield every permit with a say on a path, in force or not, the narrowest first."""
        number = None if moment.sets is None else moment.sets.number(path)
        for length in range(len(path), -1, -1):
            if length == ENDPOINT_LENGTH - 1:
                yield from (s.permit for s in self._sets if s.has(path, number, moment))
            yield from self._at.get(path[:length], ())

    def permits(self) -> Iterator[Permit]:
        """Yield all permits."""
        for permits in self._at.values():
            yield from permits
        for one in self._sets:
            yield one.permit

    # -- private pieces

    def _among(self, lengths: Sequence[int], path: Path, moment: Moment) -> Level | None:
        # Without permits on prefixes, which is the rule, half of the time is saved here.
        at = self.plain.at if not self._at else lambda prefix: self.here(prefix, moment)
        for length in lengths:
            if length <= len(path):
                found = at(path[:length])
                if found is not None:
                    return found
        return None

    def _of_sets(self, path: Path, moment: Moment) -> Level | None:
        sets = moment.sets
        if sets is None:
            denied = any(
                one.has(path, None, moment) and moment.counts(one.permit) for one in self._sets
            )
            return Level.DENY if denied else None
        number, has, timeless = sets.number(path), sets.has, self.is_timeless
        found: Level | None = None
        for one in self._sets:
            if has(one.key, path, number) and (timeless or moment.counts(one.permit)):
                level = one.permit.level
                if level is Level.DENY:
                    return level
                if found is None:
                    found = level
                elif found is not level:
                    found = Level(found | level)
        return found

    def _deep_levels(self, paths: Sequence[Path], moment: Moment) -> NDArray[np.int16]:
        """Return what prefixes down to the endpoint's decide, worked out once per parent."""
        lengths, at = self._deep, self._look_up(len(paths), moment)

        def narrowest(parent: Path) -> int:
            for length in lengths:
                if length <= len(parent) and (found := at(parent[:length])) is not None:
                    return found
            return _UNDECIDED

        parents: dict[Path, int] = {}
        levels: list[int] = []
        for path in paths:
            found = at(path) if len(path) >= ENDPOINT_LENGTH else None
            if found is None:
                parent = path[:-1]
                found = parents.get(parent)
                if found is None:
                    found = parents[parent] = narrowest(parent)
            levels.append(found)
        return np.array(levels, np.int16)

    def _look_up(self, questions: int, moment: Moment) -> Callable[[Path], int | None]:
        """Return what finds the level at exactly one path, made for so many questions."""
        if questions <= self.plain.size + len(self._at):
            return lambda path: self.here(path, moment)
        plain = self.plain.merged() if isinstance(self.plain, GrantUnion) else self.plain
        table: dict[Path, int] = {path: plain.at(path) or 0 for path in plain.paths_below(())}
        for path in self._at:
            if (level := self.here(path, moment)) is not None:
                table[path] = int(level)
        return table.get

    def _set_levels(
        self,
        levels: NDArray[np.int16],
        places: NDArray[np.intp],
        paths: Sequence[Path],
        moment: Moment,
        numbers: NDArray[np.integer] | None,
    ) -> None:
        """Write the levels of the paths at these places that sets decide."""
        asked = [paths[place] for place in places.tolist()]
        if numbers is None:
            known = [None if moment.sets is None else moment.sets.number(path) for path in asked]
            numbers = np.full(len(paths), -1)
            numbers[places] = [-1 if one is None else one for one in known]
        held = np.full(len(asked), _UNDECIDED, np.int16)
        denied = np.zeros(len(asked), np.bool_)
        for one in self._sets:
            if not moment.counts(one.permit):
                continue
            if moment.sets is None:
                inside = np.array([one.has(path, None, moment) for path in asked], np.bool_)
            else:
                inside = moment.sets.mask(one.key, asked, numbers[places])
            if one.permit.level is Level.DENY:
                denied |= inside
            else:
                level = np.int16(one.permit.level)
                held = np.where(inside, np.maximum(held, 0) | level, held)
        held[denied] = int(Level.DENY)
        levels[places] = held

    def _permitted_below(self, path: Path) -> Iterator[Path]:
        return iter(self._places.paths_below(path))
