"""The record of a platform that is killed again and again: in order, with every commit in it."""

from __future__ import annotations

import itertools
import json
import re
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.promises.platform import Platform, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

ROUNDS = 3


def entries(platform: Platform) -> list[dict[str, Any]]:
    paths = sorted((platform.files / "audit").glob("record-*.jsonl"))
    return [json.loads(line) for path in paths for line in path.read_bytes().splitlines()]


def untold(platform: Platform) -> int:
    """Return how many commits the record does not tell of yet."""
    recorded = int(platform.client().get("/status").json()["commits"])
    told = {entry["commit"] for entry in entries(platform) if entry.get("kind") == "commit"}
    return recorded - len(told)


def test_it_is_in_order_and_tells_of_every_commit_once(tmp_path: Path) -> None:
    share = tmp_path / "share"
    share.mkdir()
    settings = {"RECORD_COPY": str(share)}
    with running(tmp_path / "home", settings=settings) as platform:
        made = platform.client().post("/endpoints", params={"friendlyName": "app"}).json()
        address, numbers = f"{made['uuid']}/n/o/a", itertools.count()
        for _ in range(ROUNDS):
            deadline = time.monotonic() + 2.0
            while time.monotonic() < deadline:
                sample = {"address": address, "value": next(numbers), "timestamp": time.time()}
                written = platform.client().post("/observations", json={"observations": [sample]})
                assert written.status_code == httpx.codes.CREATED
                assert platform.client().get(f"/data/{address}").status_code == httpx.codes.OK
            platform.kill("core")
            platform.wait_ready()
        until(lambda: untold(platform) == 0, "a line for each commit")
        told = [e["commit"] for e in entries(platform) if e.get("kind") == "commit"]
        assert told == list(range(1, len(told) + 1))
        project = next(e["chain"] for e in entries(platform) if e.get("chain"))
        own = [entry["cseq"] for entry in entries(platform) if entry.get("chain") == project]
        assert own == list(range(1, len(own) + 1)) and len(own) > ROUNDS
        assert platform.stop() == 0  # the last checkpoints are taken
        copies = ("--checkpoints", str(share / "checkpoints.jsonl"))
        done = platform.call("audit", "verify", *copies, "--key", str(share / "checkpoint.pub"))
        last = done.stdout.splitlines()[-1]
        assert (done.returncode, last.startswith("in order")) == (0, True), last
        newest = sorted((platform.files / "audit").glob("record-*.jsonl"))[-1]
        newest.write_bytes(newest.read_bytes()[:-1])
        (platform.files / "audit" / "checkpoints.jsonl").unlink()
        done = platform.call("audit", "verify", *copies)
        assert done.returncode == 1
        assert re.search(r"bad record \d+", done.stdout.splitlines()[-1])
