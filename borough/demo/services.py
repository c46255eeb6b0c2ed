"""What runs on top of the quarter: two mashups, the alarm of one, and a webhook.

Done again at another start, it finds its mashups and publishes nothing twice.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from borough.demo.account import history, milliseconds
from borough.demo.city.dimming import dims
from borough.demo.city.measurands import LAMP_LEVEL, PERSONS, SOUND
from borough.demo.city.thing import Measurand, Thing
from borough.demo.enrol import PROJECT
from borough.demo.limits import ALARMS_PAGE_MAX, SUBSCRIBER_WAIT_S_MAX
from borough.demo.platform_api import Platform
from borough.demo.receiver import Receiver

ALARM_TEXT = "Street lights at full level"
_TITLE = "Quarter demo: sound levels"
_FULL, _LESS = 90.0, 70.0
_BUSY_PERSONS = 2_000.0
_LOOK_S = 0.3


@dataclass(frozen=True, slots=True)
class Served:
    """What came of it during a run."""

    alarms: Mapping[str, int]
    """``raised`` and ``cleared``."""
    mashups: Mapping[str, int]
    """``running``, and ``outputs`` since each began."""
    subscriptions: Mapping[str, int]
    """Samples ``delivered`` to the webhook, and ``gaps``: those that it never got."""


class Services:
    """Sets everything up, and tells in the end what it did."""

    def __init__(
        self, platform: Platform, things: Sequence[Thing], say: Callable[[str], None]
    ) -> None:
        self._platform, self._things, self._say = platform, things, say
        self._mashups: list[str] = []
        self._receiver: Receiver | None = None
        self._subscription = ""
        self._since_ms = 0

    async def start(self, now_ms: int) -> None:
        """Publish the mashups and subscribe; returns when the mashups are at work.

        Raises:
            PlatformError: the platform refused something.
        """
        known = {
            mashup["name"]: mashup
            for mashup in await self._platform.get("/mashups", {"project": PROJECT})
        }
        for document in (self._full_level(), _footfall()):
            name = document["name"]
            mashup = known.get(name) or await self._platform.send(
                "POST", "/mashups", document, {"project": PROJECT}
            )
            if mashup["version"] is None:
                await self._platform.send("POST", f"/mashups/{mashup['uuid']}/publish", {})
            self._mashups.append(mashup["uuid"])
        await self._subscribe(now_ms)
        self._say("two mashups run; a webhook is told of sound levels")

    async def served(self, since_ms: int, now_ms: int) -> Served:
        """Return what was done between two times, in milliseconds since 1970 UTC."""
        statuses = [await self._status(uuid) for uuid in self._mashups]
        return Served(
            await self._alarms(since_ms),
            {
                "running": sum(status["running"] for status in statuses),
                "outputs": sum(status["outputs"] for status in statuses),
            },
            await self._delivered(now_ms),
        )

    async def end(self) -> None:
        """Take the webhook back and end its receiver."""
        if self._subscription:
            await self._platform.delete(f"/subscriptions/{self._subscription}")
            self._subscription = ""
        if self._receiver is not None:
            await asyncio.to_thread(self._receiver.close)
            self._receiver = None

    # -- mashups

    def _full_level(self) -> dict[str, Any]:
        """An alarm while the first cabinet's lamps burn at full level."""
        cabinet = next(thing for thing in self._things if dims(thing))
        (level,) = (c for c in cabinet.channels if c.measurand is LAMP_LEVEL)
        return {
            "schemaVersion": 1,
            "name": "Full street lights",
            "nodes": [
                {"id": "level", "type": "source", "params": {"points": [cabinet.address(level)]}},
                {"id": "full", "type": "threshold", "params": {"limit": _FULL, "clear": _LESS}},
                {"id": "alarm", "type": "alarm", "params": {"text": ALARM_TEXT}},
            ],
            "wires": [
                {"from": "level.out", "to": "full.in"},
                {"from": "full.out", "to": "alarm.in"},
            ],
        }

    async def _status(self, uuid: str) -> Mapping[str, Any]:
        status: Mapping[str, Any] = await self._platform.get(f"/mashups/{uuid}/status")
        return status

    async def _alarms(self, since_ms: int) -> Mapping[str, int]:
        raised = cleared = 0
        before: dict[str, int] = {}
        while True:
            query = {"open": "false", "limit": ALARMS_PAGE_MAX, **before}
            page = await self._platform.get("/alarms", query)
            fresh = [a for a in page["alarms"] if milliseconds(a["raised_at"]) >= since_ms]
            raised += len(fresh)
            cleared += sum(alarm["state"] == "cleared" for alarm in fresh)
            if page["before"] is None or len(fresh) < len(page["alarms"]):
                return {"raised": raised, "cleared": cleared}
            before = {"before": page["before"]}

    # -- the webhook

    async def _subscribe(self, now_ms: int) -> None:
        for old in await self._platform.get("/subscriptions"):
            if old["title"] == _TITLE:  # of a run that was killed
                await self._platform.delete(f"/subscriptions/{old['id']}")
        self._receiver = await asyncio.to_thread(Receiver)
        wanted = {"title": _TITLE, "url": self._receiver.url, "filter": _of_class(SOUND)}
        made = await self._platform.send("POST", "/subscriptions", wanted)
        self._receiver.trust(made["secret"])
        self._subscription, self._since_ms = made["id"], now_ms

    async def _delivered(self, now_ms: int) -> Mapping[str, int]:
        """Compare what the webhook got with what history has; waits for what is under way."""
        if self._receiver is None:
            return {"delivered": 0, "gaps": 0}
        addresses = [
            thing.address(channel)
            for thing in self._things
            for channel in thing.channels
            if channel.measurand is SOUND
        ]
        # What was recorded before the subscription began is no gap, so each point counts from the
        # first of its live samples that came.
        first: dict[str, int] = {}
        for address, at in self._receiver.came():
            if at >= self._since_ms:
                first[address] = min(at, first.get(address, at))
        rows = await history(self._platform, addresses, self._since_ms, now_ms)
        expected = {
            (address, at)
            for address, found in rows.items()
            for at in (milliseconds(row["time"]) for row in found)
            if at >= first.get(address, self._since_ms)
        }
        for _ in range(round(SUBSCRIBER_WAIT_S_MAX / _LOOK_S)):
            if not expected - self._receiver.came().keys():
                break
            await asyncio.sleep(_LOOK_S)
        came = self._receiver.came()
        return {"delivered": came.total(), "gaps": len(expected - came.keys())}


def _footfall() -> dict[str, Any]:
    """A data point: how many people are about, in per cent of a busy hour."""
    return {
        "schemaVersion": 1,
        "name": "Footfall index",
        "nodes": [
            {"id": "counts", "type": "source", "params": {"filter": _of_class(PERSONS)}},
            {
                "id": "together",
                "type": "window",
                "params": {"sizeS": 5, "function": "mean", "group": "all"},
            },
            {
                "id": "percent",
                "type": "formula",
                "params": {"formula": f"clamp(a / {_BUSY_PERSONS} * 100, 0, 100)", "unit": "%"},
            },
            {
                "id": "index",
                "type": "virtual-point",
                "params": {"name": "Index", "title": "Footfall index", "unit": "%"},
            },
        ],
        "wires": [
            {"from": "counts.out", "to": "together.in"},
            {"from": "together.out", "to": "percent.a"},
            {"from": "percent.out", "to": "index.in"},
        ],
    }


def _of_class(measurand: Measurand) -> dict[str, Any]:
    return {"class": [measurand.conforms]}
