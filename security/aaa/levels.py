"""Levels of access: cloud.iO's ladder with describing told from reading, readings from commands."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntEnum, StrEnum
from functools import reduce
from operator import and_, or_


class Level(IntEnum):
    """What a grant allows. A level includes another when it has all of its bits (`includes`).

    All levels stand in one row but two: WRITE commands and OBSERVE reports, and neither includes
    the other; OPERATE is both. Any two levels have a least one that includes both (``|``) and a
    greatest one that both include (``&``). The numbers grow along the row, so that ``held >= need``
    is right for every need but OBSERVE, where only `includes` is.
    """

    DENY = 0
    """Nothing, and the thing does not exist for the subject."""
    ACCESS = 0b1
    """May know that the endpoint exists."""
    BROWSE = 0b11
    """May see the model: names, types, constraints, classes."""
    DESCRIBE = 0b111
    """May see what is said of it: title, unit, tags, place, owner. Never a value."""
    READ = 0b1111
    """May see values: the newest, history, live, in queries."""
    OBSERVE = 0b1_1111
    """May report readings of points that apps feed. Commands nothing."""
    WRITE = 0b10_1111
    """May command: set set points and parameters. Reports nothing."""
    OPERATE = 0b11_1111
    """May report and command."""
    CONFIGURE = 0b111_1111
    """May change metadata, enrol hardware and add points."""
    GRANT = 0b1111_1111
    """May give others what it includes."""
    OWN = 0b1_1111_1111
    """May delete."""

    def includes(self, need: Level) -> bool:
        """Tell whether who holds this level may do all that ``need`` stands for."""
        return self & need == need

    def is_below(self, other: Level) -> bool:
        """Tell whether another level includes this one and more."""
        return self is not other and other.includes(self)


class Action(StrEnum):
    """What can be done with a data point."""

    DESCRIBE = "describe"
    READ = "read"
    WRITE = "write"


class Direction(StrEnum):
    """Which way a value goes."""

    UP = "up"
    """From the city: readings, and what is told of them."""
    DOWN = "down"
    """To the city: commands, and what becomes of them."""


NEEDED = {
    (Action.DESCRIBE, Direction.UP): Level.DESCRIBE,
    (Action.DESCRIBE, Direction.DOWN): Level.DESCRIBE,
    (Action.READ, Direction.UP): Level.READ,
    (Action.READ, Direction.DOWN): Level.READ,
    (Action.WRITE, Direction.UP): Level.OBSERVE,
    (Action.WRITE, Direction.DOWN): Level.WRITE,
}
"""The level for each action in each direction."""


def join(levels: Iterable[Level]) -> Level:
    """Return the least level that includes all of these, DENY for none."""
    return Level(reduce(or_, levels, Level.DENY))


def meet(levels: Iterable[Level]) -> Level:
    """Return the greatest level that all of these include, OWN for none."""
    return Level(reduce(and_, levels, Level.OWN))


def combine(levels: Iterable[Level]) -> Level:
    """Return what several grants at one place give: DENY if one denies, else their join."""
    held = list(levels)
    return Level.DENY if Level.DENY in held else join(held)
