"""Waste bins, simulated: filled by who passes, emptied by a round, heard through a gateway."""

from __future__ import annotations

from functools import lru_cache, partial

import numpy as np

from borough.demo.city.measurands import BATTERY, FILL
from borough.demo.city.places import along
from borough.demo.city.streets import MODEL
from borough.demo.city.thing import Channel, Origin, Path, Thing
from borough.demo.recordings.library import Recordings
from borough.demo.recordings.names import COUNTERS
from borough.demo.recordings.replay import DAY_MS, HOUR_MS, Signal, wall_clock
from ciaas.kernel.sample import Millis, Numbers

_ROUND_DAYS = (0, 2, 4)
"""Monday, Wednesday and Friday; at _ROUND_H of the civil clock."""
_ROUND_H = 6
_DEPOSITS = 0.015
"""Per person who passes."""
_DEPOSIT_PERCENT = 0.12
"""Mean share of a bin that one deposit takes."""
_ECHO_MS = 300_000
_FALSE_ECHOES = 0.02
_HOURS_KEPT = 2_048
_CELL_MS = 200 * DAY_MS
"""A battery lasts so long; it is changed when it is empty."""
_BINS = (
    ("Aleksanterinkatu", 0.2, 1),
    ("Aleksanterinkatu", 0.7, 4),
    ("Keskuskatu", 0.5, 6),
    ("Mikonkatu", 0.3, 8),
    ("Kluuvikatu", 0.6, 11),
    ("Pohjoisesplanadi", 0.3, 13),
    ("Pohjoisesplanadi", 0.7, 15),
    ("Rautatientori", 0.6, 17),
    ("Toolonlahdenkatu", 0.5, 18),
    ("Unioninkatu", 0.5, 20),
)
"""Street, share of its length, and which pedestrian counter is near."""


class BinFill:
    """Fill level in %, a compound Poisson process since the last round.

    Two in a hundred echoes come from something else than the waste.

    Args:
        persons: who passes, per hour.
        seed: tells one bin's chance from another's.
    """

    step_ms = HOUR_MS

    def __init__(self, persons: Signal, seed: int) -> None:
        self._persons, self._seed = persons, seed
        self._hour = lru_cache(maxsize=_HOURS_KEPT)(self._filled_in)

    def at(self, times: Millis) -> Numbers:
        """Return the level that the sensor reports at each time."""
        return np.array([self._level(int(time)) for time in times], np.float64)

    def _level(self, time: int) -> float:
        echo = np.random.default_rng([self._seed, 1, time // _ECHO_MS]).random(2)
        if echo[0] < _FALSE_ECHOES:
            return float(100 * echo[1])
        hour, part = divmod(time, HOUR_MS)
        level = part / HOUR_MS * self._hour(hour)
        for back in range(1, _hours_since_round(time) + 1):
            level += self._hour(hour - back)
        return min(level, 100.0)

    def _filled_in(self, hour: int) -> float:
        """Return what is thrown in within an hour that is counted from 1970 UTC."""
        persons = float(np.nan_to_num(self._persons.at(np.array([hour * HOUR_MS], np.int64)))[0])
        chance = np.random.default_rng([self._seed, 2, hour])
        deposits = int(chance.poisson(persons * _DEPOSITS))
        return float(chance.gamma(deposits, _DEPOSIT_PERCENT)) if deposits else 0.0


class CellCharge:
    """Charge of a bin's battery in %, falling evenly until it is changed."""

    step_ms = DAY_MS

    def __init__(self, seed: int) -> None:
        self._shift = seed * _CELL_MS // 11

    def at(self, times: Millis) -> Numbers:
        """Return the charge at each time."""
        return 100.0 - 95.0 * ((times + self._shift) % _CELL_MS) / _CELL_MS


def waste_bins() -> list[Thing]:
    """Return the bins."""
    return [
        Thing(
            key=f"bin-{number:02}",
            kind="waste-bin",
            name=f"Waste bin {number} {street}",
            path=Path.ZIGBEE,
            place=along(street, share),
            origin=Origin.SIMULATED,
            source=MODEL,
            past_step_ms=BinFill.step_ms,
            channels=(
                Channel(
                    *("bin", "fill", "level", FILL),
                    partial(_fill, COUNTERS[counter - 1], number),
                    1,
                ),
                Channel("bin", "cell", "charge", BATTERY, partial(_charge, number), 0),
            ),
        )
        for number, (street, share, counter) in enumerate(_BINS, start=1)
    ]


def _fill(counter: str, seed: int, recordings: Recordings) -> Signal:
    return BinFill(recordings.pedestrians(counter), seed)


def _charge(seed: int, _: Recordings) -> Signal:
    return CellCharge(seed)


def _hours_since_round(time: int) -> int:
    """Return the whole hours since the last collection."""
    wall = int(wall_clock(np.array([time], np.int64))[0])
    hour_of_week = (wall // HOUR_MS + 3 * 24) % 168
    return min((hour_of_week - day * 24 - _ROUND_H) % 168 for day in _ROUND_DAYS)
