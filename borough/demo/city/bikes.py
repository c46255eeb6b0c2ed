"""Stations of city bikes, simulated: bikes come and go as often as rentals were recorded."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from borough.demo.city.measurands import BIKES, DOCKS
from borough.demo.city.places import along
from borough.demo.city.streets import MODEL
from borough.demo.city.thing import Channel, Origin, Path, Thing
from borough.demo.recordings.library import Recordings
from borough.demo.recordings.replay import DAY_MS, HOUR_MS, Signal, wall_clock
from ciaas.kernel.sample import Millis, Numbers

_MINUTE_MS = 60_000
_MINUTES = 1_440
_DAY_STARTS_H = 4
"""Civil hour at which a lorry fills each station to the half."""
_DAYS_KEPT = 32
_SHARE = 0.02
"""Part of the recorded system's rentals that begin at one station."""
_CHANCE_MAX = 0.9
_STATIONS = (
    ("Kaivokatu", 0.7, 24, 0.4),
    ("Mannerheimintie", 0.5, 30, 0.3),
    ("Rautatientori", 0.3, 34, -0.4),
    ("Kaisaniemenkatu", 0.2, 20, -0.3),
    ("Unioninkatu", 0.4, 18, 0.2),
    ("Bulevardi", 0.3, 22, -0.2),
)
"""Street, share of its length, docks, and how much more bikes come than go in the morning."""


class BikeStation:
    """A birth and death process on the docks of one station, begun anew each day.

    Args:
        rentals: mean rentals of the recorded system, by hour of the week from Monday 0:00.
        docks: how many bikes it takes.
        tilt: of arrivals over departures before noon, the other way round after it.
        seed: tells one station's chance from another's.
    """

    step_ms = 600_000

    def __init__(self, rentals: Numbers, docks: int, tilt: float, seed: int) -> None:
        self._rentals, self._docks, self._tilt, self._seed = rentals, docks, tilt, seed
        self._day = lru_cache(maxsize=_DAYS_KEPT)(self._simulate)

    def at(self, times: Millis) -> Numbers:
        """Return the bikes at each time."""
        since = wall_clock(times) - _DAY_STARTS_H * HOUR_MS
        days, minutes = since // DAY_MS, since % DAY_MS // _MINUTE_MS
        found = np.empty(len(times), np.float64)
        for day in np.unique(days).tolist():
            of_day = days == day
            found[of_day] = self._day(day)[minutes[of_day]]
        return found

    def _simulate(self, day: int) -> Numbers:
        """Return the bikes at each minute of a day that is counted from 1970."""
        minute = np.arange(_MINUTES) + _DAY_STARTS_H * 60
        hour = minute // 60
        # 1 January 1970 was a Thursday
        rate = self._rentals[((day + 3) * 24 + hour) % 168] * _SHARE / 60
        tilt = np.where(hour < 12, self._tilt, -self._tilt)
        chance = np.random.default_rng([self._seed, day]).random((2, _MINUTES))
        comes = chance[0] < np.minimum(rate * (1 + tilt), _CHANCE_MAX)
        goes = chance[1] < np.minimum(rate * (1 - tilt), _CHANCE_MAX)
        steps = comes.astype(int) - goes.astype(int)
        bikes, here = np.empty(_MINUTES, np.float64), self._docks // 2
        for index, step in enumerate(steps.tolist()):
            here = min(max(here + step, 0), self._docks)
            bikes[index] = here
        return bikes


class FreeDocks:
    """Docks without a bike."""

    step_ms = BikeStation.step_ms

    def __init__(self, bikes: Signal, docks: int) -> None:
        self._bikes, self._docks = bikes, docks

    def at(self, times: Millis) -> Numbers:
        """Return the docks at each time."""
        return self._docks - self._bikes.at(times)


def bike_stations() -> list[Thing]:
    """Return the stations."""
    return [
        Thing(
            key=f"bikes-{number}",
            kind="bike-station",
            name=f"City bikes {number} {street}",
            path=Path.GBFS,
            place=along(street, share),
            origin=Origin.SIMULATED,
            source=MODEL,
            past_step_ms=BikeStation.step_ms,
            channels=(
                Channel(
                    *("station", "bikes", "available", BIKES),
                    partial(_bikes, docks, tilt, number),
                    0,
                ),
                Channel(
                    *("station", "docks", "available", DOCKS),
                    partial(_docks, docks, tilt, number),
                    0,
                ),
            ),
        )
        for number, (street, share, docks, tilt) in enumerate(_STATIONS, start=1)
    ]


def _bikes(docks: int, tilt: float, seed: int, recordings: Recordings) -> Signal:
    return BikeStation(recordings.rentals(), docks, tilt, seed)


def _docks(docks: int, tilt: float, seed: int, recordings: Recordings) -> Signal:
    return FreeDocks(_bikes(docks, tilt, seed, recordings), docks)
