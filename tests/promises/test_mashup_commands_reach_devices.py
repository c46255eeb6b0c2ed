"""What a mashup commands reaches the device once and is verified by it, whoever is killed."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from borough.clock import MachineClock
from tests.promises.device import enrol
from tests.promises.luminaire import CABINET, Cabinet, Luminaire
from tests.promises.platform import Platform, pause, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

BRIGHT, DIM = 80, 10
"""What the lamps are set to above the threshold, and below."""


@dataclass
class Street:
    """A meter that a test writes, and a Modbus and a cloud.iO lamp that mashups dim by it."""

    platform: Platform
    client: httpx.Client
    meter: str
    cabinet: Cabinet
    luminaire: Luminaire
    lamps: tuple[str, str]
    mashups: list[str]

    def write(self, value: float) -> None:
        """Write the meter's point, again until core has answered."""
        at = MachineClock().now_ms() / 1000
        sample = {"address": self.meter, "value": value, "timestamp": at}
        answer = self.client.post("/observations", json={"observations": [sample]})
        assert answer.status_code == 201, answer.text

    def commands(self, lamp: str) -> list[Mapping[str, Any]]:
        """Return all commands of a lamp, oldest first."""
        page = self.client.get("/commands", params={"address": lamp, "limit": 1_000}).json()
        found: list[Mapping[str, Any]] = page["commands"]
        return found[::-1]

    def ended(self, lamp: str, count: int) -> list[Mapping[str, Any]]:
        """Return the commands of a lamp once there are so many and all have ended."""

        def all_ended() -> list[Mapping[str, Any]] | None:
            found = self.commands(lamp)
            return found if len(found) >= count and all(c["ended"] for c in found) else None

        return until(all_ended, f"the end of {count} commands of {lamp}")


@pytest.fixture
def street(tmp_path: Path) -> Iterator[Street]:
    with running(tmp_path / "home") as platform, Cabinet() as cabinet:
        client = platform.client()
        client.put(f"/connections/{CABINET}", json=cabinet.document()).raise_for_status()
        [lamp] = [e for e in client.get("/endpoints").json() if e["friendlyName"] == "Lamp"]
        modbus = f"{lamp['uuid']}/lamp/light/level"
        luminaire = Luminaire(platform, enrol(platform, "Luminaire"))
        luminaire.start()
        thing = client.post("/endpoints", params={"friendlyName": "Meter"}).json()["uuid"]
        found = Street(
            *(platform, client, f"{thing}/Meter/crowd/people", cabinet, luminaire),
            lamps=(modbus, luminaire.address),
            mashups=[],
        )
        try:
            for address in found.lamps:
                until(known(client, address), f"the point {address}")
            found.write(0.0)
            found.mashups = [dimming(found, address) for address in found.lamps]
            yield found
        finally:
            luminaire.leave()


def known(client: httpx.Client, address: str) -> Callable[[], bool]:
    return lambda: client.get(f"/metadata/{address}").is_success


def dimming(street: Street, lamp: str) -> str:
    """Publish a mashup of source, threshold and command; return its uuid."""
    document = {
        "name": f"Dim {lamp[:8]}",
        "nodes": [
            {"id": "crowd", "type": "source", "params": {"points": [street.meter]}},
            {"id": "many", "type": "threshold", "params": {"limit": 50, "clear": 40}},
            {
                "id": "lamp",
                "type": "command",
                "params": {"targets": [lamp], "whenTrue": BRIGHT, "whenFalse": DIM, "withinS": 60},
            },
        ],
        "wires": [
            {"from": "crowd.out", "to": "many.in"},
            {"from": "many.out", "to": "lamp.in"},
        ],
        "settings": {"latenessS": 0.5},
    }
    made = street.client.post("/mashups", json=document)
    assert made.status_code == 201, made.text
    uuid: str = made.json()["uuid"]
    published = street.client.post(f"/mashups/{uuid}/publish")
    assert published.status_code == 201, published.text
    return uuid


def test_a_command_of_a_mashup_is_carried_out_once_and_verified(street: Street) -> None:
    seed = random.SystemRandom().randrange(10**6)
    dice = random.Random(seed)
    wanted: list[int] = []
    for killed in (None, None, "field", "compose", None):
        wanted.append(BRIGHT if len(wanted) % 2 else DIM)
        if killed == "field":
            street.platform.kill("field")  # the command finds nobody who could carry it out
        street.write(60.0 if wanted[-1] == BRIGHT else 20.0)
        if killed == "compose":
            pause(dice.uniform(0.0, 1.0))  # before, while or after it asks for the command
            street.platform.kill("compose")
        for lamp in street.lamps:
            street.ended(lamp, len(wanted))
        street.platform.wait_ready()
    pause(2.0)  # whoever would ask a second time has had his chance
    for lamp, mashup in zip(street.lamps, street.mashups, strict=True):
        commands = street.ended(lamp, len(wanted))
        assert [(c["value"], c["state"]) for c in commands] == [
            (value, "verified") for value in wanted
        ], f"seed {seed}"
        assert {c["rungs"][0]["who"] for c in commands} == {f"mashup:{mashup}"}
        for command in commands:
            assert [rung["rung"] for rung in command["rungs"]].count("verified") == 1
    assert street.cabinet.told == wanted, f"seed {seed}"
    assert street.luminaire.told == wanted, f"seed {seed}"
