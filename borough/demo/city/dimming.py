"""The set point of a street-light cabinet: a level that holds for a while instead of the sun's."""

from __future__ import annotations

from borough.demo.city.thing import Thing

POINT = "cabinet/lamps/dimming"
"""Of a cabinet, below its endpoint."""
KIND = "light-cabinet"
REGISTER = 4
"""Follows the registers of the cabinet's measurements."""
AUTOMATIC = 0xFFFF
"""What the register holds while nobody wants a level."""
LAG_S = 0.5
"""From a write to the moment when register and lamps have it."""
HELD_S = 120.0


def dims(thing: Thing) -> bool:
    """Tell whether a thing takes a level."""
    return thing.kind == KIND


class Dimmer:
    """One cabinet's set point. Times are seconds of one clock."""

    def __init__(self) -> None:
        self._level = self._before = AUTOMATIC
        self._since = -HELD_S

    def set(self, level: int, now: float) -> bool:
        """Take a level in % from 0 to 100; False, and nothing, for any other."""
        if not 0 <= level <= 100:
            return False
        self._before, self._level, self._since = self.level(now), level, now
        return True

    def level(self, now: float) -> int:
        """Return the level in %, AUTOMATIC while the sun decides."""
        if now - self._since < LAG_S:
            return self._before
        return self._level if now - self._since < HELD_S else AUTOMATIC
