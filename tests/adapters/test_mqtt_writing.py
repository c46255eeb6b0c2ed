"""Commands by MQTT under the runtime, to lamps in a process of their own, on brokers not ours."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from adapters.catalogue import ADAPTERS
from adapters.mqtt.adapter import TEMPLATE_CHARS_MAX, MqttAddress, MqttConfig
from adapters.mqtt.discovery import Discovery
from adapters.mqtt.payload import Payload
from adapters.mqtt.setting import question, setting
from ciaas.kernel.downlink.command import Rung
from ciaas.kernel.model import Value
from ciaas.limits import PAYLOAD_BYTES_MAX
from ciaas.sensorisation.connection import DocumentError, check_document
from ciaas.sensorisation.contract import Means
from ciaas.sensorisation.errors import Rejected
from ciaas.sensorisation.polling.health import State
from ciaas.sensorisation.writing.order import WriteOrder, WriteOutcome
from tests.adapters import mqtt_lamp
from tests.adapters.field_bench import FieldBench, WallClock, eventually, field_bench
from tests.adapters.mqtt_brokers import PASSWORD, USER, Broker, mosquitto, nats_broker

SETTABLE = {"direction": "rw", "constraint": "SetPoint"}


class Lamps:
    """The process, and what it was told."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        self._lines, self.told = process.stdout, list[list[str]]()
        assert json.loads(self._lines.readline()) == "ready"
        self._thread = threading.Thread(target=self._follow)
        self._thread.start()

    def _follow(self) -> None:
        for line in self._lines:
            self.told.append(json.loads(line))

    def end(self) -> None:
        self._thread.join()

    def said(self, topic: str) -> list[str]:
        return [payload for where, payload in self.told if where == topic]


@contextmanager
def lamps(broker: Broker, *sign_in: str) -> Iterator[Lamps]:
    program = [sys.executable, mqtt_lamp.__file__, str(broker.port), *sign_in]
    with subprocess.Popen(program, stdout=subprocess.PIPE, text=True) as process:
        found = None
        try:
            found = Lamps(process)
            yield found
        finally:
            process.kill()
            if found is not None:
                found.end()


class OneSecret:
    def secret(self, name: str, host: str) -> str:
        return PASSWORD


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with nats_broker(tmp_path) as broker:
        yield broker


def point(name: str, address: dict[str, Any], raw: dict[str, Any], kind: str) -> dict[str, Any]:
    return {"id": f"lamp/light/{name}", "address": address, "raw": raw, "type": kind, **SETTABLE}


ZIGBEE = [
    point(
        "on",
        {"path": "state", "set": {"topic": "set", "get": "get"}},
        {"type": "boolean", "words": ["OFF", "ON"]},
        "Boolean",
    ),
    point(
        "level",
        {"path": "brightness", "set": {"topic": "set", "get": "get"}},
        {"type": "number"},
        "Integer",
    ),
]
RELAY = [
    point(
        "on",
        {"topic": "stat", "set": {"topic": "cmnd", "template": "POWER {value}"}},
        {"type": "boolean", "words": ["off", "on"]},
        "Boolean",
    )
]


def document(
    broker: Broker, topic: str, points: list[dict[str, Any]], **config: Any
) -> dict[str, Any]:
    link = {"host": "127.0.0.1", "port": broker.port, "client_id": "borough", "timeout_s": 3.0}
    return {
        "name": "lamps",
        "adapter": "mqtt",
        "config": link | config,
        "profiles": [{"id": "lamp", "revision": 1, "adapter": "mqtt", "points": points}],
        "devices": [
            {"id": "one", "friendly_name": "Lamp", "profile": "lamp", "config": {"topic": topic}}
        ],
    }


def signed_in(broker: Broker, topic: str, points: list[dict[str, Any]]) -> dict[str, Any]:
    return document(broker, topic, points, username=USER, password="any")


async def write(
    field: FieldBench, number: int, value: Value, within_ms: int = 5_000
) -> WriteOutcome:
    address = field.plan.devices[0].points[number].address
    until = WallClock().now_ms() + within_ms
    return await field.runtime.write(WriteOrder("id", address, value, until, "ada"))


def test_a_lamp_is_set_and_says_so(broker: Broker, tmp_path: Path) -> None:
    async def run(told: Lamps) -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(signed_in(broker, "zigbee2mqtt/lamp", ZIGBEE))
            await field.in_state(State.ONLINE)
            assert await write(field, 0, True) == (Rung.VERIFIED, "it reads back")
            assert await write(field, 1, 40) == (Rung.VERIFIED, "it reads back")
            await eventually(lambda: field.outlet.values(2)[-1:] == [40.0])
            assert field.outlet.values(1)[-1] == 1.0, "what it says is stored like any reading"
        assert told.said("zigbee2mqtt/lamp/set") == ['{"state":"ON"}', '{"brightness":40}']

    with lamps(broker, USER, PASSWORD) as told:
        asyncio.run(run(told))


def test_a_lamp_that_says_nothing_by_itself_is_asked(broker: Broker, tmp_path: Path) -> None:
    async def run(told: Lamps) -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(signed_in(broker, "zigbee2mqtt/mute", ZIGBEE))
            await field.in_state(State.ONLINE)
            assert (await write(field, 1, 7)).rung is Rung.VERIFIED
            never = [{**ZIGBEE[1], "address": {"path": "brightness", "set": {"topic": "set"}}}]
            await field.apply(signed_in(broker, "zigbee2mqtt/mute", never))
            await field.in_state(State.ONLINE)
            outcome = await write(field, 0, 8, 400)
            assert outcome.rung is Rung.SENT
            assert outcome.why.endswith("'zigbee2mqtt/mute/set'; it says nothing of this point")
        assert told.said("zigbee2mqtt/mute/get") == ['{"brightness":""}']
        assert told.said("zigbee2mqtt/mute/set") == ['{"brightness":7}', '{"brightness":8}']

    with lamps(broker, USER, PASSWORD) as told:
        asyncio.run(run(told))


def test_a_lamp_with_a_mind_of_its_own_is_told_once_and_believed(
    broker: Broker, tmp_path: Path
) -> None:
    async def run(told: Lamps) -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(signed_in(broker, "zigbee2mqtt/stubborn", ZIGBEE))
            await field.in_state(State.ONLINE)
            outcome = await write(field, 1, 9, 600)
            assert outcome.rung is Rung.SENT, "a broker's yes is none of the device"
            assert outcome.why.endswith("it reads 0, 9 was written")
        assert told.said("zigbee2mqtt/stubborn/set") == ['{"brightness":9}']

    with lamps(broker, USER, PASSWORD) as told:
        asyncio.run(run(told))


def test_a_relay_takes_a_word_from_a_template(broker: Broker, tmp_path: Path) -> None:
    async def run(told: Lamps) -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(signed_in(broker, "relay/7", RELAY))
            await field.in_state(State.ONLINE)
            assert (await write(field, 0, True)).rung is Rung.VERIFIED
            assert (await write(field, 0, False)).rung is Rung.VERIFIED
        assert told.said("relay/7/cmnd") == ["POWER on", "POWER off"]

    with lamps(broker, USER, PASSWORD) as told:
        asyncio.run(run(told))


def test_without_a_broker_nothing_leaves_and_nothing_is_sent_later(
    broker: Broker, tmp_path: Path
) -> None:
    async def run() -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(signed_in(broker, "zigbee2mqtt/lamp", ZIGBEE))
            await field.in_state(State.ONLINE)
            await asyncio.to_thread(broker.stop)
            await field.in_state(State.BACKOFF)
            assert (await write(field, 1, 40)).rung is Rung.QUEUED
            await asyncio.to_thread(broker.start)
            with lamps(broker, USER, PASSWORD) as told:
                await field.in_state(State.ONLINE)
                assert (await write(field, 1, 41)).rung is Rung.VERIFIED
                assert told.said("zigbee2mqtt/lamp/set") == ['{"brightness":41}']

    asyncio.run(run())


@pytest.mark.peer
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_lamp_with_blanks_in_its_topic_is_set_by_mosquitto(tmp_path: Path, version: str) -> None:
    async def run(broker: Broker, told: Lamps) -> None:
        async with field_bench(tmp_path) as field:
            topic = f"zigbee2mqtt/{mqtt_lamp.SPACED}"
            await field.apply(document(broker, topic, ZIGBEE, version=version))
            await field.in_state(State.ONLINE)
            assert (await write(field, 0, True)).rung is Rung.VERIFIED
            assert (await write(field, 1, 99)).rung is Rung.VERIFIED
        assert told.said(f"{topic}/set") == ['{"state":"ON"}', '{"brightness":99}']

    with mosquitto(tmp_path) as broker, lamps(broker) as told:
        asyncio.run(run(broker, told))


def address(**fields: Any) -> MqttAddress:
    return MqttAddress.model_validate(fields)


@pytest.mark.parametrize(
    ("how", "value", "payload"),
    [
        (address(path="color.x", set={"topic": "set"}), 0.25, '{"color":{"x":0.25}}'),
        (address(path="on", set={"topic": "set"}), True, '{"on":true}'),
        (address(path="n", set={"topic": "set"}), 40.0, '{"n":40}'),
        (address(set={"topic": "set"}), 40.0, "40"),
        (address(set={"topic": "set"}), False, "false"),
        (address(set={"topic": "set"}), 'say "no"', 'say "no"'),
        (address(set={"topic": "set", "template": "L={value};"}), 1.5, "L=1.5;"),
        (address(set={"topic": "set", "template": '{"a":[{value}]}'}), 'x"', '{"a":["x\\""]}'),
        (address(set={"topic": "set", "template": '{"a":{value}}'}), True, '{"a":true}'),
    ],
)
def test_what_is_published(how: MqttAddress, value: Any, payload: str) -> None:
    config = MqttConfig(host="h", client_id="c", topic="hall/lamp")
    assert setting(config, how, value) == ("hall/lamp/set", payload.encode())


def test_what_asks_names_the_property_alone() -> None:
    config = MqttConfig(host="h", client_id="c", topic="hall/lamp")
    asked = question(config, address(path="color.x", set={"topic": "set", "get": "get"}))
    assert asked == ("hall/lamp/get", b'{"color":{"x":""}}')
    assert question(config, address(set={"topic": "set", "get": "get"})) == ("hall/lamp/get", b"")
    assert question(config, address(set={"topic": "set"})) is None


def test_a_payload_that_would_be_too_long_is_no_payload() -> None:
    config = MqttConfig(host="h", client_id="c", topic="t")
    with pytest.raises(Rejected, match="the payload would have"):
        setting(config, address(set={"topic": "set"}), "x" * (PAYLOAD_BYTES_MAX + 1))


@pytest.mark.parametrize(
    ("written", "remedy"),
    [
        ({"path": "a"}, "say in 'address' how it is set, such as set: {topic: set}"),
        ({"path": "a", "set": {"topic": "set/#"}}, "a device's topic is written out"),
        ({"path": "a", "set": {"topic": "set", "template": "on"}}, "has {value} once"),
        (
            {"path": "a", "set": {"topic": "set", "template": '{"a":"{value}"}'}},
            "write {value} without quotes",
        ),
        ({"path": "a[0]", "set": {"topic": "set"}}, "picks from a list"),
        (
            {"path": "a", "set": {"topic": "s", "template": "{value}" + "x" * TEMPLATE_CHARS_MAX}},
            f"at most {TEMPLATE_CHARS_MAX} characters",
        ),
    ],
)
def test_what_cannot_be_set_is_said_in_the_document(written: dict[str, Any], remedy: str) -> None:
    one = point("level", written, {"type": "number"}, "Number")
    with pytest.raises(DocumentError) as caught:
        check_document(document(Broker([], 1_883), "t", [one]), ADAPTERS)
    assert remedy in str(caught.value)


def test_what_is_said_to_a_device_is_no_device() -> None:
    discovery = Discovery(["hall/#"])
    for topic in ("hall/lamp/set", "hall/lamp/get", "hall/lamp"):
        discovery.take(topic, Payload(b'{"brightness": 1}'))
    assert [seen.external_id for seen in discovery.sightings()] == ["hall/lamp"]
