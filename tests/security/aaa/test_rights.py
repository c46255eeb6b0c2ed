"""The rights engine against an oracle that anybody can check by reading."""

from __future__ import annotations

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from security.aaa.levels import Level
from security.aaa.rights import Path, Rights
from security.ports import Grant

ANNA, BERT, CARLA = 1, 2, 3

levels = st.sampled_from(Level)
users = st.sampled_from([ANNA, BERT, CARLA])
paths = st.lists(st.sampled_from(["1", "a", "a\0", "ab", "b", "ü"]), max_size=4).map(tuple)
grants = st.dictionaries(st.tuples(users, paths), levels, max_size=12)


def oracle(granted: dict[tuple[int, Path], Level], user: int, path: Path) -> Level:
    """The longest granted prefix decides; nothing granted is DENY."""
    for length in range(len(path), -1, -1):
        if (user, path[:length]) in granted:
            return granted[user, path[:length]]
    return Level.DENY


def oracle_under(
    granted: dict[tuple[int, Path], Level], user: int, path: Path, need: Level
) -> bool:
    """Enough on the path itself, or enough granted somewhere below it."""
    below = [
        level
        for (owner, prefix), level in granted.items()
        if owner == user and prefix[: len(path)] == path
    ]
    return any(level.includes(need) for level in [oracle(granted, user, path), *below])


def engine(granted: dict[tuple[int, Path], Level]) -> Rights:
    rights = Rights()
    rights.apply(1, [Grant(user, path, level) for (user, path), level in granted.items()], [])
    return rights


@given(grants, users, paths, levels)
def test_engine_and_oracle_agree(
    granted: dict[tuple[int, Path], Level], user: int, path: Path, need: Level
) -> None:
    rights = engine(granted)
    assert rights.level(user, path) is oracle(granted, user, path)
    assert rights.under(user, path, need) == oracle_under(granted, user, path, need)


@given(grants, users, st.lists(paths, max_size=8), levels)
def test_mask_agrees_with_single_questions(
    granted: dict[tuple[int, Path], Level], user: int, asked: list[Path], need: Level
) -> None:
    mask = engine(granted).visible(user, asked, need)
    assert mask.tolist() == [oracle(granted, user, path).includes(need) for path in asked]


@given(grants, grants, st.sets(st.tuples(users, paths), max_size=6), users, paths)
def test_changes_lead_to_the_same_rights_as_a_fresh_load(
    before: dict[tuple[int, Path], Level],
    put: dict[tuple[int, Path], Level],
    removed: set[tuple[int, Path]],
    user: int,
    path: Path,
) -> None:
    rights = engine(before)
    rights.under(user, path, Level.READ)
    rights.apply(
        2,
        [Grant(owner, prefix, level) for (owner, prefix), level in put.items()],
        [Grant(owner, prefix, Level.DENY) for owner, prefix in removed],
    )
    after = {key: level for key, level in before.items() if key not in removed} | put
    assert rights.level(user, path) is oracle(after, user, path)
    for need in Level:
        assert rights.under(user, path, need) == oracle_under(after, user, path, need)


def test_denial_below_a_grant_takes_away_and_a_grant_below_gives_back() -> None:
    rights = engine(
        {
            (ANNA, ("1",)): Level.WRITE,
            (ANNA, ("1", "e")): Level.DENY,
            (ANNA, ("1", "e", "lamp", "light", "power")): Level.READ,
        }
    )
    assert rights.level(ANNA, ("1", "other", "n")) is Level.WRITE
    assert rights.level(ANNA, ("1", "e", "n")) is Level.DENY
    assert rights.level(ANNA, ("1", "e", "lamp", "light", "power")) is Level.READ


def test_one_granted_point_makes_its_endpoint_exist_and_no_other() -> None:
    rights = engine({(ANNA, ("1", "e", "lamp", "light", "power")): Level.READ})
    assert rights.under(ANNA, ("1", "e"), Level.ACCESS)
    assert not rights.under(ANNA, ("1", "e2"), Level.ACCESS)
    assert not rights.under(ANNA, ("1", "e"), Level.WRITE)
    assert rights.level(ANNA, ("1", "e")) is Level.DENY
    assert not rights.under(BERT, ("1", "e"), Level.ACCESS)


def test_names_are_compared_whole() -> None:
    rights = engine({(ANNA, ("1", "lamp1")): Level.READ})
    assert rights.level(ANNA, ("1", "lamp12")) is Level.DENY
    assert not rights.under(ANNA, ("1", "lamp"), Level.ACCESS)


def test_administrators_own_everything_until_they_are_none() -> None:
    rights = engine({(ANNA, ("1",)): Level.DENY})
    rights.apply(2, [], [], admins=[ANNA])
    assert rights.level(ANNA, ("1", "e")) is Level.OWN
    assert rights.under(ANNA, ("9",), Level.OWN)
    assert rights.visible(ANNA, [("1",), ("9", "x")], Level.OWN).all()
    rights.apply(3, [Grant(BERT, ("1",), Level.READ)], [])
    assert rights.level(ANNA, ("1", "e")) is Level.OWN
    rights.apply(4, [], [], admins=[])
    assert rights.level(ANNA, ("1", "e")) is Level.DENY


def test_nothing_asked_for_is_always_there_and_nothing_granted_is_nothing() -> None:
    rights = Rights()
    assert rights.visible(ANNA, [("1",)], Level.DENY).all()
    assert rights.under(ANNA, ("1",), Level.DENY)
    assert not rights.visible(ANNA, [("1",), ()], Level.ACCESS).any()
    assert rights.visible(ANNA, [], Level.READ).shape == (0,)


def test_a_late_change_does_not_undo_a_newer_one() -> None:
    rights = Rights()
    rights.apply(7, [], [Grant(ANNA, ("1",), Level.READ)])
    rights.apply(6, [Grant(ANNA, ("1",), Level.READ)], [], admins=[ANNA])
    assert rights.version == 7
    assert rights.level(ANNA, ("1",)) is Level.DENY


def test_a_subject_without_grants_left_is_forgotten() -> None:
    rights = engine({(ANNA, ("1",)): Level.READ})
    rights.apply(2, [], [Grant(ANNA, ("1",), Level.READ), Grant(BERT, ("1",), Level.READ)])
    assert rights.level(ANNA, ("1",)) is Level.DENY


class TestStaleness:
    """An engine that may have missed a revocation denies."""

    def test_denies_before_the_first_confirmation_and_after_the_last(self) -> None:
        now = [10_000]
        rights = Rights(stale_after_ms=1_000, clock_ms=lambda: now[0])
        rights.apply(1, [Grant(ANNA, ("1",), Level.READ)], [], admins=[BERT])
        assert not rights.fresh(now[0])
        assert rights.level(ANNA, ("1",)) is Level.DENY
        rights.confirm(now[0])
        now[0] += 1_000
        assert rights.fresh(now[0])
        assert rights.level(ANNA, ("1",)) is Level.READ
        assert rights.level(BERT, ("1",)) is Level.OWN
        now[0] += 1
        assert not rights.fresh(now[0])
        assert rights.level(ANNA, ("1",)) is Level.DENY
        assert rights.level(BERT, ("1",)) is Level.DENY
        assert not rights.under(ANNA, ("1",), Level.ACCESS)
        assert not rights.visible(ANNA, [("1",)], Level.ACCESS).any()
        rights.confirm(now[0])
        assert rights.level(ANNA, ("1",)) is Level.READ

    def test_denies_when_the_clock_was_set_back(self) -> None:
        rights = Rights(stale_after_ms=1_000, clock_ms=lambda: 5_000)
        rights.apply(1, [Grant(ANNA, ("1",), Level.READ)], [])
        rights.confirm(60_000)
        assert rights.level(ANNA, ("1",)) is Level.DENY

    def test_without_a_bound_what_was_applied_is_trusted(self) -> None:
        assert Rights().fresh(10**15)

    def test_the_default_clock_runs(self) -> None:
        rights = Rights(stale_after_ms=3_600_000)
        rights.apply(1, [Grant(ANNA, ("1",), Level.READ)], [])
        assert rights.level(ANNA, ("1",)) is Level.DENY


@pytest.mark.parametrize("rounds", [2_000])
def test_no_question_sees_half_a_change(rounds: int) -> None:
    """Widening a project while denying one endpoint must never show that endpoint."""
    rights = Rights()
    secret = ("1", "secret", "n", "o", "a")
    seen: list[Level] = []
    done = threading.Event()

    def ask() -> None:
        while not done.is_set():
            seen.append(rights.level(ANNA, secret))

    asking = threading.Thread(target=ask)
    asking.start()
    wide = Grant(ANNA, ("1",), Level.READ)
    denied = Grant(ANNA, ("1", "secret"), Level.DENY)
    for version in range(1, rounds, 2):
        rights.apply(version, [wide, denied], [])
        rights.apply(version + 1, [], [denied, wide])
    done.set()
    asking.join()
    assert seen and set(seen) == {Level.DENY}
