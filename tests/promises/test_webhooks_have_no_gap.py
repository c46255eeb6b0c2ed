"""What is recorded reaches a webhook, and raises its alarms once, however often core is killed."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from tests.promises.platform import Platform, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

T0 = 1_700_000_000
BATCHES, ROWS = 20, 5_000
ALARMS = 5
"""Raised by each batch."""
KILLS = 3
HOT = {"severity": "major", "text": "hot", "raised_when": "value > 40"}


class Taken(NamedTuple):
    """One event that the receiver took, in the order of arrival."""

    source: str
    id: str
    data: Any


class Run(NamedTuple):
    """What was written, and what arrived where."""

    samples: str
    """Source of the subscription of samples."""
    alarms: str
    taken: list[Taken]
    listed: list[dict[str, Any]]
    endpoint: str


@contextmanager
def receiver(ledger: Path) -> Iterator[str]:
    """Run the receiver as a process of its own; gives its URL."""
    script = Path(__file__).with_name("webhook_receiver.py")
    with subprocess.Popen(
        [sys.executable, str(script), str(ledger)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}/hook"
        finally:
            process.terminate()


def taken(ledger: Path) -> list[Taken]:
    if not ledger.exists():
        return []
    lines = ledger.read_text().splitlines()
    return [Taken(*event) for line in lines for event in json.loads(line)]


def observe(client: httpx.Client, key: str, samples: list[dict[str, Any]]) -> None:
    """Write samples until they are acknowledged; the key makes repeating harmless."""

    def acknowledged() -> bool:
        try:
            answer = client.post(
                "/observations",
                json={"observations": samples},
                headers={"Idempotency-Key": key},
                timeout=10.0,
            )
        except httpx.TransportError:
            return False
        assert answer.status_code in (200, 201, 503), answer.text
        return answer.status_code != 503

    until(acknowledged, "an acknowledged write")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("webhooks")
    home, ledger = folder / "home", folder / "ledger.jsonl"
    home.mkdir(mode=0o700)
    (home / "borough.toml").write_text('outgoing_allow = ["127.0.0.0/8"]\n')
    with receiver(ledger) as url, running(home) as platform:
        yield follow(platform, url, ledger)


def follow(platform: Platform, url: str, ledger: Path) -> Run:
    client = platform.client()
    made = client.post("/endpoints", params={"friendlyName": "Boiler"}).raise_for_status()
    uuid: str = made.json()["uuid"]
    counted, heats = (
        f"{uuid}/Boiler/water/count",
        [f"{uuid}/Boiler/heat/t{n}" for n in range(BATCHES * ALARMS)],
    )
    observe(client, "first", [{"address": a, "value": 0.0, "timestamp": T0} for a in heats])
    client.patch(f"/metadata/{uuid}/Boiler/heat", json={"alarm": HOT}).raise_for_status()
    body = {"url": url, "filter": {"address": counted}}
    samples = client.post("/subscriptions", json=body).raise_for_status().json()
    body = {"url": url, "kind": "alarm"}
    alarms = client.post("/subscriptions", json=body).raise_for_status().json()
    ended = threading.Event()

    def kill() -> None:
        chance = random.Random(7)
        for _ in range(KILLS):
            ended.wait(chance.uniform(1.0, 3.0))
            platform.kill("core")
            until(platform.healthy, "core to come back")

    killing = threading.Thread(target=kill)
    killing.start()
    for batch in range(BATCHES):
        first = batch * ROWS
        rows = [
            {"address": counted, "value": float(n), "timestamp": T0 + n}
            for n in range(first, first + ROWS)
        ]
        rows += [
            {"address": address, "value": 50.0, "timestamp": T0 + 1}
            for address in heats[batch * ALARMS : (batch + 1) * ALARMS]
        ]
        observe(client, f"batch-{batch}", rows)
    killing.join()
    path = f"/api/v1/subscriptions/{samples['id']}", f"/api/v1/subscriptions/{alarms['id']}"

    def arrived() -> bool:
        events = taken(ledger)
        values = {s["value"] for e in events if e.source == path[0] for s in e.data}
        return (
            len(values) >= BATCHES * ROWS
            and len({e.id for e in events if e.source == path[1]}) >= BATCHES * ALARMS
        )

    until(arrived, "everything at the receiver")
    listed = client.get("/alarms", params={"limit": 1000}).raise_for_status().json()["alarms"]
    return Run(*path, taken(ledger), listed, uuid)


def test_every_sample_arrives_and_in_order(run: Run) -> None:
    """A commit may come twice after a kill, under the same id and with the same data."""
    commits: dict[str, list[float]] = {}
    for event in run.taken:
        if event.source == run.samples:
            values = [sample["value"] for sample in event.data]
            assert commits.setdefault(event.id, values) == values
    arrived = [value for values in commits.values() for value in values]
    assert arrived == [float(n) for n in range(BATCHES * ROWS)]


def test_no_alarm_is_lost_or_raised_twice(run: Run) -> None:
    assert len(run.listed) == BATCHES * ALARMS
    assert {(alarm["count"], alarm["state"]) for alarm in run.listed} == {(1, "raised")}
    steps = {event.id: event.data for event in run.taken if event.source == run.alarms}
    assert sorted(step["alarm"]["address"] for step in steps.values()) == sorted(
        alarm["address"] for alarm in run.listed
    )
    numbers = [int(id_.partition(":")[2]) for id_ in steps]
    assert numbers == sorted(numbers)
