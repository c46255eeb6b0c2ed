"""Readers of the recorded files: each repairs what its file is known to have wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from borough.demo.recordings.names import CAR_PARKS, COUNTERS
from ciaas.kernel.sample import Millis, Numbers

_NIGHT_ENDS_H = 6


class Table(NamedTuple):
    """A recording: ascending times on its civil clock, read as UTC milliseconds, and columns."""

    wall: Millis
    columns: Mapping[str, Numbers]


def _pedestrians(path: Path) -> pd.DataFrame:
    """Persons per hour at 21 counters, the newest whole year without an empty cell."""
    table = pd.read_csv(path)
    hour = table["hour"].str.split(":").str[0].astype(int)
    # Each date opens at 6:00 and closes with its night: 23:00 of a date goes with the 0:00 that
    # follows it in the file (correlation 0.94, against 0.23 with the one before).
    day = pd.to_datetime(table["date"]) + pd.to_timedelta((hour < _NIGHT_ENDS_H) * 1, "D")
    table.index = pd.DatetimeIndex(day + pd.to_timedelta(hour, "h"))
    whole = table[list(COUNTERS)].notna().all(axis=1)
    year = int(table.loc[whole, "year"].mode().iloc[-1])
    return table.loc[table["year"] == year, list(COUNTERS)]


def _vehicles(path: Path) -> pd.DataFrame:
    """Vehicles per hour; an hour with several weather words has a row for each, same count."""
    table = pd.read_csv(path, usecols=["date_time", "traffic_volume"])
    table.index = pd.DatetimeIndex(pd.to_datetime(table["date_time"]))
    return table[["traffic_volume"]]


def _occupancy(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    table.index = pd.DatetimeIndex(pd.to_datetime(table["ts"]))
    return table[["y"]]


def _air(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    table.index = pd.DatetimeIndex(pd.to_datetime(table[["year", "month", "day", "hour"]]))
    return table[["pm2.5", "TEMP", "PRES"]]


def _weather(path: Path) -> pd.DataFrame:
    """Comment lines stand after the titles, rows out of order; rain is per day at each hour."""
    table = pd.read_csv(path, comment="#")
    table.index = pd.DatetimeIndex(pd.to_datetime(table["time"]))
    table["rain_mm_h"] = table["rain_mmday"] / 24
    return table.drop(columns=["time", "rain_mmday"])


def _rooms(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path)
    table.index = pd.DatetimeIndex(pd.to_datetime(table["date"]))
    return table[[f"{kind}{room}" for room in range(1, 10) for kind in ("T", "RH_")]]


def _water(path: Path) -> pd.DataFrame:
    """The offset in each stamp changes with summer time: go by UTC to the civil clock."""
    table = pd.read_csv(path)
    utc = pd.to_datetime(table["Time"], utc=True)
    table.index = pd.DatetimeIndex(utc).tz_convert("Europe/Rome").tz_localize(None)
    return table[["Water flow [l/s]"]]


def _parking(path: Path) -> pd.DataFrame:
    """Occupied spaces each half hour by day; a car park that was not read then has none."""
    table = pd.read_csv(path)
    table = table[table["SystemCodeNumber"].isin(CAR_PARKS)]
    table["half"] = pd.to_datetime(table["LastUpdated"]).dt.round("30min")
    return table.pivot_table("Occupancy", "half", "SystemCodeNumber", aggfunc="first")


def _rentals(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, usecols=["ts", "count"])
    table.index = pd.DatetimeIndex(pd.to_datetime(table["ts"]))
    return table[["count"]]


_READERS: Mapping[str, Callable[[Path], pd.DataFrame]] = {
    "pedestrians": _pedestrians,
    "vehicles": _vehicles,
    "occupancy": _occupancy,
    "air": _air,
    "weather": _weather,
    "rooms": _rooms,
    "water": _water,
    "parking": _parking,
    "rentals": _rentals,
}


def read(name: str, path: Path) -> Table:
    """Return a recording by its name in `borough.demo.recordings.names.FILES`, repaired.

    Of several rows for the same time the first stays.
    """
    frame = _READERS[name](path).sort_index(kind="stable")
    frame = frame[~frame.index.duplicated()]
    wall = frame.index.to_numpy().astype("datetime64[ms]").astype(np.int64)
    return Table(wall, {str(title): np.asarray(frame[title], np.float64) for title in frame})
