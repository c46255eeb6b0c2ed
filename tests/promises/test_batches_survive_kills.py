"""A sheet is enrolled once, device by device, however often core is killed in the middle."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from borough.home import Home
from tests.promises.platform import running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

DEVICES = 3_000
KILLED_AT = (1, 1_001)
"""Devices done when core is killed: within the first steps and further on."""
POINTS = 8
REDEEMED = 20


def profile() -> dict[str, Any]:
    attributes = {f"a{n}": {"constraint": "Measure", "type": "Number"} for n in range(POINTS)}
    thing = {"conforms": "Luminaire", "objects": {}, "attributes": attributes}
    node = {"implements": [], "objects": {"light": thing}}
    return {
        "friendly_name": "Lamp {serial}",
        "classes": {"Luminaire": {"nodes": {"lamp": node}}},
        "default_class": "Luminaire",
    }


def asked(home: Path, question: str) -> list[tuple[Any, ...]]:
    """Look into the registry itself, which answers while core is dead."""
    with closing(sqlite3.connect(f"{Home(home).registry.as_uri()}?mode=ro", uri=True)) as file:
        return file.execute(question).fetchall()


def test_each_device_is_enrolled_once_and_each_token_works_once(tmp_path: Path) -> None:
    with running(tmp_path / "home") as platform:
        home, client = platform.home, platform.client()
        client.put("/enrolment-profiles/city/lamps", json=profile()).raise_for_status()
        sheet = "serial\n" + "".join(f"L-{n}\n" for n in range(DEVICES))
        made = client.post("/enrolments", params={"profile": "lamps"}, content=sheet)
        batch = made.raise_for_status().json()["id"]
        left = []
        for bound in KILLED_AT:
            until(partial(reached, home, bound), f"{bound} devices done")
            platform.kill("core")
            left.append(DEVICES - done(home))
            until(platform.healthy, "core to come back")
        assert all(left) and left[0] > left[1], "core was killed in the middle, twice"
        path = f"/enrolments/{batch}"
        until(lambda: client.get(path).json()["progress"] == "done", "the end of the batch")
        assert client.get(path).json()["done"] == DEVICES
        text = client.post(f"{path}/result").raise_for_status().text
        result = list(csv.DictReader(io.StringIO(text)))
        assert [row["serial"] for row in result] == [f"L-{n}" for n in range(DEVICES)]
        assert len({row["token"] for row in result}) == DEVICES
        endpoints = asked(home, "SELECT uuid, metadata FROM endpoint WHERE metadata LIKE '%L-%'")
        serials = {uuid: json.loads(metadata)["serial"] for uuid, metadata in endpoints}
        assert serials == {row["endpoint"]: row["serial"] for row in result}
        assert len(endpoints) == DEVICES
        [(points,)] = asked(home, "SELECT count(*) FROM point WHERE address LIKE '%/lamp/light/a%'")
        assert points == DEVICES * POINTS
        with platform.client() as device:
            device.headers.pop("Authorization")
            for row in result[:: DEVICES // REDEEMED]:
                bundle = device.get(f"/provision/{row['token']}")
                assert bundle.json()["endpoint"] == row["endpoint"]
                assert device.get(f"/provision/{row['token']}").status_code == 404


def reached(home: Path, devices: int) -> bool:
    return done(home) >= devices


def done(home: Path) -> int:
    return int(asked(home, "SELECT sum(done) FROM enrolment_batch")[0][0] or 0)
