"""A device on the stock cloud.iO client, unedited; told what to do by lines of JSON on its input.

Run as ``python stock_device.py UUID``. It finds its bundle where the client looks by itself:
``~/.config/cloud.io``. Each order is answered by a line once the client has done it.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

from cloudio.endpoint import CloudioEndpoint
from cloudio.endpoint.message_format.cbor_format import CborMessageFormat
from cloudio.endpoint.message_format.json_format import JsonMessageFormat
from cloudio.endpoint.runtime import CloudioRuntimeNode, CloudioRuntimeObject

FORMATS = {"json": JsonMessageFormat, "cbor": CborMessageFormat}


class Device:
    """What the orders act on."""

    def __init__(self, uuid: str) -> None:
        self.endpoint = CloudioEndpoint(uuid)
        self.attributes: dict[str, Any] = {}

    def add(self, name: str) -> None:
        """Add a node with an object of two measurements."""
        thing = CloudioRuntimeObject()
        for attribute, kind in (("power", float), ("state", str)):
            self.attributes[f"{name}/{attribute}"] = thing.add_attribute(attribute, kind, "Measure")
        node = CloudioRuntimeNode()
        node.declare_implemented_interface("Luminaire")
        node.add_object("light", thing)
        self.endpoint.add_node(name, node)

    def add_dimmer(self, name: str) -> None:
        """Add a node with an object that the platform may set."""
        thing = CloudioRuntimeObject()
        for attribute, kind, constraint in (
            ("level", float, "SetPoint"),
            ("steps", int, "Parameter"),
            ("scene", str, "SetPoint"),
            ("on", bool, "SetPoint"),
        ):
            key = f"{name}/{attribute}"
            self.attributes[key] = thing.add_attribute(attribute, kind, constraint)
        node = CloudioRuntimeNode()
        node.add_object("light", thing)
        self.endpoint.add_node(name, node)

    def remove(self, name: str) -> None:
        """Remove a node."""
        self.endpoint.remove_node(name)

    def format(self, name: str) -> None:
        """Speak another of the client's two formats from now on."""
        self.endpoint.message_format = FORMATS[name]()

    def set(self, name: str, value: Any) -> None:
        """Measure a value."""
        self.attributes[name].set_value(value)

    def transaction(self, values: dict[str, Any]) -> None:
        """Measure several values at once."""
        self.endpoint.begin_transaction()
        for name, value in values.items():
            self.set(name, value)
        self.endpoint.commit_transaction()

    def online(self, wanted: bool) -> None:
        """Wait until the client knows that it is, or is not, connected."""
        while bool(self.endpoint.is_online()) is not wanted:
            threading.Event().wait(0.05)  # the client gives no other sign

    def close(self) -> None:
        """Leave cleanly."""
        self.endpoint.close()


def main() -> None:
    """Do as told until the input ends."""
    device = Device(sys.argv[1])
    for line in sys.stdin:
        verb, *words = json.loads(line)
        getattr(device, verb)(*words)
        sys.stdout.write("done\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
