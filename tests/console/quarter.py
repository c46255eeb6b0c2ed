"""The city of the tests: stations with a week of history, one bad value, and ill-meant names."""

from __future__ import annotations

import math
from typing import Any

import httpx

HOUR_S = 3_600
WEEK_H = 7 * 24
CITY = {"project": "city"}
STREETS = ("Kaivokatu", "Mikonkatu", "Unioninkatu", "Bulevardi")
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>alert(2)</script>",
    '"><svg/onload=alert(3)>',
    "{{constructor.constructor('alert(4)')()}}",
    "javascript:alert(5)//",
    "\u202egnp.exe <b>bold</b> &amp; 'quoted'",
)
"""Names that would run as a program wherever a page takes text for markup."""


def furnish(client: httpx.Client, now: int) -> dict[str, str]:
    """Make endpoints with history by the API; returns UUIDs by name."""
    made: dict[str, str] = {}
    for street, name in enumerate(STREETS):
        uuid = made[f"Noise meter {name}"] = _endpoint(client, f"Noise meter {name}", "noise-meter")
        _describe(
            client,
            uuid,
            {"place": {"lat": 60.17 + street / 500, "lon": 24.94}, "tags": ["noise", name]},
        )
        address = f"{uuid}/meter/sound/level"
        _observe(client, address, _levels(now, street))
        _describe(client, address, {"unit": "dB(A)", "quantity": "sound level", "range": [20, 120]})
    made["mashup"] = _mashup(client)
    broken = made["Thermometer with a fault"] = _endpoint(
        client, "Thermometer with a fault", "room"
    )
    address = f"{broken}/room/air/temperature"
    _observe(client, address, [(now - HOUR_S, 21.0)])
    _describe(client, address, {"unit": "degC", "quantity": "air temperature", "range": [-40, 60]})
    _observe(client, address, [(now - 5, 900.0)])
    gate = made["Flood gate"] = _endpoint(client, "Flood gate", "flood-gate")
    address = f"{gate}/gate/water/high"
    _observe(client, address, [(now - HOUR_S, False)])
    alarm = {"severity": "critical", "text": "The river stands at the gate"}
    _describe(client, address, {"alarm": alarm})
    _observe(client, address, [(now - 30, True)])
    for name in HOSTILE:
        uuid = made[name] = _endpoint(client, name, name)
        _describe(client, uuid, {"tags": [name], "title": name, "note": name})
        _observe(client, f"{uuid}/node/object/text", [(now - 60, name)])
    return made


def _mashup(client: httpx.Client) -> str:
    """Make the draft of a template; it runs not yet."""
    blanks = {
        "name": "How loud it is",
        "points": {"quantity": ["sound level"]},
        "windowS": 3600,
        "title": "Loudness",
    }
    filled = client.post("/mashups/templates/index", json=blanks).raise_for_status().json()
    uuid: str = client.post("/mashups", params=CITY, json=filled).raise_for_status().json()["uuid"]
    return uuid


def _levels(now: int, street: int) -> list[tuple[int, float]]:
    return [
        (now - hour * HOUR_S, 55 + street * 2 + 12 * math.sin(hour / 3.8) + hour % 5)
        for hour in range(WEEK_H, -1, -1)
    ]


def _endpoint(client: httpx.Client, name: str, kind: str) -> str:
    made = client.post(
        "/endpoints", params={"friendlyName": name} | CITY, json={"metaData": {"kind": kind}}
    )
    made.raise_for_status()
    uuid: str = made.json()["uuid"]
    return uuid


def _describe(client: httpx.Client, scope: str, overlay: dict[str, Any]) -> None:
    client.patch(f"/metadata/{scope}", json=overlay).raise_for_status()


def _observe(client: httpx.Client, address: str, samples: list[tuple[int, Any]]) -> None:
    observations = [{"address": address, "value": v, "timestamp": t} for t, v in samples]
    client.post("/observations", json={"observations": observations}).raise_for_status()
