"""Roles are started again, ended in order and never left behind."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.promises.account import settle
from tests.promises.device import Device, Form, Load, enrol
from tests.promises.platform import ROLES, STOP_S, Platform, alive, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that each test leaves running."""
    with running(tmp_path_factory.mktemp("supervised") / "home") as platform:
        yield platform


def test_a_crashed_role_is_started_again_and_the_status_tells(platform: Platform) -> None:
    before = status(platform)["roles"]
    assert {role["state"] for role in before.values()} == {"running"}
    killed = platform.kill("core")
    until(lambda: platform.roles()["core"]["restarts"], "the crash to be noticed")
    platform.wait_ready()
    after = status(platform)["roles"]
    core = after["core"]
    assert core["state"] == "running"
    assert core["pid"] != killed == before["core"]["pid"]
    assert alive(core["pid"])
    assert core["restarts"] == 1
    assert core["last_error"] == "ended with signal 9"
    assert 0 <= core["uptime_s"] <= after["broker"]["uptime_s"]
    assert after["broker"]["pid"] == before["broker"]["pid"]
    told = platform.call("status")
    assert told.returncode == 0
    assert re.search(rf"core +running +{core['pid']} .*ended with signal 9", told.stdout)


def test_a_token_of_the_command_line_opens_the_api_to_its_holder(platform: Platform) -> None:
    done = platform.call("token", "--admin")
    assert done.returncode == 0, done.stderr
    token = done.stdout.splitlines()[-1]
    url = f"http://{platform.http}/api/v1/status"
    assert httpx.get(url, headers={"Authorization": f"Bearer {token}"}).is_success
    assert httpx.get(url).status_code == httpx.codes.UNAUTHORIZED
    wrong = {"Authorization": f"Bearer {token[:-1]}"}
    assert httpx.get(url, headers=wrong).status_code == httpx.codes.UNAUTHORIZED


def test_an_end_in_order_loses_nothing_and_leaves_nobody(tmp_path: Path) -> None:
    with running(tmp_path / "home") as platform:
        devices = [
            Device(platform, enrol(platform, form.name), form, 1 if "one" in form.value else 5)
            for form in Form
        ]
        with Load(devices) as load:
            until(lambda: len(load.ledger().acked) > 1_000, "a running load")
            pids = [platform.pid(role) for role in ROLES]
            began = time.monotonic()
            assert platform.stop() == 0
            assert time.monotonic() - began < STOP_S
            assert not any(map(alive, pids))
            log = (platform.home / "logs/watch.log").read_text()
            assert re.findall(r"(\w+) is stopped", log) == ["compose", "field", "core", "broker"]
            assert "was killed" not in log
            told = platform.call("status")
            assert told.returncode == 1
            assert "Borough is not running; run: borough up" in told.stdout
            platform.start()
            ledger = load.settle()
        account = settle(platform.client(), ledger)
        assert account.clean, account


def test_nobody_outlives_a_watch_that_is_killed(platform: Platform) -> None:
    pids = [platform.pid(role) for role in ROLES]
    assert all(map(alive, pids))
    platform.kill("up")
    until(lambda: not any(map(alive, pids)), "the end of the roles")
    told = json.loads(platform.call("status", "--json").stdout)
    assert told["running"] is False
    assert {role["state"] for role in told["roles"].values()} == {"stopped"}
    platform.start()
    assert {platform.pid(role) for role in ROLES}.isdisjoint(pids)


def status(platform: Platform) -> Any:
    """Return what `borough status --json` prints on its last line."""
    done = platform.call("status", "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
