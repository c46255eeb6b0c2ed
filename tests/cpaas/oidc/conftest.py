"""An application and a browser in front of the provider, both made of plain HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass, field
from html import unescape
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from tests.cpaas.conftest import House

PASSWORD = "a long way to the harbour"
CALLBACK = "https://app.example/callback"
VERIFIER = "v" * 43
CHALLENGE = (
    base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
)
ALL_GRANTS = [
    "authorization_code",
    "refresh_token",
    "client_credentials",
    "urn:ietf:params:oauth:grant-type:device_code",
    "urn:ietf:params:oauth:grant-type:token-exchange",
]
DEVICE, EXCHANGE = ALL_GRANTS[3:]
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


@dataclass
class Page:
    """What a browser was shown."""

    answer: httpx.Response

    @property
    def title(self) -> str:
        found = re.search(r"<h1>(.*?)</h1>", self.answer.text, re.DOTALL)
        assert found is not None, self.answer.text
        return unescape(found[1])

    @property
    def action(self) -> str:
        found = re.search(r'<form method="post" action="([^"]*)"', self.answer.text)
        assert found is not None, self.answer.text
        return unescape(found[1])

    @property
    def hidden(self) -> dict[str, str]:
        found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)"', self.answer.text)
        return {name: unescape(value) for name, value in found}


@dataclass
class Browser:
    """Follows what the provider answers as far as it stays at the provider."""

    base: str
    http: httpx.Client
    own: dict[str, str] = field(default_factory=lambda: {"Sec-Fetch-Site": "same-origin"})

    def get(self, path: str) -> Page | str:
        """Return the page shown, or the address of another site that the browser is sent to."""
        return self._follow(self.http.get(self.base + path))

    def send(self, page: Page, **fields: str) -> Page | str:
        """Send the form of a page."""
        told = {**page.hidden, **fields}
        return self._follow(self.http.post(self.base + page.action, data=told, headers=self.own))

    def sign_in(self, page: Page, name: str = "maria", password: str = PASSWORD) -> Page | str:
        return self.send(page, name=name, password=password)

    def _follow(self, answer: httpx.Response) -> Page | str:
        for _ in range(5):
            if answer.status_code not in (302, 303):
                return Page(answer)
            target = answer.headers["location"]
            if not target.startswith(("/", self.base)):
                return str(target)
            answer = self.http.get(httpx.URL(self.base).join(target))
        raise AssertionError("the browser is sent in circles")


@dataclass
class Party:
    """An application that people sign in to."""

    house: House
    base: str
    client_id: str
    secret: str | None
    http: httpx.Client

    def query(self, **changed: str | None) -> str:
        asked = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": CALLBACK,
            "scope": "openid profile read",
            "state": "state-1",
            "nonce": "nonce-1",
            "code_challenge": CHALLENGE,
            "code_challenge_method": "S256",
        } | changed
        told = {name: value for name, value in asked.items() if value is not None}
        return f"/oauth2/authorize?{urlencode(told)}"

    def post(self, path: str, **fields: str | None) -> httpx.Response:
        """Ask the provider with the application's own credentials."""
        told = {name: value for name, value in fields.items() if value is not None}
        if self.secret is None:
            return self.http.post(self.base + path, data={"client_id": self.client_id, **told})
        return self.http.post(self.base + path, data=told, auth=(self.client_id, self.secret))

    def redeem(self, code: str, **changed: str | None) -> httpx.Response:
        asked: dict[str, str | None] = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        }
        return self.post("/oauth2/token", **(asked | changed))

    def refresh(self, token: str, **more: str) -> httpx.Response:
        return self.post("/oauth2/token", grant_type="refresh_token", refresh_token=token, **more)

    def credentials(self, **more: str) -> httpx.Response:
        return self.post("/oauth2/token", grant_type="client_credentials", **more)

    def tokens(self, browser: Browser, **changed: str | None) -> dict[str, Any]:
        """Have the person of a browser sign in and agree."""
        code = self.code(browser, **changed)
        answer = self.redeem(code)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def code(self, browser: Browser, **changed: str | None) -> str:
        step = browser.get(self.query(**changed))
        if isinstance(step, Page) and "/oauth2/login" in step.action:
            step = browser.sign_in(step)
        if isinstance(step, Page):
            step = browser.send(step, decision="allow")
        assert isinstance(step, str), step
        return told_of(step)["code"]

    def api(self, token: str) -> httpx.Client:
        return self.house.client(token)


def told_of(uri: str) -> dict[str, str]:
    """Return the parameters that an address carries."""
    return {name: values[0] for name, values in parse_qs(urlsplit(uri).query).items()}


def claims_of(token: str) -> dict[str, Any]:
    """Return what a signed token says, unproved."""
    return part_of(token, 1)


def part_of(token: str, number: int) -> dict[str, Any]:
    text = token.split(".")[number]
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return found


def register(house: House, **changed: Any) -> dict[str, Any]:
    body = {
        "name": "Harbour lights",
        "redirect_uris": [CALLBACK],
        "logout_uris": ["https://app.example/bye"],
        "grants": ALL_GRANTS,
        "scopes": ["openid", "profile", "groups", "offline_access", "read", "write"],
    } | changed
    answer = house.client().post("/applications", json=body, params={"project": "city"})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


@pytest.fixture(scope="module")
def city(shared_house: House) -> House:
    """One for all tests of a module; maria may read the city, by her password."""
    shared_house.city.accounts.add_user("maria", PASSWORD)
    shared_house.grant("maria", "project:city", "READ")
    return shared_house


@pytest.fixture(scope="module")
def base(city: House) -> str:
    return city.base_url.removesuffix("/api/v1")


@pytest.fixture
def plain(city: House) -> httpx.Client:
    """A client that brings nothing along."""
    return city.client(token=None)


@pytest.fixture
def browser(city: House, base: str) -> Browser:
    """A browser in which nobody is signed in."""
    return Browser(base, city.client(token=None))


def party_of(house: House, base: str, **changed: Any) -> Party:
    made = register(house, **changed)
    return Party(house, base, made["client_id"], made["client_secret"], house.client(token=None))


@pytest.fixture
def party(city: House, base: str) -> Party:
    return party_of(city, base)
