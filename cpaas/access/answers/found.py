"""Hits of a search: points with their newest sample, endpoints, and what is no endpoint yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.address import EndpointId
from ciaas.kernel.sample import Numbers, Uint32s
from ciaas.management.directory.doorstep import Refused
from ciaas.ports import Endpoint
from ciaas.sensorisation.sighting import Candidate
from cpaas.access.answers.documents import rfc3339
from cpaas.access.answers.endpoint import summary
from cpaas.access.answers.latest import last_values
from cpaas.access.caller import Caller
from security.aaa.levels import Level

_TOLD = ("title", "unit", "quantity", "tags", "place")
"""Keys of an overlay that a hit carries; the others are a question to ``/metadata``."""


def point_hits(
    caller: Caller, points: Uint32s, read: NDArray[np.bool_], distances: Numbers
) -> list[dict[str, Any]]:
    """Return points in the order given, each with its newest sample where that may be read."""
    city = caller.city
    known = [city.catalogue.point(number) for number in points.tolist()]
    values = dict(last_values(known, city.history.latest(points[read])))
    projects = _project_names(caller)
    online: dict[str, bool] = {}
    hits = []
    for row, point in enumerate(known):
        uuid, *levels = point.address.split("/")
        endpoint = city.catalogue.endpoint(EndpointId(uuid))
        if endpoint is None:
            continue  # deleted since it was found
        if uuid not in online:
            online[uuid] = city.presence.online(endpoint.uuid)
        overlay = city.catalogue.overlay(point.id)
        hit = {
            "address": point.address,
            "friendlyName": endpoint.friendly_name,
            "project": projects.get(endpoint.project),
            "class": point.conforms,
            **{key: overlay.get(key) for key in _TOLD},
            "online": online[uuid],
            "permission": caller.level(endpoint.project, (uuid, *levels)).name,
            **values[point.address],
        }
        hits.append(hit | _away(distances, row))
    return hits


def endpoint_hits(
    caller: Caller, endpoints: Sequence[Endpoint], distances: Numbers
) -> list[dict[str, Any]]:
    """Return endpoints in the order given, with as much as the caller may browse."""
    projects = _project_names(caller)
    hits = []
    for row, endpoint in enumerate(endpoints):
        held = caller.level(endpoint.project, (endpoint.uuid,))
        overlay: Mapping[str, Any] = {}
        if held >= Level.DESCRIBE:
            overlay = caller.city.registry.overlay(endpoint.uuid)
        is_online = caller.city.presence.online(endpoint.uuid)
        hit = {
            **summary(caller, endpoint, is_online),
            "project": projects.get(endpoint.project),
            "feed": endpoint.feed,
            **{key: overlay.get(key) for key in ("title", "tags", "place")},
        }
        hits.append(hit | _away(distances, row))
    return hits


def discovered_hit(candidate: Candidate) -> dict[str, Any]:
    """Return a device that an adapter saw and nobody enrolled."""
    sighting = candidate.sighting
    return {
        "kind": "discovered",
        "name": sighting.title,
        "connection": candidate.connection,
        "externalId": sighting.external_id,
        "config": sighting.config,
        "points": [point.id for point in sighting.points],
        "last_seen": rfc3339(sighting.last_seen),
    }


def refused_hit(refused: Refused) -> dict[str, Any]:
    """Return a device that the broker refused."""
    return {
        "kind": "refused",
        "name": refused.client,
        "reason": refused.reason,
        "detail": refused.detail,
        "count": refused.count,
        "first_seen": rfc3339(refused.first_seen),
        "last_seen": rfc3339(refused.last_seen),
    }


def _project_names(caller: Caller) -> Mapping[int, str]:
    return {project.id: project.name for project in caller.city.registry.projects()}


def _away(distances: Numbers, row: int) -> dict[str, float]:
    if np.isnan(distances[row]):
        return {}
    return {"distance_m": round(float(distances[row]), 1)}
