"""A street light that can be dimmed: it does what it is told and says so."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import paho.mqtt.client as mqtt

from tests.promises.device import Device, Enrolled
from tests.promises.platform import Platform

PATH = "lamp/light/level"


class Lamp(Device):
    """An MQTT device with one set point, its brightness in percent."""

    def __init__(self, platform: Platform, enrolled: Enrolled) -> None:
        super().__init__(platform, enrolled)
        self.level: object = None
        self._client.on_message = self._told

    def _on_connect(
        self, client: mqtt.Client, data: object, flags: object, reason: Any, properties: object
    ) -> None:
        client.subscribe(f"@set/{self.uuid}/#", qos=1)
        super()._on_connect(client, data, flags, reason, properties)
        first = json.dumps({"value": 30.0, "timestamp": time.time()}).encode()
        client.publish(f"@update/{self.uuid}/{PATH}", first, qos=1)

    def _told(self, client: mqtt.Client, _data: object, message: mqtt.MQTTMessage) -> None:
        self.level = json.loads(message.payload)["value"]
        client.publish(message.topic.replace("@set", "@didSet", 1), message.payload, qos=1)

    def _model(self) -> Mapping[str, Any]:
        level = {"constraint": "SetPoint", "type": "Number"}
        light = {"conforms": "Dimmer", "objects": {}, "attributes": {"level": level}}
        return {
            "version": "v0.2",
            "messageFormatVersion": 2,
            "supportedFormats": ["JSON"],
            "nodes": {"lamp": {"implements": [], "objects": {"light": light}}},
        }
