"""Every kind of grant at once, against an oracle that tries each grant on each point by itself.

The oracle knows the one rule: the narrowest extent decides (a longer prefix is narrower; a set is
narrower than its project and wider than any endpoint); at one place DENY wins, else all count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from security.aaa.extents import Extent, Path, SetExtent, SetKind, extent_of, extent_text
from security.aaa.levels import Level, combine, meet
from security.aaa.rights import Rights
from security.aaa.subjects import Party, app_subject, claim_subject, group_subject, user_subject
from security.limits import PARTIES_CACHED_MAX
from security.ports import (
    Grant,
    GroupChanges,
    GroupGrant,
    Membership,
    Permit,
    PermitChanges,
)

ANNA, STAFF = 1, 10
APP = app_subject("00000000-0000-4000-8000-00000000000a")
CLAIM = claim_subject("https://issuer.example", "role", "warden")
POINTS: Sequence[Path] = [
    (project, endpoint, "n", "o", attribute)
    for project, endpoint in (("1", "e"), ("1", "f"), ("2", "g"))
    for attribute in ("a", "b")
]
NOW = 1_000
LAMPS = SetExtent(SetKind.CLASS, "1", "Lamp")
NORTH = SetExtent(SetKind.SELECTION, "1", "7")
FIELD = SetExtent(SetKind.ENDPOINTS, "1", "3")
SETS: dict[SetExtent, set[Path]] = {
    LAMPS: {POINTS[0], POINTS[2]},
    NORTH: {POINTS[0], POINTS[1]},
    FIELD: {("1", "f")},
}


class Book:
    """Sets that never change."""

    def number(self, path: Path) -> int | None:
        return POINTS.index(path) if path in POINTS else None

    def has(self, key: str, path: Path, number: int | None) -> bool:
        return inside(set_of(key), path)

    def mask(
        self, key: str, paths: Sequence[Path], numbers: NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        assert [self.number(path) for path in paths] == [n if n >= 0 else None for n in numbers]
        return np.array([inside(set_of(key), path) for path in paths], np.bool_)

    def below(self, key: str, path: Path) -> Iterator[Path]:
        extent = set_of(key)
        if extent.kind is SetKind.ENDPOINTS and inside(extent, path):
            yield path
        yield from (m for m in SETS[extent] if len(m) > len(path) and m[: len(path)] == path)
        if path in SETS[extent] and extent.kind is not SetKind.ENDPOINTS:
            yield path


def set_of(key: str) -> SetExtent:
    extent = extent_of(key)
    assert isinstance(extent, SetExtent)
    return extent


def inside(extent: SetExtent, path: Path) -> bool:
    if extent.kind is SetKind.ENDPOINTS:
        return path[:2] in SETS[extent]
    return path in SETS[extent]


class Town(NamedTuple):
    """Everything granted."""

    own: list[Grant]
    shared: list[GroupGrant]
    permits: list[Permit]
    member: bool


levels = st.sampled_from(Level)
prefixes = st.sampled_from(
    [(), ("1",), ("2",), ("1", "e"), ("1", "e", "n"), *POINTS]
)  # fmt: skip
extents = st.one_of(prefixes, st.sampled_from(list(SETS)))
moments = st.sampled_from([None, NOW - 1, NOW, NOW + 1])
purposes = st.sampled_from([None, "billing", "repair"])


@st.composite
def towns(draw: st.DrawFn) -> Town:
    own = draw(st.dictionaries(prefixes, levels, max_size=3))
    shared = draw(st.dictionaries(prefixes, levels, max_size=2))
    keys = st.tuples(
        st.sampled_from([user_subject(ANNA), group_subject(STAFF), APP, CLAIM]), extents, purposes
    )
    said = draw(st.dictionaries(keys, st.tuples(levels, moments, moments), max_size=7))
    permits = [
        Permit(number, subject, extent, level, starts, ends, purpose)
        for number, ((subject, extent, purpose), (level, starts, ends)) in enumerate(said.items())
    ]
    return Town(
        [Grant(ANNA, path, level) for path, level in own.items()],
        [GroupGrant(STAFF, path, level) for path, level in shared.items()],
        permits,
        draw(st.booleans()),
    )


parties = st.builds(
    Party,
    st.sampled_from([None, ANNA]),
    st.sets(st.sampled_from([APP, CLAIM])).map(frozenset),
    purposes,
)


def engine(town: Town, now: list[int] | None = None) -> Rights:
    clock = now or [NOW]
    rights = Rights(now_ms=lambda: clock[0])
    rights.bind(Book())
    apply(rights, 1, town)
    return rights


def apply(rights: Rights, version: int, town: Town) -> None:
    rights.apply(
        version,
        town.own,
        [],
        groups=GroupChanges(
            version, town.shared, [], [Membership(STAFF, ANNA, present=town.member)]
        ),
        permits=PermitChanges(version, town.permits, []),
    )


def held(town: Town, party: Party, now: int = NOW) -> list[tuple[Extent, Level]]:
    """Everything in force for a caller."""
    subjects = set(party.subjects)
    found: list[tuple[Extent, Level]] = []
    if party.user == ANNA:
        subjects.add(user_subject(ANNA))
        found += [(grant.path, grant.level) for grant in town.own]
        if town.member:
            subjects.add(group_subject(STAFF))
            found += [(grant.path, grant.level) for grant in town.shared]
    return found + [
        (permit.extent, permit.level)
        for permit in town.permits
        if permit.subject in subjects
        and (permit.starts is None or permit.starts <= now)
        and (permit.ends is None or now < permit.ends)
        and permit.purpose in (None, party.purpose)
    ]


def oracle(granted: list[tuple[Extent, Level]], path: Path) -> Level:
    def width(extent: Extent) -> float:
        return 1.5 if isinstance(extent, SetExtent) else len(extent)

    def covers(extent: Extent) -> bool:
        if isinstance(extent, SetExtent):
            return inside(extent, path)
        return path[: len(extent)] == extent

    here = [(width(extent), level) for extent, level in granted if covers(extent)]
    if not here:
        return Level.DENY
    narrowest = max(width for width, _ in here)
    return combine(level for width, level in here if width == narrowest)


def places(granted: list[tuple[Extent, Level]], path: Path) -> set[Path]:
    """Every place at or below a path where a level can change."""
    found = {path, *(point for point in POINTS), *(e for e, _ in granted if type(e) is tuple)}
    found |= {member for members in SETS.values() for member in members}
    return {place for place in found if place[: len(path)] == path}


@settings(max_examples=200)
@given(towns(), parties, prefixes, levels)
def test_engine_and_oracle_agree(town: Town, party: Party, path: Path, need: Level) -> None:
    rights, granted = engine(town), held(town, party)
    assert rights.level(party, path) is oracle(granted, path)
    below = [oracle(granted, place) for place in places(granted, path)]
    assert rights.under(party, path, need) == any(level.includes(need) for level in below)
    floor = rights.floor(party, path)
    assert all(level.includes(floor) for level in below)
    if not any(isinstance(extent, SetExtent) for extent, _ in granted):
        assert floor is meet(below)


@settings(max_examples=100)
@given(towns(), parties, levels, st.booleans())
def test_mask_agrees_with_single_questions(
    town: Town, party: Party, need: Level, numbered: bool
) -> None:
    rights, granted = engine(town), held(town, party)
    asked = [*POINTS, *POINTS, ("1",), ("1", "e"), ("1", "f", "n"), ("9", "x"), ()]
    numbers = np.array([POINTS.index(p) if p in POINTS else -1 for p in asked])
    for paths in (asked, asked[:1]):
        mask = rights.visible(party, paths, need, numbers[: len(paths)] if numbered else None)
        assert mask.tolist() == [oracle(granted, path).includes(need) for path in paths]


@settings(max_examples=100)
@given(towns(), parties, st.sampled_from(POINTS))
def test_why_names_what_decides(town: Town, party: Party, path: Path) -> None:
    rights, granted = engine(town), held(town, party)
    verdict = rights.why(party, path)
    assert verdict.level is rights.level(party, path)
    deciding = [grant for grant in verdict.applies if grant.decides]
    assert combine(grant.level for grant in deciding) is verdict.level
    assert bool(deciding) == any(grant.in_force for grant in verdict.applies)
    covering = sum(
        inside(extent, path) if isinstance(extent, SetExtent) else path[: len(extent)] == extent
        for extent, _ in granted
    )
    assert sum(grant.in_force for grant in verdict.applies) == covering
    assert all(grant.reference() for grant in deciding)


@settings(max_examples=100)
@given(towns(), towns(), parties, st.sampled_from(POINTS))
def test_changes_lead_to_the_same_rights_as_a_fresh_load(
    before: Town, after: Town, party: Party, path: Path
) -> None:
    rights = engine(before)
    rights.level(party, path)  # what is kept merged has to go
    rights.apply(
        2,
        [],
        [Grant(ANNA, grant.path, grant.level) for grant in before.own],
        groups=GroupChanges(2, [], before.shared, []),
        permits=PermitChanges(2, [], before.permits),
    )
    assert rights.level(party, path) is Level.DENY
    apply(rights, 3, after)
    assert rights.level(party, path) is oracle(held(after, party), path)


@given(towns(), parties, st.sampled_from(POINTS), st.integers(NOW - 3, NOW + 3))
def test_a_moment_that_passes_changes_rights_and_moves_the_tide(
    town: Town, party: Party, path: Path, then: int
) -> None:
    now = [NOW - 3]
    rights = engine(town, now)
    seen: dict[int, set[Level]] = {}
    for now[0] in range(NOW - 3, NOW + 4):
        level = rights.level(party, path)
        assert level is oracle(held(town, party, now[0]), path)
        seen.setdefault(rights.tide(), set()).add(level)
    assert all(len(levels) == 1 for levels in seen.values())
    tide = rights.tide()
    apply(rights, 2, town)
    assert rights.tide() > tide
    lowest = meet(oracle(held(town, party, at), path) for at in range(then, NOW + 20))
    floor = rights.floor(party, path, then)
    assert lowest.includes(floor)
    if not any(isinstance(permit.extent, SetExtent) for permit in town.permits):
        assert floor is lowest


def test_sets_rank_between_the_project_and_its_endpoints() -> None:
    def town(*granted: tuple[Extent, Level]) -> Rights:
        permits = [
            Permit(n, user_subject(ANNA), extent, level)
            for n, (extent, level) in enumerate(granted)
        ]
        return engine(Town([], [], permits, False))

    lamp, other = POINTS[0], POINTS[1]
    rights = town((("1",), Level.READ), (LAMPS, Level.DENY))
    assert rights.level(ANNA, lamp) is Level.DENY
    assert rights.level(ANNA, other) is Level.READ
    rights = town((("1",), Level.READ), (LAMPS, Level.DENY), (("1", "e"), Level.WRITE))
    assert rights.level(ANNA, lamp) is Level.WRITE
    assert town((LAMPS, Level.WRITE), (NORTH, Level.DENY)).level(ANNA, lamp) is Level.DENY
    assert town((LAMPS, Level.WRITE), (NORTH, Level.OBSERVE)).level(ANNA, lamp) is Level.OPERATE


def test_where_nobody_knows_who_is_in_a_set_its_project_is_denied() -> None:
    rights = Rights()
    permits = [
        Permit(1, user_subject(ANNA), LAMPS, Level.DENY),
        Permit(2, user_subject(ANNA), SetExtent(SetKind.CLASS, "2", "Lamp"), Level.OWN),
    ]
    rights.apply(
        1, [Grant(ANNA, (), Level.READ)], [], permits=PermitChanges(1, permits, [])
    )  # fmt: skip
    assert rights.level(ANNA, POINTS[0]) is Level.DENY
    assert rights.level(ANNA, POINTS[-1]) is Level.READ
    assert rights.visible(ANNA, POINTS, Level.READ).tolist() == [False] * 4 + [True] * 2
    assert rights.floor(ANNA, ("1",)) is Level.DENY
    assert rights.uses_sets()


def test_a_purpose_counts_where_it_is_stated() -> None:
    permit = Permit(1, user_subject(ANNA), ("1",), Level.READ, purpose="repair")
    rights = engine(Town([], [], [permit], False))
    assert rights.level(ANNA, POINTS[0]) is Level.DENY
    assert rights.level(Party(ANNA, purpose="repair"), POINTS[0]) is Level.READ
    assert rights.level(Party(ANNA, purpose="billing"), POINTS[0]) is Level.DENY


def test_callers_with_many_subjects_are_kept_merged_up_to_a_bound() -> None:
    permit = Permit(1, CLAIM, ("1",), Level.READ)
    rights = engine(Town([], [], [permit], False))
    for number in range(PARTIES_CACHED_MAX + 1):
        party = Party(None, frozenset({CLAIM, f"claim:i#n={number}"}))
        assert rights.level(party, POINTS[0]) is Level.READ
    assert len(rights._state._parties) == 1
    assert rights.subjects() == [CLAIM]


@pytest.mark.parametrize("extent", [(), ("1",), ("1", "e", "n"), LAMPS, NORTH, FIELD])
def test_an_extent_is_written_and_read_back(extent: Extent) -> None:
    assert extent_of(extent_text(extent)) == extent
