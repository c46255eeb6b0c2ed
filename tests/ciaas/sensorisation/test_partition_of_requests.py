from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence

import pytest

from ciaas.limits import BISECT_REQUESTS_MAX
from ciaas.sensorisation.contract import Batch, RawReading, Target
from ciaas.sensorisation.errors import BadAddress, Malformed, Rejected, Unreachable
from ciaas.sensorisation.polling.partition import Partition


class Registers:
    """A device of which some registers are illegal; one request is a span, gaps included."""

    def __init__(self, count: int, refusing: dict[int, Exception] | None = None) -> None:
        self.targets = [Target(register, 2) for register in range(count)]
        self.refusing = refusing or {}
        self.requests = 0
        self.readings: dict[int, RawReading] = {}
        self.partition = Partition(self.plan, self.targets)

    @staticmethod
    def plan(targets: Sequence[Target]) -> Sequence[Batch]:
        spans = [target.address for target in targets]
        return [Batch(tuple(targets), (min(spans), max(spans)))] if spans else []

    async def read(self, batch: Batch) -> Sequence[RawReading]:
        self.requests += 1
        first, last = batch.request
        for register, error in self.refusing.items():
            if first <= register <= last:
                raise error
        return [RawReading(target, b"\0\0") for target in batch.targets]

    def sweep(self) -> int:
        """Read all; return the number of requests it took."""
        self.requests, self.readings = 0, {}
        asyncio.run(self.partition.sweep(self.read, self.emit))
        return self.requests

    def emit(self, readings: Sequence[RawReading]) -> None:
        self.readings.update({reading.target.address: reading for reading in readings})

    def failed(self) -> set[int]:
        return {register for register, reading in self.readings.items() if reading.error}


ILLEGAL = BadAddress("illegal", code="2")


def test_one_illegal_address_is_found_by_halving_and_then_left_alone() -> None:
    device = Registers(125, {50: ILLEGAL})
    assert device.sweep() <= 1 + 2 * math.ceil(math.log2(125))
    assert device.failed() == {50} and len(device.readings) == 125
    assert [target.address for target in device.partition.quarantined] == [50]
    assert device.sweep() == 2, "the runs before and after it are one request each"
    assert device.failed() == set() and len(device.readings) == 124


def test_several_illegal_addresses() -> None:
    bad = {0, 17, 18, 63, 124}
    device = Registers(125, dict.fromkeys(bad, ILLEGAL))
    device.sweep()
    assert device.failed() == bad and len(device.readings) == 125
    device.sweep()
    assert len(device.readings) == 120 and not device.failed()


def test_a_hole_between_good_addresses_splits_the_request_for_good() -> None:
    device = Registers(8, {})
    device.targets = [target for target in device.targets if target.address != 3]
    device.partition = Partition(device.plan, device.targets)
    device.refusing = {3: ILLEGAL}
    device.sweep()
    assert not device.failed() and not device.partition.quarantined
    settled = device.sweep()
    assert settled == len(device.partition.batches) <= 4 and not device.failed()


def test_halving_stops_at_its_bound_and_goes_on_in_the_next_turn() -> None:
    device = Registers(400, dict.fromkeys(range(0, 400, 8), ILLEGAL))
    turns = 0
    while device.sweep() != len(device.partition.batches):
        turns += 1
        assert device.requests <= BISECT_REQUESTS_MAX + len(device.partition.batches) + 8
        assert turns < 50
    assert turns > 1
    assert len(device.partition.quarantined) == 50 and len(device.readings) == 350


def test_a_refused_point_is_read_alone_and_reported_each_time() -> None:
    device = Registers(16, {5: Rejected("busy with itself", code="4")})
    device.sweep()
    assert device.failed() == {5} and not device.partition.quarantined
    assert device.sweep() == 3
    assert device.failed() == {5} and len(device.readings) == 16
    device.refusing = {}
    device.sweep()
    assert not device.failed()


def test_a_request_refused_in_all_its_parts_is_not_halved_each_time() -> None:
    device = Registers(16, dict.fromkeys(range(16), Rejected("no such function", code="1")))
    device.sweep()
    assert device.sweep() == 1
    assert device.failed() == set(range(16))


def test_the_quarantined_are_tried_again_when_they_rejoin() -> None:
    device = Registers(16, {5: ILLEGAL})
    device.sweep()
    assert device.partition.refined
    device.refusing = {}
    device.partition.rejoin()
    assert device.sweep() == 1 and len(device.readings) == 16
    assert not device.partition.refined


def test_a_malformed_answer_fails_its_request_alone() -> None:
    device = Registers(4, {2: Malformed("garbage")})
    device.sweep()
    assert device.failed() == {0, 1, 2, 3} and not device.partition.refined


def test_an_outage_in_the_middle_loses_neither_readings_nor_requests() -> None:
    device = Registers(16, {5: ILLEGAL})
    reads = device.read

    async def breaks(batch: Batch) -> Sequence[RawReading]:
        if device.requests == 4:
            raise Unreachable("gone")
        return await reads(batch)

    with pytest.raises(Unreachable):
        asyncio.run(device.partition.sweep(breaks, device.emit))
    read_before = set(device.readings)
    assert read_before
    device.sweep()
    device.sweep()
    assert len(device.readings) == 15 and not device.failed()


def test_an_adapter_may_name_a_bad_address_itself() -> None:
    device = Registers(4)
    bad = device.targets[1]

    async def read(batch: Batch) -> Sequence[RawReading]:
        return [
            RawReading(target, None, ILLEGAL) if target == bad else RawReading(target, b"\0\0")
            for target in batch.targets
        ]

    asyncio.run(device.partition.sweep(read, device.emit))
    assert list(device.partition.quarantined) == [bad]
    assert all(bad not in batch.targets for batch in device.partition.batches)
