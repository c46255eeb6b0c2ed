"""cloud.io documents written out, as a device or the platform sends them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import cbor2
import msgspec

from ciaas.kernel.model import Attribute, EndpointModel, Node, Thing, Value, ValueType
from ciaas.kernel.wire.document import Tree, WireFormat
from ciaas.kernel.wire.journal import ExecOutput, LogLine


def encode_attribute(
    attribute: Attribute, form: WireFormat, correlation_id: str | None = None
) -> bytes:
    """Return the payload of ``@update``, ``@set`` or ``@didSet``.

    Raises:
        ValueError: JSON has no not-a-number and no infinity.
    """
    tree = attribute_tree(attribute, form)
    if correlation_id is not None:
        tree["correlationID"] = correlation_id
    return encode(tree, form)


def encode_model(model: EndpointModel, form: WireFormat) -> bytes:
    """Return the payload of ``@online``."""
    tree: Tree = {
        "version": model.version,
        "messageFormatVersion": model.message_format_version,
        "supportedFormats": list(model.supported_formats),
        "nodes": {name: node_tree(node, form) for name, node in model.nodes.items()},
    }
    return encode(tree, form)


def encode_node(node: Node, form: WireFormat) -> bytes:
    """Return the payload of ``@nodeAdded``."""
    return encode(node_tree(node, form), form)


def encode_transaction(attributes: Mapping[str, Attribute], form: WireFormat) -> bytes:
    """Return the payload of ``@transaction``: attributes by their full address."""
    trees = {address: attribute_tree(attribute, form) for address, attribute in attributes.items()}
    return encode({"attributes": trees}, form)


def encode_delayed(sent_ms: int, entries: Iterable[tuple[str, Tree]], form: WireFormat) -> bytes:
    """Return the payload of ``@delayed``: topics with the trees they would have been sent with."""
    messages = [{"topic": topic, "data": tree} for topic, tree in entries]
    return encode({"timestamp": sent_ms, "messages": messages}, form)


def encode_log(line: LogLine, form: WireFormat) -> bytes:
    """Return the payload of ``@logs``."""
    tree: Tree = {
        "level": line.level.value,
        "timestamp": line.timestamp,
        "message": line.message,
        "loggerName": line.logger,
        "logSource": line.source,
    }
    return encode(tree, form)


def encode_output(output: ExecOutput, form: WireFormat) -> bytes:
    """Return the payload of ``@execOutput``."""
    return encode({"correlationID": output.correlation_id, "data": output.data}, form)


def attribute_tree(attribute: Attribute, form: WireFormat) -> Tree:
    """Return an attribute's map; time and value are left out when there are none.

    Raises:
        ValueError: JSON has no not-a-number and no infinity.
    """
    tree: Tree = {"type": attribute.type.value, "constraint": attribute.constraint.value}
    if attribute.timestamp is not None:
        tree["timestamp"] = attribute.timestamp
    if attribute.value is not None:
        tree["value"] = _typed(attribute.value, attribute.type, form)
    return tree


def node_tree(node: Node, form: WireFormat) -> Tree:
    """Return a node's map."""
    return {
        "implements": list(node.implements),
        "objects": {name: _thing_tree(thing, form) for name, thing in node.objects.items()},
    }


def encode(tree: Tree, form: WireFormat) -> bytes:
    """Return a document's payload."""
    if form is WireFormat.CBOR:
        return cbor2.dumps(tree)
    return msgspec.json.encode(tree)


def _thing_tree(thing: Thing, form: WireFormat) -> Tree:
    return {
        "conforms": thing.conforms,
        "objects": {name: _thing_tree(inner, form) for name, inner in thing.objects.items()},
        "attributes": {
            name: attribute_tree(inner, form) for name, inner in thing.attributes.items()
        },
    }


def _typed(value: Value, value_type: ValueType, form: WireFormat) -> Value:
    """Write a Number as a double: cloud.io's own server refuses the literal 5 for one."""
    if isinstance(value, float) and form is WireFormat.JSON and not math.isfinite(value):
        raise ValueError(f"JSON can not carry {value}; send CBOR, or no value")
    if value_type is ValueType.NUMBER and type(value) is int:
        return float(value)
    return value
