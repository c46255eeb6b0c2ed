"""What is simulated follows its model and gives the same value for the same time."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from borough.demo.city.lamps import LampEnergy, LampLevel, LampPower, solar_elevation
from borough.demo.city.noise import PassingNoise, autoregressive
from borough.demo.recordings.replay import DAY_MS, HOUR_MS
from ciaas.kernel.sample import Millis, Numbers

START = int(datetime(2026, 11, 20, tzinfo=UTC).timestamp() * 1_000)


def ms(*date: int) -> Millis:
    return np.array([int(datetime(*date, tzinfo=UTC).timestamp() * 1_000)], np.int64)  # type: ignore[misc, arg-type]


class Steady:
    step_ms = HOUR_MS

    def __init__(self, value: float) -> None:
        self._value = value

    def at(self, times: Millis) -> Numbers:
        return np.full(len(times), self._value)


@pytest.mark.parametrize(
    ("date", "degrees"),
    [
        # Solar noon at the solstices: 90° - latitude ± obliquity.
        ((2026, 6, 21, 10, 22), 90 - 60.17 + 23.436),
        ((2026, 12, 21, 10, 18), 90 - 60.17 - 23.436),
        # Midnight sun does not come so far south: the lowest point of midsummer night.
        ((2026, 6, 20, 22, 22), -(90 - 60.17) + 23.436),
    ],
)
def test_solar_elevation_at_known_times(date: tuple[int, ...], degrees: float) -> None:
    assert float(solar_elevation(ms(*date))[0]) == pytest.approx(degrees, abs=0.05)


def test_lamps_burn_at_night_and_dim_late() -> None:
    level, plain = LampLevel(dims=True), LampLevel(dims=False)
    assert level.at(ms(2026, 11, 22, 10))[0] == 0
    assert level.at(ms(2026, 11, 22, 18))[0] == 100
    assert level.at(ms(2026, 11, 22, 22))[0] == pytest.approx(60)  # midnight in the city
    assert plain.at(ms(2026, 11, 22, 22))[0] == 100
    assert 0 < plain.at(ms(2026, 11, 22, 13, 38))[0] < 100  # dusk


def test_energy_is_the_integral_of_power_and_never_falls() -> None:
    level = LampLevel(dims=True)
    power, energy = LampPower(level, 1_000.0), LampEnergy(level, 1_000.0)
    times = START + np.arange(0, 3 * DAY_MS, 60_000)
    counted = energy.at(times)
    assert (np.diff(counted) >= 0).all()
    integral = power.at(times[:-1]).sum() / 60
    assert counted[-1] - counted[0] == pytest.approx(integral, rel=0.005)


def test_energy_does_not_depend_on_what_was_asked_before() -> None:
    level = LampLevel(dims=False)
    early, late = LampEnergy(level, 500.0), LampEnergy(level, 500.0)
    times = START + np.arange(0, 40 * DAY_MS, 7 * HOUR_MS)
    one_by_one = [float(early.at(np.array([moment]))[0]) for moment in times]
    assert late.at(times).tolist() == pytest.approx(one_by_one, rel=1e-12)
    assert len(early.at(np.array([], np.int64))) == 0


def test_noise_has_the_spread_and_the_memory_of_its_model() -> None:
    noise = autoregressive(START + np.arange(0, 6 * DAY_MS, 10_000), seed=3)
    assert noise.std() == pytest.approx(1.5, rel=0.06)
    assert abs(noise.mean()) < 0.15
    assert np.corrcoef(noise[:-1], noise[1:])[0, 1] == pytest.approx(0.9, abs=0.02)
    other = autoregressive(START + np.arange(0, 6 * DAY_MS, 10_000), seed=4)
    assert abs(np.corrcoef(noise, other)[0, 1]) < 0.05


def test_noise_is_the_same_at_the_same_time() -> None:
    meter = PassingNoise(Steady(100), Steady(500), vehicles_share=0.5, seed=1)
    times = START + np.arange(0, DAY_MS, 3_600_123)
    assert meter.at(times).tolist() == [float(meter.at(np.array([t]))[0]) for t in times]


def test_noise_rises_by_three_decibels_when_traffic_doubles() -> None:
    times = START + np.arange(0, DAY_MS, HOUR_MS)
    one = PassingNoise(Steady(0), Steady(4_000), vehicles_share=1, seed=1).at(times)
    two = PassingNoise(Steady(0), Steady(8_000), vehicles_share=1, seed=1).at(times)
    assert (two - one) == pytest.approx(10 * np.log10(2), abs=0.01)


def test_missing_counts_leave_the_quiet_of_the_night() -> None:
    meter = PassingNoise(Steady(float("nan")), Steady(float("nan")), vehicles_share=1, seed=2)
    levels = meter.at(START + np.arange(0, DAY_MS, HOUR_MS))
    assert 30 < levels.min() and levels.max() < 46
