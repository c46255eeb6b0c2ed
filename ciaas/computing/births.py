"""Clears retained birth messages: one that outlives its device would greet every subscriber.

The broker keeps a device's retained ``@online`` until an empty one replaces it, whether the device
is there or not; only an MQTT client can publish a retained message.
"""

from __future__ import annotations

import logging
import ssl

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode

from ciaas.computing.broker.configuration import Listen
from ciaas.kernel.address import EndpointId
from ciaas.limits import BIRTHS_WAITING_MAX

log = logging.getLogger(__name__)

_KEEPALIVE_S = 60
_RECONNECT_S_MAX = 5


class Births:
    """A standing MQTT client of the platform; it reconnects by itself."""

    def __init__(self, broker: Listen, client_id: str, tls: ssl.SSLContext):
        """``client_id`` is the common name of the certificate in ``tls``."""
        self._broker = broker
        self._client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id, protocol=mqtt.MQTTv311, clean_session=True
        )
        self._client.tls_set_context(tls)
        self._client.reconnect_delay_set(1, _RECONNECT_S_MAX)
        self._client.max_queued_messages_set(BIRTHS_WAITING_MAX)
        self._client.on_connect = self._connected

    def start(self) -> None:
        """Connect in the background and stay connected."""
        self._client.connect_async(self._broker.host, self._broker.port, _KEEPALIVE_S)
        self._client.loop_start()

    def clear(self, endpoint: EndpointId) -> None:
        """Have the endpoint's retained birth message removed, now or after a reconnect.

        When BIRTHS_WAITING_MAX wait already the message stays until the device's next goodbye.
        """
        sent = self._client.publish(f"@online/{endpoint}", b"", qos=1, retain=True)
        if sent.rc is mqtt.MQTT_ERR_QUEUE_SIZE:
            log.warning("the retained birth message of %s stays for now", endpoint)

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _connected(
        self,
        client: mqtt.Client,
        data: object,
        flags: mqtt.ConnectFlags,
        reason: ReasonCode,
        properties: object,
    ) -> None:
        if reason.is_failure:
            log.warning("the platform's own MQTT client is not admitted: %s", reason)
