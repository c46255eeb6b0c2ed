"""Every type of node."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cpaas.composition.nodes.act.alarm import Alarm
from cpaas.composition.nodes.act.command import Command
from cpaas.composition.nodes.act.virtual_point import VirtualPoint
from cpaas.composition.nodes.act.webhook import Webhook
from cpaas.composition.nodes.contract import AnyNode
from cpaas.composition.nodes.detect.silence import Silence
from cpaas.composition.nodes.detect.threshold import Threshold
from cpaas.composition.nodes.shape.filter import Filter
from cpaas.composition.nodes.shape.formula import Formula
from cpaas.composition.nodes.shape.rate import Rate
from cpaas.composition.nodes.shape.source import Source
from cpaas.composition.nodes.shape.window import Window

NODE_TYPES: Mapping[str, AnyNode] = {
    node.name: node
    for node in (
        Source(), Filter(), Formula(), Window(), Threshold(), Silence(), Rate(),
        Alarm(), VirtualPoint(), Command(), Webhook(),
    )
}  # fmt: skip
"""By name, in the order in which an editor offers them."""


def describe(node: AnyNode) -> dict[str, Any]:
    """Return what an editor needs to offer the type: words and the schema of its parameters."""
    return {
        "type": node.name,
        "typeVersion": node.version,
        "title": node.title,
        "about": node.about,
        "acts": node.act is not None,
        "params": node.params.model_json_schema(by_alias=True),
    }
