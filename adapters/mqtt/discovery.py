"""Devices that publish on the broker and that nobody enrolled: listed, never subscribed by itself.

Source: Zigbee2MQTT, ``bridge/devices`` and its ``exposes``.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import Any

from paho.mqtt.client import topic_matches_sub

from adapters.mqtt.payload import Payload
from ciaas.limits import SIGHTING_POINTS_MAX, SIGHTINGS_PER_LINK_MAX
from ciaas.sensorisation.contract import Sighting, SuggestedPoint
from ciaas.sensorisation.errors import Malformed
from ciaas.sensorisation.selection.naming import valid_name

_LISTING = "/bridge/devices"
_NO_DEVICE = ("/availability", "/set", "/get")
"""Ends of topics on which others speak to or of a device, such as this adapter itself."""
_KINDS = {"binary": "boolean", "numeric": "number", "enum": "text", "text": "text"}
_PUBLISHED = 1
"""Bit of ``access`` for what a device publishes by itself."""
_DEPTH_MAX = 4
_TITLE_CHARS_MAX = 200


class Discovery:
    """What was seen on the topics to look at, the newest SIGHTINGS_PER_LINK_MAX."""

    def __init__(self, filters: Sequence[str]) -> None:
        self.filters = tuple(dict.fromkeys(filters))
        self._seen: OrderedDict[str, Sighting] = OrderedDict()

    def covers(self, topic: str) -> bool:
        """Return True when a filter brings the messages of this topic anyhow."""
        return any(topic_matches_sub(one, topic) for one in self.filters)

    def take(self, topic: str, payload: Payload) -> None:
        """Look at a message."""
        if not self.covers(topic):
            return
        if topic.endswith(_LISTING):
            for sighting in _listed(topic.removesuffix(_LISTING), payload):
                self._see(sighting)
        elif "/bridge/" not in topic and not topic.endswith(_NO_DEVICE):
            self._see(_sampled(topic, payload))

    def sightings(self) -> Sequence[Sighting]:
        """Return what was seen, the newest last."""
        return tuple(self._seen.values())

    def _see(self, sighting: Sighting) -> None:
        self._seen.pop(sighting.external_id, None)
        self._seen[sighting.external_id] = sighting
        if len(self._seen) > SIGHTINGS_PER_LINK_MAX:
            self._seen.popitem(last=False)


def _listed(base: str, payload: Payload) -> Iterator[Sighting]:
    """Yield the devices of a listing of Zigbee2MQTT; what is none of its shape is left out."""
    try:
        listing = payload.document()
    except Malformed:
        return
    for entry in listing if isinstance(listing, list) else ():
        if not isinstance(entry, dict) or entry.get("type") == "Coordinator":
            continue
        name, definition = entry.get("friendly_name"), entry.get("definition")
        if not isinstance(name, str) or not name:
            continue
        told = definition if isinstance(definition, dict) else {}
        points = list(_exposed(told.get("exposes")))[:SIGHTING_POINTS_MAX]
        title = str(told.get("description") or name)[:_TITLE_CHARS_MAX]
        topic = f"{base}/{name}"
        yield Sighting(topic, title, {"topic": topic}, tuple(points), _now_ms())


def _exposed(exposes: Any, depth: int = 0) -> Iterator[SuggestedPoint]:
    for entry in exposes if isinstance(exposes, list) and depth < _DEPTH_MAX else ():
        if not isinstance(entry, dict):
            continue
        if "features" in entry:
            yield from _exposed(entry["features"], depth + 1)
            continue
        name, raw = entry.get("property"), _KINDS.get(str(entry.get("type")))
        access = entry.get("access")
        if not isinstance(name, str) or not name or raw is None:
            continue
        if isinstance(access, int) and access & _PUBLISHED:
            unit = entry.get("unit")
            yield SuggestedPoint(
                f"device/state/{valid_name(name)}",
                {"path": _quoted(name)},
                raw,
                unit if isinstance(unit, str) else None,
                str(entry.get("description") or name)[:_TITLE_CHARS_MAX],
            )


def _sampled(topic: str, payload: Payload) -> Sighting:
    """Return a device guessed from one message."""
    try:
        document = payload.document()
    except Malformed:
        document = None
    if isinstance(document, dict):
        points = tuple(_flattened(document, ""))[:SIGHTING_POINTS_MAX]
    else:
        raw = "number" if isinstance(document, int | float) else "text"
        points = (SuggestedPoint("device/state/value", {}, raw),)
    return Sighting(topic, topic[:_TITLE_CHARS_MAX], {"topic": topic}, points, _now_ms())


def _flattened(document: dict[str, Any], path: str, depth: int = 0) -> Iterator[SuggestedPoint]:
    for key, value in document.items():
        step = _quoted(key)
        here = f"{path}.{step}" if path and not step.startswith("[") else f"{path}{step}"
        if isinstance(value, dict) and depth < _DEPTH_MAX:
            yield from _flattened(value, here, depth + 1)
        elif isinstance(value, bool | int | float | str):
            raw = {bool: "boolean", str: "text"}.get(type(value), "number")
            name = valid_name(f"{path}.{key}" if path else key)
            yield SuggestedPoint(f"device/state/{name}", {"path": here}, raw)


def _quoted(key: str) -> str:
    plain = bool(key) and not key[0].isspace() and not set(key) & set('.[]="')
    return key if plain else '["' + key.replace('"', "") + '"]'


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
