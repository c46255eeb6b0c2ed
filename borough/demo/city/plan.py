"""The whole quarter, in a fixed order."""

from __future__ import annotations

from borough.demo.city.bikes import bike_stations
from borough.demo.city.bins import waste_bins
from borough.demo.city.parking import car_parks
from borough.demo.city.streets import (
    lane_loops,
    light_cabinets,
    noise_meters,
    pedestrian_counters,
    road_counters,
)
from borough.demo.city.surroundings import air_stations, rooms, water_mains, weather_station
from borough.demo.city.thing import Measurand, Path, Thing


def quarter() -> tuple[Thing, ...]:
    """Return every thing of the quarter; needs no recording until a signal is asked for."""
    return (
        *pedestrian_counters(),
        *lane_loops(),
        *noise_meters(),
        *rooms(),
        *air_stations(),
        *weather_station(),
        *road_counters(),
        *water_mains(),
        *light_cabinets(),
        *car_parks(),
        *bike_stations(),
        *waste_bins(),
    )


def by_path(path: Path) -> tuple[Thing, ...]:
    """Return the things that reach the platform one way."""
    return tuple(thing for thing in quarter() if thing.path is path)


def measurands(things: tuple[Thing, ...]) -> tuple[Measurand, ...]:
    """Return what the things measure, each once, in their order."""
    return tuple(dict.fromkeys(c.measurand for thing in things for c in thing.channels))
