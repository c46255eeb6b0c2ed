"""The device process against a real broker: live values, outage, the past, and leaving."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import cbor2
import paho.mqtt.client as mqtt
import pytest

from borough.demo.city.plan import quarter
from borough.demo.city.thing import Thing
from borough.demo.devices.device_process import Spec
from borough.demo.devices.ledger import read_segment, segments
from borough.demo.devices.sample import Reading
from borough.demo.recordings.replay import DAY_MS
from tests.borough.demo.quarter_broker import Authority, City, TestBroker, eventually

THINGS = {thing.key: thing for thing in quarter()}
PAST = (1_790_000_000_000, 1_790_000_000_000 + DAY_MS)


class Devices:
    """A device process and what it reported."""

    def __init__(self, spec: Spec, folder: Path, environment: dict[str, str]) -> None:
        path = folder / f"{spec.name}.json"
        spec.write(path)
        self.process = subprocess.Popen(
            [sys.executable, "-m", "borough.demo.devices.device_process", str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=environment,
        )
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps({"parent": os.getpid()}).encode() + b"\n")
        self.process.stdin.flush()
        self.report: dict[str, Any] = {}

    def until(self, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.report = json.loads(line)
            if wanted(self.report):
                return self.report
        raise AssertionError(f"the process ended with {self.process.wait()}")

    def stop(self) -> int:
        """Tell it to end; returns its exit code, with `report` as its last."""
        self.process.send_signal(signal.SIGTERM)
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.report = json.loads(line)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def close(self) -> None:
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()


Start = Callable[[Spec], Devices]


@pytest.fixture
def start(tmp_path: Path, child_environment: dict[str, str]) -> Iterator[Start]:
    started: list[Devices] = []

    def start(spec: Spec) -> Devices:
        started.append(Devices(spec, tmp_path, child_environment))
        return started[-1]

    yield start
    for devices in started:
        devices.close()


@pytest.fixture
def spec(tmp_path: Path, broker: TestBroker, authority: Authority, kept_recordings: Path) -> Spec:
    keys = ("pedestrians-01", "room-1", "noise-1", "lights-01")
    for key in keys:
        authority.issue(THINGS[key].uuid)
    return Spec(
        name="test",
        things=keys[:3],
        past_only=(),
        past=(PAST[0], PAST[0]),
        host="127.0.0.1",
        port=broker.port,
        http="http://127.0.0.1:9",
        http_authority=None,
        authority=str(authority.pem),
        identities=str(authority.folder),
        ledgers=str(tmp_path / "ledgers"),
        kept=str(kept_recordings),
        period_s=0.2,
    )


def counted(spec: Spec) -> list[Reading]:
    return [r for path in segments(Path(spec.ledgers)) for r in read_segment(path)]


def document(message: mqtt.MQTTMessage) -> dict[str, Any]:
    load = json.loads if message.payload[:1] == b"{" else cbor2.loads
    parsed: dict[str, Any] = load(message.payload)
    return parsed


def readings(message: mqtt.MQTTMessage) -> list[Reading]:
    """Return what a message delivers, as the platform would read it."""
    verb, _, rest = message.topic.partition("/")
    if verb == "@update":
        parts = [(rest, document(message))]
    elif verb == "@transaction":
        parts = list(document(message)["attributes"].items())
    elif verb == "@delayed":
        parts = [
            (entry["topic"].removeprefix("@update/"), entry["data"])
            for entry in document(message)["messages"]
        ]
    else:
        parts = []
    return [Reading(a, round(data["timestamp"] * 1_000), data["value"]) for a, data in parts]


def test_live_devices_say_who_they_are_and_every_acknowledged_value_is_in_the_ledger(
    spec: Spec, start: Start, city: City
) -> None:
    devices = start(spec)
    devices.until(lambda report: report["acked"] >= 8)
    assert devices.report["up"] == 3
    assert devices.stop() == 0
    heard = []
    for _ in spec.things:
        heard += city.until(lambda message: message.topic.startswith("@offline/"))
    by_verb: dict[str, list[mqtt.MQTTMessage]] = {}
    for message in heard:
        by_verb.setdefault(message.topic.split("/")[0], []).append(message)
    models = {m.topic.split("/")[1]: document(m) for m in by_verb["@online"]}
    for key in spec.things:
        thing = THINGS[key]
        assert models[thing.uuid]["nodes"] == thing.model()
        assert models[thing.uuid]["supportedFormats"][0] == ("CBOR" if thing.cbor else "JSON")
    first_bytes = {
        thing.key: {m.payload[:1] == b"{" for m in heard if thing.uuid in m.topic and m.payload[:1]
                    and not m.topic.startswith("@offline")}
        for thing in (THINGS[key] for key in spec.things)
    }  # fmt: skip
    assert first_bytes == {"pedestrians-01": {True}, "room-1": {False}, "noise-1": {False}}
    assert {m.topic.split("/")[1] for m in by_verb["@transaction"]} == {THINGS["room-1"].uuid}
    received = [r for message in heard for r in readings(message)]
    assert len(received) == devices.report["sent"] == devices.report["acked"]
    assert sorted(counted(spec)) == sorted(received)
    times = [r.time_ms for r in received if r.address.startswith(THINGS["noise-1"].uuid)]
    assert times == sorted(set(times))


def test_what_was_not_acknowledged_at_an_outage_comes_delayed_in_order(
    spec: Spec, start: Start, broker: TestBroker, city: City
) -> None:
    devices = start(replace(spec, things=("noise-1",)))
    devices.until(lambda report: report["acked"] >= 1)
    broker.stop()
    outage = devices.until(lambda report: report["up"] == 0)
    devices.until(lambda report: report["sent"] >= outage["sent"] + 2)
    broker.start()
    devices.until(lambda report: report["acked"] == report["sent"] and report["up"] == 1)
    assert devices.stop() == 0
    assert devices.report["resent"] >= 2
    heard = city.until(lambda message: message.topic.startswith("@offline/"))
    while heard[-1].payload != b"DEAD" or not any("@delayed" in m.topic for m in heard):
        heard += city.until(lambda message: message.topic.startswith("@offline/"))
    received = [r for message in heard for r in readings(message)]
    assert set(counted(spec)) <= set(received)
    assert len(counted(spec)) == devices.report["sent"]
    late = [r.time_ms for m in heard if m.topic.startswith("@delayed") for r in readings(m)]
    assert late == sorted(late)


def test_the_past_is_uploaded_once_beside_live_values(
    spec: Spec, start: Start, city: City, recordings_here: Path
) -> None:
    del recordings_here
    wanted = replace(spec, things=("room-1",), past_only=("lights-01",), past=PAST)
    devices = start(wanted)
    devices.until(lambda report: report["past_left"] == 0)
    assert devices.stop() == 0
    heard = city.until(lambda message: message.topic == f"@offline/{THINGS['room-1'].uuid}")
    past = {r for m in heard if m.topic.startswith("@delayed") for r in readings(m)}
    assert past == expected_past(THINGS["room-1"]) | expected_past(THINGS["lights-01"])
    assert past <= set(counted(wanted))
    assert max(len(readings(message)) for message in heard) <= 500
    silent = THINGS["lights-01"].uuid
    assert {m.topic for m in heard if silent in m.topic} == {f"@delayed/{silent}"}
    before = len(counted(wanted))
    again = start(wanted)
    again.until(lambda report: report["acked"] >= 2)
    assert again.stop() == 0
    assert {r for r in counted(wanted)[before:] if r.time_ms < PAST[1]} == set()


def expected_past(thing: Thing) -> set[Reading]:
    from borough.demo.recordings.library import Recordings

    return {
        Reading(thing.address(channel), moment, value)
        for channel, times, values in thing.past(Recordings(), *PAST)
        for moment, value in zip(times.tolist(), values.tolist(), strict=True)
    }


def test_a_killed_process_starts_the_unfinished_past_again(
    spec: Spec, start: Start, city: City
) -> None:
    wanted = replace(spec, things=(), past_only=("lights-01",), past=PAST)
    notes = Path(spec.ledgers, "test.uploaded")
    devices = start(wanted)
    devices.until(lambda report: report["sent"] > 0)
    devices.kill()
    notes.unlink(missing_ok=True)  # as if it had died before it could note the end
    again = start(wanted)
    again.until(lambda report: report["past_left"] == 0)
    assert again.stop() == 0
    assert notes.read_text().split() == [THINGS["lights-01"].uuid]
    city.until(lambda message: message.topic.startswith("@delayed"))


def test_a_process_that_cannot_deliver_says_so_by_its_exit_code(
    spec: Spec, start: Start, broker: TestBroker
) -> None:
    devices = start(replace(spec, things=("noise-1",), stop_s=0.5))
    devices.until(lambda report: report["acked"] >= 1)
    broker.stop()
    devices.until(lambda report: report["sent"] > report["acked"])
    assert devices.stop() == 3
    assert devices.report["acked"] == len(counted(spec))


def test_polled_things_are_refused_as_live_ones(spec: Spec, start: Start) -> None:
    devices = start(replace(spec, things=("lights-01",)))
    assert devices.process.wait(timeout=30) != 0


def test_devices_die_with_their_parent(
    spec: Spec, tmp_path: Path, child_environment: dict[str, str]
) -> None:
    spec.write(tmp_path / "spec.json")
    parent = """
import json, os, subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-m", "borough.demo.devices.device_process", sys.argv[1]],
    stdin=subprocess.PIPE, stdout=subprocess.PIPE,
)
child.stdin.write(json.dumps({"parent": os.getpid()}).encode() + b"\\n")
child.stdin.flush()
for line in child.stdout:
    if json.loads(line)["acked"]:
        break
print(child.pid, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run(
        [sys.executable, "-c", parent, str(tmp_path / "spec.json")],
        stdout=subprocess.PIPE,
        env=child_environment,
        timeout=60,
        check=False,
    )
    child = int(done.stdout)

    def gone() -> bool:
        try:
            state = Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0]
        except (FileNotFoundError, ProcessLookupError):
            return True
        return state == "Z"

    eventually(gone)


def test_a_process_without_a_parent_says_how_it_is_started(
    tmp_path: Path, child_environment: dict[str, str]
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "borough.demo.devices.device_process", str(tmp_path / "none")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env=child_environment,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert b"run demo" in done.stderr and b"Traceback" not in done.stderr
