"""The public page as the public sees it: a running platform, the app as a process, Chromium."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.console.barriers import without_barriers
from tests.console.conftest import Tab
from tests.csaas_examples.weather_station import WeatherStation
from tests.promises.device import enrol
from tests.promises.platform import until
from tests.promises.secure import SecurePlatform

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]
SCREENS = (390, 1280)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecurePlatform]:
    """A city of two stations, of which one alone measures dust and none wind."""
    home = tmp_path_factory.mktemp("index") / "home"
    platform = SecurePlatform(home, settings={"HTTPS": "true"})
    try:
        platform.start()
        for name, without in (("Station Harbour", ["wind"]), ("Station Park", ["wind", "dust"])):
            station = WeatherStation(platform, enrol(platform, name), *without)
            station.join()
            station.tell_a_day()
            station.leave()
        yield platform
    finally:
        platform.end()


@pytest.fixture(scope="module")
def token(platform: SecurePlatform, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A token that may read the city and nothing else, made as the page on apps says."""
    api, secret = platform.client(), "what hangs in the market hall"
    api.post("/users", json={"name": "city.index", "password": secret}).raise_for_status()
    grant = {"user": "city.index", "prefix": "project:city", "level": "READ"}
    api.put("/grants", json=grant).raise_for_status()
    login = api.post("/login", json={"name": "city.index", "password": secret}).json()["token"]
    asked = {"label": "display", "scopes": ["read"]}
    made = api.post("/tokens", json=asked, headers={"Authorization": f"Bearer {login}"})
    path = tmp_path_factory.mktemp("token") / "token"
    path.write_text(made.raise_for_status().json()["token"])
    return path


@pytest.fixture(scope="module")
def page_url(platform: SecurePlatform, token: Path) -> Iterator[str]:
    """Where the app serves its page; it is a process of its own and knows HTTPS and a token."""
    process = subprocess.Popen(
        [sys.executable, "-m", "csaas_examples.city_index", "--port", "0", "--every", "1",
         "--url", platform.url, "--ca", str(platform.ca), "--token-file", str(token),
         "--name", "Harbour Town", "--zone", "Europe/Helsinki", "--project", "city"],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    try:
        until(lambda: told(url)["readings"].get("dust"), "the first figures")
        yield url
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        process.stdout.close()


def told(url: str) -> dict[str, Any]:
    with urllib.request.urlopen(url + "indices.json", timeout=10) as answer:
        document: dict[str, Any] = json.load(answer)
    return document


def test_everybody_can_read_the_page(page_url: str, context: BrowserContext, shots: Path) -> None:
    tab = Tab(context.new_page(), page_url.rstrip("/"))
    tab.watch()
    page = tab.open("/")
    page.get_by_role("heading", name="Harbour Town").wait_for()
    for name in ("Living", "Washing", "Environment"):
        card = page.get_by_role("region", name=name)
        score = int(card.locator(".score").inner_text().split()[0])
        assert 0 < score <= 100
        line = card.get_by_role("img", name=f"{name}, last 24 hours: from")
        assert line.is_visible()
    washing = page.get_by_role("region", name="Washing")
    assert washing.get_by_text("Wind is not measured now, and not counted.").is_visible()
    assert page.get_by_role("region", name="Measured").get_by_text("at most 5 min old").count() >= 5
    assert page.get_by_text("As of").inner_text().split()[3].rstrip(".") in ("EET", "EEST")
    without_barriers(page, "city-index", shots, widths=SCREENS)
    assert tab.faults == []


def test_the_page_says_when_the_platform_is_away(
    platform: SecurePlatform, page_url: str, context: BrowserContext, shots: Path
) -> None:
    before = told(page_url)
    assert platform.stop() == 0
    tab = Tab(context.new_page(), page_url.rstrip("/"))
    tab.watch()
    page = tab.open("/")
    # The page comes to it by itself: nobody presses anything in a market hall.
    page.get_by_text("The platform does not answer").wait_for(timeout=40_000)
    assert told(page_url)["at"] >= before["at"]
    assert page.locator(".score").count() == 3
    without_barriers(page, "city-index-away", shots, widths=(390,))
    assert tab.faults == []
    platform.start()
    page.get_by_text("The platform does not answer").wait_for(state="detached", timeout=40_000)
