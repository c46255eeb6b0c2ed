"""Three indices from 0 (bad) to 100 (good), each of a few measured means."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Readings = Mapping[str, float]
"""Means over the city by measurand; one that is not measured is not in it."""

MEASURANDS: Mapping[str, str] = {
    "temperature": "°C",
    "humidity": "%",
    "wind": "m/s",
    "rain": "mm/h",
    "dust": "µg/m³",
    "sound": "dB(A)",
}
"""What the indices are made of, with its unit."""
_WORDS = ((80, "very good"), (60, "good"), (40, "fair"), (20, "poor"), (0, "very poor"))


@dataclass(frozen=True, slots=True)
class Index:
    """One index: what it is called, what it needs and how it is worked out."""

    name: str
    title: str
    says: str
    """What a high value means, for the public."""
    how: str
    """How it comes about, for who has never heard of it."""
    needs: Sequence[str]
    """Measurands without which there is no index."""
    helps: Sequence[str]
    """Measurands that count when they are there."""
    score: Callable[[Readings], float]

    def lacks(self, readings: Readings) -> list[str]:
        """Return the measurands that the index would take and that nobody measures now."""
        return [name for name in (*self.needs, *self.helps) if name not in readings]

    def of(self, readings: Readings) -> float | None:
        """Return the index, None when something that it needs is not measured."""
        if any(name not in readings for name in self.needs):
            return None
        return min(100.0, max(0.0, self.score(readings)))


def word(score: float) -> str:
    """Return what a score is called."""
    return next(word for least, word in _WORDS if score >= least)


def _living(readings: Readings) -> float:
    """Comfort of the air outside, by the discomfort index of temperature and humidity.

    Source: Thom, The Discomfort Index, Weatherwise 12 (1959), in the form that the Japanese
    weather service gives for °C; it calls 60 to 75 comfortable.
    """
    temperature, humidity = readings["temperature"], readings["humidity"]
    discomfort = 0.81 * temperature + 0.01 * humidity * (0.99 * temperature - 14.3) + 46.3
    return _between(discomfort, ((40, 0), (55, 60), (60, 100), (70, 100), (75, 75), (85, 0)))


def _washing(readings: Readings) -> float:
    """How well washing dries outside: by vapour pressure deficit and wind, not at all in rain.

    Source: saturation vapour pressure by Tetens (1930); evaporation rises with deficit and wind as
    in Penman's aerodynamic term (1948).
    """
    temperature, humidity = readings["temperature"], readings["humidity"]
    if readings.get("rain", 0.0) >= 0.1:
        return 0.0
    saturated_kpa = 0.6108 * math.exp(17.27 * temperature / (temperature + 237.3))
    deficit_kpa = saturated_kpa * (1 - min(humidity, 100.0) / 100)
    return 100 * (1 - math.exp(-deficit_kpa * (1 + 0.54 * readings.get("wind", 0.0))))


def _environment(readings: Readings) -> float:
    """The worse of fine dust and sound.

    Source: bands of the European Air Quality Index for PM2.5 (EEA, 2017); for sound the guideline
    of 53 dB for road traffic (WHO Europe, 2018).
    """
    dust = _between(readings["dust"], ((0, 100), (10, 80), (20, 60), (25, 40), (50, 20), (75, 0)))
    if "sound" not in readings:
        return dust
    return min(dust, _between(readings["sound"], ((40, 100), (53, 80), (65, 40), (80, 0))))


def _between(value: float, points: Sequence[tuple[float, float]]) -> float:
    """Return the value of the line through points, level outside them."""
    for (low, first), (high, second) in pairwise(points):
        if low <= value <= high:
            return first + (second - first) * (value - low) / (high - low)
    return points[0][1] if value < points[0][0] else points[-1][1]


INDICES = (
    Index(
        "living",
        "Living",
        "how pleasant it is outside",
        "Warmth and moisture together: the same air feels hotter when it is damp. Mild air of "
        "15 to 20 °C scores best.",
        ("temperature", "humidity"),
        (),
        _living,
    ),
    Index(
        "washing",
        "Washing",
        "how well washing dries",
        "Dry air takes up water and wind carries it away. In rain nothing dries.",
        ("temperature", "humidity"),
        ("wind", "rain"),
        _washing,
    ),
    Index(
        "environment",
        "Environment",
        "clean air, quiet streets",
        "The worse of two: fine dust (PM2.5) that we breathe, and sound in the street.",
        ("dust",),
        ("sound",),
        _environment,
    ),
)
