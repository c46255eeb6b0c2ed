"""GBFS: the stations of a bike sharing system, joined from its feeds.

Source: General Bikeshare Feed Specification 2.3 and 3.0.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.web.adapter import WebConfig
from adapters.web.documents import JsonDocument, Stations
from adapters.web.fetching import Resource
from ciaas.computing.outgoing import Outgoing
from ciaas.limits import SIGHTINGS_PER_LINK_MAX, WEB_TTL_S_MAX
from ciaas.sensorisation.contract import Sighting, SuggestedPoint
from ciaas.sensorisation.errors import Malformed
from ciaas.sensorisation.secrets import Secrets

_INFORMATION, _STATUS = "station_information", "station_status"
_COUNTS = ("num_bikes_available", "num_vehicles_available", "num_docks_available")
_DISCOVERY_TTL_S = 3_600.0


class StationFeed:
    """Both station feeds of one system, each asked for no more often than it says it changes."""

    def __init__(self, config: WebConfig, secrets: Secrets, outgoing: Outgoing) -> None:
        self._config, self._secrets, self._outgoing = config, secrets, outgoing
        self._discovery = self._resource(config.url)
        self._feeds: dict[str, Resource[JsonDocument]] = {}
        self._joined: tuple[Any, Any, Stations] | None = None

    async def stations(self) -> tuple[Stations, int]:
        """Return the stations, and when their state was fetched.

        Raises:
            AdapterError: Unreachable, AuthFailed, RateLimited or Malformed.
        """
        listing = await self._discovery.content(
            max(_ttl_s(self._discovery, _DISCOVERY_TTL_S), self._config.fresh_s)
        )
        places = _places(listing.content)
        told = []
        for name in (_INFORMATION, _STATUS):
            if name not in self._feeds or self._feeds[name].url != places[name]:
                self._feeds[name] = self._resource(places[name])
            feed = self._feeds[name]
            told.append(await feed.content(max(_ttl_s(feed, 0.0), self._config.fresh_s)))
        information, status = told
        before = self._joined
        if before is None or before[0] is not information or before[1] is not status:
            joined = Stations(_join(information.content, status.content))
            before = self._joined = (information, status, joined)
        return before[2], self._feeds[_STATUS].fetched

    def sightings(self) -> Sequence[Sighting]:
        """Return the stations as devices, the first SIGHTINGS_PER_LINK_MAX by id."""
        if self._joined is None:
            return ()
        now = time.time_ns() // 1_000_000
        stations = self._joined[2].stations
        return [
            Sighting(
                name,
                _title(stations[name]) or name,
                {"item": name},
                tuple(
                    SuggestedPoint(f"station/stock/{count}", {"select": count}, "number")
                    for count in _COUNTS
                    if count in stations[name]
                ),
                now,
            )
            for name in sorted(stations)[:SIGHTINGS_PER_LINK_MAX]
        ]

    def _resource(self, url: str) -> Resource[JsonDocument]:
        return Resource(url, self._config, self._secrets, self._outgoing, JsonDocument)


def _places(listing: Any) -> Mapping[str, str]:
    """Return the URLs of both feeds, from the first language there is in 1 and 2."""
    try:
        data = listing["data"]
        feeds = data["feeds"] if "feeds" in data else next(iter(data.values()))["feeds"]
        places = {str(feed["name"]): str(feed["url"]) for feed in feeds}
        return {name: places[name] for name in (_INFORMATION, _STATUS)}
    except (KeyError, TypeError, AttributeError, StopIteration):
        raise Malformed(f"this is no gbfs.json that names {_INFORMATION} and {_STATUS}") from None


def _join(information: Any, status: Any) -> Mapping[str, Mapping[str, Any]]:
    known = _by_id(information, _INFORMATION)
    return {
        name: {**known.get(name, {}), **state} for name, state in _by_id(status, _STATUS).items()
    }


def _by_id(document: Any, feed: str) -> Mapping[str, Mapping[str, Any]]:
    try:
        return {str(one["station_id"]): one for one in document["data"]["stations"]}
    except (KeyError, TypeError):
        raise Malformed(f"this is no {feed}.json") from None


def _ttl_s(feed: Resource[JsonDocument], otherwise: float) -> float:
    """Return how long what was fetched holds, as it says itself."""
    content = feed.latest.content if feed.latest is not None else None
    ttl = content.get("ttl") if isinstance(content, dict) else None
    if isinstance(ttl, bool) or not isinstance(ttl, int | float):
        return otherwise
    return float(min(max(ttl, 0), WEB_TTL_S_MAX))


def _title(station: Mapping[str, Any]) -> str:
    name = station.get("name")
    if isinstance(name, list) and name and isinstance(name[0], dict):  # GBFS 3: by language
        name = name[0].get("text")
    return str(name)[:200] if name else ""
