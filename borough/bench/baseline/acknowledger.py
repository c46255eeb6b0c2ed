"""A consumer that only acknowledges: ``python -m borough.bench.baseline.acknowledger SPEC``.

The broker is started as the platform starts it, with the same configuration, certificates and
admission by callout; the same reader pulls from the same kind of consumer. But nothing is decoded,
judged or stored: what comes is acknowledged at once. Each line on standard input is answered with
the counts. By its spec it lets devices in without TLS, or leaves the stream without a consumer.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from borough.bench.baseline.plain import PlainConfiguration
from borough.bench.load.generator import answer
from borough.clock import MachineClock
from borough.home import Home, Lock
from borough.roles.up import open_authority, prepare_broker
from borough.settings import Listen, Settings
from borough.wiring import dialler, open_keys, read_bus
from ciaas.computing.admission.callout import Callout
from ciaas.computing.admission.claims import Issuer
from ciaas.computing.admission.ports import Permissions, Refusal
from ciaas.computing.admission.warmup import ensure_ingest, platform_tls, warm_up
from ciaas.computing.broker import configuration as broker
from ciaas.computing.broker.connection import connect
from ciaas.computing.intake import StreamReader, attach_durable
from ciaas.kernel.address import EndpointId
from ciaas.ports import StreamId
from security.encryption.keyring import KeyRing, Role

_PLATFORM_CLIENT = "borough-core"
"""Common name of what `Authority.issue_platform` issues for core."""
_ATTACH_S = 10.0
_STOP_S = 5.0


class Acknowledger:
    """Reads as the uplink does and acknowledges each batch as it comes."""

    def __init__(self, home: Home, keys: KeyRing):
        """The broker runs."""
        self.acknowledged = 0
        self._doorbell = threading.Event()
        self.reader = StreamReader(
            dialler(read_bus(home), keys, Role.CORE),
            attach_durable("$MQTT_msgs", "ingest"),
            _Forgetful(),
            self._doorbell,
            strip=b"$MQTT.msgs.",
        )
        self._thread = threading.Thread(target=self._run, name="acknowledger", daemon=True)

    def start(self) -> None:
        """Begin to read; returns when pulls stand."""
        self.reader.start()
        self._thread.start()
        assert self.reader.wait_attached(_ATTACH_S), self.reader.last_error

    def _run(self) -> None:
        while True:
            self._doorbell.wait()
            self._doorbell.clear()
            while batch := self.reader.take():
                self.reader.acknowledge(batch)
                self.acknowledged += len(batch.messages)


class _Forgetful:
    """A position for a reader that keeps nothing."""

    def position(self, stream: StreamId) -> int:
        return 0

    def rewind(self, stream: StreamId, last_sequence: int) -> None:
        return


class _Listed:
    """Admits the endpoints of the bench."""

    def __init__(self, known: frozenset[str]):
        self._known = known

    def admit(
        self, endpoint_uuid: EndpointId, certificate_serial_hex: str, fingerprint: str
    ) -> str | None:
        return None if endpoint_uuid in self._known else "unknown"


@dataclass(frozen=True, slots=True)
class Spec:
    """What the argument says."""

    home: Home
    settings: Settings
    devices: frozenset[str]
    tls: bool
    """False lets everyone in without TLS."""
    consume: bool
    """False leaves the stream without a consumer, so that the broker keeps nothing."""

    @staticmethod
    def read(text: str) -> Spec:
        """Return the spec that a JSON object describes."""
        spec: dict[str, Any] = json.loads(text)
        home = Home(Path(spec["home"]))
        settings = Settings(
            home=home.path,
            mqtts=Listen(spec["host"], spec["port"]),
            sync_interval=spec["sync_interval"],
        )
        devices = frozenset(spec["devices"])
        return Spec(home, settings, devices, spec.get("tls", True), spec.get("consume", True))


async def _serve(spec: Spec, keys: KeyRing) -> None:
    """Let the devices in, consume, and answer until standard input ends."""
    async with contextlib.AsyncExitStack() as stack:
        if spec.tls:
            await _admit(spec, keys, stack)
        else:
            await warm_up(broker.Listen(*spec.settings.mqtts), _PLATFORM_CLIENT, None)
        consumer = None
        if spec.consume:
            control = await connect(read_bus(spec.home).url, keys.seed(Role.CORE), role="core")
            stack.push_async_callback(control.close)
            await ensure_ingest(control)
            consumer = Acknowledger(spec.home, keys)
            await asyncio.to_thread(consumer.start)
            stack.push_async_callback(asyncio.to_thread, consumer.reader.stop)
        answer({"ready": True})
        while await asyncio.to_thread(sys.stdin.readline):
            answer(
                {
                    "acknowledged": consumer.acknowledged if consumer else 0,
                    "waiting": consumer.reader.pending if consumer else 0,
                }
            )


async def _admit(spec: Spec, keys: KeyRing, stack: contextlib.AsyncExitStack) -> None:
    """Let devices in as the platform does: by certificate and callout."""
    authority = open_authority(spec.home, keys)
    callout = Callout(
        Issuer(keys.seed(Role.ISSUER)),
        _Listed(spec.devices),
        MachineClock(),
        platform={_PLATFORM_CLIENT: Permissions((), ())},
        on_refusal=_say,
    )
    await callout.start(read_bus(spec.home).url, keys.seed(Role.AUTH))
    stack.push_async_callback(callout.stop)
    issued = authority.issue_platform("core")
    assert issued.private_key_pem is not None
    tls = platform_tls(
        spec.home.authority / "ca.pem",
        issued.certificate_pem,
        authority.decrypt_key(issued.private_key_pem),
    )
    await warm_up(broker.Listen(*spec.settings.mqtts), _PLATFORM_CLIENT, tls)
    callout.open()


def _say(refusal: Refusal) -> None:
    sys.stderr.write(f"refused {refusal.client}: {refusal.reason} {refusal.detail}\n")


def main() -> None:
    """Run the broker and the consumer that the argument, a JSON object, describes."""
    spec = Spec.read(sys.argv[1])
    spec.home.prepare()
    lock = Lock(spec.home, "broker")
    lock.take()
    keys = open_keys(spec.home)
    kind = broker.BrokerConfiguration if spec.tls else PlainConfiguration
    server = prepare_broker(spec.home, spec.settings, keys, lock, kind)
    process = server.start()
    try:
        server.wait_ready()
        asyncio.run(_serve(spec, keys))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
