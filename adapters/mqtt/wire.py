"""paho on our event loop: the only place that knows how its sockets and callbacks are driven."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Sequence
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from adapters.mqtt.adapter import MqttConfig
from ciaas.sensorisation.errors import (
    AdapterError,
    AuthFailed,
    Rejected,
    Unreachable,
    Unsent,
)

_KEEPALIVE_S = 30
_MISC_S = 1.0
_SESSION_S = 7 * 86_400
"""How long a broker of MQTT 5 keeps our session while we are away."""
_RECEIVE_MAX = 1_000
"""Messages that such a broker sends ahead of our acknowledgements."""
_REFUSED = frozenset({4, 5, 134, 135})
"""Reasons by which a broker says that name or password are wrong."""
_READS_MAX = 200
"""Packets read in one go before others on the loop have their turn."""

Message = paho.MQTTMessage


class Wire:
    """One connection. Everything but `_connect` happens on the loop's thread.

    Args:
        config: where the broker is.
        password: None for none.
        hear: takes each message; nothing is acknowledged by itself.
        kept: have the broker keep the session while we are away.
    """

    def __init__(
        self,
        config: MqttConfig,
        password: str | None,
        hear: Callable[[Message], None],
        *,
        kept: bool,
    ) -> None:
        self._kept = kept
        self._config, self._hear = config, hear
        self._loop = asyncio.get_running_loop()
        self._answers: dict[int, asyncio.Future[list[ReasonCode]]] = {}
        self._accepted: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        self._socket: Any = None
        self._misc: asyncio.Task[None] | None = None
        self._ended = False
        self.lost = ""
        """Why the connection is of no use any more; empty while it is."""
        five = config.version == "5"
        client = self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            client_id=config.client_id,
            clean_session=None if five else not kept,
            protocol=MQTTProtocolVersion.MQTTv5 if five else MQTTProtocolVersion.MQTTv311,
            reconnect_on_failure=False,
            manual_ack=True,
        )
        client.connect_timeout = config.timeout_s
        client.username_pw_set(config.username, password) if config.username else None
        if config.tls:
            client.tls_set_context(_trust(config.authority))
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.on_unsubscribe = self._on_unsubscribe
        client.on_publish = self._on_publish
        client.on_socket_open = self._on_socket_open
        client.on_socket_close = self._on_socket_close
        client.on_socket_register_write = self._on_register_write
        client.on_socket_unregister_write = self._on_unregister_write

    async def connect(self) -> None:
        """Connect and have the session accepted.

        Raises:
            Unreachable, AuthFailed: it was not.
        """
        config = self._config
        connecting = asyncio.ensure_future(asyncio.to_thread(self._connect))
        # a thread cannot be cancelled: when nobody waits any more, it closes what it opened
        connecting.add_done_callback(lambda done: self._close_socket() if self._ended else None)
        try:
            async with asyncio.timeout(config.timeout_s):
                await asyncio.shield(connecting)
                self._misc = asyncio.create_task(self._keep(), name="mqtt keepalive")
                await self._accepted
        except TimeoutError:
            raise Unreachable(f"{config.host}:{config.port} accepts no session") from None
        except ssl.SSLError as error:
            raise Unreachable(f"{config.host}:{config.port}: {error}") from error
        except (OSError, ValueError) as error:
            raise Unreachable(f"cannot connect to {config.host}:{config.port}: {error}") from error

    async def subscribe(self, topics: Sequence[str]) -> list[bool]:
        """Subscribe at QoS 1; for each topic whether the broker took it.

        Raises:
            Unreachable: nothing was answered.
        """
        if self._config.version == "5":
            options = SubscribeOptions(qos=1)
            result, mid = self._client.subscribe([(topic, options) for topic in topics])
        else:
            result, mid = self._client.subscribe([(topic, 1) for topic in topics])
        return [not code.is_failure for code in await self._answer(result, mid)]

    async def unsubscribe(self, topics: Sequence[str]) -> None:
        """Unsubscribe; of a topic that was never subscribed, a round trip and nothing else.

        Raises:
            Unreachable: nothing was answered.
        """
        result, mid = self._client.unsubscribe(list(topics))
        await self._answer(result, mid)

    async def publish(self, topic: str, payload: bytes) -> None:
        """Publish at QoS 1, once; returns when the broker has it.

        Nothing is sent again by itself: another connection is another client.

        Raises:
            Unsent: nothing has left.
            Rejected: the broker refuses it.
            Unreachable: it may have it or not.
        """
        if self.lost:
            raise Unsent(self.lost)
        try:
            told = self._client.publish(topic, payload, qos=1)
        except ValueError as error:
            raise Rejected(f"{topic!r} cannot be published: {error}", code="topic") from None
        if told.rc is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise Unsent(f"the connection is gone: {told.rc.name}")
        for code in await self._answer(told.rc, told.mid):
            if code.is_failure:
                raise Rejected(f"the broker refuses {topic!r}: {code}", code=str(code.value))

    def acknowledge(self, message: Message) -> None:
        """Let the broker forget a message; too late, it sends it again."""
        if not self._ended and not self.lost and message.qos:
            self._client.ack(message.mid, message.qos)

    async def close(self) -> None:
        """Disconnect; may be called twice."""
        if self._ended:
            return
        self._ended = True
        if self._misc is not None:
            self._misc.cancel()
        if self._socket is not None and not self.lost:
            self._client.disconnect()
        self._close_socket()
        # paho calls these once more when its client is collected, perhaps after our loop has ended
        self._client.on_socket_close = None
        self._client.on_socket_register_write = None
        self._client.on_socket_unregister_write = None
        self._fail("closed")

    # -- on the thread that connects

    def _connect(self) -> None:
        config = self._config
        if config.version == "5":
            properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call] # paho's
            properties.SessionExpiryInterval = _SESSION_S if self._kept else 0
            properties.ReceiveMaximum = _RECEIVE_MAX
            self._client.connect(
                config.host,
                config.port,
                _KEEPALIVE_S,
                clean_start=not self._kept,
                properties=properties,
            )
        else:
            self._client.connect(config.host, config.port, _KEEPALIVE_S)

    # -- sockets

    def _on_socket_open(self, client: paho.Client, data: Any, opened: Any) -> None:
        self._socket = opened
        self._loop.call_soon_threadsafe(self._watch, opened)

    def _watch(self, opened: Any) -> None:
        if opened.fileno() >= 0 and not self._ended:
            self._loop.add_reader(opened.fileno(), self._read)

    def _on_socket_close(self, client: paho.Client, data: Any, closing: Any) -> None:
        number = closing.fileno()
        if number >= 0:
            self._loop.remove_reader(number)
            self._loop.remove_writer(number)

    def _on_register_write(self, client: paho.Client, data: Any, opened: Any) -> None:
        self._loop.call_soon_threadsafe(self._watch_write, opened)

    def _watch_write(self, opened: Any) -> None:
        if opened.fileno() >= 0 and not self._ended:
            self._loop.add_writer(opened.fileno(), self._write)

    def _on_unregister_write(self, client: paho.Client, data: Any, opened: Any) -> None:
        self._loop.call_soon_threadsafe(self._forget_write, opened)

    def _forget_write(self, opened: Any) -> None:
        if opened.fileno() >= 0:
            self._loop.remove_writer(opened.fileno())

    def _read(self) -> None:
        for _ in range(_READS_MAX):
            if self._client.loop_read() is not MQTTErrorCode.MQTT_ERR_SUCCESS or self._ended:
                return
            # what TLS has decrypted already makes no socket readable
            if not getattr(self._socket, "pending", int)():
                return
        self._loop.call_soon(self._read)

    def _write(self) -> None:
        self._client.loop_write()

    async def _keep(self) -> None:
        # paho's own keepalive has no event: it looks at the clock each time it is called
        while self._client.loop_misc() is MQTTErrorCode.MQTT_ERR_SUCCESS:  # noqa: ASYNC110
            await asyncio.sleep(_MISC_S)

    def _close_socket(self) -> None:
        opened, self._socket = self._socket, None
        if opened is not None and opened.fileno() >= 0:
            self._on_socket_close(self._client, None, opened)
            opened.close()

    # -- what paho tells

    def _on_connect(
        self, client: paho.Client, data: Any, flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        if self._accepted.done():
            return
        where = f"{self._config.host}:{self._config.port}"
        if not reason.is_failure:
            self._accepted.set_result([])
        elif reason.value in _REFUSED:
            self._accepted.set_exception(AuthFailed(f"{where} refuses us: {reason}"))
        else:
            self._accepted.set_exception(Unreachable(f"{where} refuses us: {reason}"))

    def _on_disconnect(
        self, client: paho.Client, data: Any, flags: Any, reason: ReasonCode, properties: Any
    ) -> None:
        self._fail(f"the broker ended the connection: {reason}")

    def _on_message(self, client: paho.Client, data: Any, message: Message) -> None:
        try:
            self._hear(message)
        # paho would take the exception for one of its own: the channel is told instead
        except Exception as bug:
            logging.getLogger(__name__).exception("bug at a message")
            self._fail(f"bug: {bug!r}")

    def _on_subscribe(
        self, client: paho.Client, data: Any, mid: int, codes: list[ReasonCode], properties: Any
    ) -> None:
        self._answered(mid, codes)

    def _on_unsubscribe(
        self, client: paho.Client, data: Any, mid: int, codes: list[ReasonCode], properties: Any
    ) -> None:
        self._answered(mid, codes)

    def _on_publish(
        self, client: paho.Client, data: Any, mid: int, code: ReasonCode, properties: Any
    ) -> None:
        self._answered(mid, [code])

    def _answered(self, mid: int, codes: list[ReasonCode]) -> None:
        waiting = self._answers.pop(mid, None)
        if waiting is not None and not waiting.done():
            waiting.set_result(codes)

    async def _answer(self, result: MQTTErrorCode, mid: int | None) -> list[ReasonCode]:
        if self.lost or mid is None or result is not MQTTErrorCode.MQTT_ERR_SUCCESS:
            raise Unreachable(self.lost or f"the connection is gone: {result.name}")
        waiting: asyncio.Future[list[ReasonCode]] = self._loop.create_future()
        self._answers[mid] = waiting
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await waiting
        except TimeoutError:
            raise Unreachable(f"no answer within {self._config.timeout_s:g} s") from None
        finally:
            self._answers.pop(mid, None)

    def _fail(self, reason: str) -> None:
        self.lost = self.lost or reason
        error: AdapterError = Unreachable(self.lost)
        for waiting in (*self._answers.values(), self._accepted):
            if not waiting.done():
                waiting.set_exception(error)
        if self._accepted.done() and not self._accepted.cancelled():
            self._accepted.exception()  # nobody may be waiting for it any more


def _trust(authority: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=authority)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
