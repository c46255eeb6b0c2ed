"""A consumer that only acknowledges: ``python -m borough.bench.baseline.acknowledger SPEC``.

The broker is started as the platform starts it, with the same configuration, certificates and
admission by callout; the same reader pulls from the same kind of consumer. But nothing is decoded,
judged or stored: what comes is acknowledged at once. Each line on standard input is answered with
the counts.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

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


async def _serve(home: Home, settings: Settings, keys: KeyRing, known: frozenset[str]) -> None:
    """Let the devices in, consume, and answer until standard input ends."""
    bus = read_bus(home)
    authority = open_authority(home, keys)
    callout = Callout(
        Issuer(keys.seed(Role.ISSUER)),
        _Listed(known),
        MachineClock(),
        platform={_PLATFORM_CLIENT: Permissions((), ())},
        on_refusal=_say,
    )
    await callout.start(bus.url, keys.seed(Role.AUTH))
    issued = authority.issue_platform("core")
    assert issued.private_key_pem is not None
    tls = platform_tls(
        home.authority / "ca.pem",
        issued.certificate_pem,
        authority.decrypt_key(issued.private_key_pem),
    )
    await warm_up(broker.Listen(*settings.mqtts), _PLATFORM_CLIENT, tls)
    control = await connect(bus.url, keys.seed(Role.CORE), role="core")
    await ensure_ingest(control)
    consumer = Acknowledger(home, keys)
    await asyncio.to_thread(consumer.start)
    callout.open()
    answer({"ready": True})
    while await asyncio.to_thread(sys.stdin.readline):
        answer({"acknowledged": consumer.acknowledged, "waiting": consumer.reader.pending})
    await asyncio.to_thread(consumer.reader.stop)
    await callout.stop()
    await control.close()


def _say(refusal: Refusal) -> None:
    sys.stderr.write(f"refused {refusal.client}: {refusal.reason} {refusal.detail}\n")


def main() -> None:
    """Run the broker and the consumer that the argument, a JSON object, describes."""
    spec: dict[str, Any] = json.loads(sys.argv[1])
    home = Home(Path(spec["home"]))
    settings = Settings(
        home=home.path,
        mqtts=Listen(spec["host"], spec["port"]),
        sync_interval=spec["sync_interval"],
    )
    home.prepare()
    lock = Lock(home, "broker")
    lock.take()
    keys = open_keys(home)
    server = prepare_broker(home, settings, keys, lock)
    process = server.start()
    try:
        server.wait_ready()
        asyncio.run(_serve(home, settings, keys, frozenset(spec["devices"])))
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
