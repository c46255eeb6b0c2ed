"""Lamps on a broker of their own, in a process of their own: paho alone, nothing of ours.

Run as ``python mqtt_lamp.py PORT [USER PASSWORD]``. Says each command it gets as a line of JSON.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

BASE = "zigbee2mqtt"
OBEDIENT, MUTE, STUBBORN, SPACED = "lamp", "mute", "stubborn", "lamp at the harbour"
PLAIN = "relay/7"
"""Takes and says words instead of JSON: ``relay/7/cmnd``, ``relay/7/stat``."""
JSON_LAMPS = (OBEDIENT, MUTE, STUBBORN, SPACED)


class Lamps:
    """Obey as their names say.

    The mute one does as it is told and says so only when asked. The stubborn one says what it has,
    and that never changes.
    """

    def __init__(self, client: paho.Client, spaced: bool) -> None:
        self._client = client
        self._lamps = [lamp for lamp in JSON_LAMPS if spaced or " " not in lamp]
        self._state: dict[str, dict[str, Any]] = {
            lamp: {"state": "OFF", "brightness": 0} for lamp in JSON_LAMPS
        }

    def greet(self, client: paho.Client, *_: object) -> None:
        topics = [f"{BASE}/{lamp}/{verb}" for lamp in self._lamps for verb in ("set", "get")]
        client.subscribe([(topic, 1) for topic in (*topics, f"{PLAIN}/cmnd")])

    def ready(self, *_: object) -> None:
        print(json.dumps("ready"), flush=True)

    def hear(self, client: paho.Client, _: object, message: paho.MQTTMessage) -> None:
        print(json.dumps([message.topic, message.payload.decode()]), flush=True)
        if message.topic == f"{PLAIN}/cmnd":
            client.publish(f"{PLAIN}/stat", message.payload.split()[-1], qos=1)
            return
        _base, lamp, verb = message.topic.split("/")
        if verb == "set" and lamp != STUBBORN:
            self._state[lamp].update(json.loads(message.payload))
        if verb == "get" or lamp != MUTE:
            client.publish(f"{BASE}/{lamp}", json.dumps(self._state[lamp]), qos=1)


def main() -> None:
    port, *sign_in = sys.argv[1:]
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id="lamps")
    if sign_in:
        client.username_pw_set(*sign_in)
    lamps = Lamps(client, spaced=not sign_in)
    client.on_connect, client.on_message = lamps.greet, lamps.hear
    client.on_subscribe = lamps.ready
    client.connect("127.0.0.1", int(port))
    client.loop_start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
