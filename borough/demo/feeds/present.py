"""What the things of a feed measure at this second."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from borough.demo.city.thing import Thing
from borough.demo.recordings.library import Recordings

_HELD_STEPS_MAX = 200
"""Of a recording's own interval: the car parks pause for up to 88 hours, at half hours."""


class PresentValues:
    """Values of things, the last recorded one where nothing was recorded at this time of day."""

    def __init__(self, things: Sequence[Thing], recordings: Recordings) -> None:
        self._signals = [
            (thing, channel, channel.signal(recordings))
            for thing in things
            for channel in thing.channels
        ]

    def at(self, now_s: int) -> dict[str, dict[str, int | float]]:
        """Return values by key of the thing and path of the point, at a second since 1970 UTC."""
        found: dict[str, dict[str, int | float]] = {}
        for thing, channel, signal in self._signals:
            back = np.arange(_HELD_STEPS_MAX if thing.between == "held" else 1)
            values = signal.at(now_s * 1_000 - back * signal.step_ms)
            there = values[np.isfinite(values)]
            value = float(there[0]) if len(there) else math.nan
            of_thing = found.setdefault(thing.key, {})
            if math.isfinite(value):
                digits = channel.decimals
                of_thing[channel.path] = round(value, digits) if digits else round(value)
        return found
