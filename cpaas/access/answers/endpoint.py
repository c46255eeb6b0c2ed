"""Endpoints as cloud.iO writes them, each caller's own view."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from ciaas.kernel.model import EndpointModel, Node, Thing
from ciaas.ports import Endpoint
from cpaas.access.answers.documents import rfc3339
from cpaas.access.caller import Caller
from security.aaa.levels import Level

_Path: TypeAlias = tuple[str, ...]
_Levels: TypeAlias = Mapping[_Path, Level]
"""What the caller may do at each node, object and attribute, by its path in the model."""


def summary(caller: Caller, endpoint: Endpoint, online: bool) -> dict[str, Any]:
    """Return an entry of the listing; ``permission`` is the caller's level, at least ACCESS."""
    held = caller.level(endpoint.project, (endpoint.uuid,))
    return {
        "uuid": endpoint.uuid,
        "friendlyName": endpoint.friendly_name,
        "banned": endpoint.banned,
        "online": online,
        "permission": max(held, Level.ACCESS).name,
    }


def entity(caller: Caller, endpoint: Endpoint, online: bool) -> dict[str, Any]:
    """Return an endpoint with as much of its metadata and model as the caller may see."""
    held = caller.level(endpoint.project, (endpoint.uuid,))
    model = endpoint.model
    formats: dict[str, Any] = {"version": "unknown", "supportedFormats": []}
    if model is not None:
        formats = {
            "version": model.version,
            "messageFormatVersion": model.message_format_version,
            "supportedFormats": list(model.supported_formats),
        }
    return {
        **summary(caller, endpoint, online),
        "metaData": endpoint.metadata if held >= Level.DESCRIBE else {},
        **formats,
        "groupMemberships": _groups(caller, endpoint),
        "feed": endpoint.feed,
        "lastSeen": _last_seen(caller, endpoint) if held >= Level.READ else None,
        "certificateExpires": _expiry(caller, endpoint) if held >= Level.CONFIGURE else None,
        "dataModel": None if model is None else _seen(caller, endpoint, model, formats, online),
    }


def _last_seen(caller: Caller, endpoint: Endpoint) -> str | None:
    """Return when the newest sample of the endpoint arrived."""
    points = [point.id for point in caller.city.catalogue.under((endpoint.uuid,))]
    received = caller.city.history.latest(np.array(points, np.uint32)).received
    return rfc3339(int(received.max())) if len(received) else None


def _expiry(caller: Caller, endpoint: Endpoint) -> str | None:
    """Return when the last certificate of the endpoint ends that was not denied."""
    found = caller.city.provisioning.certificates.certificates(endpoint.uuid)
    ends = [entry.not_after for entry in found if not entry.revoked]
    return rfc3339(max(ends)) if ends else None


def _groups(caller: Caller, endpoint: Endpoint) -> list[str]:
    """Return the endpoint groups that it is in, for who may see those of the project."""
    if caller.level(endpoint.project) < Level.DESCRIBE:
        return []
    return [group.name for group in caller.city.entitlements.sets.groups_of(endpoint.uuid)]


def _seen(
    caller: Caller,
    endpoint: Endpoint,
    model: EndpointModel,
    formats: Mapping[str, Any],
    online: bool,
) -> dict[str, Any]:
    levels = {
        path: caller.level(endpoint.project, (endpoint.uuid, *path)) for path in _paths(model)
    }
    nodes = {name: _node(levels, (name,), node, online) for name, node in model.nodes.items()}
    return {**formats, "nodes": {name: node for name, node in nodes.items() if node is not None}}


def _paths(model: EndpointModel) -> Iterator[_Path]:
    stack: list[tuple[_Path, Node | Thing]] = [
        ((name,), node) for name, node in model.nodes.items()
    ]
    while stack:
        path, part = stack.pop()
        yield path
        stack.extend(((*path, name), thing) for name, thing in part.objects.items())
        if isinstance(part, Thing):
            yield from ((*path, name) for name in part.attributes)


def _node(levels: _Levels, path: _Path, node: Node, online: bool) -> dict[str, Any] | None:
    """Return a node, None when neither it nor anything in it may be seen."""
    objects = _objects(levels, path, node.objects)
    if not objects and levels[path] < Level.BROWSE:
        return None
    return {"online": online, "implements": list(node.implements), "objects": objects}


def _objects(levels: _Levels, path: _Path, things: Mapping[str, Thing]) -> dict[str, Any]:
    objects = {name: _object(levels, (*path, name), thing) for name, thing in things.items()}
    return {name: thing for name, thing in objects.items() if thing is not None}


def _object(levels: _Levels, path: _Path, thing: Thing) -> dict[str, Any] | None:
    objects = _objects(levels, path, thing.objects)
    attributes: dict[str, dict[str, Any]] = {}
    for name, attribute in thing.attributes.items():
        own = (*path, name)
        if levels[own] >= Level.BROWSE:
            attributes[name] = {"constraint": attribute.constraint, "type": attribute.type}
            if attribute.value is not None and levels[own] >= Level.READ:
                attributes[name]["value"] = attribute.value
    if not objects and not attributes and levels[path] < Level.BROWSE:
        return None
    return {"conforms": thing.conforms, "objects": objects, "attributes": attributes}
