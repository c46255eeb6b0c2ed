"""A small city with a history, its console, and Chromium in front of it."""

from __future__ import annotations

import importlib.util
import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from borough.console.build import build
from borough.console.checkout import CONSOLE
from tests.console.lamp import Lamp
from tests.console.quarter import furnish
from tests.promises.device import enrol
from tests.promises.platform import Platform, running

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--no-sandbox",
    "--disable-quic",
    "--disable-background-networking",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
)
NAME, PASSWORD = "maria", "a long way to the harbour"
PATIENCE_MS = 20_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if CHROMIUM and importlib.util.find_spec("playwright"):
        return
    skip = pytest.mark.skip(reason="no Chromium, or requirements-ci.lock is not installed")
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(skip)


@dataclass
class Town:
    """A running platform with devices, and where its console is."""

    platform: Platform
    lamp: Lamp
    endpoints: dict[str, str]
    """UUID by name."""

    @property
    def url(self) -> str:
        return f"http://{self.platform.http}"


def set_up_code(platform: Platform) -> str:
    """Return the code that the start printed."""
    output = platform.home.with_name(platform.home.name + ".out").read_text()
    code: str = re.findall(r"first administrator: (\S+)", output)[-1]
    return code


@dataclass
class Tab:
    """A page of the browser, and what it did that it should not have done."""

    page: Page
    url: str
    """Of the platform."""
    faults: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Note errors of the console, failures and requests to anybody else."""
        self.page.on("console", lambda m: self.faults.append(m.text) if m.type == "error" else None)
        self.page.on("pageerror", lambda error: self.faults.append(str(error)))
        self.page.on("dialog", lambda dialog: self.faults.append(f"dialog {dialog.message}"))
        self.page.on(
            "request",
            lambda request: (
                None
                if request.url.startswith((self.url, "data:", "blob:"))
                else self.faults.append(f"asked {request.url}")
            ),
        )

    def open(self, path: str) -> Page:
        """Go to a page of the console."""
        self.page.goto(self.url + path)
        return self.page

    def sign_in(self) -> None:
        """Sign in with name and password, from wherever the door is."""
        self.open("/sign-in")
        self.page.get_by_label("Name").fill(NAME)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="The city now").wait_for()


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    """One for all tests; nobody is set up yet."""
    build(CONSOLE, lambda step: None)
    with running(tmp_path_factory.mktemp("town") / "home") as platform:
        endpoints = furnish(platform.client(), round(time.time()))
        lamp = Lamp(platform, enrol(platform, "Street light 7"))
        lamp.join()
        try:
            yield Town(platform, lamp, endpoints | {"Street light 7": lamp.uuid})
        finally:
            lamp.leave()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One for a module: while it is there, no test of another one can run an event loop."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield chromium
        chromium.close()


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    context.set_default_timeout(PATIENCE_MS)
    yield context
    context.close()


@pytest.fixture
def stranger(context: BrowserContext, town: Town) -> Iterator[Tab]:
    """A tab in which nobody is signed in; at the end it must have been blameless."""
    tab = Tab(context.new_page(), town.url)
    tab.watch()
    yield tab
    assert tab.faults == []


@pytest.fixture(scope="session")
def set_up(town: Town) -> None:
    """The first administrator, made by the API as the set-up page does."""
    answer = town.platform.client().post(
        "/setup", json={"code": set_up_code(town.platform), "name": NAME, "password": PASSWORD}
    )
    answer.raise_for_status()


@pytest.fixture
def tab(set_up: None, stranger: Tab) -> Tab:
    """A tab in which the administrator is signed in."""
    stranger.sign_in()
    return stranger


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Where pictures of the pages go."""
    return tmp_path
