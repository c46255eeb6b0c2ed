"""The MQTT adapter on mosquitto, a broker that shares no code with nats-server nor with paho."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path
from typing import Any

import pytest

from adapters.mqtt.adapter import MqttConfig
from adapters.mqtt.discovery import Discovery
from adapters.mqtt.payload import Payload
from adapters.mqtt.session import MqttChannel
from ciaas.kernel.sample import Reason
from ciaas.limits import MESSAGES_HELD_MAX, SIGHTING_POINTS_MAX, SIGHTINGS_PER_LINK_MAX
from ciaas.limits import TOPICS_PER_SUBSCRIBE_MAX as TOPICS_MAX
from ciaas.sensorisation.contract import Means
from ciaas.sensorisation.polling.health import State
from tests.adapters.field_bench import eventually, field_bench
from tests.adapters.mqtt_brokers import PASSWORD, USER, Broker, mosquitto, nats_broker, publisher
from tests.borough.demo.quarter_broker import Authority


def document(broker: Broker, topic: str, devices: int = 1, **config: Any) -> dict[str, Any]:
    point = {"id": "bin/fill/level", "address": {"path": "fill"}, "raw": {"type": "number"}}
    return {
        "name": "bins",
        "adapter": "mqtt",
        "config": {"host": "127.0.0.1", "port": broker.port, "client_id": "b", "timeout_s": 3.0}
        | config,
        "profiles": [{"id": "bin", "revision": 1, "adapter": "mqtt", "points": [point]}],
        "devices": [
            {
                "id": f"bin-{number}",
                "friendly_name": "Bin",
                "profile": "bin",
                "config": {"topic": topic if devices == 1 else f"{topic} {number}"},
            }
            for number in range(devices)
        ],
    }


@pytest.mark.peer
@pytest.mark.parametrize("version", ["3.1.1", "5"])
def test_a_topic_with_blanks_is_heard_and_waits_while_field_is_away(
    tmp_path: Path, version: str
) -> None:
    async def run(broker: Broker) -> None:
        written = document(broker, "zigbee2mqtt/Bin at the harbour", version=version)
        with publisher(broker) as device:
            async with field_bench(tmp_path) as field:
                await field.apply(written)
                await field.in_state(State.ONLINE)
                device.publish("zigbee2mqtt/Bin at the harbour", '{"fill": 1}')
                await eventually(lambda: field.outlet.values(1) == [1.0])
            for fill in range(2, 60):
                device.publish("zigbee2mqtt/Bin at the harbour", f'{{"fill": {fill}}}')
            async with field_bench(tmp_path) as field:
                await field.apply(written)
                await eventually(lambda: len(field.outlet.values(1)) == 58)
                assert field.outlet.values(1) == list(range(2, 60))

    with mosquitto(tmp_path) as broker:
        asyncio.run(run(broker))


@pytest.mark.peer
# paho forgets its socket when a handshake fails; the collector closes it, and says so
@pytest.mark.filterwarnings("ignore:unclosed <ssl.SSLSocket:ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_tls_is_verified(tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    async def run(broker: Broker) -> None:
        with_ours = document(broker, "t", tls=True, authority=str(authority.pem))
        async with field_bench(tmp_path) as field:
            await field.apply(with_ours)
            await field.in_state(State.ONLINE)
        async with field_bench(tmp_path) as field:
            await field.apply(document(broker, "t", tls=True))
            await field.in_state(State.BACKOFF)
            assert "certificate" in field.health().last_error.lower()
        gc.collect()  # here, where its warning is expected

    with mosquitto(tmp_path, tls=authority.issue("broker")) as broker:
        asyncio.run(run(broker))


@pytest.mark.peer
def test_more_topics_than_one_packet_takes_are_all_heard(tmp_path: Path) -> None:
    async def run(broker: Broker) -> None:
        count = TOPICS_MAX + 5
        async with field_bench(tmp_path) as field:
            await field.apply(document(broker, "bin", count))
            await field.in_state(State.ONLINE, count - 1)
            with publisher(broker) as device:
                for number in range(count):
                    device.publish(f"bin {number}", '{"fill": 1}')
            await eventually(lambda: len(set(field.outlet.rows().point.tolist())) == count)

    with mosquitto(tmp_path) as broker:
        asyncio.run(run(broker))


class Secret:
    def secret(self, name: str, host: str) -> str:
        return PASSWORD


def test_a_topic_that_the_broker_refuses_is_quarantined_alone(tmp_path: Path) -> None:
    async def run(broker: Broker) -> None:
        written = document(broker, "a bin", username=USER, password="x")
        second = dict(written["devices"][0], id="bin-2", config={"topic": "bin"})
        written["devices"] = [written["devices"][0], second]

        async with field_bench(tmp_path, means=Means(Secret())) as field:
            await field.apply(written)
            await field.in_state(State.QUARANTINED)
            await field.in_state(State.ONLINE, 1)
            assert len(field.health().quarantined) == 1
            assert "refuses" in field.health().last_error
            await eventually(lambda: Reason.READ_ERROR in field.outlet.rows().reason.tolist())

    with nats_broker(tmp_path) as broker:
        asyncio.run(run(broker))


def test_what_came_before_the_devices_are_subscribed_is_held_up_to_a_bound() -> None:
    class Held:
        topic, payload, qos, mid, retain = "t", b"1", 1, 1, False

    async def run() -> None:
        config = MqttConfig(host="127.0.0.1", client_id="x")
        channel = MqttChannel(config, None, kept=True)
        for _ in range(MESSAGES_HELD_MAX + 10):
            channel._hear(Held())  # type: ignore[arg-type]  # what paho gives has a topic with no setter
        assert channel._held is not None and len(channel._held) == MESSAGES_HELD_MAX
        await channel.close()

    asyncio.run(run())


def test_the_oldest_sightings_are_forgotten_and_points_are_bounded() -> None:
    discovery = Discovery(["#"])
    keys = ",".join(f'"k{number}": 1' for number in range(SIGHTING_POINTS_MAX + 5))
    for number in range(SIGHTINGS_PER_LINK_MAX + 1):
        discovery.take(f"sensor/{number}", Payload(f"{{{keys}}}".encode()))
    seen = discovery.sightings()
    assert len(seen) == SIGHTINGS_PER_LINK_MAX and seen[0].external_id == "sensor/1"
    assert len(seen[0].points) == SIGHTING_POINTS_MAX
