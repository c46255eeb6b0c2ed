"""What every adapter of the catalogue must do: the runtime relies on nothing else."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
from pydantic import ValidationError

from adapters.catalogue import ADAPTERS, manifest
from ciaas.sensorisation.contract import AnyAdapter, Batch, Checked, Target
from ciaas.sensorisation.errors import AdapterError, Rejected, Unreachable
from ciaas.sensorisation.manifest import Tier
from tests.adapters.modbus_peers import pymodbus_server, raw_server


class Rig:
    """One adapter with a server for it: what the checks need to know of its protocol."""

    def __init__(self, name: str, config: dict[str, Any], good: list[Any], bad: Any) -> None:
        self.adapter: AnyAdapter = ADAPTERS[name]()
        self.config: Checked = self.adapter.Config.model_validate(config)
        self.good = [self.target(address) for address in good]
        self.bad = self.target(bad)

    def target(self, address: dict[str, Any]) -> Target:
        return Target(self.adapter.Address.model_validate(address), 2)

    def plan(self, targets: Sequence[Target]) -> Sequence[Batch]:
        return self.adapter.plan(self.config, targets)

    def at(self, **config: Any) -> Checked:
        return self.config.model_copy(update=config)


@asynccontextmanager
async def modbus() -> AsyncIterator[Rig]:
    async with pymodbus_server() as (port, _):
        yield Rig(
            "modbus",
            {"host": "127.0.0.1", "port": port, "timeout_s": 0.2},
            [{"register": number} for number in (*range(100, 130), 300, 301)],
            {"register": 5_000},
        )


RIGS: dict[str, Callable[[], AbstractAsyncContextManager[Rig]]] = {"modbus": modbus}

each_adapter = pytest.mark.parametrize("name", sorted(ADAPTERS))


@each_adapter
def test_every_adapter_has_a_rig_and_a_true_manifest(name: str) -> None:
    assert name in RIGS
    shown = manifest(name)
    assert (shown.name, shown.kind) == (name, "poll")
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
def test_reading_gives_one_value_for_each_target(name: str) -> None:
    async def run() -> None:
        async with RIGS[name]() as rig:
            session = await rig.adapter.open(rig.config)
            for batch in rig.plan(rig.good):
                readings = await session.read(batch)
                assert {reading.target for reading in readings} == set(batch.targets)
                for reading in readings:
                    assert reading.error is None and isinstance(reading.value, bytes)
                    assert len(reading.value) == reading.target.size
            await session.close()

    asyncio.run(run())


@each_adapter
def test_an_illegal_address_is_a_refusal_and_the_session_goes_on(name: str) -> None:
    async def run() -> None:
        async with RIGS[name]() as rig:
            session = await rig.adapter.open(rig.config)
            with pytest.raises(Rejected):
                await session.read(rig.plan([rig.bad])[0])
            assert (await session.read(rig.plan(rig.good)[0]))[0].error is None
            await session.close()

    asyncio.run(run())


@each_adapter
def test_closing_twice_and_after_a_cancelled_read_leaves_nothing_behind(name: str) -> None:
    async def silence(request: bytes, writer: asyncio.StreamWriter) -> None:
        return

    async def run() -> None:
        before = asyncio.all_tasks()
        async with RIGS[name]() as rig, raw_server(silence) as mute:
            for _ in range(20):
                session = await rig.adapter.open(rig.at(port=mute, timeout_s=5.0))
                reading = asyncio.ensure_future(session.read(rig.plan(rig.good)[0]))
                await asyncio.sleep(0.005)
                reading.cancel()
                await asyncio.wait([reading])
                await session.close()
                await session.close()
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
            with pytest.raises(Unreachable):
                await rig.adapter.open(rig.at(port=unused_port))
            session = await rig.adapter.open(rig.at(port=mute))
            with pytest.raises(Unreachable):
                await session.read(rig.plan(rig.good)[0])
            await session.close()

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
                session = await rig.adapter.open(rig.at(port=port))
                with pytest.raises(AdapterError):
                    await session.read(rig.plan(rig.good)[0])
                await session.close()

    asyncio.run(run())


@each_adapter
def test_probe_never_raises(name: str, unused_port: int) -> None:
    async def run() -> None:
        async with RIGS[name]() as rig:
            assert (await rig.adapter.probe(rig.config)).ok
            report = await rig.adapter.probe(rig.at(port=unused_port))
            assert not report.ok and report.next_step

    asyncio.run(run())


def test_the_catalogue_imports_no_driver_and_says_how_to_get_one() -> None:
    drivers = [manifest(name).driver.package for name in ADAPTERS]
    script = (
        "import asyncio, sys\n"
        f"for driver in {drivers!r}: sys.modules[driver] = None\n"
        "from adapters.catalogue import ADAPTERS\n"
        "for name, kind in ADAPTERS.items():\n"
        "    try: asyncio.run(kind().open(kind.Config(host='127.0.0.1')))\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    lines = told.stdout.splitlines()
    assert len(lines) == len(ADAPTERS), told.stderr
    for name, line in zip(sorted(ADAPTERS), lines, strict=True):
        assert line.startswith("DriverMissing") and f"borough[{manifest(name).extra}]" in line
