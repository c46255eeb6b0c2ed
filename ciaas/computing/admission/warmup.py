"""Makes the broker ready for devices: its message stream and the uplink's durable consumer.

The broker creates the stream ``$MQTT_msgs`` at the first MQTT connect, and acknowledges and drops
every message in it that has no consumer. So one client of our own connects first, then the consumer
is made, and only then may a device come in.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from nats.aio.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from ciaas.computing.broker.configuration import Listen
from ciaas.computing.broker.errors import BrokerError, StreamMismatch
from ciaas.computing.broker.secret import key_in_memory
from ciaas.computing.broker.streams import absent, api
from ciaas.limits import INGEST_UNACKNOWLEDGED_MAX

STREAM = "$MQTT_msgs"
CONSUMER = "ingest"

_CONNECT_S = 10.0
_LOOP_S = 0.05
_NO_CONSUMER = 10014
_WANTED: Mapping[str, Any] = {
    "durable_name": CONSUMER,
    "ack_policy": "explicit",
    "deliver_policy": "all",
    # One wide filter for all verbs: several would break the order across a device's verbs, and a
    # list of them is read at a tenth of the rate.
    "filter_subject": "$MQTT.msgs.*.>",
    "max_ack_pending": INGEST_UNACKNOWLEDGED_MAX,
    "ack_wait": 30_000_000_000,
    "max_deliver": -1,
}
_ADJUSTABLE = {"max_ack_pending", "ack_wait"}


def platform_tls(ca_file: Path, certificate_pem: bytes, key_pem: bytes) -> ssl.SSLContext:
    """Return what a client of ours needs to connect to the devices' port.

    Raises:
        ssl.SSLError: certificate and key do not belong together.
    """
    context = ssl.create_default_context(cafile=str(ca_file))
    with key_in_memory(certificate_pem + key_pem) as chain:
        context.load_cert_chain(chain.path)
    return context


async def warm_up(broker: Listen, client_id: str, tls: ssl.SSLContext | None) -> None:
    """Connect once by MQTT as a client of the platform and leave again.

    Args:
        broker: the devices' port, by a name or address that the server's certificate holds.
        client_id: the certificate's common name; the callout must know it as the platform's.
        tls: see `platform_tls`; None for a port without TLS.

    Raises:
        BrokerError: the broker did not let us in.
    """
    await asyncio.to_thread(_connect_once, broker, client_id, tls)


async def ensure_ingest(client: Client) -> None:
    """Create the uplink's durable consumer, or check that it is the right one; needs the core role.

    Raises:
        StreamMismatch: there is a consumer of that name which selects or acknowledges otherwise.
        BrokerError: there is no stream yet (see `warm_up`), or the broker refused.
    """
    found = await api(client, f"CONSUMER.INFO.{STREAM}.{CONSUMER}", {})
    if absent(found):
        raise BrokerError(f"there is no stream {STREAM}: warm up before the consumer is made")
    if "error" not in found:
        differing = {key for key, value in _WANTED.items() if found["config"].get(key) != value}
        if found["config"].get("filter_subjects") or found["config"].get("deliver_subject"):
            differing.add("filter_subjects or deliver_subject")
        if not differing:
            return
        if not differing <= _ADJUSTABLE:
            raise StreamMismatch(
                f"consumer {CONSUMER} of {STREAM} differs in {', '.join(sorted(differing))}: it was"
                " not made by this platform; remove it while nothing in it is pending"
            )
    elif found["error"].get("err_code") != _NO_CONSUMER:
        raise BrokerError(f"consumer {CONSUMER}: {found['error']['description']}")
    made = await api(
        client,
        f"CONSUMER.DURABLE.CREATE.{STREAM}.{CONSUMER}",
        {"stream_name": STREAM, "config": _WANTED},
    )
    if "error" in made:
        raise BrokerError(f"consumer {CONSUMER}: {made['error']['description']}")


def _connect_once(broker: Listen, client_id: str, tls: ssl.SSLContext | None) -> None:
    outcome: list[ReasonCode] = []
    client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv311)
    client.on_connect = lambda _client, _data, _flags, reason, _properties: outcome.append(reason)
    if tls is not None:
        client.tls_set_context(tls)
    try:
        client.connect(broker.host, broker.port)
        deadline = time.monotonic() + _CONNECT_S
        while not outcome and time.monotonic() < deadline:
            if client.loop(_LOOP_S) is not MQTTErrorCode.MQTT_ERR_SUCCESS:
                break
        client.disconnect()
        client.loop(_LOOP_S)
    except OSError as error:
        raise BrokerError(f"no MQTT connection to {broker}: {error}") from None
    if not outcome or outcome[0].is_failure:
        said = str(outcome[0]) if outcome else "no answer"
        raise BrokerError(f"the broker does not admit {client_id} on {broker}: {said}")
