"""Tokens end with what they rest on, also over a core that is killed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.cpaas.oidc.conftest import CALLBACK, CHALLENGE, VERIFIER
from tests.promises.platform import Platform, running, until

pytestmark = pytest.mark.slow
PASSWORD = "a long way to the harbour"
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    with running(tmp_path_factory.mktemp("tokens") / "home") as started:
        yield started


class App:
    """An application and its person, maria."""

    def __init__(self, platform: Platform, name: str) -> None:
        self.platform, self.base = platform, f"http://{platform.http}"
        admin = platform.client()
        admin.post("/users", json={"name": name, "password": PASSWORD}).raise_for_status()
        made = admin.post(
            "/applications",
            json={
                "name": name,
                "redirect_uris": [CALLBACK],
                "scopes": ["openid", "read", "offline_access"],
            },
        )
        assert made.status_code == 201, made.text
        self.name, self.client_id = name, made.json()["client_id"]
        self.auth = (self.client_id, made.json()["client_secret"])

    def sign_in(self) -> dict[str, Any]:
        asked = urlencode(
            {
                "response_type": "code",
                "client_id": self.client_id,
                "redirect_uri": CALLBACK,
                "scope": "openid read offline_access",
                "code_challenge": CHALLENGE,
                "code_challenge_method": "S256",
            }
        )
        with httpx.Client(base_url=self.base, headers=OWN, timeout=30.0) as browser:
            who = {"to": "authorize", "name": self.name, "password": PASSWORD}
            signed_in = browser.post(f"/oauth2/login?{asked}", data=who)
            page = browser.get(signed_in.headers["location"]).text
            account = re.search(r'name="account" value="(\d+)"', page)
            action = re.search(r'action="([^"]+)"', page)
            assert account and action, page
            decided = {"account": account[1], "decision": "allow"}
            back = browser.post(unescape(action[1]), data=decided).headers["location"]
        self.code = parse_qs(urlsplit(back).query)["code"][0]
        found: dict[str, Any] = self.redeem().json()
        return found

    def redeem(self) -> httpx.Response:
        return self.post(
            grant_type="authorization_code",
            code=self.code,
            redirect_uri=CALLBACK,
            code_verifier=VERIFIER,
        )

    def refresh(self, token: str) -> httpx.Response:
        return self.post(grant_type="refresh_token", refresh_token=token)

    def post(self, **told: str) -> httpx.Response:
        return httpx.post(f"{self.base}/oauth2/token", data=told, auth=self.auth, timeout=30.0)

    def opens(self, token: str) -> bool:
        bearer = {"Authorization": f"Bearer {token}"}
        answer = httpx.get(f"{self.base}/api/v1/account", headers=bearer, timeout=30.0)
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200


def killed(platform: Platform) -> None:
    """Kill core and wait for the next one."""
    before = platform.kill("core")
    until(lambda: platform.healthy() and platform.pid("core") != before, "the next core")


def test_what_was_ended_stays_ended(platform: Platform, tmp_path: Path) -> None:
    app, other = App(platform, "maria"), App(platform, "elsa")
    first, untouched = app.sign_in(), other.sign_in()
    second = app.refresh(first["refresh_token"]).json()
    assert app.opens(first["access_token"]) and app.opens(second["access_token"])
    stolen = app.refresh(first["refresh_token"])
    assert stolen.json()["error"] == "invalid_grant"
    assert not app.opens(first["access_token"])
    assert not app.opens(second["access_token"])
    killed(platform)
    assert other.opens(untouched["access_token"]), "a token outlives a core that is killed"
    assert not app.opens(second["access_token"])
    assert app.refresh(second["refresh_token"]).status_code == 400
    assert app.redeem().json()["error"] == "invalid_grant"


def test_who_is_shut_out_is_out_before_the_next_request(platform: Platform) -> None:
    app, admin = App(platform, "carla"), platform.client()
    tokens = app.sign_in()
    assert app.opens(tokens["access_token"])
    admin.patch("/users/carla", json={"disabled": True}).raise_for_status()
    assert not app.opens(tokens["access_token"])
    assert app.refresh(tokens["refresh_token"]).status_code == 400
    admin.patch("/users/carla", json={"disabled": False}).raise_for_status()
    assert app.opens(tokens["access_token"])
    admin.patch(f"/applications/{app.client_id}", json={"disabled": True}).raise_for_status()
    assert not app.opens(tokens["access_token"])


def test_no_secret_lies_in_the_home(platform: Platform) -> None:
    app = App(platform, "diego")
    tokens = app.sign_in()
    planted = [app.auth[1], app.code, tokens["refresh_token"], tokens["access_token"]]
    parts = tokens["refresh_token"].removeprefix("bor_refresh_")
    planted += [parts[:22], parts[22:]]
    files = [path for path in platform.home.rglob("*") if path.is_file()]
    assert any(path.name.startswith("registry") for path in files)
    for path in files:
        data = path.read_bytes()
        for secret in planted:
            assert secret.encode() not in data, path
