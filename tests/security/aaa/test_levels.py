"""Levels: which action in which direction needs which, and how two of them combine."""

from __future__ import annotations

import itertools

import pytest

from security.aaa.levels import NEEDED, Action, Direction, Level, combine, join, meet

UP, DOWN = Direction.UP, Direction.DOWN
TABLE = {
    Level.DENY: set[tuple[Action, Direction]](),
    Level.ACCESS: set[tuple[Action, Direction]](),
    Level.BROWSE: set[tuple[Action, Direction]](),
    Level.DESCRIBE: {(Action.DESCRIBE, UP), (Action.DESCRIBE, DOWN)},
    Level.READ: {(a, d) for a in (Action.DESCRIBE, Action.READ) for d in Direction},
    Level.OBSERVE: {(a, d) for a in Action for d in Direction} - {(Action.WRITE, DOWN)},
    Level.WRITE: {(a, d) for a in Action for d in Direction} - {(Action.WRITE, UP)},
    Level.OPERATE: set(itertools.product(Action, Direction)),
    Level.CONFIGURE: set(itertools.product(Action, Direction)),
    Level.GRANT: set(itertools.product(Action, Direction)),
    Level.OWN: set(itertools.product(Action, Direction)),
}


@pytest.mark.parametrize("level", Level)
def test_each_action_in_each_direction_needs_its_level(level: Level) -> None:
    allowed = {key for key, need in NEEDED.items() if level.includes(need)}
    assert allowed == TABLE[level]
    assert set(NEEDED) == set(itertools.product(Action, Direction))


def test_any_two_levels_have_one_that_includes_both_and_one_that_both_include() -> None:
    for one, other in itertools.product(Level, Level):
        upper, lower = join((one, other)), meet((one, other))
        assert upper.includes(one) and upper.includes(other)
        assert one.includes(lower) and other.includes(lower)
        for third in Level:
            assert not (third.includes(one) and third.includes(other)) or third.includes(upper)
            assert not (one.includes(third) and other.includes(third)) or lower.includes(third)
        assert combine((one, other)) is (Level.DENY if Level.DENY in (one, other) else upper)
        assert one.is_below(other) == (other.includes(one) and one is not other)
    assert (join(()), meet(()), combine(())) == (Level.DENY, Level.OWN, Level.DENY)


def test_numbers_grow_along_the_row_so_that_all_needs_but_one_are_compared_by_them() -> None:
    assert list(Level) == sorted(Level)
    for held, need in itertools.product(Level, Level):
        if need is not Level.OBSERVE:
            assert held.includes(need) == (held >= need)
    assert Level.WRITE > Level.OBSERVE and not Level.WRITE.includes(Level.OBSERVE)
