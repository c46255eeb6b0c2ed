"""A real broker that admits a few devices, with the consumer that only acknowledges behind it."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from borough.bench.load.device import Broker
from borough.bench.rig.child import Child, child
from borough.bench.rig.devices import Fleet
from borough.home import Home
from borough.roles.up import open_authority
from borough.roles.watch import free_port
from borough.settings import Listen
from security.encryption.keyring import KeyRing

STRANGER = "00000000-0000-4000-8000-00000000dead"
"""Has a certificate of the right authority, but is not on the consumer's list."""


class AckOnlyBroker(NamedTuple):
    """The running broker, its consumer, and devices that are not connected."""

    fleet: Fleet
    consumer: Child
    broker: Broker


@contextmanager
def ack_only_broker(folder: Path, devices: int) -> Iterator[AckOnlyBroker]:
    """Run the baseline of the uplink bench."""
    home = Home(folder / "home")
    home.path.mkdir()
    home.prepare()
    authority = open_authority(home, KeyRing.create(home.keys))
    uuids = [str(uuid.uuid4()) for _ in range(devices)]
    identities = folder / "identities"
    identities.mkdir()
    mqtts = Listen("127.0.0.1", free_port())
    fleet = Fleet(uuids, identities, mqtts)
    fleet.authority.write_bytes(authority.clients_pem)
    for endpoint in (*uuids, STRANGER):
        issued = authority.issue_endpoint(endpoint)
        assert issued.private_key_pem is not None
        fleet.identity(endpoint).write_bytes(issued.certificate_pem + issued.private_key_pem)
    spec = {
        "home": str(home.path),
        "host": mqtts.host,
        "port": mqtts.port,
        "sync_interval": "1s",
        "devices": uuids,
    }
    with child("borough.bench.baseline.acknowledger", json.dumps(spec)) as consumer:
        assert consumer.hear() == {"ready": True}
        yield AckOnlyBroker(fleet, consumer, Broker(*mqtts, fleet.authority))
