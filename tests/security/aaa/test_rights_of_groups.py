"""Rights of users in groups, against an oracle that merges all grants into one table first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from security.aaa.levels import Level, combine, meet
from security.aaa.rights import Path, Rights
from security.ports import Grant, GroupChanges, GroupGrant, Membership

ANNA, BERT = 1, 2
GARDENERS, STAFF = 10, 11

Granted = dict[tuple[int, Path], Level]
Members = set[tuple[int, int]]

levels = st.sampled_from(Level)
users = st.sampled_from([ANNA, BERT])
paths = st.lists(st.sampled_from(["1", "a", "a\0", "b"]), max_size=3).map(tuple)
own_grants = st.dictionaries(st.tuples(users, paths), levels, max_size=8)
group_grants = st.dictionaries(
    st.tuples(st.sampled_from([GARDENERS, STAFF]), paths), levels, max_size=8
)
memberships = st.sets(st.tuples(st.sampled_from([GARDENERS, STAFF]), users))


def merged(own: Granted, shared: Granted, members: Members, user: int) -> dict[Path, Level]:
    """All that a user holds as one table: at one path DENY wins, else all count together."""
    table: dict[Path, Level] = {}
    holders = [
        *((path, level) for (owner, path), level in own.items() if owner == user),
        *((path, level) for (g, path), level in shared.items() if (g, user) in members),
    ]
    for path, level in holders:
        before = table.get(path, level)
        table[path] = Level.DENY if Level.DENY in (before, level) else Level(before | level)
    return table


def oracle(table: dict[Path, Level], path: Path) -> Level:
    for length in range(len(path), -1, -1):
        if path[:length] in table:
            return table[path[:length]]
    return Level.DENY


def engine(own: Granted, shared: Granted, members: Members) -> Rights:
    rights = Rights()
    change(rights, 1, own, shared, members)
    return rights


def change(rights: Rights, version: int, own: Granted, shared: Granted, members: Members) -> None:
    rights.apply(
        version,
        [Grant(user, path, level) for (user, path), level in own.items()],
        [],
        groups=GroupChanges(
            version,
            [GroupGrant(group, path, level) for (group, path), level in shared.items()],
            [],
            [Membership(*pair) for pair in members],
        ),
    )


@given(own_grants, group_grants, memberships, users, paths, levels)
def test_engine_and_oracle_agree(
    own: Granted, shared: Granted, members: Members, user: int, path: Path, need: Level
) -> None:
    rights = engine(own, shared, members)
    table = merged(own, shared, members, user)
    below = [level for granted, level in table.items() if granted[: len(path)] == path]
    level = oracle(table, path)
    assert rights.level(user, path) is level
    assert rights.under(user, path, need) == any(held.includes(need) for held in [level, *below])
    assert rights.floor(user, path) is meet([level, *below])
    assert rights.visible(user, [path], need).tolist() == [level.includes(need)]
    assert rights.visible(user, [path] * 20, need).tolist() == [level.includes(need)] * 20
    assert rights.groups_of(user) == {group for group, whose in members if whose == user}


@given(own_grants, group_grants, memberships, users, paths)
def test_why_names_the_grants_that_decide(
    own: Granted, shared: Granted, members: Members, user: int, path: Path
) -> None:
    rights = engine(own, shared, members)
    verdict = rights.why(user, path)
    assert verdict.level is rights.level(user, path)
    granted = {(prefix, level, None) for (owner, prefix), level in own.items() if owner == user} | {
        (prefix, level, g) for (g, prefix), level in shared.items() if (g, user) in members
    }
    assert {(a.path, a.level, a.group) for a in verdict.applies} == {
        grant for grant in granted if grant[0] == path[: len(grant[0])]
    }
    deciding = [grant for grant in verdict.applies if grant.decides]
    assert bool(deciding) == bool(verdict.applies)
    longest = max((len(grant.path) for grant in verdict.applies), default=0)
    assert combine(grant.level for grant in deciding) is verdict.level
    assert all(len(grant.path) == longest for grant in deciding)


@given(
    st.tuples(own_grants, group_grants, memberships),
    st.tuples(own_grants, group_grants, memberships),
    st.sets(st.tuples(st.sampled_from([GARDENERS, STAFF]), paths), max_size=4),
    users,
    paths,
)
def test_changes_lead_to_the_same_rights_as_a_fresh_load(
    before: tuple[Granted, Granted, Members],
    after: tuple[Granted, Granted, Members],
    taken: set[tuple[int, Path]],
    user: int,
    path: Path,
) -> None:
    rights = engine(*before)
    left = before[2] - after[2]
    rights.apply(
        2,
        [],
        [],
        groups=GroupChanges(
            2,
            [],
            [GroupGrant(group, prefix, Level.DENY) for group, prefix in taken],
            [Membership(*pair, present=False) for pair in left],
        ),
    )
    change(rights, 3, *after)
    own = before[0] | after[0]
    shared = {key: level for key, level in before[1].items() if key not in taken} | after[1]
    assert rights.level(user, path) is oracle(merged(own, shared, after[2], user), path)


def test_a_denial_of_the_group_wins_at_the_same_prefix_and_loses_to_a_longer_one() -> None:
    rights = engine(
        {(ANNA, ("1", "e")): Level.WRITE, (ANNA, ("1", "e", "n")): Level.READ},
        {(GARDENERS, ("1", "e")): Level.DENY},
        {(GARDENERS, ANNA)},
    )
    assert rights.level(ANNA, ("1", "e")) is Level.DENY
    assert rights.level(ANNA, ("1", "e", "n", "o")) is Level.READ
    assert rights.group_level(GARDENERS, ("1", "e", "n")) is Level.DENY


def test_an_administrator_is_asked_for_no_grant() -> None:
    rights = Rights()
    rights.apply(1, [Grant(ANNA, ("1",), Level.DENY)], [], admins=[ANNA])
    verdict = rights.why(ANNA, ("1", "e"))
    assert (verdict.level, verdict.admin) == (Level.OWN, True)
    assert [grant.decides for grant in verdict.applies] == [False]
    assert rights.floor(ANNA, ("1",)) is Level.OWN
