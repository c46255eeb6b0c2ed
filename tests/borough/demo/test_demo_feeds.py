"""The feeds of the demo: real processes, read by the adapters under the runtime as field has it."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import Request, urlopen

import numpy as np
import pytest
from lxml import etree

from adapters.catalogue import ADAPTERS
from borough.demo.city.bikes import BikeStation
from borough.demo.city.bins import BinFill
from borough.demo.city.parking import Vacant
from borough.demo.city.plan import by_path, quarter
from borough.demo.city.thing import Origin
from borough.demo.city.thing import Path as Way
from borough.demo.feeds.documents import DATEX, SPARE, connection, datex, listing
from borough.demo.recordings.replay import DAY_MS, HOUR_MS
from ciaas.computing.reach import Reach
from ciaas.kernel.sample import Millis, Numbers
from ciaas.sensorisation.connection import check_document
from ciaas.sensorisation.contract import Means
from ciaas.sensorisation.polling.health import State
from tests.adapters.field_bench import eventually, field_bench

FEEDS = (Way.DATEX, Way.GBFS, Way.ZIGBEE)
MEANS = Means(reach=Reach.of(["127.0.0.1/32"]))
MONDAY = 1_767_571_200_000
"""5 January 2026, 0:00 UTC: 2:00 in Helsinki."""


@contextmanager
def process(name: str, environment: dict[str, str], folder: Path) -> Iterator[int]:
    started = subprocess.Popen(
        [sys.executable, "-m", f"borough.demo.feeds.{name}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
    )
    assert started.stdin is not None and started.stdout is not None
    told = {"parent": os.getpid(), "port": 0, "kept": environment["KEPT"], "folder": str(folder)}
    with started:
        started.stdin.write(json.dumps(told).encode() + b"\n")
        started.stdin.flush()
        yield json.loads(started.stdout.readline())["port"]
        started.terminate()
        assert started.wait(timeout=20) == 0


def test_there_are_twelve_kinds() -> None:
    things = quarter()
    assert len({thing.kind for thing in things}) >= 12
    assert [len(by_path(path)) for path in FEEDS] == [6, 6, 10]
    assert {thing.origin for thing in by_path(Way.DATEX)} == {Origin.REPLAYED}
    assert {thing.origin for thing in by_path(Way.ZIGBEE)} == {Origin.SIMULATED}


@pytest.mark.parametrize("path", FEEDS)
def test_connection_documents_are_accepted_and_lead_to_the_same_addresses(path: Way) -> None:
    things = by_path(path)
    plan = check_document(connection(path, things, "127.0.0.1", 1502), ADAPTERS)
    planned = {point.address for device in plan.devices for point in device.points}
    assert planned == {thing.address(c) for thing in things for c in thing.channels}


@pytest.mark.parametrize("path", FEEDS)
def test_the_adapters_read_what_the_feeds_say(
    path: Way, child_environment: dict[str, str], tmp_path: Path
) -> None:
    module = "zigbee_process" if path is Way.ZIGBEE else "web_process"
    things = by_path(path)

    async def run(port: int) -> None:
        async with field_bench(tmp_path, means=MEANS) as field:
            await field.apply(connection(path, things, "127.0.0.1", port))
            for number in range(len(things)):
                await field.in_state(State.ONLINE, number)
            points = sum(len(thing.channels) for thing in things)
            await eventually(lambda: len(set(field.outlet.rows().point.tolist())) == points)
            rows = field.outlet.rows()
            assert set(rows.reason.tolist()) == {0}
            seen = [one.sighting.title for one in field.runtime.candidates()]
            assert len(seen) == (path is Way.ZIGBEE)

    with process(module, child_environment, tmp_path / "gateway") as port:
        asyncio.run(run(port))


def test_a_document_that_did_not_change_is_not_sent_again(
    child_environment: dict[str, str], tmp_path: Path
) -> None:
    with process("web_process", child_environment, tmp_path) as port:
        base = f"http://127.0.0.1:{port}"
        statuses = []
        for _ in range(20):
            with urlopen(f"{base}/station_information.json", timeout=10) as first:
                tag = first.headers["ETag"]
            again = Request(f"{base}/station_information.json", headers={"If-None-Match": tag})
            try:
                with urlopen(again, timeout=10) as answer:
                    statuses.append(answer.status)
            except OSError as unchanged:
                statuses.append(getattr(unchanged, "code", 0))
        assert 304 in statuses
        with pytest.raises(OSError, match="404"):
            urlopen(f"{base}/elsewhere", timeout=10)


def test_what_a_car_park_does_not_know_is_left_out_of_the_document() -> None:
    things = by_path(Way.DATEX)[:2]
    present = {things[0].key: {"park/vacant/spaces": 7}, things[1].key: {}}
    root = etree.fromstring(datex(things, present, 1_782_900_000).encode())
    status = root.findall(f".//{{{DATEX}}}parkingFacilityStatus")
    assert [len(one) for one in status] == [3, 2]
    assert status[0][2].text == "7"
    assert status[0][1].text == "2026-07-01T10:00:00.000+00:00"


def test_the_gateway_lists_one_more_than_is_enrolled() -> None:
    names = [one["friendly_name"] for one in json.loads(listing(by_path(Way.ZIGBEE)))]
    assert len(names) == 11 and names[-1] == SPARE


class Flat:
    step_ms = HOUR_MS

    def __init__(self, value: float) -> None:
        self.value = value

    def at(self, times: Millis) -> Numbers:
        return np.full(len(times), self.value)


def test_vacant_spaces_are_never_fewer_than_none() -> None:
    now = np.array([MONDAY], np.int64)
    assert Vacant(Flat(30), 100).at(now).tolist() == [70]
    assert Vacant(Flat(103), 100).at(now).tolist() == [0]


def test_a_station_keeps_to_its_docks_and_is_the_same_each_time() -> None:
    times = MONDAY + np.arange(0, 7 * DAY_MS, 300_000, dtype=np.int64)
    rentals = np.full(168, 4_000.0)
    bikes = BikeStation(rentals, 20, 0.3, 1).at(times)
    assert bikes.min() == 0 and bikes.max() == 20 and (bikes % 1 == 0).all()
    assert (BikeStation(rentals, 20, 0.3, 1).at(times[::-1])[::-1] == bikes).all()
    assert (BikeStation(rentals, 20, 0.3, 2).at(times) != bikes).any()
    # 4:00 in Helsinki: a lorry has filled it to the half, and nobody has come since
    quiet = BikeStation(np.zeros(168), 20, 0.3, 1)
    assert set(quiet.at(times).tolist()) == {10.0}


def test_a_bin_fills_until_its_round_and_some_echoes_are_false() -> None:
    times = MONDAY + np.arange(0, 14 * DAY_MS, HOUR_MS // 4, dtype=np.int64)
    fill = BinFill(Flat(500), 1).at(times)
    assert ((fill >= 0) & (fill <= 100)).all()
    steps = np.diff(fill)
    # six rounds in two weeks, and every false echo makes two leaps
    assert 6 <= (steps < -20).sum() <= 40
    assert (steps >= 0).mean() > 0.9
    assert (BinFill(Flat(500), 1).at(times[::-1])[::-1] == fill).all()
    assert BinFill(Flat(0), 1).at(times).max() > 0, "a false echo needs no waste"
    assert np.median(BinFill(Flat(0), 1).at(times)) == 0
