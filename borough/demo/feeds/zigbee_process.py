"""The gateway process: a broker of its own and, as Zigbee2MQTT does, the bins that publish on it.

The broker is another nats-server, since mosquitto may be absent; so no name on it has a blank.
Run as ``python -m borough.demo.feeds.zigbee_process``; reports the port of the broker.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path as FilePath

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from borough.demo.city.plan import by_path
from borough.demo.city.thing import Path
from borough.demo.devices.launch import Stop, hear_parent, report
from borough.demo.devices.modbus_process import HOST, free_port
from borough.demo.feeds.documents import BASE_TOPIC, POLL_S, listing, zigbee
from borough.demo.feeds.present import PresentValues
from borough.demo.recordings.library import Recordings
from ciaas.computing.broker import launch

_READY_S = 20.0
_LOOK_S = 0.1
_STOP_S = 5.0


@contextmanager
def broker(folder: FilePath, port: int) -> Iterator[None]:
    """Run a broker on this port for the length of the block."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    written = folder / "gateway.conf"
    written.write_text(
        'server_name: "gateway"\nlisten: "127.0.0.1:-1"\n'
        f"jetstream {{ store_dir: {json.dumps(str(folder / 'store'))}, max_file_store: 200MB }}\n"
        f'mqtt {{ listen: "{HOST}:{port}" }}\n'
    )
    server = FilePath(sysconfig.get_path("scripts"), "nats-server")
    process = subprocess.Popen(  # noqa: S603 - no shell, and the program is ours
        [
            *(sys.executable, "-I", "-S", launch.__file__, str(os.getpid())),
            *(str(server), "-c", str(written)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def connected(port: int, stop: Stop) -> mqtt.Client | None:
    """Return the gateway's client once the broker takes it, None when told to stop before.

    Raises:
        SystemExit: it does not come up.
    """
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id="gateway")
    accepted = threading.Event()
    client.on_connect = lambda _client, _data, _flags, reason, _more: (
        None if reason.is_failure else accepted.set()
    )
    client.reconnect_delay_set(1, 2)
    client.connect_async(HOST, port)
    client.loop_start()
    deadline = time.monotonic() + _READY_S
    while not accepted.wait(_LOOK_S):
        if stop:
            return None
        if time.monotonic() > deadline:
            raise SystemExit(f"the gateway's broker does not listen on {HOST}:{port}")
    return client


def publish(client: mqtt.Client, recordings: Recordings, stop: Stop) -> None:
    """Have each bin tell its state, retained, until told to stop."""
    bins = by_path(Path.ZIGBEE)
    present = PresentValues(bins, recordings)
    client.publish(f"{BASE_TOPIC}/bridge/devices", listing(bins), qos=1, retain=True)
    for thing in bins:
        client.publish(f"{BASE_TOPIC}/{thing.key}/availability", "online", qos=1, retain=True)
    due = time.monotonic()
    while not stop:
        if time.monotonic() < due:
            time.sleep(_LOOK_S)  # a signal handler wakes nobody: it is looked at
            continue
        due += POLL_S[Path.ZIGBEE]
        now_ms = time.time_ns() // 1_000_000
        for key, values in present.at(now_ms // 1_000).items():
            client.publish(f"{BASE_TOPIC}/{key}", zigbee(values, now_ms), qos=1, retain=True)


def main() -> None:
    """Run the gateway as its parent says."""
    stop = Stop()
    told = hear_parent()
    recordings = Recordings(FilePath(told["kept"]) if told.get("kept") else None)
    port = free_port(int(told["port"]))
    with broker(FilePath(told["folder"]), port):
        if (client := connected(port, stop)) is not None:
            report(port=port)
            publish(client, recordings, stop)
            client.disconnect()
            client.loop_stop()


if __name__ == "__main__":
    main()
