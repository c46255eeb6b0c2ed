"""Noise meters, simulated from what passes by; not a calibrated method of road noise."""

from __future__ import annotations

import numpy as np

from borough.demo.recordings.replay import Signal
from ciaas.kernel.sample import Millis, Numbers

_SLOT_MS = 10_000
_MEMORY = 0.9
_SPREAD_DB = 1.5
_REACH = 64
"""Slots after which a memory of 0.9 has faded to a thousandth."""
_QUIET_DB = 38.0
"""What is left when nothing passes."""


class PassingNoise:
    """Equivalent sound level in dB(A) beside a stream of persons and one of vehicles.

    Args:
        persons, vehicles: how many pass per hour; a missing value counts as none.
        vehicles_share: part of the vehicles that pass this meter.
        seed: tells one meter's chance from another's.
    """

    step_ms = 600_000

    def __init__(
        self, persons: Signal, vehicles: Signal, *, vehicles_share: float, seed: int
    ) -> None:
        self._persons = persons
        self._vehicles = vehicles
        self._vehicles_share = vehicles_share
        self._seed = seed

    def at(self, times: Millis) -> Numbers:
        """Return the level at each time."""
        persons = np.nan_to_num(self._persons.at(times))
        vehicles = np.nan_to_num(self._vehicles.at(times)) * self._vehicles_share
        # Energies add: a vehicle an hour is taken as 35 dB(A) on average, a person as 22.
        energy = 10 ** (_QUIET_DB / 10) + vehicles * 10**3.5 + persons * 10**2.2
        return np.asarray(10 * np.log10(energy) + autoregressive(times, self._seed), np.float64)


def autoregressive(times: Millis, seed: int) -> Numbers:
    """Return first-order autoregressive noise of 1.5 dB; the same time always gives the same."""
    slots = (times // _SLOT_MS)[:, None] - np.arange(_REACH)[None, :]
    weights = _MEMORY ** np.arange(_REACH)
    shocks = _normal(slots.astype(np.uint64) ^ np.uint64(seed * 0x9E37_79B9))
    # Not a matrix product: that would sum in another order for another number of times.
    summed = (shocks * weights).sum(axis=1)
    return np.asarray(_SPREAD_DB * np.sqrt(1 - _MEMORY**2) * summed, np.float64)


def _normal(numbers: np.ndarray[tuple[int, ...], np.dtype[np.uint64]]) -> Numbers:
    """Turn each number into one draw of the normal distribution (splitmix64, Box and Muller)."""
    first, second = _mixed(numbers), _mixed(numbers ^ np.uint64(0xA5A5_A5A5_A5A5_A5A5))
    uniform = (first >> np.uint64(11)).astype(np.float64) + 0.5
    angle = (second >> np.uint64(11)).astype(np.float64)
    return np.asarray(
        np.sqrt(-2 * np.log(uniform / 2**53)) * np.cos(2 * np.pi * angle / 2**53), np.float64
    )


def _mixed(
    numbers: np.ndarray[tuple[int, ...], np.dtype[np.uint64]],
) -> np.ndarray[tuple[int, ...], np.dtype[np.uint64]]:
    # Array arithmetic wraps at 64 bits without a warning, as splitmix64 wants it.
    mixed = numbers + np.uint64(0x9E37_79B9_7F4A_7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
    return mixed ^ (mixed >> np.uint64(31))
