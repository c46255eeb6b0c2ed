"""The key ring is rotated while everything goes on, and a kill in the middle costs nothing."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from borough.home import Home
from borough.roles.adapter_means import SealedSecrets
from borough.wiring import create_keys, open_keys
from security.encryption.envelope import version_of
from tests.promises.platform import Platform, running, until

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]

SECRETS = 800
HOST = "gateway.example"


def name_of(number: int) -> str:
    return f"secret-{number:04}"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with enough sealed secrets that a re-wrap can be met in its middle."""
    home = Home(tmp_path_factory.mktemp("rotation") / "home")
    home.prepare()
    kept = SealedSecrets(home.secrets, create_keys(home))
    for number in range(SECRETS):
        kept.keep(name_of(number), HOST, f"value {number}")
    with running(home.path) as platform:
        yield platform


def ring_of(client: httpx.Client) -> Any:
    answer = client.get("/keys/ring")
    assert answer.status_code == 200, answer.text
    return answer.json()


def versions_on_disk(home: Path) -> set[int]:
    found = set()
    for path in (home / "secrets").glob("secret-*.json"):
        found.add(version_of(json.loads(path.read_text())["sealed"]))
    return found


def all_open(home: Path) -> bool:
    """Tell whether another process than core opens every secret, as field does."""
    kept = SealedSecrets(home / "secrets", open_keys(Home(home)))
    return all(kept.secret(name_of(n), HOST) == f"value {n}" for n in range(0, SECRETS, 50))


def test_a_kill_in_the_middle_of_a_rotation_costs_nothing(platform: Platform) -> None:
    client = platform.client()
    until(lambda: ring_of(client)["rewrap"]["done"], "the end of what went before")
    assert client.post("/keys", json={"name": "app", "use": "encrypt"}).status_code == 201
    clear = base64.b64encode(b"what an application keeps").decode()
    sealed = client.post("/keys/app/encrypt", json={"plaintext": clear}).json()["ciphertext"]
    webhook = {"url": "http://198.41.0.4:9/", "filter": {"text": "nothing"}}
    assert client.post("/subscriptions", json=webhook).status_code == 201

    version = client.post("/keys/rotate").json()["version"]
    until(lambda: ring_of(client)["rewrap"]["rewrapped"] >= 100, "the first steps")
    platform.kill("core")
    between = versions_on_disk(platform.home)
    assert between == {version - 1, version}, "it was met in its middle"
    assert all_open(platform.home), "old and new open alike"
    until(platform.healthy, "core after its death")

    def whole() -> Any:
        ring = ring_of(client)
        return ring if ring["rewrap"]["done"] else None

    ring = until(whole, "the rest of the re-wrap")
    assert versions_on_disk(platform.home) == {version}
    assert ring["rewrap"]["failed"] == 0 and ring["rewrap"]["seen"] >= SECRETS + 2
    assert {v["version"]: v["secrets"] for v in ring["versions"]}[version - 1] == 0
    assert all_open(platform.home)
    opened = client.post("/keys/app/decrypt", json={"ciphertext": sealed})
    assert opened.json()["plaintext"] == clear


def test_uses_go_on_while_it_is_rotated_by_the_command_line(platform: Platform) -> None:
    client = platform.client()
    clear = base64.b64encode(b"meanwhile").decode()
    assert client.post("/keys", json={"name": "meanwhile", "use": "encrypt"}).status_code == 201
    done = platform.call("keys", "rotate", "--json")
    assert done.returncode == 0, done.stderr
    version = json.loads(done.stdout.splitlines()[-1])["version"]
    used = 0
    while not ring_of(client)["rewrap"]["done"]:
        sealed = client.post("/keys/meanwhile/encrypt", json={"plaintext": clear})
        assert sealed.status_code == 200, sealed.text
        body = {"ciphertext": sealed.json()["ciphertext"]}
        assert client.post("/keys/meanwhile/decrypt", json=body).json()["plaintext"] == clear
        used += 1
    assert used > 3
    assert "meanwhile" in platform.call("keys", "list").stdout.split()
    assert versions_on_disk(platform.home) == {version}
    told = platform.call("keys", "status")
    assert "all secrets lie under the newest version" in told.stdout
    assert f"version {version} seals" in told.stdout


def test_an_old_version_is_destroyed_when_nothing_lies_under_it(platform: Platform) -> None:
    client = platform.client()
    until(lambda: ring_of(client)["rewrap"]["done"], "the end of what went before")
    current = client.post("/keys/rotate").json()["version"]
    until(lambda: ring_of(client)["rewrap"]["done"], "the end of the re-wrap")
    refused = platform.call("keys", "forget", str(current))
    assert refused.returncode == 1 and "rotate first" in refused.stderr
    assert platform.call("keys", "forget", str(current - 1)).returncode == 0
    assert current - 1 not in {v["version"] for v in ring_of(client)["versions"]}
    assert all_open(platform.home), "with the file as it is now"
