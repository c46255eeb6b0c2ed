"""The MQTT adapter under the runtime, on a broker that is not ours."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from adapters.catalogue import ADAPTERS
from adapters.mqtt.adapter import Mqtt, MqttConfig
from ciaas.kernel.sample import Kind, Reason, Verdict
from ciaas.limits import READINGS_WAITING_MAX
from ciaas.sensorisation.connection import DocumentError, check_document
from ciaas.sensorisation.contract import Means, RawReading
from ciaas.sensorisation.errors import AuthFailed, Unreachable
from ciaas.sensorisation.polling.health import State
from ciaas.sensorisation.secrets import SecretMissing
from ciaas.sensorisation.subscribing.device import SubscribedDevice
from tests.adapters.field_bench import FieldBench, eventually, field_bench
from tests.adapters.mqtt_brokers import (
    PASSWORD,
    USER,
    Broker,
    Publisher,
    nats_broker,
    publisher,
)

BIN = "zigbee2mqtt/bin-1"


class OneSecret:
    def secret(self, name: str, host: str) -> str:
        if (name, host) != ("city-broker", "127.0.0.1"):
            raise SecretMissing(f"no secret {name!r} for {host}")
        return PASSWORD


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with nats_broker(tmp_path) as broker:
        yield broker


@pytest.fixture
def device(broker: Broker) -> Iterator[Publisher]:
    with publisher(broker, signed_in=True) as device:
        yield device


def document(broker: Broker, **config: Any) -> dict[str, Any]:
    points: list[dict[str, Any]] = [
        {"id": "bin/fill/level", "address": {"path": "fill_level"}, "raw": {"type": "number"}},
        {
            "id": "bin/lid/open",
            "address": {"path": "contact"},
            "raw": {"type": "boolean"},
            "type": "Boolean",
        },
    ]
    return {
        "name": "bins",
        "adapter": "mqtt",
        "config": {
            "host": "127.0.0.1",
            "port": broker.port,
            "client_id": "borough-test",
            "username": USER,
            "password": "city-broker",
            "timeout_s": 2.0,
        }
        | config,
        "profiles": [{"id": "bin", "revision": 1, "adapter": "mqtt", "points": points}],
        "devices": [
            {
                "id": "bin-1",
                "friendly_name": "Bin 1",
                "profile": "bin",
                "config": {"topic": BIN, "availability": "availability"},
            }
        ],
    }


async def heard(field: FieldBench, samples: int) -> None:
    await eventually(lambda: len(field.outlet.values(1)) >= samples)


def said(**values: Any) -> str:
    return json.dumps(values)


def test_several_points_come_of_one_message(
    broker: Broker, device: Publisher, tmp_path: Path
) -> None:
    async def run() -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(document(broker))
            await field.in_state(State.ONLINE)
            await asyncio.to_thread(device.publish, BIN, said(fill_level=41.5, contact=False))
            await eventually(lambda: len(field.outlet.rows()) == 2)
            # a message that speaks of one point says nothing about the other
            await asyncio.to_thread(device.publish, BIN, said(fill_level=42))
            await eventually(lambda: len(field.outlet.rows()) == 3)
            rows = field.outlet.rows()
            assert sorted(rows.num.tolist()) == [0.0, 41.5, 42.0]
            assert set(rows.verdict.tolist()) == {Verdict.GOOD}
            assert field.health().last_error == ""

    asyncio.run(run())


def test_what_is_no_value_is_bad_for_its_point_alone(
    broker: Broker, device: Publisher, tmp_path: Path
) -> None:
    async def run() -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(document(broker))
            await field.in_state(State.ONLINE)
            await asyncio.to_thread(device.publish, BIN, said(fill_level="full", contact=True))
            await eventually(lambda: len(field.outlet.rows()) == 2)
            rows = field.outlet.rows()
            assert rows.reason[rows.point == 1].tolist() == [Reason.READ_ERROR]
            assert rows.num[rows.point == 2].tolist() == [1.0]
            await field.in_state(State.DEGRADED)
            await asyncio.to_thread(device.publish, BIN, "{ not json")
            await eventually(lambda: field.health().errors.get("Malformed", 0) >= 2)
            await asyncio.to_thread(device.publish, BIN, said(fill_level=None, contact=True))
            await eventually(lambda: Reason.NULL_VALUE in field.outlet.rows().reason.tolist())

    asyncio.run(run())


def test_a_retained_message_is_no_new_sample_when_it_is_stored_already(
    broker: Broker, device: Publisher, tmp_path: Path
) -> None:
    async def run() -> None:
        device.publish(BIN, said(fill_level=10), retain=True)
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(document(broker))
            await eventually(lambda: field.outlet.values(1) == [10.0])
            # nobody says since when it holds
            assert field.outlet.rows().reason.tolist() == [Reason.NO_TIMESTAMP]
            await asyncio.to_thread(device.publish, BIN, said(fill_level=11), retain=True)
            await eventually(lambda: field.outlet.values(1) == [10.0, 11.0])
        for fill, stored in ((None, []), (12, [12.0])):
            if fill is not None:
                device.publish(BIN, said(fill_level=fill), retain=True)
            async with field_bench(tmp_path, means=Means(OneSecret())) as field:
                await field.apply(document(broker))
                await eventually(lambda: field.health().attempts >= 1)
                await eventually(lambda: field.runtime.health().rows_waiting == 0)
            assert field.outlet.values(1) == stored

    asyncio.run(run())


def test_what_is_published_while_field_is_away_comes_once(
    broker: Broker, device: Publisher, tmp_path: Path
) -> None:
    async def run() -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(document(broker))
            await field.in_state(State.ONLINE)
            await asyncio.to_thread(device.publish, BIN, said(fill_level=1))
            await eventually(lambda: field.outlet.values(1) == [1.0])
        for fill in range(2, 40):
            device.publish(BIN, said(fill_level=fill))
        for expected in (list(range(2, 40)), []):
            async with field_bench(tmp_path, means=Means(OneSecret())) as field:
                await field.apply(document(broker))
                await field.in_state(State.ONLINE)
                await heard(field, len(expected))
            assert field.outlet.values(1) == expected

    asyncio.run(run())


def test_a_broker_that_restarts_is_subscribed_again_and_nothing_is_lost(
    broker: Broker, device: Publisher, tmp_path: Path
) -> None:
    async def run() -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(document(broker))
            await field.in_state(State.ONLINE)
            await asyncio.to_thread(broker.stop)
            await field.in_state(State.BACKOFF)
            await asyncio.to_thread(broker.start)
            await field.in_state(State.ONLINE)
            with publisher(broker, signed_in=True) as other:
                await asyncio.to_thread(other.publish, BIN, said(fill_level=5))
            await eventually(lambda: field.outlet.values(1) == [5.0])
            # a lost connection says nothing about the bin: no reading was made up for it
            assert len(field.outlet.rows()) == 1

    asyncio.run(run())


def test_availability_tells_that_the_device_is_away(
    broker: Broker, device: Publisher, tmp_path: Path
) -> None:
    async def run() -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(document(broker))
            await field.in_state(State.ONLINE)
            topic = f"{BIN}/availability"
            await asyncio.to_thread(device.publish, BIN, said(fill_level=5, contact=True))
            await asyncio.to_thread(device.publish, topic, '{"state":"offline"}', retain=True)
            await field.in_state(State.OFFLINE)
            await eventually(lambda: len(field.outlet.rows()) == 4)
            rows = field.outlet.rows()
            assert (rows.kind == Kind.NULL).sum() == 2
            assert (rows.reason[rows.kind == Kind.NULL] == Reason.READ_ERROR).all()
            await asyncio.to_thread(device.publish, topic, "online", retain=True)
            await asyncio.to_thread(device.publish, BIN, said(fill_level=5, contact=True))
            await field.in_state(State.ONLINE)
            await eventually(lambda: len(field.outlet.rows()) == 6)

    asyncio.run(run())


def test_a_time_in_the_payload_is_the_time_of_the_sample(
    broker: Broker, device: Publisher, tmp_path: Path
) -> None:
    async def run() -> None:
        written = document(broker, time_zone="Europe/Berlin")
        written["profiles"][0]["points"] = [
            {
                "id": "bin/fill/level",
                "address": {"path": "fill", "time": "at"},
                "raw": {"type": "number"},
            }
        ]
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(written)
            await field.in_state(State.ONLINE)
            for at in ("2026-07-01T12:00:00", "2026-07-01T10:00:00Z", 1_782_900_000_000):
                await asyncio.to_thread(device.publish, BIN, said(fill=3, at=at))
            await eventually(lambda: field.health().attempts >= 3)
            await eventually(lambda: len(field.outlet.rows()) >= 1)
            # the same time and value three times over is one sample
            assert field.outlet.rows().observed.tolist() == [1_782_900_000_000]

    asyncio.run(run())


def test_devices_nobody_enrolled_are_candidates(
    broker: Broker, device: Publisher, tmp_path: Path
) -> None:
    listing = [
        {"type": "Coordinator", "friendly_name": "Coordinator"},
        {"friendly_name": "bin-1", "definition": {"exposes": []}},
        {
            "friendly_name": "bin-2",
            "definition": {
                "description": "Waste bin",
                "exposes": [
                    {"type": "numeric", "property": "fill level", "unit": "%", "access": 1},
                    {"type": "numeric", "property": "secret knob", "access": 2},
                    {"features": [{"type": "binary", "property": "lid", "access": 5}]},
                ],
            },
        },
        "nonsense",
    ]

    async def run() -> None:
        discover = ["zigbee2mqtt/bridge/devices", "sensors/#"]
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(document(broker, discover=discover))
            await field.in_state(State.ONLINE)
            listed = json.dumps(listing)
            await asyncio.to_thread(
                device.publish, "zigbee2mqtt/bridge/devices", listed, retain=True
            )
            await asyncio.to_thread(
                device.publish, "sensors/air/7", said(pm={"2.5": 3}, note="ok", on=True)
            )
            await eventually(lambda: len(field.runtime.candidates()) == 2)
            first, second = field.runtime.candidates()
            assert first.connection == "bins"
            assert first.sighting.external_id == "zigbee2mqtt/bin-2"
            assert first.sighting.config == {"topic": "zigbee2mqtt/bin-2"}
            points = {p.raw: p for p in first.sighting.points}
            assert set(points) == {"number", "boolean"} and points["number"].unit == "%"
            assert " " not in points["number"].id
            assert points["number"].address == {"path": "fill level"}
            assert second.sighting.external_id == "sensors/air/7"
            assert [p.address["path"] for p in second.sighting.points] == [
                'pm["2.5"]',
                "note",
                "on",
            ]

    asyncio.run(run())


def test_a_device_that_is_too_fast_loses_its_oldest_and_that_is_a_gap(
    broker: Broker, tmp_path: Path
) -> None:
    async def run() -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(document(broker))
            await field.in_state(State.ONLINE)
            [running] = field.runtime._every()
            assert isinstance(running.device, SubscribedDevice)
            target = running.device._planned.points[0].target
            told: list[int] = []
            for number in range(READINGS_WAITING_MAX + 50):
                running.device.readings([RawReading(target, number)], partial(told.append, number))
            await eventually(lambda: len(field.outlet.values(1)) == READINGS_WAITING_MAX)
            assert field.outlet.values(1)[0] == 50.0
            assert field.health().skipped == 50 and len(told) == READINGS_WAITING_MAX + 50
            await eventually(lambda: field.runtime.health().spool.lost == 50)

    asyncio.run(run())


def test_wrong_credentials_stop_and_a_missing_secret_says_what_to_do(
    broker: Broker, tmp_path: Path
) -> None:
    class WrongSecret:
        def secret(self, name: str, host: str) -> str:
            return "wrong"

    async def run() -> None:
        async with field_bench(tmp_path, means=Means(WrongSecret())) as field:
            await field.apply(document(broker))
            await field.in_state(State.AUTH_FAILED)
        async with field_bench(tmp_path) as field:
            await field.apply(document(broker))
            await field.in_state(State.AUTH_FAILED)
            assert "borough adapter secret city-broker" in field.health().last_error

    asyncio.run(run())


def test_a_point_that_is_told_has_no_sampling(broker: Broker) -> None:
    written = document(broker)
    written["profiles"][0]["points"][0]["sampling"] = {"interval_s": 1}
    with pytest.raises(DocumentError, match="leave it out"):
        check_document(written, ADAPTERS)
    written["profiles"][0]["points"][0]["sampling"] = None
    check_document(written, ADAPTERS)


def test_opening_where_nobody_listens_is_unreachable(unused_port: int) -> None:
    async def run() -> None:
        config = MqttConfig(host="127.0.0.1", port=unused_port, client_id="x", timeout_s=0.5)
        with pytest.raises(Unreachable):
            await Mqtt().open(config)
        report = await Mqtt().probe(config)
        assert not report.ok and str(unused_port) in report.next_step

    asyncio.run(run())


def test_probe_leaves_the_running_session_alone(broker: Broker, tmp_path: Path) -> None:
    async def run() -> None:
        async with field_bench(tmp_path, means=Means(OneSecret())) as field:
            await field.apply(document(broker))
            await field.in_state(State.ONLINE)
            config = field.plan.devices[0].config
            assert isinstance(config, MqttConfig)
            assert (await Mqtt(Means(OneSecret())).probe(config)).ok
            assert not (await Mqtt().probe(config)).ok
            assert field.health().state is State.ONLINE and not field.health().errors

    asyncio.run(run())


@pytest.mark.parametrize("broken", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\xff" * 200])
def test_whatever_answers_instead_of_a_broker_is_a_typed_error(broken: bytes) -> None:
    async def run() -> None:
        async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(100)
            writer.write(broken)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        config = MqttConfig(host="127.0.0.1", port=port, client_id="x", timeout_s=0.5)
        with pytest.raises((Unreachable, AuthFailed)):
            await Mqtt().open(config)
        server.close()
        await server.wait_closed()

    asyncio.run(run())
