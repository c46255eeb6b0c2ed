"""Every page on every screen in both themes: no barrier, nothing cut off, nobody else asked."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.console.barriers import tabbed_through, without_barriers
from tests.console.conftest import Tab, Town

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]
PAGES = {
    "overview": ("/", "The city now"),
    "devices": ("/devices", "Devices"),
    "nothing found": ("/devices?text=nowhere-at-all", "Devices"),
    "device": ("/devices/{Noise meter Kaivokatu}", "About this point"),
    "bad value": ("/devices/{Thermometer with a fault}", "About this point"),
    "set point": ("/devices/{Street light 7}", "Set this point"),
    "no such device": ("/devices/00000000-0000-4000-8000-00000000dead", "Device"),
    "alarm": ("/devices/{Flood gate}", "About this point"),
    "mashups": ("/mashups", "Mashups"),
    "mashup": ("/mashups/{mashup}", "What it does"),
    "template": ("/mashups/new/index", "Fill in the blanks"),
}


def path_of(town: Town, path: str) -> str:
    for name, uuid in town.endpoints.items():
        path = path.replace(f"{{{name}}}", uuid)
    return path


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


@pytest.mark.parametrize("name", ["overview", "devices", "set point", "mashup", "template"])
def test_the_focus_is_seen_wherever_the_keyboard_leads(tab: Tab, town: Town, name: str) -> None:
    path, heading = PAGES[name]
    page = tab.page
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 700})
        tab.open(path_of(town, path))
        page.get_by_role("heading", name=heading).first.wait_for()
        page.wait_for_timeout(1_000)  # what comes later would move what has the focus
        reached = tabbed_through(page)
        # As they stand on the page: the way past the rail, the rail, what the page is about.
        assert reached[0] == "Skip to the content"
        assert reached[1:4] == ["Overview", "Devices", "Mashups"]
        assert len(reached) > 6
