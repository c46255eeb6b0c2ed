"""MQTT 3.1.1 and 5: what devices publish on a broker of their own, and what sets them.

Source: OASIS MQTT 3.1.1 and 5.0; Zigbee2MQTT, MQTT topics and messages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import ClassVar, Literal, NamedTuple
from zoneinfo import ZoneInfo

import msgspec
from pydantic import Field, field_validator, model_validator

from ciaas.sensorisation.contract import (
    WRITTEN,
    Batch,
    Channel,
    Checked,
    ProbeReport,
    Subscribe,
    Target,
)
from ciaas.sensorisation.errors import DriverMissing
from ciaas.sensorisation.secrets import SecretName
from ciaas.sensorisation.selection.json_path import JsonPath
from ciaas.sensorisation.selection.moment import zone

TOPIC_BYTES_MAX = 65_535
CLIENT_ID_CHARS_MAX = 128
TEMPLATE_CHARS_MAX = 1_000


def check_topic(topic: str) -> str:
    """Return a topic that a broker takes, blanks included.

    Raises:
        ValueError: it has a wildcard, is empty or too long.
    """
    if not topic or len(topic.encode()) > TOPIC_BYTES_MAX:
        raise ValueError("a topic has from 1 to 65535 bytes")
    if any(sign in topic for sign in "+#\0"):
        raise ValueError(f"{topic!r} holds + # or NUL: a device's topic is written out")
    return topic


class MqttConfig(Checked):
    """How to reach a broker, and which topic of it a device has."""

    host: str = Field(min_length=1, max_length=255)
    port: int = Field(default=1_883, ge=1, le=65_535)
    client_id: str = Field(min_length=1, max_length=CLIENT_ID_CHARS_MAX)
    """Names our session on the broker: while we are away it keeps what is published for us. No
    other client of the broker may have it."""
    version: Literal["3.1.1", "5"] = "3.1.1"
    tls: bool = False
    """The broker's certificate must be of an authority that this machine trusts, and name it."""
    authority: str | None = None
    """PEM file of the authority to trust instead, on the machine that reads."""
    username: str | None = None
    password: SecretName | None = None
    """Name of a secret kept for this host."""
    timeout_s: float = Field(default=10.0, ge=0.05, le=25.0)
    time_zone: str = "UTC"
    """Of times in payloads that name none."""
    topic: str = ""
    """Of the device; the topics of its points lie below it. Empty: they are whole."""
    availability: str | None = None
    """Topic below ``topic`` that says ``online`` or ``offline``, as text or as JSON's ``state``."""
    discover: tuple[str, ...] = Field(default=(), max_length=16)
    """Where to look for devices that nobody enrolled: topics ``…/bridge/devices`` of Zigbee2MQTT,
    or filters such as ``sensors/#``."""

    @field_validator("topic", "availability")
    @classmethod
    def _written_out(cls, topic: str | None) -> str | None:
        return check_topic(topic) if topic else topic

    @field_validator("time_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        zone(name)
        return name

    @field_validator("authority")
    @classmethod
    def _whole(cls, path: str | None) -> str | None:
        if path is not None and not PurePosixPath(path).is_absolute():
            raise ValueError("'authority' is the whole path of a PEM file")
        return path

    @model_validator(mode="after")
    def _agree(self) -> MqttConfig:
        if self.authority is not None and not self.tls:
            raise ValueError("'authority' goes with tls: true")
        if self.password is not None and self.username is None:
            raise ValueError("'password' goes with 'username'")
        return self

    @property
    def zone(self) -> ZoneInfo:
        """Of times in payloads that name none."""
        return zone(self.time_zone)

    def whole(self, topic: str) -> str:
        """Return the topic on the broker of one that is written below the device's."""
        return "/".join(part for part in (self.topic, topic) if part)


class MqttSet(Checked):
    """How a point is set.

    Without a template the payload is the value, or a JSON document with nothing but the value at
    the point's path, ``{"brightness": 40}``, as Zigbee2MQTT takes it.
    """

    topic: str
    """Below the device's, such as ``set``."""
    template: str | None = Field(default=None, max_length=TEMPLATE_CHARS_MAX)
    """Payload with ``{value}`` in it. Into JSON the value goes as JSON, a text with its quotes."""
    get: str | None = None
    """Topic below the device's by which it is asked to say what it has now."""

    @field_validator("topic", "get")
    @classmethod
    def _written_out(cls, topic: str | None) -> str | None:
        return topic if topic is None else check_topic(topic)

    @field_validator("template")
    @classmethod
    def _has_a_place(cls, template: str | None) -> str | None:
        if template is not None and template.count("{value}") != 1:
            raise ValueError("'template' has {value} once: there the value goes")
        if template is not None and '"{value}"' in template:
            raise ValueError("write {value} without quotes: a text brings its own")
        return template

    @property
    def json_template(self) -> bool:
        """True when the template is a JSON document around the value."""
        document = (self.template or "").replace("{value}", '""').strip()
        try:
            msgspec.json.decode(document)
        except msgspec.DecodeError:
            return False
        return document[0] in "{["


class MqttAddress(Checked):
    """Where a point lies: in the payload of a topic, the whole of it or at a path of its JSON."""

    topic: str = ""
    """Below the device's; empty for that itself."""
    path: str | None = None
    """Such as ``battery`` or ``update.state``; None takes the payload as text."""
    time: str | None = None
    """Path of the time at which it was measured; None takes the time of arrival."""
    set: MqttSet | None = None
    """For a point that is also set; None when it is only read."""

    @field_validator("topic")
    @classmethod
    def _written_out(cls, topic: str) -> str:
        return check_topic(topic) if topic else topic

    @field_validator("path", "time")
    @classmethod
    def _parsed(cls, path: str | None) -> str | None:
        if path is not None:
            JsonPath.parse(path)
        return path

    @model_validator(mode="after")
    def _agree(self) -> MqttAddress:
        if self.time is not None and self.path is None:
            raise ValueError("'time' is a path in JSON: give the value's 'path' as well")
        if self.set is not None and self.set.template is None and self.path is not None:
            keys_of(self.path)
        return self


def keys_of(path: str) -> tuple[str, ...]:
    """Return the keys of a path at which a document can be made.

    Raises:
        ValueError: it picks from a list.
    """
    keys = tuple(step for step in JsonPath.parse(path).steps if isinstance(step, str))
    if len(keys) != len(JsonPath.parse(path).steps) or not keys:
        raise ValueError(f"{path!r} picks from a list: say by a 'template' what is published")
    return keys


class Subscription(NamedTuple):
    """One topic of one device."""

    topic: str
    config: MqttConfig


class Mqtt(Subscribe[MqttConfig, MqttAddress]):
    """Subscribes to one topic for all points that a message of it carries."""

    Config: ClassVar[type[Checked]] = MqttConfig
    Address: ClassVar[type[Checked]] = MqttAddress
    DEVICE_KEYS: ClassVar[frozenset[str]] = frozenset({"topic", "availability", "time_zone"})

    def plan(self, config: MqttConfig, targets: Sequence[Target]) -> Sequence[Batch]:
        """Group targets by topic."""
        topics: dict[str, list[Target]] = defaultdict(list)
        for target in targets:
            if target.size != WRITTEN:
                raise ValueError("a payload holds values: use raw type number, text or boolean")
            topic = config.whole(target.address.topic)
            if not topic:
                raise ValueError("give the device a 'topic' in its config, or the point one")
            topics[topic].append(target)
        return [
            Batch(
                tuple(sorted(group, key=lambda target: target.address.model_dump_json())),
                Subscription(topic, config),
            )
            for topic, group in sorted(topics.items())
        ]

    async def open(self, config: MqttConfig) -> Channel:
        """Connect; paho is imported here, so that enrolling needs no driver."""
        try:
            from adapters.mqtt.session import connect
        except ImportError as error:
            raise DriverMissing(
                f"MQTT needs paho-mqtt ({error}): install borough[mqtt] and restart"
            ) from error
        return await connect(config, self.means.secrets)

    def check_write(self, config: MqttConfig, target: Target) -> None:
        """Raises ValueError when the address does not say where it is set."""
        if target.address.set is None:
            raise ValueError("say in 'address' how it is set, such as set: {topic: set}")

    async def probe(self, config: MqttConfig) -> ProbeReport:
        """Try the name, the port, the session and one round trip."""
        from adapters.mqtt.probe import probe

        return await probe(self, config)

    def external_id(self, config: MqttConfig) -> str | None:
        """Return the device's topic."""
        return config.topic or None
