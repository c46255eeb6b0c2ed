"""A real broker with real certificates for the demo's tests, and a listener behind it."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import queue
import socket
import ssl
import subprocess
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE_S = 20.0


class Authority:
    """Issues certificates for tests."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Test city")])
        certificate = (
            self._builder(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(True, None), True)
            .sign(self._key, hashes.SHA256())
        )
        self.pem = folder / "authority.pem"
        self.pem.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, name: str) -> tuple[Path, Path]:
        """Return the files of a certificate for a client or for 127.0.0.1, and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, name),
                x509.NameAttribute(NameOID.ORGANIZATION_NAME, "client"),
            ]
        )
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_text(self.certify(subject, key.public_key()))
        files[1].write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return files

    def certify(self, subject: x509.Name, public: ec.EllipticCurvePublicKey) -> str:
        host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        certificate = (
            self._builder(subject, public)
            .add_extension(host, False)
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM).decode()

    def _builder(
        self, subject: x509.Name, public: ec.EllipticCurvePublicKey
    ) -> x509.CertificateBuilder:
        now = datetime.datetime.now(datetime.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(public)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=30))
        )


class TestBroker:
    """nats-server with an MQTT listener that asks for client certificates."""

    __test__ = False

    def __init__(self, folder: Path, authority: Authority) -> None:
        self.authority = authority
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        certificate, key = authority.issue("broker")
        self._configuration = folder / "broker.conf"
        self._configuration.write_text(
            f"""
            server_name: "test"
            listen: "127.0.0.1:-1"
            max_payload: 1MB
            jetstream {{
              store_dir: "{folder / "store"}"
            }}
            mqtt {{
              listen: "127.0.0.1:{self.port}"
              tls {{
                cert_file: "{certificate}"
                key_file: "{key}"
                ca_file: "{authority.pem}"
                verify: true
              }}
            }}
            """
        )

    def start(self) -> None:
        server = Path(sysconfig.get_path("scripts"), "nats-server")
        self._process = subprocess.Popen(
            [str(server), "-c", str(self._configuration)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        eventually(self._listens)

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        with socket.socket() as trial:
            return trial.connect_ex(("127.0.0.1", self.port)) == 0


class City:
    """Hears everything that devices publish, as the platform would."""

    def __init__(self, broker: TestBroker) -> None:
        self.messages: queue.Queue[mqtt.MQTTMessage] = queue.Queue()
        certificate, key = broker.authority.issue("city")
        # A session that is kept: what arrives while it reconnects is not lost to it.
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id="city", clean_session=False
        )
        context = ssl.create_default_context(cafile=str(broker.authority.pem))
        context.load_cert_chain(certificate, key)
        self._client.tls_set_context(context)
        self._client.reconnect_delay_set(1, 1)
        self._client.on_message = lambda client, data, message: self.messages.put(message)
        self.subscribed = queue.Queue[int]()
        self._client.on_connect = lambda client, *rest: client.subscribe("#", qos=1)
        self._client.on_subscribe = lambda client, data, mid, codes, more: self.subscribed.put(mid)
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        self.subscribed.get(timeout=PATIENCE_S)

    def until(self, wanted: Callable[[mqtt.MQTTMessage], bool]) -> list[mqtt.MQTTMessage]:
        """Return the messages up to the first for which ``wanted`` is true, that one included."""
        heard = []
        deadline = time.monotonic() + PATIENCE_S
        while True:
            heard.append(self.messages.get(timeout=max(0.01, deadline - time.monotonic())))
            if wanted(heard[-1]):
                return heard

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


def free_port() -> int:
    with socket.socket() as trial:
        trial.bind(("127.0.0.1", 0))
        return int(trial.getsockname()[1])


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, "did not come to pass"
        time.sleep(0.02)


async def comes_true(condition: Callable[[], object]) -> None:
    for _ in range(round(PATIENCE_S / 0.01)):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("did not come to pass")
