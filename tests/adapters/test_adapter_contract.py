"""What every adapter of the catalogue must do: the runtime relies on nothing else."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.catalogue import ADAPTERS, manifest
from ciaas.computing.reach import Reach
from ciaas.sensorisation.contract import (
    WRITTEN,
    AnyAdapter,
    Batch,
    Checked,
    Means,
    Poll,
    RawReading,
    Subscribe,
    Target,
)
from ciaas.sensorisation.errors import AdapterError, Rejected, Unreachable
from ciaas.sensorisation.manifest import Tier
from tests.adapters.modbus_peers import pymodbus_server, raw_server
from tests.adapters.mqtt_brokers import PASSWORD, USER, nats_broker, publisher
from tests.adapters.web_server import Page, web_server


class BrokerSecret:
    def secret(self, name: str, host: str) -> str:
        return PASSWORD


MEANS = Means(BrokerSecret(), Reach.of(["127.0.0.1/32"]))
CONFIGS: dict[str, dict[str, Any]] = {
    "modbus": {"host": "127.0.0.1", "timeout_s": 0.2},
    "mqtt": {
        "host": "127.0.0.1",
        "client_id": "contract",
        "username": USER,
        "password": "any",
        "topic": "thing",
        "timeout_s": 0.5,
    },
    "web": {"url": "http://127.0.0.1:{port}/", "timeout_s": 0.6, "fresh_s": 0},
}


class Rig:
    """One adapter with a server for it: what the checks need to know of its protocol."""

    def __init__(self, name: str, port: int, good: list[Any], bad: Any, size: int = WRITTEN):
        self._name, self._size = name, size
        self.adapter: AnyAdapter = ADAPTERS[name](MEANS)
        self.config = self.at(port)
        self.good = [self.target(address) for address in good]
        self.bad = self.target(bad)
        self.say: Callable[[], None] = lambda: None
        """Has the device publish, where values come by themselves."""

    def at(self, port: int) -> Checked:
        written = dict(CONFIGS[self._name])
        if "url" in written:
            written["url"] = written["url"].format(port=port)
        else:
            written["port"] = port
        return self.adapter.Config.model_validate(written)

    def target(self, address: dict[str, Any]) -> Target:
        return Target(self.adapter.Address.model_validate(address), self._size)

    def plan(self, targets: Sequence[Target]) -> Sequence[Batch]:
        return self.adapter.plan(self.config, targets)

    @property
    def polled(self) -> Poll[Any, Any]:
        assert isinstance(self.adapter, Poll)
        return self.adapter

    async def attempt(self, config: Checked, targets: Sequence[Target]) -> list[RawReading]:
        """Open, read everything or make one round trip, and close; raise what went wrong."""
        if isinstance(self.adapter, Subscribe):
            channel = await self.adapter.open(config)
            try:
                await channel.heartbeat()
            finally:
                await channel.close()
            return []
        session = await self.polled.open(config)
        try:
            readings = [
                reading
                for batch in self.adapter.plan(config, targets)
                for reading in await session.read(batch)
            ]
        finally:
            await session.close()
            await session.close()
        for reading in readings:
            if reading.error is not None:
                raise reading.error
        return readings


@asynccontextmanager
async def modbus() -> AsyncIterator[Rig]:
    async with pymodbus_server() as (port, _):
        good = [{"register": number} for number in (*range(100, 130), 300, 301)]
        yield Rig("modbus", port, good, {"register": 5_000}, 2)


@asynccontextmanager
async def web() -> AsyncIterator[Rig]:
    async with web_server() as server:
        server.pages["/"] = Page(json.dumps({"a": 1, "b": {"c": "x"}}).encode())
        yield Rig("web", server.port, [{"select": "a"}, {"select": "b.c"}], {"select": "gone"})


@asynccontextmanager
async def mqtt() -> AsyncIterator[Rig]:
    good: list[Any] = [{"path": "a"}, {"path": "b.c"}, {"topic": "more", "path": "d"}]
    with tempfile.TemporaryDirectory() as folder, nats_broker(Path(folder)) as broker:
        with publisher(broker, signed_in=True) as device:
            rig = Rig("mqtt", broker.port, good, {"path": "gone"})

            def say() -> None:
                device.publish("thing", '{"a": 1, "b": {"c": "x"}}')
                device.publish("thing/more", '{"d": 2}')

            rig.say = say
            yield rig


RIGS: dict[str, Callable[[], AbstractAsyncContextManager[Rig]]] = {
    "modbus": modbus,
    "mqtt": mqtt,
    "web": web,
}

each_adapter = pytest.mark.parametrize("name", sorted(ADAPTERS))
each_polled = pytest.mark.parametrize(
    "name", [name for name in sorted(ADAPTERS) if issubclass(ADAPTERS[name], Poll)]
)
each_subscribed = pytest.mark.parametrize(
    "name", [name for name in sorted(ADAPTERS) if issubclass(ADAPTERS[name], Subscribe)]
)


@each_adapter
def test_every_adapter_has_a_rig_and_a_true_manifest(name: str) -> None:
    assert name in RIGS
    shown = manifest(name)
    kind = "poll" if issubclass(ADAPTERS[name], Poll) else "subscribe"
    assert (shown.name, shown.kind) == (name, kind)
    assert shown.tier in (Tier.BRONZE, Tier.SILVER), "it passes this suite"


@each_adapter
def test_unknown_keys_are_refused(name: str) -> None:
    for model in (ADAPTERS[name].Config, ADAPTERS[name].Address):
        with pytest.raises(ValidationError, match="extra_forbidden"):
            model.model_validate({"no_such_key": 1})
        assert model.model_json_schema()["additionalProperties"] is False


@each_adapter
def test_device_keys_are_keys_of_the_config(name: str) -> None:
    assert ADAPTERS[name].DEVICE_KEYS <= ADAPTERS[name].Config.model_fields.keys()


@each_adapter
def test_a_plan_is_pure_and_covers_each_target_once(name: str) -> None:
    async def run() -> None:
        async with RIGS[name]() as rig:
            planned = rig.plan(rig.good)
            covered = [target for batch in planned for target in batch.targets]
            assert len(covered) == len(rig.good) and set(covered) == set(rig.good)
            assert rig.plan(list(reversed(rig.good))) == planned == rig.plan(covered)
            assert len(planned) < len(rig.good), "it asks for several addresses at once"
            assert not rig.plan([])

    asyncio.run(run())


@each_adapter
def test_a_raw_type_of_another_kind_of_protocol_is_refused_in_the_plan(name: str) -> None:
    async def run() -> None:
        async with RIGS[name]() as rig:
            for wrong in {2, 0, WRITTEN} - {rig.good[0].size}:
                with pytest.raises(ValueError, match=r"raw type|registers"):
                    rig.plan([rig.good[0]._replace(size=wrong)])

    asyncio.run(run())


@each_polled
def test_reading_gives_one_value_for_each_target(name: str) -> None:
    async def run() -> None:
        async with RIGS[name]() as rig:
            readings = await rig.attempt(rig.config, rig.good)
            assert [reading.target for reading in readings] == [
                target for batch in rig.plan(rig.good) for target in batch.targets
            ]
            for reading in readings:
                if reading.target.size > 0:
                    assert isinstance(reading.value, bytes)
                    assert len(reading.value) == reading.target.size
                else:
                    assert isinstance(reading.value, bool | int | float | str)

    asyncio.run(run())


@each_polled
def test_an_address_that_is_not_there_is_an_error_and_the_session_goes_on(name: str) -> None:
    async def run() -> None:
        async with RIGS[name]() as rig:
            session = await rig.polled.open(rig.config)
            try:
                [reading] = await session.read(rig.plan([rig.bad])[0])
            except Rejected:
                pass
            else:
                assert isinstance(reading.error, AdapterError)
            assert (await session.read(rig.plan(rig.good)[0]))[0].error is None
            await session.close()

    asyncio.run(run())


class Heard:
    """A sink that keeps everything."""

    def __init__(self) -> None:
        self.values: list[object] = []

    def readings(
        self, readings: Sequence[RawReading], stored: Callable[[], None] | None = None
    ) -> None:
        self.values += [reading.value for reading in readings if reading.error is None]
        if stored is not None:
            stored()

    def absent(self, reason: str) -> None:
        self.values.append(reason)

    def present(self) -> None:
        self.values.append("present")


@each_subscribed
def test_values_come_from_the_first_resync_on_and_end_with_unsubscribing(name: str) -> None:
    async def run() -> None:
        async with RIGS[name]() as rig:
            assert isinstance(rig.adapter, Subscribe)
            channel = await rig.adapter.open(rig.config)
            one, other = Heard(), Heard()
            await channel.subscribe(rig.plan(rig.good), one)
            await channel.subscribe(rig.plan(rig.good[:1]), other)
            await channel.resync()
            await asyncio.to_thread(rig.say)
            for _ in range(500):
                if len(one.values) >= len(rig.good) and other.values:
                    break
                await asyncio.sleep(0.01)
            assert len(one.values) == len(rig.good) and len(other.values) == 1
            await channel.unsubscribe(one)
            await channel.heartbeat()
            await asyncio.to_thread(rig.say)
            for _ in range(500):
                if len(other.values) == 2:
                    break
                await asyncio.sleep(0.01)
            assert len(one.values) == len(rig.good) and len(other.values) == 2
            await channel.close()
            with pytest.raises(Unreachable):
                await channel.heartbeat()

    asyncio.run(run())


@each_adapter
def test_closing_twice_and_after_a_cancelled_call_leaves_nothing_behind(name: str) -> None:
    async def silence(request: bytes, writer: asyncio.StreamWriter) -> None:
        return

    async def run() -> None:
        before = asyncio.all_tasks()
        async with RIGS[name]() as rig, raw_server(silence) as mute:
            for _ in range(20):
                trying = asyncio.ensure_future(rig.attempt(rig.at(mute), rig.good))
                await asyncio.sleep(0.005)
                trying.cancel()
                await asyncio.wait([trying])
            if not isinstance(rig.adapter, Poll):
                await asyncio.sleep(0.1)  # a thread that connects closes what it opened
        for _ in range(200):  # the servers' own tasks end a moment after their sockets
            if asyncio.all_tasks() == before:
                break
            await asyncio.sleep(0.01)
        assert asyncio.all_tasks() == before
        gc.collect()  # a socket left open would warn here, and warnings are errors

    asyncio.run(run())


@each_adapter
def test_a_dead_peer_and_a_black_hole_are_unreachable(name: str, unused_port: int) -> None:
    async def silence(request: bytes, writer: asyncio.StreamWriter) -> None:
        return

    async def run() -> None:
        async with RIGS[name]() as rig, raw_server(silence) as mute:
            for port in (unused_port, mute):
                with pytest.raises(Unreachable):
                    await rig.attempt(rig.at(port), rig.good)

    asyncio.run(run())


@each_adapter
def test_noise_never_becomes_a_value_nor_an_untyped_error(name: str) -> None:
    async def run() -> None:
        for noise in (b"\x00", b"\xff" * 300, b"GET / HTTP/1.1\r\n\r\n", bytes(range(256))):

            async def reply(
                request: bytes, writer: asyncio.StreamWriter, noise: bytes = noise
            ) -> None:
                writer.write(noise)

            async with RIGS[name]() as rig, raw_server(reply) as port:
                with pytest.raises(AdapterError):
                    await rig.attempt(rig.at(port), rig.good)

    asyncio.run(run())


@each_adapter
def test_probe_never_raises(name: str, unused_port: int) -> None:
    async def run() -> None:
        async with RIGS[name]() as rig:
            assert (await rig.adapter.probe(rig.config)).ok
            report = await rig.adapter.probe(rig.at(unused_port))
            assert not report.ok and report.next_step

    asyncio.run(run())


def test_the_catalogue_imports_no_driver_and_says_how_to_get_one() -> None:
    # a module is named as its package up to the first hyphen: paho-mqtt is paho
    drivers = [manifest(name).driver.package.partition("-")[0] for name in ADAPTERS]
    script = (
        "import asyncio, sys\n"
        f"for driver in {drivers!r}: sys.modules[driver] = None\n"
        "from adapters.catalogue import ADAPTERS\n"
        f"configs = {CONFIGS!r}\n"
        "for name, kind in sorted(ADAPTERS.items()):\n"
        "    try: asyncio.run(kind().open(kind.Config(**configs[name])))\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    ).replace("{port}", "80")
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    lines = told.stdout.splitlines()
    assert len(lines) == len(ADAPTERS), told.stderr
    for name, line in zip(sorted(ADAPTERS), lines, strict=True):
        assert line.startswith("DriverMissing") and f"borough[{manifest(name).extra}]" in line
