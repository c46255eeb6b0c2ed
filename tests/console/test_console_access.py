"""Every page on every screen in both themes: no barrier, nothing cut off, nobody else asked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest

from tests.console.conftest import Tab, Town

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]
WIDTHS = (390, 768, 1440)
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
TARGET_PX_MIN = 24
PAGES = {
    "overview": ("/", "The city now"),
    "devices": ("/devices", "Devices"),
    "nothing found": ("/devices?text=nowhere-at-all", "Devices"),
    "device": ("/devices/{Noise meter Kaivokatu}", "About this point"),
    "bad value": ("/devices/{Thermometer with a fault}", "About this point"),
    "set point": ("/devices/{Street light 7}", "Set this point"),
    "no such device": ("/devices/00000000-0000-4000-8000-00000000dead", "Device"),
    "mashups": ("/mashups", "Mashups"),
    "mashup": ("/mashups/{mashup}", "What it does"),
    "template": ("/mashups/new/index", "Fill in the blanks"),
}


def path_of(town: Town, path: str) -> str:
    for name, uuid in town.endpoints.items():
        path = path.replace(f"{{{name}}}", uuid)
    return path


def without_barriers(page: Page, name: str, shots: Path) -> None:
    """Look at the page on every screen in both themes."""
    from axe_playwright_python.sync_playwright import Axe

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
            page.wait_for_timeout(150)  # charts are drawn anew
            page.screenshot(path=shots / f"{name}-{width}-{scheme}.png", full_page=True)
            found = Axe().run(page)
            assert found.violations_count == 0, f"{width} px, {scheme}: {found.generate_report()}"
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert small_targets(page) == []


def small_targets(page: Page) -> list[str]:
    """Return what can be pressed and is smaller than a fingertip, but for links within a text."""
    found: list[str] = page.evaluate(
        """least => [...document.querySelectorAll("button, a, input, select, summary")]
          .filter(one => !one.closest("p, .uplot") && !one.textContent.startsWith("Skip to"))
          .map(one => [one.textContent || one.ariaLabel || one.name, one.closest("label") ?? one])
          .map(([name, one]) => [name, one.getBoundingClientRect()])
          .filter(([, box]) => box.width > 1 && (box.width < least || box.height < least))
          .map(([name, box]) => `${name}: ${box.width} x ${box.height}`)""",
        TARGET_PX_MIN,
    )
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_has_no_barrier(tab: Tab, town: Town, name: str, shots: Path) -> None:
    path, heading = PAGES[name]
    page = tab.open(path_of(town, path))
    page.get_by_role("heading", name=heading).first.wait_for()
    page.wait_for_timeout(1_500)  # values, charts and the stream have come
    if name == "set point":
        page.get_by_label("New value").fill("48")
        page.get_by_role("button", name="Send").click()
        page.get_by_role("status").filter(has_text=re.compile("48.*Verified")).wait_for()
    if name == "mashup":
        page.get_by_role("button", name="Try it").click()
        page.get_by_role("heading", name=re.compile(r"^Would have recorded \d+ values")).wait_for()
    if name == "no such device":
        tab.faults.clear()  # the browser itself notes the 404 that this page is about
    without_barriers(page, name, shots)


def test_the_door_has_no_barrier(set_up: None, stranger: Tab, shots: Path) -> None:
    page = stranger.open("/sign-in")
    page.get_by_role("heading", name="Sign in").wait_for()
    without_barriers(page, "sign-in", shots)
