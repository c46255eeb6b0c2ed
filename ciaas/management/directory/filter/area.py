"""Areas of the earth's surface, and which places lie in them. Degrees are WGS 84."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Numbers
from ciaas.limits import FILTER_RADIUS_M_MAX

EARTH_RADIUS_M = 6_371_008.8
"""Mean radius. Source: IUGG 1980; the sphere differs from the ellipsoid by 0.6 % at most."""


@dataclass(frozen=True, slots=True)
class Near:
    """A circle: latitude and longitude of its centre in degrees, radius in metres."""

    lat: float
    lon: float
    radius_m: float

    def __post_init__(self) -> None:
        """Raise ValueError for what is no circle on the earth."""
        _check_place(self.lat, self.lon)
        if not 0 < self.radius_m <= FILTER_RADIUS_M_MAX:
            raise ValueError(
                f"a radius of {self.radius_m:g} m; give more than 0 and at most "
                f"{FILTER_RADIUS_M_MAX} m"
            )

    @classmethod
    def parse(cls, written: object) -> Self:
        """Read ``60.17,24.94,500`` or ``{"lat", "lon", "radius_m"}``; raises ValueError."""
        return cls(*_numbers(written, ("lat", "lon", "radius_m")))

    def distance_m(self, lat: Numbers, lon: Numbers) -> Numbers:
        """Return the way over the sphere from the centre; NaN where there is no place."""
        there, here = np.radians(lat), np.radians(self.lat)
        steps = np.sin((there - here) / 2) ** 2
        turns = np.sin(np.radians(lon - self.lon) / 2) ** 2
        chord = np.sqrt(np.minimum(1.0, steps + np.cos(here) * np.cos(there) * turns))
        return np.asarray(2 * EARTH_RADIUS_M * np.arcsin(chord), np.float64)

    def holds(self, lat: Numbers, lon: Numbers) -> NDArray[np.bool_]:
        """Return which places lie in the circle; its rim belongs to it."""
        return np.asarray(self.distance_m(lat, lon) <= self.radius_m)

    def document(self) -> Mapping[str, float]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Box:
    """All between two latitudes and two longitudes; west above east crosses the date line."""

    south: float
    west: float
    north: float
    east: float

    def __post_init__(self) -> None:
        """Raise ValueError for what is no box on the earth."""
        _check_place(self.south, self.west)
        _check_place(self.north, self.east)
        if self.south > self.north:
            raise ValueError(f"south {self.south:g} lies above north {self.north:g}; exchange them")

    @classmethod
    def parse(cls, written: object) -> Self:
        """Read ``60.16,24.93,60.18,24.95`` or an object of these names; raises ValueError."""
        return cls(*_numbers(written, ("south", "west", "north", "east")))

    def holds(self, lat: Numbers, lon: Numbers) -> NDArray[np.bool_]:
        """Return which places lie in the box; its edges belong to it."""
        after, before = lon >= self.west, lon <= self.east
        across = after & before if self.west <= self.east else after | before
        return np.asarray((lat >= self.south) & (lat <= self.north) & across)

    def document(self) -> Mapping[str, float]:
        """Return the JSON form."""
        return asdict(self)


def _check_place(lat: float, lon: float) -> None:
    if not -90 <= lat <= 90:
        raise ValueError(f"latitude {lat:g} is not within -90 to 90 degrees")
    if not -180 <= lon <= 180:
        raise ValueError(f"longitude {lon:g} is not within -180 to 180 degrees")


def _numbers(written: object, names: tuple[str, ...]) -> list[float]:
    if isinstance(written, str):
        parts: list[Any] = written.split(",")
    elif isinstance(written, Mapping) and set(written) == set(names):
        parts = [written[name] for name in names]
    else:
        parts = []
    try:
        if any(isinstance(part, bool) for part in parts):
            raise ValueError
        numbers = [float(part) for part in parts]
    except (ValueError, TypeError):
        numbers = []
    if len(numbers) != len(names):
        raise ValueError(f"{written!r:.60} is no area; write the numbers {','.join(names)}")
    return numbers
