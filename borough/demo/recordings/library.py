"""The recordings as replays, each file read once.

Reading is by pandas, which takes longer to load than the devices may take to start; what was read
is kept beside, as plain columns.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.npyio import NpzFile

from borough.demo.recordings.names import FILES
from borough.demo.recordings.replay import DAY_MS, HOUR_MS, Replay
from borough.demo.recordings.wheels import recording_file
from ciaas.kernel.sample import Millis, Numbers

if TYPE_CHECKING:
    from borough.demo.recordings.reading import Table

_TEN_MINUTES_MS = 600_000
_HALF_HOUR_MS = 1_800_000


class Recordings:
    """Gives the replays of the recordings.

    Args:
        kept: folder for what was read; None keeps nothing beyond this object.
        files: recording to its file, for other files than those in the data packages.
    """

    def __init__(self, kept: Path | None = None, files: Mapping[str, Path] | None = None) -> None:
        self._kept = kept
        self._files = files or {}
        self._tables: dict[str, tuple[Millis, Mapping[str, Numbers]]] = {}

    def pedestrians(self, counter: str) -> Replay:
        """Persons per hour at one of the counters; a missing hour is left out."""
        wall, columns = self._table("pedestrians")
        there = np.isfinite(columns[counter])
        return Replay(wall[there], columns[counter][there], HOUR_MS)

    def vehicles(self, year: int) -> Replay:
        """Vehicles per hour on one road, one year of 2013 and 2016 to 2018; gaps are kept."""
        return self._span("vehicles", "traffic_volume", *_year(year))

    def occupancy(self, start: str, end: str) -> Replay:
        """Share of time a lane loop was covered, 0 to 1, between two dates of 2015 and 2016."""
        return self._span("occupancy", "y", _day(start), _day(end) + DAY_MS)

    def air(self, column: str, year: int) -> Replay:
        """One column of an air quality station, one year of 2010 to 2014; missing values kept.

        Between two hours dust is held, since it jumps; temperature and pressure glide.
        """
        glides = column != "pm2.5"
        return self._span("air", column, *_year(year), season=True, interpolated=glides)

    def weather(self, column: str) -> Replay:
        """One column of a weather station over three years; rain in mm/h, held."""
        wall, columns = self._table("weather")
        glides = column != "rain_mm_h"
        return Replay(wall, columns[column], HOUR_MS, season=True, interpolated=glides)

    def room(self, column: str) -> Replay:
        """Temperature ``T1``…``T9`` in °C or humidity ``RH_1``…``RH_9`` in % of one house."""
        wall, columns = self._table("rooms")
        return Replay(wall, columns[column], _TEN_MINUTES_MS, interpolated=True)

    def water(self, start: str, end: str) -> Replay:
        """Flow in a water main in l/s between two dates; its low episodes and gaps are kept."""
        return self._span("water", "Water flow [l/s]", _day(start), _day(end) + DAY_MS)

    def parked(self, car_park: str) -> Replay:
        """Occupied spaces of one car park; what is missing, nights among it, is left out."""
        wall, columns = self._table("parking")
        there = np.isfinite(columns[car_park])
        return Replay(wall[there], columns[car_park][there], _HALF_HOUR_MS)

    def rentals(self) -> Numbers:
        """Mean bikes rented in each hour of the week from Monday 0:00, of one whole city."""
        wall, columns = self._table("rentals")
        # 1 January 1970 was a Thursday
        hour = (wall // HOUR_MS + 3 * 24) % 168
        there = np.isfinite(columns["count"])
        sums = np.bincount(hour[there], columns["count"][there], minlength=168)
        return np.asarray(sums / np.maximum(np.bincount(hour[there], minlength=168), 1), np.float64)

    def prepare(self) -> None:
        """Read whatever is not kept yet, so that other processes find it.

        Raises:
            RecordingsError: a recording is not installed.
        """
        for name in FILES:
            self._table(name)

    def _span(
        self,
        name: str,
        column: str,
        start: int,
        end: int,
        *,
        season: bool = False,
        interpolated: bool = False,
    ) -> Replay:
        wall, columns = self._table(name)
        rows = slice(*np.searchsorted(wall, [start, end]))
        return Replay(
            wall[rows], columns[column][rows], HOUR_MS, season=season, interpolated=interpolated
        )

    def _table(self, name: str) -> tuple[Millis, Mapping[str, Numbers]]:
        if name not in self._tables:
            path = self._files.get(name) or recording_file(*FILES[name])
            self._tables[name] = _kept(self._kept, name, path) or _read(self._kept, name, path)
        return self._tables[name]


def _read(folder: Path | None, name: str, path: Path) -> Table:
    # Imported only where something is to be read: pandas takes half a second.
    from borough.demo.recordings.reading import read

    table = read(name, path)
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        # Each process writes a file of its own and then puts it in place whole.
        trial = folder / f"{name}.{os.getpid()}.npz"
        arrays: dict[str, Any] = {"_state": _state(path), "_wall": table.wall, **table.columns}
        np.savez(trial, **arrays)
        trial.replace(folder / f"{name}.npz")
    return table


def _kept(
    folder: Path | None, name: str, path: Path
) -> tuple[Millis, Mapping[str, Numbers]] | None:
    """Return what was kept of a file, None when nothing was or the file has changed since."""
    if folder is None or not (kept := folder / f"{name}.npz").exists():
        return None
    stored = np.load(kept, allow_pickle=False)
    assert isinstance(stored, NpzFile)
    with stored:
        if stored["_state"].tolist() != _state(path).tolist():
            return None
        columns = {title: stored[title] for title in stored.files if not title.startswith("_")}
        return stored["_wall"], columns


def _state(path: Path) -> Millis:
    """Return what changes when a file does."""
    facts = path.stat()
    return np.array([facts.st_size, facts.st_mtime_ns], np.int64)


def _day(date: str) -> int:
    return int(np.datetime64(date, "ms").astype(np.int64))


def _year(year: int) -> tuple[int, int]:
    return _day(f"{year}-01-01"), _day(f"{year + 1}-01-01")
