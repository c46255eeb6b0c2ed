"""Devices with a ledger: what they sent, and what the broker said it has."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

import cbor2
import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from ciaas.computing.admission.warmup import platform_tls
from tests.promises.platform import Platform, until

WINDOW = 50
"""Messages that a device lets wait for their acknowledgement."""
_TICK_S = 0.01


class Sample(NamedTuple):
    """One value of one point."""

    address: str
    time_ms: int
    value: float


@dataclass
class Ledger:
    """Samples by point and time; a device never sends two values for one of them."""

    sent: dict[tuple[str, int], float] = field(default_factory=dict)
    acked: set[tuple[str, int]] = field(default_factory=set)

    def merge(self, other: Ledger) -> None:
        self.sent.update(other.sent)
        self.acked.update(other.acked)


class Form(Enum):
    """How a device packs its samples."""

    JSON = "one value a message, JSON"
    CBOR = "one value a message, CBOR"
    TRANSACTION = "@transaction, JSON"
    CBOR_TRANSACTION = "@transaction, CBOR"
    DELAYED = "@delayed, JSON"


@dataclass(frozen=True)
class Enrolled:
    """An endpoint and what its device needs to connect."""

    uuid: str
    authority: Path
    certificate: bytes
    key: bytes
    serial: str = ""


def enrol(
    platform: Platform, name: str, *, days: float | None = None, again: str | None = None
) -> Enrolled:
    """Create an endpoint and a certificate for a key of its device, by the public API.

    ``days`` is the certificate's life; ``again`` is an endpoint that gets another certificate.
    """
    client = platform.client()
    uuid = again
    if uuid is None:
        created = client.post("/endpoints", params={"friendlyName": name})
        created.raise_for_status()
        uuid = created.json()["uuid"]
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, uuid),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "client"),
        ]
    )
    request = x509.CertificateSigningRequestBuilder().subject_name(subject)
    pem = request.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    asked = {"csr": pem.decode()} | ({} if days is None else {"days": days})
    issued = client.post(f"/endpoints/{uuid}/certificate", json=asked)
    issued.raise_for_status()
    authority = platform.home.with_name(platform.home.name + ".ca.pem")
    authority.write_text(client.get("/ca-certificate").raise_for_status().text)
    secret = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    found = issued.json()
    return Enrolled(uuid, authority, found["certificate"].encode(), secret, found["serial"])


class Device:
    """An MQTT client that keeps its connection, and sends again what was not acknowledged.

    The client library repeats unacknowledged messages after each reconnect, with the same time
    and value, as a device does.
    """

    def __init__(
        self, platform: Platform, enrolled: Enrolled, form: Form = Form.JSON, points: int = 1
    ) -> None:
        self.uuid, self.form = enrolled.uuid, form
        self.addresses = [f"{enrolled.uuid}/node/object/point{n}" for n in range(points)]
        self.ledger = Ledger()
        self.refused: list[str] = []
        """Answers to CONNECT that were no welcome."""
        self.connected = threading.Event()
        self._samples = self._measure()
        self._under_way: dict[int, Sequence[Sample]] = {}
        self._acknowledged: deque[int] = deque()
        host, _, port = platform.mqtts.rpartition(":")
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2, self.uuid, protocol=mqtt.MQTTv311
        )
        client.tls_set_context(platform_tls(enrolled.authority, enrolled.certificate, enrolled.key))
        client.will_set(f"@offline/{self.uuid}", b"DEAD", qos=1)
        client.max_inflight_messages_set(2 * WINDOW)
        client.reconnect_delay_set(1, 2)  # the third connect within a second is held back
        client.on_connect = self._on_connect
        client.on_disconnect = lambda *_: self.connected.clear()
        client.on_publish = lambda _c, _d, mid, _reason, _p: self._acknowledged.append(mid)
        client.connect_async(host, int(port))

    def join(self) -> None:
        """Connect; returns when the broker has welcomed the device."""
        self._client.loop_start()
        assert self.connected.wait(30), f"{self.uuid} was not let in: {self.refused}"

    def start(self) -> None:
        """Begin to connect, again and again until it succeeds."""
        self._client.loop_start()

    def leave(self) -> None:
        """Disconnect and end the client's thread."""
        self._client.disconnect()
        self._client.loop_stop()

    def step(self) -> None:
        """Note what was acknowledged and send one more message unless many are under way."""
        self.settle()
        if len(self._under_way) < WINDOW:
            samples = next(self._samples)
            self.ledger.sent.update({(s.address, s.time_ms): s.value for s in samples})
            self._publish(*pack(self.uuid, self.form, samples), samples)

    def settle(self) -> bool:
        """Note what was acknowledged; returns True when nothing is under way."""
        while self._acknowledged:
            for sample in self._under_way.pop(self._acknowledged.popleft(), ()):
                self.ledger.acked.add((sample.address, sample.time_ms))
        return not self._under_way

    def publish(self, topic: str, payload: bytes) -> None:
        """Send anything at QoS 1 and return after its PUBACK."""
        info = self._client.publish(topic, payload, qos=1)
        info.wait_for_publish(30)
        assert info.is_published(), f"{topic} was not acknowledged"

    def _publish(self, topic: str, payload: bytes, samples: Sequence[Sample]) -> None:
        info = self._client.publish(topic, payload, qos=1)
        assert info.rc in (MQTTErrorCode.MQTT_ERR_SUCCESS, MQTTErrorCode.MQTT_ERR_NO_CONN)
        self._under_way[info.mid] = samples

    def _measure(self) -> Iterator[Sequence[Sample]]:
        start = time.time_ns() // 1_000_000 - 3_600_000
        for number in itertools.count():
            yield [
                Sample(address, start + number, float(number + place))
                for place, address in enumerate(self.addresses)
            ]

    def _on_connect(
        self, client: mqtt.Client, _data: object, _flags: object, reason: Any, _p: object
    ) -> None:
        if reason.is_failure:
            self.refused.append(str(reason))
            return
        client.publish(f"@online/{self.uuid}", json.dumps(self._model()), qos=1, retain=True)
        self.connected.set()

    def _model(self) -> Mapping[str, Any]:
        names = [address.rpartition("/")[2] for address in self.addresses]
        attributes = {name: {"constraint": "Measure", "type": "Number"} for name in names}
        thing = {"conforms": "Test", "objects": {}, "attributes": attributes}
        return {
            "version": "v0.2",
            "messageFormatVersion": 2,
            "supportedFormats": ["JSON", "CBOR"],
            "nodes": {"node": {"implements": [], "objects": {"object": thing}}},
        }


def pack(uuid: str, form: Form, samples: Sequence[Sample]) -> tuple[str, bytes]:
    """Return topic and payload of samples of one endpoint."""
    readings = {s.address: {"timestamp": s.time_ms / 1000, "value": s.value} for s in samples}
    document: dict[str, Any]
    match form:
        case Form.JSON | Form.CBOR:
            (address,) = readings
            topic, document = f"@update/{address}", readings[address]
        case Form.TRANSACTION | Form.CBOR_TRANSACTION:
            topic, document = f"@transaction/{uuid}", {"attributes": readings}
        case Form.DELAYED:
            messages = [{"topic": f"@update/{a}", "data": r} for a, r in readings.items()]
            topic, document = f"@delayed/{uuid}", {"messages": messages}
    if form in (Form.CBOR, Form.CBOR_TRANSACTION):
        return topic, cbor2.dumps(document)
    return topic, json.dumps(document).encode()


class Load:
    """Lets devices send, each as fast as the broker acknowledges but never above ~100/s."""

    def __init__(self, devices: Sequence[Device]) -> None:
        self.devices = devices
        self._ending = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="load")

    def __enter__(self) -> Load:
        for device in self.devices:
            device.join()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.pause()
        for device in self.devices:
            device.leave()

    def pause(self) -> None:
        """Send no more."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()
        if self._failure:
            raise self._failure

    def settle(self) -> Ledger:
        """Send no more and wait until all is acknowledged; returns the joint ledger."""
        self.pause()
        until(lambda: all([device.settle() for device in self.devices]), "all acknowledgements")
        return self.ledger()

    def ledger(self) -> Ledger:
        """Return what all devices sent so far."""
        whole = Ledger()
        for device in self.devices:
            whole.merge(device.ledger)
        return whole

    def _run(self) -> None:
        try:
            while not self._ending.wait(_TICK_S):
                for device in self.devices:
                    device.step()
        except BaseException as failure:
            self._failure = failure  # for the test's own thread to raise
