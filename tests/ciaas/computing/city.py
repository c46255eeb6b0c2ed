"""A real broker with real certificates for tests, and devices that talk to it by MQTT over TLS."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import queue
import socket
import ssl
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import nkeys
import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from ciaas.computing.admission.warmup import platform_tls
from ciaas.computing.broker.configuration import BrokerConfiguration, Listen, RoleKeys
from ciaas.computing.broker.process import Broker

T = TypeVar("T")
PATIENCE_S = 15.0


class SystemClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000


@dataclass(frozen=True)
class Identity:
    certificate: x509.Certificate
    certificate_pem: bytes
    key_pem: bytes

    @property
    def serial(self) -> str:
        return f"{self.certificate.serial_number:x}"


class Authority:
    def __init__(self, name: str = "Test city") -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            self._builder(self._name, self._key)
            .add_extension(x509.BasicConstraints(True, None), True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = certificate.public_bytes(serialization.Encoding.PEM)

    def issue(self, common_name: str, organisation: str = "client") -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, common_name),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, organisation),
            ]
        )
        names = x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        )
        certificate = (
            self._builder(subject, key).add_extension(names, False).sign(self._key, hashes.SHA256())
        )
        return Identity(
            certificate,
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=1))
            .not_valid_after(now + datetime.timedelta(days=2))
        )


def nkey(prefix: int) -> tuple[str, str]:
    """Return seed and public key."""
    seed = nkeys.encode_seed(os.urandom(32), prefix)
    return seed.decode(), nkeys.from_seed(bytearray(seed)).public_key.decode()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def until(condition: Callable[[], T | None], what: str = "the condition") -> T:
    """Return the first true value of the condition."""
    deadline = time.monotonic() + PATIENCE_S
    pause = threading.Event()
    while not (value := condition()):
        assert time.monotonic() < deadline, f"{what} did not come"
        pause.wait(0.01)
    return value


class City:
    """A broker in a folder of its own and an event loop in a thread for its role clients."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.authority = Authority()
        self.seeds: dict[str, str] = {}
        public: dict[str, str] = {}
        for role in ("core", "field", "compose", "sys", "auth", "issuer"):
            kind = nkeys.PREFIX_BYTE_ACCOUNT if role == "issuer" else nkeys.PREFIX_BYTE_USER
            self.seeds[role], public[role] = nkey(kind)
        self.server = self.authority.issue("broker", "server")
        (folder / "server.pem").write_bytes(self.server.certificate_pem)
        self.ca_file = folder / "ca.pem"
        self.ca_file.write_bytes(self.authority.pem)
        self.configuration = replace(
            BrokerConfiguration(
                server_name="test",
                nats=Listen("127.0.0.1", free_port()),
                mqtts=Listen("127.0.0.1", free_port()),
                store_dir=folder / "store",
                log_file=folder / "broker.log",
                certificate_file=folder / "server.pem",
                ca_file=self.ca_file,
                keys=RoleKeys(**public),
                file_store_bytes_max=1024**3,
            ),
            **changes,
        )
        self.path = folder / "broker.conf"
        self.configuration.write(self.path)
        self.broker = Broker(self.configuration, self.path, self.server.key_pem)
        self.process: subprocess.Popen[bytes] | None = None
        self.loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, name="city")
        self._thread.start()

    @property
    def url(self) -> str:
        return f"nats://{self.configuration.nats}"

    def start(self) -> None:
        self.process = self.broker.start()
        self.broker.wait_ready()

    def kill(self) -> None:
        if self.process:
            self.process.kill()
            self.process.wait()

    def stop(self) -> None:
        """End the broker as an orderly shutdown does."""
        assert self.process is not None
        self.process.terminate()
        self.process.wait(PATIENCE_S)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE_S)

    def end(self) -> None:
        self.kill()
        self.broker.close()
        asyncio.run_coroutine_threadsafe(_cancel_others(), self.loop).result(PATIENCE_S)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()

    def device(
        self,
        identity: Identity,
        client_id: str | None = None,
        *,
        clean_session: bool = True,
        will: tuple[str, bytes] | None = None,
    ) -> Device:
        """Return a device not yet connected; its id is the certificate's name unless said."""
        if client_id is None:
            names = identity.certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
            client_id = str(names[0].value)
        return Device(self, identity, client_id, clean_session, will)


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


class Device:
    """One MQTT client. What the broker says arrives in ``messages`` and ``ended``."""

    def __init__(
        self,
        city: City,
        identity: Identity,
        client_id: str,
        clean_session: bool,
        will: tuple[str, bytes] | None,
    ) -> None:
        self._address = city.configuration.mqtts
        self.client_id = client_id
        self.messages: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self.ended = threading.Event()
        self._answers: queue.Queue[str] = queue.Queue()
        self._granted: queue.Queue[list[bool]] = queue.Queue()
        self._client = client = mqtt.Client(
            CallbackAPIVersion.VERSION2,
            client_id,
            protocol=MQTTProtocolVersion.MQTTv311,
            clean_session=clean_session,
            reconnect_on_failure=False,
        )
        client.tls_set_context(
            platform_tls(city.ca_file, identity.certificate_pem, identity.key_pem)
        )
        if will:
            client.will_set(will[0], will[1], qos=1)
        client.on_connect = lambda _c, _d, _f, reason, _p: self._answers.put(str(reason))
        client.on_disconnect = lambda *_: self._gone()
        client.on_subscribe = lambda _c, _d, _m, reasons, _p: self._granted.put(
            [not reason.is_failure for reason in reasons]
        )
        client.on_message = lambda _c, _d, message: self.messages.put(
            (message.topic, bytes(message.payload))
        )

    def connect(self) -> str:
        """Return the broker's answer: ``Success``, ``Not authorized`` or ``handshake``."""
        try:
            self._client.connect(self._address.host, self._address.port)
        except ssl.SSLError:
            return "handshake"
        self._client.loop_start()
        return self._answers.get(timeout=PATIENCE_S)

    def publish(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        """Return after the broker's PUBACK."""
        done = self._client.publish(topic, payload, qos=1, retain=retain)
        done.wait_for_publish(PATIENCE_S)
        assert done.is_published()

    def send(self, topic: str, payload: bytes) -> None:
        """Send without waiting for anything."""
        self._client.publish(topic, payload, qos=1)

    def subscribe(self, topic: str) -> bool:
        """Return True when the broker grants it."""
        self._client.subscribe(topic, qos=1)
        return self._granted.get(timeout=PATIENCE_S)[0]

    def leave(self) -> None:
        """Disconnect cleanly."""
        self._client.disconnect()
        self._client.loop_stop()

    def die(self) -> None:
        """Lose the connection without a word."""
        connection = self._client.socket()
        assert isinstance(connection, ssl.SSLSocket)
        connection.shutdown(socket.SHUT_RDWR)
        self._client.loop_stop()

    def _gone(self) -> None:
        self._answers.put("closed")
        self.ended.set()


def new_endpoint() -> str:
    return str(uuid.uuid4())
