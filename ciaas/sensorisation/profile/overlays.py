"""What a profile says of its points beside the wire: the overlay and the model of an endpoint."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ciaas.kernel.model import Attribute, EndpointModel, Node, Thing
from ciaas.sensorisation.profile.device_profile import PointProfile, Profile


def overlays(profile: Profile) -> Mapping[str, Mapping[str, Any]]:
    """Return the overlay of each point by its path; a point that says nothing has an empty one."""
    return {point.id: overlay_of(point) for point in profile.points}


def overlay_of(point: PointProfile) -> Mapping[str, Any]:
    """Return the overlay of one point, keys without a value left out."""
    validity, unit, words = point.validity, point.unit, point.transform.enum
    entries: dict[str, Any] = {
        "title": point.title,
        "quantity": point.quantity,
        "unit": unit and unit.canonical,
        "source_unit": unit and unit.source,
        "range": validity.range and list(validity.range),
        "rate_max": validity.rate_max,
        "stale_after_s": validity.stale_after_s,
        "enum": words and sorted(set(words.values())),
    }
    stated = {key: value for key, value in entries.items() if value is not None}
    return {**stated, **point.overlay}


def declared_model(profile: Profile) -> EndpointModel:
    """Return the data model that an endpoint with this profile has."""
    trees: dict[str, Any] = {}
    for point in profile.points:
        *objects, attribute = point.id.split("/")
        level = trees
        for name in objects:
            level = level.setdefault(name, {})
        level[attribute] = Attribute(point.constraint, point.type)
    return EndpointModel(
        version=f"{profile.id}/{profile.revision}",
        nodes={
            name: Node(
                implements=tuple(profile.implements.get(name, ())),
                objects={
                    inner: _thing(profile, f"{name}/{inner}", tree)
                    for inner, tree in things.items()
                },
            )
            for name, things in trees.items()
        },
    )


def _thing(profile: Profile, path: str, tree: Mapping[str, Any]) -> Thing:
    return Thing(
        conforms=profile.conforms.get(path),
        objects={
            name: _thing(profile, f"{path}/{name}", inner)
            for name, inner in tree.items()
            if isinstance(inner, Mapping)
        },
        attributes={name: leaf for name, leaf in tree.items() if isinstance(leaf, Attribute)},
    )
