"""What the feeds say, and the connection documents that have the platform read them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from xml.sax.saxutils import quoteattr

from borough.demo.city.thing import Channel, Path, Thing
from borough.demo.devices import registers

POLL_S: Mapping[Path, float] = {
    Path.MODBUS: registers.POLL_S,
    Path.DATEX: 4.0,
    Path.GBFS: 4.0,
    Path.ZIGBEE: 5.0,
}
"""How often each thing is read, or tells by itself."""
DATEX = "http://datex2.eu/schema/2/2_0"
PARKING_PATH, DISCOVERY_PATH = "/parking.xml", "/gbfs.json"
TTL_S = 2
BASE_TOPIC = "zigbee2mqtt"
SPARE = "bin in the depot"
"""A bin that nobody enrolled; its name has blanks, which are never passed on."""
_VACANT, _OCCUPIED = "totalNumberOfVacantParkingSpaces", "totalNumberOfOccupiedParkingSpaces"
_FIELDS: Mapping[str, str] = {
    "park/vacant/spaces": f"d:{_VACANT}",
    "park/occupied/spaces": f"d:{_OCCUPIED}",
    "station/bikes/available": "num_bikes_available",
    "station/docks/available": "num_docks_available",
    "bin/fill/level": "fill_level",
    "bin/cell/charge": "battery",
}
"""Path of a point to its selector, field or key."""

Present = Mapping[str, Mapping[str, int | float]]
"""Values of this moment by key of the thing and path of the point; what is missing is left out."""


def datex(things: Sequence[Thing], present: Present, now_s: int) -> str:
    """Return the car parks in the shape of a DATEX II parking publication."""
    time = datetime.fromtimestamp(now_s, UTC).isoformat(timespec="milliseconds")
    parts = []
    for thing in things:
        counts = "".join(
            f"<{tag}>{present[thing.key][path]}</{tag}>"
            for path, tag in (("park/occupied/spaces", _OCCUPIED), ("park/vacant/spaces", _VACANT))
            if path in present[thing.key]
        )
        parts.append(
            "<parkingFacilityStatus>"
            f"<parkingFacilityReference id={quoteattr(thing.key)} version='1.0'/>"
            f"<parkingFacilityStatusTime>{time}</parkingFacilityStatusTime>{counts}"
            "</parkingFacilityStatus>"
        )
    return (
        f'<d2LogicalModel xmlns="{DATEX}" modelBaseVersion="2"><payloadPublication lang="eng">'
        f"<publicationTime>{time}</publicationTime><genericPublicationExtension>"
        f"<parkingFacilityTableStatusPublication>{''.join(parts)}"
        "</parkingFacilityTableStatusPublication></genericPublicationExtension>"
        "</payloadPublication></d2LogicalModel>"
    )


def gbfs(things: Sequence[Thing], present: Present, now_s: int, base: str) -> Mapping[str, str]:
    """Return the documents of a GBFS 2.3 feed by path."""
    feeds = ("station_information", "station_status")

    def told(content: Mapping[str, Any], ttl: int = TTL_S) -> str:
        return json.dumps({"last_updated": now_s, "ttl": ttl, "version": "2.3", "data": content})

    listed = [{"name": name, "url": f"{base}/{name}.json"} for name in feeds]
    information = [
        {
            "station_id": thing.key,
            "name": thing.name,
            "lon": thing.place[0],
            "lat": thing.place[1],
            "capacity": sum(present[thing.key].values()),
        }
        for thing in things
    ]
    status = [
        {
            "station_id": thing.key,
            **{_FIELDS[path]: value for path, value in present[thing.key].items()},
            "is_installed": True,
            "is_renting": True,
            "is_returning": True,
            "last_reported": now_s,
        }
        for thing in things
    ]
    return {
        DISCOVERY_PATH: told({"en": {"feeds": listed}}, 3_600),
        "/station_information.json": told({"stations": information}, 60),
        "/station_status.json": told({"stations": status}),
    }


def zigbee(values: Mapping[str, int | float], now_ms: int) -> str:
    """Return a message of one bin."""
    told = {_FIELDS[path]: value for path, value in values.items()}
    return json.dumps({**told, "linkquality": 120, "last_seen": now_ms})


def listing(things: Sequence[Thing]) -> str:
    """Return what the gateway says of its devices, one more than is enrolled."""
    exposes = [
        {"type": "numeric", "property": "fill_level", "unit": "%", "access": 1},
        {"type": "numeric", "property": "battery", "unit": "%", "access": 1},
    ]
    definition = {"description": "Waste bin with a level sensor", "exposes": exposes}
    names = [*(thing.key for thing in things), SPARE]
    return json.dumps([{"friendly_name": name, "definition": definition} for name in names])


def connection(path: Path, things: Sequence[Thing], host: str, port: int) -> dict[str, Any]:
    """Return the connection document for the things of one feed."""
    base = f"http://{host}:{port}"
    adapter, config, time = {
        Path.DATEX: (
            "web",
            {"url": base + PARKING_PATH, "format": "xml", "namespaces": {"d": DATEX}},
            "d:parkingFacilityStatusTime",
        ),
        Path.GBFS: ("web", {"url": base + DISCOVERY_PATH, "format": "gbfs"}, None),
        Path.ZIGBEE: (
            "mqtt",
            {
                "host": host,
                "port": port,
                "client_id": "borough-demo",
                "discover": [f"{BASE_TOPIC}/bridge/devices"],
            },
            "last_seen",
        ),
    }[path]
    return {
        "name": f"quarter-{path}",
        "adapter": adapter,
        "config": config,
        "profiles": [_profile(adapter, things[0], POLL_S[path], time)],
        "devices": [
            {
                "id": thing.key,
                "friendly_name": thing.name,
                "uuid": thing.uuid,
                "profile": thing.kind,
                "config": _part(thing),
                "place": {"lat": thing.place[1], "lon": thing.place[0]},
                "tags": thing.overlay()["tags"],
            }
            for thing in things
        ],
    }


def _part(thing: Thing) -> dict[str, Any]:
    """Return which part of the feed is this thing."""
    if thing.path is Path.DATEX:
        reference = f"d:parkingFacilityReference/@id='{thing.key}'"
        return {"item": f"//d:parkingFacilityStatus[{reference}]"}
    if thing.path is Path.GBFS:
        return {"item": thing.key}
    return {"topic": f"{BASE_TOPIC}/{thing.key}", "availability": "availability"}


def _profile(adapter: str, thing: Thing, poll_s: float, time: str | None) -> dict[str, Any]:
    return {
        "id": thing.kind,
        "revision": 1,
        "adapter": adapter,
        "title": thing.kind.replace("-", " ").capitalize(),
        "implements": {channel.node: [thing.kind] for channel in thing.channels},
        "conforms": {f"{c.node}/{c.object}": c.measurand.conforms for c in thing.channels},
        "points": [_point(adapter, channel, poll_s, time) for channel in thing.channels],
    }


def _point(adapter: str, channel: Channel, poll_s: float, time: str | None) -> dict[str, Any]:
    key = "path" if adapter == "mqtt" else "select"
    address = {key: _FIELDS[channel.path]} | ({} if time is None else {"time": time})
    point = {
        "id": channel.path,
        "address": address,
        "raw": {"type": "number"},
        "unit": {"source": channel.measurand.unit, "canonical": channel.measurand.unit},
        "validity": {"range": list(channel.measurand.range)},
        "quantity": channel.measurand.quantity,
    }
    return point if adapter == "mqtt" else point | {"sampling": {"interval_s": poll_s}}
