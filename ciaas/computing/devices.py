"""What the platform itself says to devices: a standing MQTT client with two things to publish.

A retained ``@online`` that outlives its device would greet every subscriber, and only an MQTT
client can replace it by an empty one. An ``@set`` published by such a client is kept by the broker
for a device with a persistent session that is away.
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


class DeviceLine:
    """A standing MQTT client of the platform; it reconnects by itself. Any thread may call."""

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

    @property
    def connected(self) -> bool:
        """True while the broker takes what is published."""
        return self._client.is_connected()

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

    def set(self, topic: str, payload: bytes) -> bool:
        """Publish to a device at QoS 1; False when the broker is away and nothing has left.

        A message that the broker did not acknowledge before the connection broke is sent again.
        """
        if not self._client.is_connected():
            return False
        # NO_CONN here means: it was connected a moment ago, and the message waits for its return
        sent = self._client.publish(topic, payload, qos=1)
        return sent.rc in (mqtt.MQTT_ERR_SUCCESS, mqtt.MQTT_ERR_NO_CONN)

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
