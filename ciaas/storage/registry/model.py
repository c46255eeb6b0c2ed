"""The data model of an endpoint as the registry keeps it: what was declared, not what changes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import msgspec

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing
from ciaas.limits import MODEL_BYTES_MAX
from ciaas.ports import Conflict, NewPoint


def encode_model(uuid: EndpointId, model: EndpointModel) -> str:
    """Return the JSON text to keep: times and values only of Static attributes' values.

    The keys are the field names of the model's classes, so renaming a field needs a migration.

    Raises:
        Conflict: larger than MODEL_BYTES_MAX, or a text in it holds half a surrogate pair.
    """
    nodes = {name: declared(node) for name, node in model.nodes.items()}
    try:
        text = msgspec.json.encode(replace(model, nodes=nodes), order="deterministic")
    except UnicodeEncodeError as error:
        raise Conflict(f"the data model of endpoint {uuid} is no JSON: {error}") from error
    if len(text) > MODEL_BYTES_MAX:
        raise Conflict(
            f"the data model of endpoint {uuid} has {len(text):,} bytes, at most "
            f"{MODEL_BYTES_MAX:,} are kept: split it into several endpoints"
        )
    return text.decode()


def decode_model(text: str) -> EndpointModel:
    """Return the model of a text that `encode_model` made."""
    return msgspec.json.decode(text, type=EndpointModel)


def declared(node: Node) -> Node:
    """Return the node without what changes from one message to the next."""
    return replace(node, objects=_declared(node.objects))


def flatten(uuid: EndpointId, model: EndpointModel) -> Iterator[NewPoint]:
    """Yield a point for each attribute of the model."""
    for name, node in model.nodes.items():
        for path, attribute, conforms in node.attributes():
            address = PointAddress("/".join((uuid, name, *path)))
            yield NewPoint(address, attribute.constraint, attribute.type, conforms)


def joined(model: EndpointModel, points: Iterable[NewPoint]) -> EndpointModel:
    """Return the model with an attribute for each point, its node and objects made as needed.

    An object that has a class keeps it; one without takes that of its first point that has one.
    """
    document: dict[str, Any] = msgspec.to_builtins(model)
    for point in points:
        _, node, *objects, name = point.address.split("/")
        place: dict[str, Any] = document["nodes"].setdefault(
            node, {"implements": (), "objects": {}}
        )
        for level in objects:
            place = place["objects"].setdefault(
                level, {"conforms": None, "objects": {}, "attributes": {}}
            )
        place["conforms"] = place["conforms"] or point.conforms
        place["attributes"][name] = {"constraint": point.constraint, "type": point.type}
    return msgspec.convert(document, EndpointModel)


def _declared(objects: Mapping[str, Thing]) -> dict[str, Thing]:
    return {
        name: replace(
            thing,
            objects=_declared(thing.objects),
            attributes={
                key: Attribute(
                    value.constraint,
                    value.type,
                    value=value.value if value.constraint is Constraint.STATIC else None,
                )
                for key, value in thing.attributes.items()
            },
        )
        for name, thing in objects.items()
    }
