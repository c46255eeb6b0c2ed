"""Street lights, simulated: lit by the sun's elevation, dimmed late, counted in energy."""

from __future__ import annotations

import numpy as np

from borough.demo.recordings.replay import HOUR_MS, wall_clock
from ciaas.kernel.sample import Millis, Numbers

LONGITUDE, LATITUDE = 24.94, 60.17
_DARK_DEG, _LIGHT_DEG = -2.0, 0.0
"""Full light below the first elevation of the sun, none above the second, a ramp between."""
_LATE_H, _EARLY_H = 23, 5
"""Civil hours between which a dimming cabinet burns at less."""
_DIMMED = 0.6
_METERS_START = 1_767_225_600_000
"""1 January 2026 UTC, when every energy meter stood at zero."""
_TABLE_STEP_MS = 300_000
_J2000_MS = 946_728_000_000


def solar_elevation(times: Millis) -> Numbers:
    """Return the sun's elevation over the quarter in degrees, right to about 0.05°.

    Source: low-precision formulas of the Astronomical Almanac (Michalsky 1988), no refraction.
    """
    days = (times - _J2000_MS) / 86_400_000
    anomaly = np.radians((357.528 + 0.9856003 * days) % 360)
    longitude = np.radians(
        (280.460 + 0.9856474 * days + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly)) % 360
    )
    obliquity = np.radians(23.439 - 4e-7 * days)
    declination = np.arcsin(np.sin(obliquity) * np.sin(longitude))
    ascension = np.arctan2(np.cos(obliquity) * np.sin(longitude), np.cos(longitude))
    sidereal = np.radians((280.46062 + 360.98564737 * days + LONGITUDE) % 360)
    latitude = np.radians(LATITUDE)
    height = np.sin(latitude) * np.sin(declination) + np.cos(latitude) * np.cos(
        declination
    ) * np.cos(sidereal - ascension)
    return np.asarray(np.degrees(np.arcsin(height)), np.float64)


class LampLevel:
    """Light level in %, 0 by day."""

    step_ms = 1_800_000

    def __init__(self, *, dims: bool) -> None:
        self._dims = dims

    def at(self, times: Millis) -> Numbers:
        """Return the level at each time."""
        dark = (_LIGHT_DEG - solar_elevation(times)) / (_LIGHT_DEG - _DARK_DEG)
        level = 100 * np.clip(dark, 0.0, 1.0)
        if self._dims:
            hour = wall_clock(times) // HOUR_MS % 24
            level = np.where((hour >= _LATE_H) | (hour < _EARLY_H), _DIMMED * level, level)
        return np.asarray(level, np.float64)


class LampPower:
    """Active power in W: the rated power times the level."""

    step_ms = LampLevel.step_ms

    def __init__(self, level: LampLevel, rated_w: float) -> None:
        self._level = level
        self.rated_w = rated_w

    def at(self, times: Millis) -> Numbers:
        """Return the power at each time."""
        return self.rated_w * self._level.at(times) / 100


class LampEnergy:
    """Energy in Wh since the meter stood at zero; never falls."""

    step_ms = LampLevel.step_ms

    def __init__(self, level: LampLevel, rated_w: float) -> None:
        self._level = level
        self._rated_w = rated_w
        self._times = np.array([_METERS_START], np.int64)
        self._full_hours = np.zeros(1)

    def at(self, times: Millis) -> Numbers:
        """Return the energy at each time; zero before 2026."""
        if len(times):
            self._reach(int(times.max()))
        return self._rated_w * np.interp(times, self._times, self._full_hours)

    def _reach(self, end: int) -> None:
        """Extend the table of hours at full light, a day ahead at a time."""
        last = int(self._times[-1])
        if end < last:
            return
        grid = np.arange(last, end + 24 * HOUR_MS, _TABLE_STEP_MS, dtype=np.int64)
        lit = np.cumsum(self._level.at(grid[:-1]) / 100) * (_TABLE_STEP_MS / HOUR_MS)
        self._times = np.concatenate([self._times, grid[1:]])
        self._full_hours = np.concatenate([self._full_hours, self._full_hours[-1] + lit])
