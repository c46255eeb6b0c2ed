"""Writes on links and channels: what has left and what has not, and who goes on afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any, ClassVar

import pytest

from ciaas.sensorisation.contract import (
    Batch,
    Checked,
    ProbeReport,
    RawReading,
    RawValue,
    Sink,
    Subscribe,
    Target,
    WriteContext,
    WriteResult,
)
from ciaas.sensorisation.errors import Rejected, Unreachable, Unsent
from ciaas.sensorisation.polling.backoff import Backoff, Pace
from ciaas.sensorisation.polling.health import State
from ciaas.sensorisation.subscribing.channel import SupervisedChannel

CONTEXT = WriteContext("id", 5.0, "ada")
BATCH = Batch((Target("lamp/set", -1),), None)


class DeafChannel:
    """A channel that only hears; each call must be the only one."""

    def __init__(self) -> None:
        self.inside = 0

    async def alone(self) -> None:
        self.inside += 1
        assert self.inside == 1, "two calls at a time"
        await asyncio.sleep(0.005)
        self.inside -= 1

    async def subscribe(self, batches: Sequence[Batch], sink: Sink) -> None:
        await self.alone()

    async def unsubscribe(self, sink: Sink) -> None:
        await self.alone()

    async def resync(self) -> None:
        await self.alone()

    async def heartbeat(self) -> None:
        await self.alone()

    async def close(self) -> None:
        return None


class SpeakingChannel(DeafChannel):
    def __init__(self) -> None:
        super().__init__()
        self.written: list[RawValue] = []
        self.silent = False

    async def write(self, batch: Batch, value: RawValue, context: WriteContext) -> WriteResult:
        await self.alone()
        if self.silent:
            await asyncio.Event().wait()
        self.written.append(value)
        return WriteResult(False, "published")


class RadioConfig(Checked):
    pass


class Radio(Subscribe[RadioConfig, RadioConfig]):
    Config: ClassVar[type[Checked]] = RadioConfig
    Address: ClassVar[type[Checked]] = RadioConfig
    channel: DeafChannel

    def plan(self, config: RadioConfig, targets: Sequence[Target]) -> Sequence[Batch]:
        return [Batch(tuple(targets), None)]

    async def open(self, config: RadioConfig) -> Any:
        return self.channel

    async def probe(self, config: RadioConfig) -> ProbeReport:
        raise AssertionError("nobody probes")


class Listener:
    """A device on the channel."""

    batches: Sequence[Batch] = (BATCH,)
    refused = False

    def __init__(self) -> None:
        self.state: State | None = None
        self.online = asyncio.Event()

    def entered(self, state: State, reason: str) -> None:
        self.state = state
        if state is State.ONLINE:
            self.online.set()

    def readings(self, readings: Sequence[RawReading], stored: object = None) -> None:
        raise AssertionError("nothing is told")

    def asking_again(self) -> None: ...

    def absent(self, reason: str) -> None: ...

    def present(self) -> None: ...


def supervised(channel: DeafChannel, call_s_max: float = 5.0) -> SupervisedChannel:
    radio = Radio()
    radio.channel = channel
    backoff = Backoff(Random(1), Pace(0.01, 0.1))
    return SupervisedChannel(
        "radio", radio, RadioConfig(), backoff, heartbeat_s=0.002, call_s_max=call_s_max
    )


def test_a_channel_writes_between_its_own_calls() -> None:
    async def steps() -> list[RawValue]:
        channel, listener = SpeakingChannel(), Listener()
        way = supervised(channel)
        with pytest.raises(Unsent, match="no connection now"):
            await way.write(BATCH, "ON", CONTEXT)
        way.attach(listener)
        await listener.online.wait()
        for number in range(10):
            assert await way.write(BATCH, number, CONTEXT) == WriteResult(False, "published")
        assert listener.state is State.ONLINE
        await way.close()
        return channel.written

    assert asyncio.run(steps()) == list(range(10))


def test_a_channel_that_only_hears_rejects() -> None:
    async def steps() -> None:
        listener, way = Listener(), supervised(DeafChannel())
        way.attach(listener)
        await listener.online.wait()
        with pytest.raises(Rejected, match="reads only"):
            await way.write(BATCH, "ON", CONTEXT)
        await way.close()

    asyncio.run(steps())


def test_a_write_without_an_answer_may_have_left() -> None:
    async def steps() -> None:
        channel, listener = SpeakingChannel(), Listener()
        way = supervised(channel, call_s_max=0.3)
        way.attach(listener)
        await listener.online.wait()
        channel.silent = True
        with pytest.raises(Unreachable, match=r"no answer to a write within 0\.3 s"):
            await way.write(BATCH, "ON", CONTEXT)
        await way.close()

    asyncio.run(steps())


def test_an_adapter_writes_nothing_unless_it_says_so() -> None:
    with pytest.raises(ValueError, match="this adapter reads only: write direction: r"):
        Radio().check_write(RadioConfig(), BATCH.targets[0])
