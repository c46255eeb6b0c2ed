"""Mashups neither lose nor repeat an output, whichever process is killed, and rest without rights.

The oracle is history itself: what the mashups should have made of the samples that are there.
"""

from __future__ import annotations

import itertools
import math
import random
import threading
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from borough.clock import MachineClock
from ciaas.storage.history import open_history
from tests.promises.account import series
from tests.promises.platform import Platform, pause, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

_KILLED = ("compose", "core", "broker", "compose")
_EACH_S = 0.05
_LATENESS_S = 25
"""Above what a killed core or broker needs to come back: nothing may count as late here."""


def chain(name: str, *nodes: tuple[str, str, Mapping[str, Any]]) -> dict[str, Any]:
    wires = [
        {"from": f"{a[0]}.out", "to": f"{b[0]}.{'a' if b[1] == 'formula' else 'in'}"}
        for a, b in itertools.pairwise(nodes)
    ]
    return {
        "name": name,
        "nodes": [{"id": i, "type": kind, "params": params} for i, kind, params in nodes],
        "wires": wires,
        "settings": {"latenessS": _LATENESS_S},
    }


class Writer:
    """An app that writes one sample after the other, and repeats each until it is answered."""

    def __init__(self, platform: Platform, address: str) -> None:
        self._client, self._address = platform.client(), address
        self._ending = threading.Event()
        self._clock = MachineClock()
        self.sent: dict[int, float] = {}
        self._thread = threading.Thread(target=self._run, name="writer")

    def __enter__(self) -> Writer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        for number in itertools.count(1):
            if self._ending.wait(_EACH_S):
                return
            at, value = self._clock.now_ms(), float(number)
            sample = {"address": self._address, "value": value, "timestamp": at / 1000}
            while not self._written(f"sample-{number}", sample):
                pause(0.2)
            self.sent[at] = value

    def _written(self, key: str, sample: Mapping[str, Any]) -> bool:
        try:
            answer = self._client.post(
                "/observations", json={"observations": [sample]}, headers={"Idempotency-Key": key}
            )
        except httpx.TransportError:
            return False
        return answer.is_success


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    with running(tmp_path / "home") as found:
        yield found


def published(client: httpx.Client, document: Mapping[str, Any]) -> str:
    made = client.post("/mashups", json=document)
    assert made.status_code == 201, made.text
    uuid: str = made.json()["uuid"]
    done = client.post(f"/mashups/{uuid}/publish")
    assert done.status_code == 201, done.text
    return uuid


def test_every_output_is_in_history_once_whatever_is_killed(platform: Platform) -> None:
    client = platform.client()
    thing = client.post("/endpoints", params={"friendlyName": "Meter"}).json()["uuid"]
    point = f"{thing}/Meter/flow/rate"
    first = {"address": point, "value": 0.0, "timestamp": 1_700_000_000}
    assert client.post("/observations", json={"observations": [first]}).status_code == 201
    source = ("s", "source", {"points": [point]})
    doubled = published(
        client, chain("Double", source, ("f", "formula", {"formula": "a * 2"}),
                      ("v", "virtual-point", {"name": "Double"})),
    )  # fmt: skip
    summed = published(
        client, chain("Sum", source, ("w", "window", {"sizeS": 1, "function": "sum"}),
                      ("v", "virtual-point", {"name": "Sum"})),
    )  # fmt: skip
    seed = random.SystemRandom().randrange(10**6)
    dice = random.Random(seed)
    with Writer(platform, point) as writer:
        for role in _KILLED:
            pause(dice.uniform(1.0, 3.0))
            platform.kill(role)
            platform.wait_ready()
        pause(2.0)
    doubles = f"{doubled}/mashup/Double/value"
    sums = f"{summed}/mashup/Sum/value"
    expected = {at: 2 * value for at, value in writer.sent.items()}
    until(lambda: len(dict(series(client, doubles))) >= len(expected), f"outputs, seed {seed}")
    assert dict(series(client, doubles)) == expected, f"seed {seed}"

    windows: dict[int, float] = {}
    for at, value in writer.sent.items():
        end = (math.floor(at / 1000) + 1) * 1000
        windows[end] = windows.get(end, 0.0) + value
    last = max(windows)
    until(lambda: last in dict(series(client, sums)), f"the last window, seed {seed}")
    assert dict(series(client, sums)) == windows, f"seed {seed}"
    for uuid in (doubled, summed):
        status = client.get(f"/mashups/{uuid}/status").json()
        assert (status["late"], status["dropped"]) == (0, 0), f"seed {seed}: {status}"

    assert platform.stop() == 0
    with open_history(platform.files / "history.duckdb", clock=MachineClock()) as history:
        rows = [
            (number, at)
            for commit in history.commits(0)
            for number, at in zip(
                commit.frame.point.tolist(), commit.frame.observed.tolist(), strict=True
            )
        ]
    assert len(rows) == len(set(rows)), f"seed {seed}: a sample is stored twice"


def test_a_mashup_rests_within_a_second_when_a_right_is_gone(platform: Platform) -> None:
    client = platform.client()
    thing = client.post("/endpoints", params={"friendlyName": "Meter"}).json()["uuid"]
    point = f"{thing}/Meter/flow/rate"
    clock = MachineClock()

    def write(value: float) -> int:
        at = clock.now_ms()
        sample = {"address": point, "value": value, "timestamp": at / 1000}
        answer = client.post("/observations", json={"observations": [sample]})
        assert answer.status_code == 201, answer.text
        return at

    write(0.0)
    uuid = published(
        client, chain("Copy", ("s", "source", {"points": [point]}),
                      ("v", "virtual-point", {"name": "Copy"})),
    )  # fmt: skip
    copy = f"{uuid}/mashup/Copy/value"
    seen = write(1.0)
    until(lambda: seen in dict(series(client, copy)), "the first output")
    mine = {"user": f"mashup:{uuid}", "prefix": point}
    assert client.delete("/grants", params=mine).status_code == 204
    pause(1.0)
    unseen = write(2.0)
    status = until(
        lambda: client.get(f"/mashups/{uuid}/status").json()["paused"], "the reason in the status"
    )
    assert "has no READ on" in status["s"]
    assert client.put("/grants", json={**mine, "level": "READ"}).status_code == 204
    pause(1.0)
    again = write(3.0)
    until(lambda: again in dict(series(client, copy)), "an output after the right came back")
    assert unseen not in dict(series(client, copy))
    assert client.get(f"/mashups/{uuid}/status").json()["paused"] == {}


def test_a_denial_on_a_selection_rests_a_mashup_and_ends_by_its_time(platform: Platform) -> None:
    """The publisher's rights count, on a set and for a time, in the process that computes."""
    admin = platform.client()
    sign_up = {"name": "maker", "password": "correct horse battery"}
    assert admin.post("/users", json=sign_up).status_code == 201
    [project] = [p["name"] for p in admin.get("/projects").json() if p["name"] != "platform"]
    grant = {"user": "maker", "prefix": f"project:{project}"}
    assert admin.put("/grants", json={**grant, "level": "CONFIGURE"}).status_code == 204
    maker = platform.client()
    maker.headers["Authorization"] = f"Bearer {maker.post('/login', json=sign_up).json()['token']}"
    thing = admin.post("/endpoints", params={"friendlyName": "Weir"}).json()["uuid"]
    point = f"{thing}/Weir/flow/rate"
    clock = MachineClock()

    def write(value: float) -> int:
        at = clock.now_ms()
        sample = {"address": point, "value": value, "timestamp": at / 1000}
        answer = admin.post("/observations", json={"observations": [sample]})
        assert answer.status_code == 201, answer.text
        return at

    write(0.0)
    uuid = published(
        maker, chain("Weir copy", ("s", "source", {"points": [point]}),
                     ("v", "virtual-point", {"name": "Copy"})),
    )  # fmt: skip
    copy = f"{uuid}/mashup/Copy/value"
    seen = write(1.0)
    until(lambda: seen in dict(series(admin, copy)), "the first output")
    filter = {"filter": {"text": "weir", "address": thing}}
    assert admin.put(f"/selections/{project}/weirs", json=filter).status_code == 201
    ends = datetime.now(UTC) + timedelta(seconds=5)
    denial = {"user": "maker", "prefix": f"selection:{project}/weirs", "level": "DENY"}
    body = {**denial, "until": ends.isoformat()}
    assert admin.put("/grants", json=body).status_code == 204
    pause(1.0)
    unseen = write(2.0)
    assert maker.get(f"/data/{point}").status_code == 404
    until(lambda: admin.get(f"/mashups/{uuid}/status").json()["paused"], "the reason in the status")
    pause(max(0.0, (ends - datetime.now(UTC)).total_seconds()) + 1.0)
    again = write(3.0)
    until(lambda: again in dict(series(admin, copy)), "an output after the denial ended")
    assert unseen not in dict(series(admin, copy))
    assert maker.get(f"/data/{point}").status_code == 200
