"""What was erased of a person is nowhere: not in history, exports, backups, or a byte of the home.

Values of confidential points are written to a real installation, whose files, streams, logs and
backups are searched while they are kept, and read again after the key of one person is destroyed.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.promises.platform import Platform, running, until
from tests.promises.test_secrets_at_rest import found_in

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

PULSE = 4711.081547
DIARY = "canary of a diary that nobody else should read"
NEIGHBOUR = "canary of another person who stays"
T0 = 1_700_000_000
PLANTED = {
    "number as text": str(PULSE).encode(),
    "number in memory's order": struct.pack("<d", PULSE),
    "number in the wire's order": struct.pack(">d", PULSE),
    "text": DIARY.encode(),
    "another person's text": NEIGHBOUR.encode(),
}


@dataclass
class Run:
    """What became of the values."""

    before: dict[str, Any] = field(default_factory=dict)
    after: dict[str, Any] = field(default_factory=dict)
    restored: dict[str, Any] = field(default_factory=dict)
    """From the backup made before the erasure."""
    files: list[Path] = field(default_factory=list)
    verified: subprocess.CompletedProcess[str] | None = None
    refusal: str = ""
    subjects: list[Mapping[str, Any]] = field(default_factory=list)


def person(client: httpx.Client, subject: str) -> str:
    """Return a new endpoint whose points are confidential."""
    uuid: str = client.post("/endpoints", params={"friendlyName": "Watch"}).json()["uuid"]
    said = client.patch(f"/metadata/{uuid}", json={"confidential": subject})
    assert said.status_code == 200, said.text
    return uuid


def write(client: httpx.Client, *samples: tuple[str, Any]) -> httpx.Response:
    body = [
        {"address": address, "value": value, "timestamp": T0 + n}
        for n, (address, value) in enumerate(samples)
    ]
    return client.post("/observations", json={"observations": body})


def told(client: httpx.Client, points: Mapping[str, str]) -> dict[str, Any]:
    """Return all that the API tells of each point: history, as CSV too, and the newest value."""
    found = {}
    for name, point in points.items():
        series = client.get(f"/history/{point}")
        export = client.get(f"/history/{point}", headers={"Accept": "text/csv"})
        newest = client.get(f"/data/{point}")
        assert series.status_code == export.status_code == newest.status_code == 200
        values = [row["value"] for row in series.json()]
        found[name] = (values, export.text.partition(";")[2].strip(), newest.json()["value"])
    return found


def copied(folder: Path, name: str) -> list[Path]:
    """Return copies of all files below a folder, of which some may vanish any moment."""
    target = folder.with_name(name)
    for path in folder.rglob("*"):
        if path.is_file():
            copy = target / path.relative_to(folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            try:
                shutil.copyfile(path, copy)
            except FileNotFoundError:
                continue
    return [path for path in target.rglob("*") if path.is_file()]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    folder = tmp_path_factory.mktemp("erased")
    found = Run()
    with running(folder / "home") as platform:
        client = platform.client()
        ada, bob = person(client, "ada"), person(client, "bob")
        points = {
            "pulse": f"{ada}/Person/body/pulse",
            "diary": f"{ada}/Person/mind/diary",
            "neighbour": f"{bob}/Person/mind/diary",
        }
        values = (PULSE, DIARY, NEIGHBOUR)
        assert write(client, *zip(points.values(), values, strict=True)).status_code == 201
        found.before = told(client, points)
        until(lambda: client.get("/status").json()["live"] > 0, "the commit in the live stream")
        found.files += copied(platform.files, "while it ran")
        save(platform, folder / "before.tar")
        done = platform.call("keys", "erase", "ada", "--yes")
        assert done.returncode == 0 and "destroy older copies" in done.stdout, done.stderr
        found.after = told(client, points)
        found.refusal = write(client, (points["pulse"], 1.0)).text
        save(platform, folder / "after.tar")
        listed = platform.call("keys", "subjects", "--json").stdout.splitlines()[-1]
        found.subjects = json.loads(listed)["subjects"]
        platform.stop()
        found.verified = subprocess.run(
            [sys.executable, "-m", "borough", "audit", "verify"],
            env=platform.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        found.files += [p for p in platform.files.rglob("*") if p.is_file()]
        found.files += [platform._output, platform._errors, folder / "before.tar"]
        found.files.append(folder / "after.tar")
        found.restored = brought_back(platform, folder, points)
    yield found


def save(platform: Platform, path: Path) -> None:
    done = platform.call("backup", str(path))
    assert done.returncode == 0, done.stderr


def brought_back(platform: Platform, folder: Path, points: Mapping[str, str]) -> dict[str, Any]:
    """Return what the older backup tells on another machine, with today's keys of people."""
    home = folder / "restored"
    done = platform.call(
        "restore", str(folder / "before.tar"), "--keys", str(platform.files / "keys.json"),
        "--subjects", str(platform.files / "subjects"), BOROUGH_HOME=str(home),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with running(home) as other:
        return told(other.client(), points)


def test_who_may_read_reads_until_the_erasure(run: Run) -> None:
    assert run.before == {
        "pulse": ([PULSE], str(PULSE), PULSE),
        "diary": ([DIARY], DIARY, DIARY),
        "neighbour": ([NEIGHBOUR], NEIGHBOUR, NEIGHBOUR),
    }


def test_no_file_of_the_home_and_no_backup_ever_held_a_value(run: Run) -> None:
    names = {path.name for path in run.files}
    assert {"registry.sqlite", "history.duckdb", "core.log", "before.tar", "after.tar"} <= names
    assert any("streams" in path.parts for path in run.files), "the broker's store was searched"
    found = {str(path): list(found_in(path, PLANTED)) for path in run.files}
    assert {path: values for path, values in found.items() if values} == {}


def test_after_the_erasure_the_values_are_gone_and_others_stay(run: Run) -> None:
    assert run.after["neighbour"] == run.before["neighbour"]
    for name in ("pulse", "diary"):
        values, export, newest = run.after[name]
        assert values == [None] and newest is None
        assert str(PULSE) not in export and DIARY not in export and "sealed" not in export
    assert "were erased" in run.refusal
    assert [(s["id"], s["erased_at"] is None) for s in run.subjects] == [
        ("ada", False),
        ("bob", True),
    ]


def test_a_backup_from_before_brings_nothing_back(run: Run) -> None:
    assert run.restored == run.after


def test_the_record_still_verifies(run: Run) -> None:
    assert run.verified is not None
    assert run.verified.returncode == 0, run.verified.stdout + run.verified.stderr
