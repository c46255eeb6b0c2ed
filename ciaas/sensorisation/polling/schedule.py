"""When the points of a device are read: a fixed grid for each interval, which never drifts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import NamedTuple

_BEAT_S = 0.05
"""Shifted grids begin on a multiple of this: devices due together cost the loop one wake-up."""


class Turn(NamedTuple):
    """The next group to be read."""

    group: int
    due: float
    """Seconds on the event loop's clock."""


@dataclass(slots=True)
class _Grid:
    interval_s: float
    origin: float
    place: int = 0
    """The next turn is at ``origin + place · interval_s``."""
    early: float | None = None
    """A turn of its own before that one, which leaves the grid as it is."""

    @property
    def due(self) -> float:
        return self.origin + self.place * self.interval_s if self.early is None else self.early


class Schedule:
    """Turns of groups, each on its own grid.

    A turn that comes late does not move the ones after it; turns that went by meanwhile are skipped
    and counted.
    """

    def __init__(self, groups: Sequence[tuple[float, float]], now: float, random: Random) -> None:
        """Begin now; a group is (interval, largest shift of its grid) in seconds."""
        self._grids = [
            _Grid(interval, max(now, _beat(now + random.uniform(0.0, shift))))
            for interval, shift in groups
        ]
        self.skipped = 0

    def next(self) -> Turn:
        """Return the earliest turn."""
        group = min(range(len(self._grids)), key=lambda index: self._grids[index].due)
        return Turn(group, self._grids[group].due)

    def done(self, turn: Turn, now: float) -> None:
        """Move the group of a turn to its next place on the grid after now."""
        grid = self._grids[turn.group]
        following = grid.place if grid.early is not None else grid.place + 1
        place = max(following, math.floor((now - grid.origin) / grid.interval_s) + 1)
        self.skipped += place - following
        grid.place, grid.early = place, None

    def all_due(self, now: float) -> None:
        """Give every group a turn at once, its grid unchanged: after an outage."""
        for grid in self._grids:
            grid.early = min(now, grid.due)


def _beat(moment: float) -> float:
    return math.floor(moment / _BEAT_S) * _BEAT_S
