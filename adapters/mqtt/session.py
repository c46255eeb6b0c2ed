"""A channel on a broker: messages in, readings out, acknowledged when they are stored."""

from __future__ import annotations

import logging
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from adapters.mqtt.adapter import MqttConfig, Subscription
from adapters.mqtt.discovery import Discovery
from adapters.mqtt.payload import Payload
from adapters.mqtt.setting import question, setting
from adapters.mqtt.wire import Message, Wire
from ciaas.limits import MESSAGES_HELD_MAX, TOPICS_PER_SUBSCRIBE_MAX
from ciaas.sensorisation.contract import (
    Batch,
    RawReading,
    Sighting,
    Sink,
    Target,
    WriteContext,
    WriteResult,
    WrittenValue,
)
from ciaas.sensorisation.errors import AuthFailed, BadAddress, Unreachable
from ciaas.sensorisation.secrets import SecretMissing, Secrets

_log = logging.getLogger(__name__)
_PULSE = "borough/pulse"
"""A topic that nobody subscribed: unsubscribing it is answered, and changes nothing."""


async def connect(config: MqttConfig, secrets: Secrets, *, kept: bool = True) -> MqttChannel:
    """Return a channel whose session the broker accepted, and keeps while we are away.

    Raises:
        Unreachable, AuthFailed: it did not.
    """
    try:
        password = None if config.password is None else secrets.secret(config.password, config.host)
    except SecretMissing as error:
        raise AuthFailed(str(error)) from error
    channel = MqttChannel(config, password, kept=kept)
    try:
        await channel.wire.connect()
    except BaseException:  # a cancelled connect too must not leave its socket
        await channel.close()
        raise
    return channel


@dataclass(frozen=True, slots=True)
class _Route:
    """Who wants to hear of a topic."""

    targets: tuple[Target, ...]
    config: MqttConfig
    sink: Sink


class MqttChannel:
    """Topics of all devices on one broker.

    A message is acknowledged when every device that it speaks of has stored it, so that the broker
    keeps for us what field could not.
    """

    def __init__(self, config: MqttConfig, password: str | None, *, kept: bool) -> None:
        self.wire = Wire(config, password, self._hear, kept=kept)
        self._discovery = Discovery(config.discover)
        self._routes: dict[str, list[_Route]] = defaultdict(list)
        self._availability: dict[str, list[Sink]] = defaultdict(list)
        self._held: deque[Message] | None = deque()
        """What came before the devices were subscribed; None once values flow."""
        self._strays: list[str] = []
        """Topics of an earlier configuration that the broker still has for our session."""

    async def subscribe(self, batches: Sequence[Batch], sink: Sink) -> None:
        """Have the values of one device brought to its sink from the next `resync` on."""
        for batch in batches:
            subscription: Subscription = batch.request
            route = _Route(batch.targets, subscription.config, sink)
            self._routes[subscription.topic].append(route)
            if (below := subscription.config.availability) is not None:
                sinks = self._availability[subscription.config.whole(below)]
                if sink not in sinks:
                    sinks.append(sink)

    async def unsubscribe(self, sink: Sink) -> None:
        """Forget a device, and the topics that no other has."""
        for topic in list(self._routes):
            self._routes[topic] = [one for one in self._routes[topic] if one.sink is not sink]
        for topic in list(self._availability):
            self._availability[topic] = [
                one for one in self._availability[topic] if one is not sink
            ]
        gone = [topic for topic in (*self._routes, *self._availability) if not self._wants(topic)]
        for topic in gone:
            self._routes.pop(topic, None)
            self._availability.pop(topic, None)
        for few in _in_groups([topic for topic in gone if not self._discovery.covers(topic)]):
            await self.wire.unsubscribe(few)

    async def resync(self) -> None:
        """Let what was held flow, then subscribe: the broker sends what it retains of each topic.

        Raises:
            Unreachable: the connection is gone.
        """
        held, self._held = self._held or (), None
        for message in held:
            self._route(message)
        topics = [
            topic
            for topic in sorted({*self._routes, *self._availability})
            if not self._discovery.covers(topic)
        ]
        for few in _in_groups([*self._discovery.filters, *topics]):
            for topic, taken in zip(few, await self.wire.subscribe(few), strict=True):
                if not taken:
                    self._refused(topic)

    async def write(self, batch: Batch, value: WrittenValue, context: WriteContext) -> WriteResult:
        """Publish what sets the point; the broker's yes is none of the device."""
        subscription: Subscription = batch.request
        [target] = batch.targets
        told = setting(subscription.config, target.address, value)
        await self.wire.publish(told.topic, told.payload)
        return WriteResult(False, f"the broker has it, {told.topic!r}")

    async def ask(self, batch: Batch) -> None:
        """Have the device say what it has, where the address tells how."""
        subscription: Subscription = batch.request
        for target in batch.targets:
            if (told := question(subscription.config, target.address)) is not None:
                await self.wire.publish(told.topic, told.payload)

    async def heartbeat(self) -> None:
        """Make a round trip to the broker.

        Raises:
            Unreachable: nothing came back.
        """
        if self.wire.lost:
            raise Unreachable(self.wire.lost)
        strays, self._strays = self._strays, []
        await self.wire.unsubscribe(strays or [_PULSE])

    async def close(self) -> None:
        """Disconnect; the broker keeps the session."""
        await self.wire.close()

    def sightings(self) -> Sequence[Sighting]:
        """Return the devices seen on the topics to look at."""
        return self._discovery.sightings()

    def _hear(self, message: Message) -> None:
        if self._held is None:
            self._route(message)
        elif len(self._held) < MESSAGES_HELD_MAX:
            self._held.append(message)
        # else: not acknowledged, the broker sends it again on the next connection

    def _route(self, message: Message) -> None:
        topic, payload = message.topic, Payload(bytes(message.payload))
        self._discovery.take(topic, payload)
        for sink in self._availability.get(topic, ()):
            online = payload.online()
            if online is False:
                sink.absent(f"{topic} says offline")
            elif online:
                sink.present()
        routes = self._routes.get(topic, ())
        stored = self._when_stored(message, len(routes))
        for route in routes:
            readings = payload.readings(route.targets, route.config, retained=message.retain)
            route.sink.readings(readings, stored)
        if not routes and not self._wants(topic) and not self._discovery.covers(topic):
            self._strays.append(topic)
            del self._strays[TOPICS_PER_SUBSCRIBE_MAX:]

    def _when_stored(self, message: Message, devices: int) -> Callable[[], None]:
        """Return what acknowledges a message once it was called for each device."""
        if not devices:
            self.wire.acknowledge(message)
        left = devices

        def stored() -> None:
            nonlocal left
            left -= 1
            if left == 0:
                self.wire.acknowledge(message)

        return stored

    def _wants(self, topic: str) -> bool:
        return bool(self._routes.get(topic) or self._availability.get(topic))

    def _refused(self, topic: str) -> None:
        error = BadAddress(f"the broker refuses to let us hear {topic!r}", code="suback")
        _log.warning("%s", error)
        for route in self._routes.get(topic, ()):
            route.sink.readings([RawReading(target, None, error) for target in route.targets])


def _in_groups(topics: Sequence[str]) -> list[Sequence[str]]:
    return [
        topics[at : at + TOPICS_PER_SUBSCRIBE_MAX]
        for at in range(0, len(topics), TOPICS_PER_SUBSCRIBE_MAX)
    ]
