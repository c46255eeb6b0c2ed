"""When accesses cannot be recorded an alarm is raised in the platform's own project."""

from __future__ import annotations

import threading
import time
from typing import Any

from ciaas.management.monitoring.platform_points import PROJECT, PlatformPoints
from ciaas.management.monitoring.record_points import record_measures
from tests.cpaas.conftest import House


def alarms(house: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = house.client().get("/alarms").json()["alarms"]
    return found


def measure(house: House, points: PlatformPoints, outage: bool) -> None:
    frame = points.frame(list(record_measures(outage)), house.city.clock.now_ms())
    house.city.write(frame, None).result(10)


def test_it_is_an_alarm_for_administrators_and_clears(house: House) -> None:
    house.registry.resources.create_project(PROJECT)
    points = PlatformPoints(house.registry.resources)
    measure(house, points, False)
    assert alarms(house) == []
    measure(house, points, True)
    deadline = time.monotonic() + 10
    while not (found := alarms(house)):
        assert time.monotonic() < deadline
        threading.Event().wait(0.02)
    [alarm] = found
    assert (alarm["severity"], alarm["state"]) == ("critical", "raised")
    assert "cannot be recorded" in alarm["text"]
    assert alarm["address"].endswith("/record/writing/outage")
    stranger = house.user("stranger", {"project:city": "OWN"})
    assert stranger.get("/alarms").json()["alarms"] == []
