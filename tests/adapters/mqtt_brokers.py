"""Brokers that are not the platform's, and a device that publishes on them."""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

PATIENCE_S = 15.0
USER, PASSWORD = "city", "correct horse"


class Broker:
    """One broker process that can be killed and started again with what it had stored."""

    def __init__(self, command: list[str], port: int) -> None:
        self._command, self.port = command, port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with socket.socket() as trial:
                if trial.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            assert time.monotonic() < deadline, "the broker does not listen"
            time.sleep(0.02)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait()
            self._process = None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def nats_broker(folder: Path) -> Iterator[Broker]:
    """A second nats-server, as MQTT broker: 3.1.1 alone, and no blanks in topics."""
    port = _free_port()
    written = folder / "nats.conf"
    written.write_text(
        f"""
        server_name: "elsewhere"
        listen: "127.0.0.1:-1"
        jetstream {{ store_dir: "{folder / "store"}" }}
        authorization {{ user: "{USER}", password: "{PASSWORD}" }}
        mqtt {{ listen: "127.0.0.1:{port}" }}
        """
    )
    server = Path(sysconfig.get_path("scripts"), "nats-server")
    yield from _running(Broker([str(server), "-c", str(written)], port))


@contextmanager
def mosquitto(folder: Path, *, tls: tuple[Path, Path] | None = None) -> Iterator[Broker]:
    """Debian's mosquitto, which shares no code with paho's client nor with ours."""
    program = shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin")
    if program is None:
        pytest.skip("mosquitto is not installed: apt-get install mosquitto")
    port = _free_port()
    written = folder / "mosquitto.conf"
    lines = [
        f"user {getpass.getuser()}",  # as root it would become another, who may not read our files
        f"listener {port} 127.0.0.1",
        "allow_anonymous true",
        "persistence true",
        f"persistence_location {folder}/",
        "autosave_interval 1",
        "autosave_on_changes true",
    ]
    if tls is not None:
        lines += [f"certfile {tls[0]}", f"keyfile {tls[1]}"]
    written.write_text("\n".join(lines) + "\n")
    yield from _running(Broker([program, "-c", str(written)], port))


def _running(broker: Broker) -> Iterator[Broker]:
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()


class Publisher:
    """A device elsewhere: publishes at QoS 1 and waits until its broker has it."""

    def __init__(self, port: int, *, signed_in: bool = False) -> None:
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id="a-device")
        if signed_in:
            self._client.username_pw_set(USER, PASSWORD)
        accepted = threading.Event()
        self._client.on_connect = lambda *_: accepted.set()
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        assert accepted.wait(PATIENCE_S)

    def publish(self, topic: str, payload: str, *, retain: bool = False, qos: int = 1) -> None:
        told = self._client.publish(topic, payload, qos=qos, retain=retain)
        told.wait_for_publish(PATIENCE_S)
        assert told.is_published()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()


@contextmanager
def publisher(broker: Broker, *, signed_in: bool = False) -> Iterator[Publisher]:
    device = Publisher(broker.port, signed_in=signed_in)
    try:
        yield device
    finally:
        device.close()
