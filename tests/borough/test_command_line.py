"""The command line where nothing runs, and of what the watch role last wrote."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from borough.cli import borough
from borough.home import Home, HomeError, Lock
from security.encryption.keyring import KeyRing

ROLES: dict[str, dict[str, Any]] = {
    "broker": {"state": "running", "pid": 11, "restarts": 0, "last_error": ""},
    "core": {"state": "backoff", "pid": None, "restarts": 3, "last_error": "out of luck"},
}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    monkeypatch.setenv("BOROUGH_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("BOROUGH_HTTP", "127.0.0.1:1")
    return Home(tmp_path / "home")


@pytest.fixture
def written(home: Home) -> Home:
    """A home on which a platform was started 60 s ago."""
    home.prepare()
    since = time.time() - 60
    home.write_status({"pid": 10, "roles": {n: r | {"since": since} for n, r in ROLES.items()}})
    return home


def call(*words: str) -> Result:
    return CliRunner().invoke(borough, words)


def test_the_status_of_a_home_that_was_never_used(home: Home) -> None:
    done = call("status")
    assert (done.exit_code, done.output) == (
        1,
        "Borough was never started on this home; run: borough up\n",
    )
    assert not home.path.exists(), "asking changes nothing"
    assert json.loads(call("status", "--json").output) == {"roles": {}, "running": False}


def test_the_status_after_the_end_shows_nobody_running(written: Home) -> None:
    done = call("status", "--json")
    found = json.loads(done.output)
    assert done.exit_code == 1
    assert found["running"] is False
    assert {role["state"] for role in found["roles"].values()} == {"stopped"}
    assert {role["uptime_s"] for role in found["roles"].values()} == {0.0}
    assert found["roles"]["core"]["last_error"] == "out of luck"
    assert call("status").output.splitlines()[-1] == "Borough is not running; run: borough up"


def test_the_status_while_a_watch_holds_the_home(written: Home) -> None:
    lock = Lock(written, "watch")
    lock.take()
    try:
        done = call("status", "--json")
        found = json.loads(done.output)
        table = call("status")
    finally:
        lock.release()
    assert done.exit_code == table.exit_code == 0
    broker, core = found["roles"]["broker"], found["roles"]["core"]
    assert (broker["state"], broker["pid"]) == ("running", 11)
    assert broker["uptime_s"] >= 60
    assert (core["state"], core["pid"], core["restarts"]) == ("backoff", None, 3)
    header, first, second = table.output.splitlines()
    assert header.split() == ["role", "state", "pid", "uptime", "last", "error"]
    assert first.split()[:3] == ["broker", "running", "11"]
    assert second.split()[:3] == ["core", "backoff", "-"]
    assert second.endswith("out of luck")


def test_a_token_says_for_whom() -> None:
    done = call("token")
    assert done.exit_code == 2
    assert "borough token --admin" in done.output


def test_a_token_of_a_home_without_keys_is_refused(home: Home) -> None:
    done = call("token", "--admin")
    assert isinstance(done.exception, HomeError)
    assert "keys.json cannot be read" in str(done.exception)


def test_a_token_needs_a_platform_that_runs(home: Home) -> None:
    home.prepare()
    KeyRing.create(home.keys)
    done = call("token", "--admin")
    assert isinstance(done.exception, HomeError)
    assert str(done.exception) == (
        "the platform does not answer at http://127.0.0.1:1/api/v1/; start it with: borough up"
    )


def test_a_refusal_is_one_sentence_on_standard_error(home: Home) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "borough", "token", "--admin"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("borough: ")
    assert len(done.stderr.splitlines()) == 1
