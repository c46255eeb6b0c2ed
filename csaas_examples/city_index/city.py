"""What the indices are made of, asked of the platform by the client and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from borough_client import BoroughError, Client
from csaas_examples.city_index.indices import INDICES, Readings

CLASSES: Mapping[str, str] = {
    "temperature": "AirTemperature",
    "humidity": "AirHumidity",
    "wind": "WindSpeed",
    "rain": "RainRate",
    "dust": "FineDust",
    "sound": "SoundLevel",
}
"""Class of the points that a measurand is read from, unless the command line says otherwise."""
HOURS = 24
_PART_MIN = 5


@dataclass(frozen=True, slots=True)
class State:
    """What the page shows."""

    at: datetime | None = None
    """When the platform answered last; None before the first answer."""
    readings: Readings = field(default_factory=dict)
    """Means of the last hour."""
    age_min: Mapping[str, int] = field(default_factory=dict)
    """By measurand, the minutes since its newest value, to the next five."""
    course: Mapping[str, Sequence[float | None]] = field(default_factory=dict)
    """By index, its value in each of the last 24 hours, oldest first; None without data."""
    fault: str = ""
    """Why the newest attempt failed; empty when it did not."""

    def scores(self) -> dict[str, float | None]:
        """Return the indices of the last hour."""
        return {index.name: index.of(self.readings) for index in INDICES}


class City:
    """Asks the platform for means over all points of a class.

    Args:
        client: With a token of the scope ``read``.
        classes: By measurand, the class of its points.
        project: Only points of this project; None takes all that the token may read.
    """

    def __init__(self, client: Client, classes: Mapping[str, str], project: str | None = None):
        self._client, self._classes, self._project = client, classes, project

    def ask(self, before: State) -> State:
        """Return the state now, or the one before with the fault when nobody answers."""
        try:
            now = self._means("1h", None)
            parts = self._means("1h", f"{_PART_MIN}m")
            hours = self._means(f"{HOURS}h", "1h")
        except BoroughError as error:
            return replace(before, fault=str(error))
        readings = {name: values[-1] for name, values in now.items() if values[-1] is not None}
        return State(datetime.now(UTC), readings, _ages_min(parts), _course(hours))

    def _means(self, last: str, window: str | None) -> dict[str, list[Any]]:
        """Return by measurand the mean of each window, None where there is nothing good."""
        wanted: dict[str, Any] = {"class": sorted(set(self._classes.values()))}
        if self._project is not None:
            wanted["project"] = self._project
        table = self._client.query(
            {
                "select": {"filter": wanted},
                "interval": {"last": last},
                "window": window,
                "measures": ["mean"],
                "verdicts": ["good", "uncertain"],
                "group": {"by": "class"},
                "align": True,
                "fill": "null",
            }
        )
        windows = len(table)
        return {
            name: list(table.columns.get(kind, [None] * windows))
            for name, kind in self._classes.items()
            if windows
        }


def _ages_min(parts: Mapping[str, Sequence[Any]]) -> dict[str, int]:
    """Return how old the newest value is, at most, from the last part of the hour that has one."""
    ages: dict[str, int] = {}
    for name, values in parts.items():
        for back, value in enumerate(reversed(values), 1):
            if value is not None:
                ages[name] = back * _PART_MIN
                break
    return ages


def _course(hours: Mapping[str, Sequence[float | None]]) -> dict[str, list[float | None]]:
    count = max((len(values) for values in hours.values()), default=0)
    each = [
        {name: value for name, values in hours.items() if (value := values[hour]) is not None}
        for hour in range(count)
    ]
    return {index.name: [index.of(readings) for readings in each] for index in INDICES}
