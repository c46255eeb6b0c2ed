"""One device's connection: MQTT 3.1.1 over TLS, with a memory for what the broker has not taken.

Everything runs in the thread that turns the process's loop; no thread is made.
"""

from __future__ import annotations

import random
import selectors
import socket
import ssl
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

from borough.demo.devices.sample import Outgoing, Reading, delayed, encode, online
from borough.demo.limits import (
    DELAYED_ENTRIES_MAX,
    INFLIGHT_MESSAGES_MAX,
    OUTBOX_SAMPLES_MAX,
    RECONNECT_S_MAX,
)

_KEEPALIVE_S = 60
_CONNECT_S_MAX = 3.0
_ADMITTED_S_MAX = 10.0
"""How long the broker may take to answer a CONNECT."""
_RECONNECT_S_MIN = 0.1


class State(Enum):
    """What a link is doing."""

    DOWN = "down"
    CONNECTING = "connecting"
    """Connected by TLS, not yet admitted."""
    UP = "up"
    LEFT = "left"
    """Ended on purpose."""


@dataclass(frozen=True, slots=True)
class Identity:
    """Who a device is and where it connects."""

    uuid: str
    certificate: Path
    key: Path
    authority: Path
    host: str
    port: int
    cbor: bool = False
    """Speak CBOR instead of JSON."""


class Link:
    """Sends at QoS 1; what was not acknowledged when a connection ends goes again as ``@delayed``.

    Args:
        identity: who connects where.
        nodes: the data model to declare; None for a client that only brings the past along.
        selector: the loop's; sockets are registered there with this link as data.
        acknowledged: told each acknowledged message with readings, in the order of PUBACKs.
    """

    def __init__(
        self,
        identity: Identity,
        nodes: Mapping[str, Any] | None,
        selector: selectors.BaseSelector,
        acknowledged: Callable[[Outgoing], None],
    ) -> None:
        self.identity = identity
        self.state = State.DOWN
        self.dropped = 0
        """Samples given up because the outbox was full."""
        self.resent = 0
        """Samples sent again as ``@delayed``."""
        self.refused = ""
        """Why the broker or the network last said no, empty when it did not."""
        self._nodes = nodes
        self._selector = selector
        self._acknowledged = acknowledged
        self._client: mqtt.Client | None = None
        self._inflight: dict[int, Outgoing] = {}
        self._outbox: deque[Reading] = deque()
        self._due = 0.0
        self._connecting_since = 0.0
        self._pause_s = _RECONNECT_S_MIN

    @property
    def outstanding(self) -> int:
        """Messages under way plus samples that wait to be sent."""
        return len(self._inflight) + len(self._outbox)

    @property
    def room(self) -> int:
        """Messages that may be sent now."""
        return INFLIGHT_MESSAGES_MAX - len(self._inflight) if self.state is State.UP else 0

    @property
    def gone(self) -> bool:
        """True once it has left and its socket is closed."""
        return self.state is State.LEFT and self._client is None

    def offer(self, message: Outgoing) -> None:
        """Send a message now when the link is up and nothing older waits, else keep its readings.

        Order is kept per device: as long as anything waits, new readings queue behind it.
        """
        if self.room > 0 and not self._outbox:
            self._publish(message)
            return
        self._outbox.extend(message.readings)
        while len(self._outbox) > OUTBOX_SAMPLES_MAX:
            self._outbox.popleft()
            self.dropped += 1

    def turn(self, now: float) -> None:
        """Do what is due on the monotonic clock: connect, keep alive, send what waits."""
        if self.state is State.DOWN and now >= self._due:
            self._connect(now)
        elif self.state is State.CONNECTING and now - self._connecting_since > _ADMITTED_S_MAX:
            self._abandon(f"no answer to CONNECT within {_ADMITTED_S_MAX:.0f} s")
        elif self._client is not None:
            self._client.loop_misc()
        while self._outbox and self.room > 0:
            count = min(len(self._outbox), DELAYED_ENTRIES_MAX)
            readings = [self._outbox.popleft() for _ in range(count)]
            self.resent += count
            self._publish(delayed(self.identity.uuid, readings, round(time.time() * 1_000)))

    def ready(self, events: int) -> None:
        """Read and write what the socket allows; ``events`` as the selector reported them."""
        client = self._client
        if client is None:
            return
        if events & selectors.EVENT_WRITE:
            client.loop_write()
        if events & selectors.EVENT_READ:
            client.loop_read()
            # TLS decrypts whole records: what it holds back no selector reports.
            while isinstance(sock := client.socket(), ssl.SSLSocket) and sock.pending():
                client.loop_read()

    def leave(self) -> None:
        """Say ``@offline`` and disconnect; the will stays unused. Turn until it is `gone`.

        Call once nothing is outstanding: what is, is not sent any more. A client without a model
        never said ``@online`` and leaves silently.
        """
        client, was = self._client, self.state
        self.state = State.LEFT
        if client is None:
            return
        if was is not State.UP:
            self._abandon("left")
            return
        if self._nodes is not None:
            client.publish(f"@offline/{self.identity.uuid}", b"DEAD", qos=1)
        client.disconnect()

    def _connect(self, now: float) -> None:
        self.state = State.CONNECTING
        self._connecting_since = now
        identity = self.identity
        client = mqtt.Client(
            CallbackAPIVersion.VERSION2, client_id=identity.uuid, clean_session=True
        )
        context = ssl.create_default_context(cafile=str(identity.authority))
        context.load_cert_chain(identity.certificate, identity.key)
        client.tls_set_context(context)
        client.connect_timeout = _CONNECT_S_MAX
        if self._nodes is not None:
            client.will_set(f"@offline/{identity.uuid}", b"DEAD", qos=1)
        client.on_socket_open = self._socket_open
        client.on_socket_close = self._socket_close
        client.on_socket_register_write = self._wants_write
        client.on_socket_unregister_write = self._wants_no_write
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        self._client = client
        try:
            client.connect(identity.host, identity.port, keepalive=_KEEPALIVE_S)
        except OSError as error:
            self._fall(f"{identity.host}:{identity.port}: {error}")

    def _publish(self, message: Outgoing) -> None:
        assert self._client is not None
        payload = encode(message.document, cbor=self.identity.cbor)
        info = self._client.publish(message.topic, payload, qos=1, retain=message.retain)
        self._inflight[info.mid] = message

    def _abandon(self, reason: str) -> None:
        """Close the socket of a connection that never came to be."""
        client = self._client
        if client is not None and isinstance(sock := client.socket(), socket.socket):
            self._selector.unregister(sock)
            # The client would unregister it once more when it is collected.
            client.on_socket_close = client.on_socket_unregister_write = None
            sock.close()
        self._fall(reason)

    def _fall(self, reason: str) -> None:
        """Forget the connection; what it had under way waits first in line."""
        self.refused = reason
        self._client = None
        if self.state is State.LEFT:
            return
        self.state = State.DOWN
        for message in reversed(self._inflight.values()):
            self._outbox.extendleft(reversed(message.readings))
        self._inflight.clear()
        # Chance spreads devices that lost the same broker.
        self._due = time.monotonic() + self._pause_s * random.uniform(0.5, 1.0)  # noqa: S311
        self._pause_s = min(2 * self._pause_s, RECONNECT_S_MAX)

    def _on_connect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.ConnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if code.is_failure:
            self.refused = f"the broker refused {self.identity.uuid}: {code}"
            return
        self.state = State.UP
        self.refused = ""
        self._pause_s = _RECONNECT_S_MIN
        if self._nodes is None:
            return
        client.subscribe(f"@set/{self.identity.uuid}/#", qos=1)
        formats = ("CBOR", "JSON") if self.identity.cbor else ("JSON", "CBOR")
        self._publish(online(self.identity.uuid, self._nodes, formats))

    def _on_publish(
        self,
        client: mqtt.Client,
        userdata: object,
        mid: int,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if (message := self._inflight.pop(mid, None)) is not None and message.readings:
            self._acknowledged(message)

    def _on_disconnect(
        self,
        client: mqtt.Client,
        userdata: object,
        flags: mqtt.DisconnectFlags,
        code: ReasonCode,
        properties: Properties | None,
    ) -> None:
        if client is self._client:
            self._fall(self.refused or f"the connection ended: {code}")

    def _socket_open(self, client: mqtt.Client, userdata: object, sock: Any) -> None:
        self._selector.register(sock, selectors.EVENT_READ, self)

    def _socket_close(self, client: mqtt.Client, userdata: object, sock: Any) -> None:
        self._selector.unregister(sock)

    def _wants_write(self, client: mqtt.Client, userdata: object, sock: Any) -> None:
        self._selector.modify(sock, selectors.EVENT_READ | selectors.EVENT_WRITE, self)

    def _wants_no_write(self, client: mqtt.Client, userdata: object, sock: Any) -> None:
        self._selector.modify(sock, selectors.EVENT_READ, self)
