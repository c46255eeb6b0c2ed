"""A station of a city that measures all that the indices are made of, and brings its past along."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from typing import Any

from tests.promises.device import Device, Enrolled
from tests.promises.platform import Platform

HOUR_S = 3_600
CLASSES = {
    "temperature": ("AirTemperature", 15.0, 6.0),
    "humidity": ("AirHumidity", 60.0, -15.0),
    "wind": ("WindSpeed", 3.0, 1.5),
    "rain": ("RainRate", 0.0, 0.0),
    "dust": ("FineDust", 11.0, 4.0),
    "sound": ("SoundLevel", 58.0, 7.0),
}
"""Class, mean and swing by day of what is measured."""


class WeatherStation(Device):
    """An MQTT device with a point of each class.

    Args:
        without: Measurands that it lacks.
    """

    def __init__(self, platform: Platform, enrolled: Enrolled, *without: str) -> None:
        self._measured = {name: about for name, about in CLASSES.items() if name not in without}
        super().__init__(platform, enrolled)

    def tell_a_day(self) -> None:
        """Send the last 24 hours, one value in 20 minutes of each; returns when all is accepted."""
        now = time.time()
        for step in range(24 * 3, -1, -1):
            at = now - 60 - step * HOUR_S / 3
            turn = math.sin((at % (24 * HOUR_S)) / (24 * HOUR_S) * 2 * math.pi - 2.2)
            values = {
                f"{self.uuid}/air/{name}/value": {"timestamp": at, "value": mean + swing * turn}
                for name, (_, mean, swing) in self._measured.items()
            }
            payload = json.dumps({"attributes": values}).encode()
            self.publish(f"@transaction/{self.uuid}", payload)

    def _model(self) -> Mapping[str, Any]:
        value = {"value": {"constraint": "Measure", "type": "Number"}}
        objects = {
            name: {"conforms": kind, "objects": {}, "attributes": value}
            for name, (kind, _, _) in self._measured.items()
        }
        return {
            "version": "v0.2",
            "messageFormatVersion": 2,
            "supportedFormats": ["JSON"],
            "nodes": {"air": {"implements": [], "objects": objects}},
        }
