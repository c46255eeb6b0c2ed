"""What really happened to roles and devices is what the report says, through kills of anything."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.promises.device import Device, enrol
from tests.promises.platform import Platform, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running(tmp_path_factory.mktemp("observed") / "home") as platform:
        yield platform


def figures(platform: Platform) -> dict[str, dict[str, Any]]:
    answer = platform.client().get("/dependability")
    return {row["resource"]: row for row in answer.json()["resources"]}


def states(platform: Platform, resource: str) -> list[str]:
    answer = platform.client().get("/dependability/states", params={"resource": resource})
    return [interval["state"] for interval in answer.json()] if answer.is_success else []


def test_a_killed_role_has_failed_once_and_was_restored(platform: Platform) -> None:
    until(lambda: states(platform, "role:field")[-1:] == ["up"], "field to be seen")
    before = states(platform, "role:field")
    earlier = figures(platform)["role:field"]["failures"]
    platform.kill("field")
    until(lambda: states(platform, "role:field") == [*before, "down", "up"], "the failure")
    field = figures(platform)["role:field"]
    assert (field["failures"], field["restorations"]) == (earlier + 1, earlier + 1)
    assert 0 < field["mttr_s"] < 60
    assert 0 < field["availability"] < 1


def test_core_tells_of_its_own_death(platform: Platform) -> None:
    """Core was not there to see it: the watch role was."""
    until(lambda: states(platform, "role:core")[-1:] == ["up"], "core to be seen")
    failures = figures(platform)["role:core"]["failures"]
    platform.kill("core")
    until(lambda: platform.roles()["core"]["restarts"], "the crash to be noticed")
    platform.wait_ready()
    until(lambda: figures(platform)["role:core"]["failures"] == failures + 1, "the failure")


def test_a_device_that_goes_is_down_and_comes_back(platform: Platform) -> None:
    enrolled = enrol(platform, "Lamp")
    resource = f"device:{enrolled.uuid}"
    device = Device(platform, enrolled)
    device.join()
    until(lambda: states(platform, resource) == ["up"], "the device to be seen")
    device.leave()
    until(lambda: states(platform, resource) == ["up", "down"], "its going")
    again = Device(platform, enrolled)
    again.join()
    until(lambda: states(platform, resource) == ["up", "down", "up"], "its return")
    row = figures(platform)[resource]
    again.leave()
    assert (row["failures"], row["restorations"], row["endpoint"]) == (1, 1, enrolled.uuid)


def test_time_in_which_nothing_watched_is_unknown(platform: Platform) -> None:
    until(lambda: states(platform, "host")[-1:] == ["up"], "the host to be seen")
    before = states(platform, "host")
    assert platform.stop() == 0
    platform.start()
    until(lambda: len(states(platform, "host")) == len(before) + 2, "the start to be seen")
    assert states(platform, "host")[-2:] == ["unknown", "up"]
    assert figures(platform)["host"]["failures"] == 0


def test_the_command_writes_the_page_and_the_figures(platform: Platform, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    done = platform.call("report", "--out", str(out), "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    assert {"host", "role:core", "role:broker"} <= {row["resource"] for row in told["resources"]}
    page = out.read_text()
    assert page.startswith("<!doctype html>") and "role:core" in page


def test_metrics_are_openmetrics(platform: Platform) -> None:
    url, client = f"http://{platform.http}/metrics", platform.client()
    until(lambda: 'borough_up{resource="role:core"} 1.0' in client.get(url).text, "core's state")
    answer = client.get(url)
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.text.endswith("# EOF\n")
    assert "borough_samples_total" in answer.text
    assert 'borough_process_memory_bytes{role="core"}' in answer.text


def test_what_the_platform_has_and_uses_are_points(tmp_path: Path) -> None:
    with running(tmp_path / "home", observe_each_s=0.5) as platform:
        client = platform.client()

        def points() -> dict[str, Any]:
            found = client.get("/search", params={"project": "platform", "limit": 200}).json()
            return {hit["address"].partition("/")[2]: hit["value"] for hit in found["hits"]}

        first = until(lambda: p if len(p := points()) > 20 else None, "points of the platform")
        job = nightly(platform)
        client.post(f"/jobs/{job}/runs").raise_for_status()
        until(lambda: points().get(f"{job}/run/outcome") == "succeeded", "the run as a point")
        resource = f"job:{job}"
        until(lambda: states(platform, resource) == ["up"], "the job to be seen")
        # Its owner is gone: it is refused from now on.
        client.patch("/users/night.owl", json={"disabled": True}).raise_for_status()
        client.post(f"/jobs/{job}/runs").raise_for_status()
        until(lambda: states(platform, resource) == ["up", "down"], "the failure")
        until(lambda: points().get(f"{job}/run/outcome") == "refused", "the refusal as a point")
        platform.stop()
        platform.start()
        until(lambda: states(platform, resource)[-2:] == ["unknown", "down"], "the time away")
        assert figures(platform)[resource]["failures"] == 1
        last = points()
    assert 0 < first["memory/use/used"] < first["memory/use/capacity"]
    assert 0 < first["volume/home/used"] < first["volume/home/capacity"]
    assert first["core/process/memory"] > 10_000_000
    assert first["history/files/used"] > 0
    assert first["devices/queue/messages"] >= 0
    assert first["city/objects/used"] == 0
    assert (last["city/objects/used"], last["city/jobs/used"]) == (1, 1)
    assert 0 < last["city/bucket/used"] < last["city/bucket/capacity"]
    assert last[f"{job}/run/duration"] >= 0


def nightly(platform: Platform) -> str:
    """Have a user make a job on a point that holds a value; returns the job's UUID."""
    client = platform.client()
    endpoint = client.post("/endpoints", params={"friendlyName": "Lamp"}).json()["uuid"]
    address = f"{endpoint}/Lamp/meter/power"
    sample = {"address": address, "value": 1.0, "timestamp": 1_743_289_200}
    client.post("/observations", json={"observations": [sample]}).raise_for_status()
    secret = "by night the owl is awake"
    client.post("/users", json={"name": "night.owl", "password": secret}).raise_for_status()
    grant = {"user": "night.owl", "prefix": "project:city", "level": "WRITE"}
    client.put("/grants", json=grant).raise_for_status()
    signed = client.post("/login", json={"name": "night.owl", "password": secret})
    document = {
        "name": "by night",
        "query": {
            "select": {"addresses": [address]},
            "interval": {"from": "2025-03-29", "to": "2025-03-31"},
            "measures": ["count"],
        },
        "schedule": {"cron": "0 3 * * *"},
        "target": {"key": "night/{date}.csv"},
    }
    owl = {"Authorization": f"Bearer {signed.json()['token']}"}
    made = client.post("/jobs", json=document, headers=owl)
    made.raise_for_status()
    uuid: str = made.json()["id"]
    return uuid
