"""Things that obey: a Modbus lamp and a cloud.iO lamp, each with a ledger of what it was told."""

from __future__ import annotations

import json
import socketserver
import struct
import threading
from types import TracebackType
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from ciaas.computing.admission.warmup import platform_tls
from tests.promises.device import Enrolled
from tests.promises.platform import Platform

_HEADER = struct.Struct(">HHHB")
CABINET = "cabinet"


class Cabinet:
    """A Modbus TCP server with one holding register that can be set."""

    def __init__(self) -> None:
        self.told: list[int] = []
        cabinet = self

        class Connection(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                while request := self._exactly(_HEADER.size):
                    transaction, _, length, unit = _HEADER.unpack(request)
                    body = cabinet.obey(self._exactly(length - 1))
                    reply = _HEADER.pack(transaction, 0, len(body) + 1, unit) + body
                    try:
                        self.request.sendall(reply)
                    except OSError:
                        return

            def _exactly(self, size: int) -> bytes:
                data = b""
                while len(data) < size:
                    try:
                        part = self.request.recv(size - len(data))
                    except OSError:
                        return b""
                    if not part:
                        return b""
                    data += part
                return data

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Connection)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def obey(self, request: bytes) -> bytes:
        """Answer a read of the register, or set it and echo the request."""
        if request[0] == 6:
            self.told.append(struct.unpack(">H", request[3:5])[0])
            return request
        return struct.pack(">BBH", 3, 2, self.told[-1] if self.told else 0)

    def document(self) -> dict[str, Any]:
        point = {
            "id": "lamp/light/level",
            "direction": "rw",
            "constraint": "SetPoint",
            "type": "Integer",
            "address": {"table": "holding", "register": 0},
            "raw": {"type": "u16"},
            "sampling": {"interval_s": 5},
        }
        profile = {"id": "lamp", "revision": 1, "adapter": "modbus", "points": [point]}
        return {
            "name": CABINET,
            "adapter": "modbus",
            "config": {
                "host": "127.0.0.1",
                "port": int(self._server.server_address[1]),
                "timeout_s": 1,
            },
            "profiles": [profile],
            "devices": [{"id": "lamp-1", "friendly_name": "Lamp", "profile": "lamp"}],
        }

    def __enter__(self) -> Cabinet:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class Luminaire:
    """A cloud.iO device that does as its protocol says.

    A set that is not newer is not obeyed, and answered all the same with what it has.
    """

    def __init__(self, platform: Platform, enrolled: Enrolled) -> None:
        self.uuid = enrolled.uuid
        self.address = f"{enrolled.uuid}/Lamp/light/level"
        self.told: list[float] = []
        """Values obeyed, in order."""
        self.heard = 0
        """Sets that came, repetitions included."""
        self.deaf = False
        """True: it gets sets and says nothing."""
        self._value, self._time = 0.0, 1.0
        self._platform, self._enrolled = platform, enrolled
        self._client: mqtt.Client

    def start(self) -> None:
        """Connect, the first time or again."""
        host, _, port = self._platform.mqtts.rpartition(":")
        own = self._enrolled
        # A new client each time: this library's loop, started again, forgets to close a socket.
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2, self.uuid, protocol=mqtt.MQTTv311
        )
        client.tls_set_context(platform_tls(own.authority, own.certificate, own.key))
        client.will_set(f"@offline/{self.uuid}", b"DEAD", qos=1)
        client.reconnect_delay_set(1, 2)
        client.on_connect = self._greet
        client.on_message = self._obey
        client.connect_async(host, int(port))
        client.loop_start()

    def leave(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def _attribute(self) -> dict[str, Any]:
        return {
            "type": "Number",
            "constraint": "SetPoint",
            "timestamp": self._time,
            "value": self._value,
        }

    def _greet(self, client: mqtt.Client, *_: object) -> None:
        model = {
            "version": "v0.2",
            "messageFormatVersion": 2,
            "supportedFormats": ["JSON"],
            "nodes": {"Lamp": {"objects": {"light": {"attributes": {"level": self._attribute()}}}}},
        }
        client.publish(f"@online/{self.uuid}", json.dumps(model), qos=1, retain=True)
        client.subscribe(f"@set/{self.uuid}/#", qos=1)

    def _obey(self, client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        wanted = json.loads(message.payload)
        self.heard += 1
        if self.deaf:
            return
        if wanted["timestamp"] > self._time:
            self._time, self._value = wanted["timestamp"], wanted["value"]
            self.told.append(self._value)
        did = message.topic.replace("@set/", "@didSet/")
        client.publish(did, json.dumps(self._attribute()), qos=1)
