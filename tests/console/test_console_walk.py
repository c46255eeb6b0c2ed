"""What people do with the console, in Chromium, on a running platform."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.console.conftest import NAME, PASSWORD, Tab, Town
from tests.console.quarter import HOSTILE
from tests.promises.platform import until

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.browser, pytest.mark.slow]
JS_BYTES_MAX = 200_000


def focus(page: Page, role: str, name: str) -> None:
    """Press Tab until the element has the focus."""
    wanted = page.get_by_role(role, name=name).first  # type: ignore[arg-type] # any role is a text
    wanted.wait_for()
    for _ in range(80):
        if wanted.evaluate("one => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"the keyboard does not reach {role} {name}")


def test_sign_in_to_a_chart_by_keyboard_alone(set_up: None, stranger: Tab) -> None:
    page = stranger.open("/devices?text=Mikonkatu")
    page.get_by_label("Name").wait_for()
    focus(page, "textbox", "Name")
    page.keyboard.type(NAME)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    # Back to where the reader wanted to go.
    page.get_by_role("heading", name="Devices").wait_for()
    assert "text=Mikonkatu" in page.url
    focus(page, "link", "Noise meter Mikonkatu")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Noise meter Mikonkatu").wait_for()
    chart = page.get_by_role("img", name=re.compile("^Sound level, the last 24 hours: from"))
    chart.wait_for()
    focus(page, "radio", "1 h")  # from the first of a group the arrows lead on
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.get_by_role("img", name=re.compile("^Sound level, the last 7 days: from")).wait_for()
    focus(page, "radio", "Chart")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    table = page.get_by_role("region", name=re.compile("^Sound level"))
    assert table.get_by_role("row").count() > 100


def test_the_skip_link_leads_to_the_content(tab: Tab) -> None:
    page = tab.open("/devices")
    page.get_by_role("heading", name="Devices").wait_for()
    page.keyboard.press("Tab")
    assert page.get_by_role("link", name="Skip to the content").evaluate(
        "one => one === document.activeElement"
    )
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id || location.hash") in ("main", "#main")


def test_a_value_shows_without_asking_again(tab: Tab, town: Town) -> None:
    uuid = town.endpoints["Noise meter Bulevardi"]
    page = tab.open(f"/devices/{uuid}")
    page.get_by_text("Live", exact=True).wait_for()
    streams = page.evaluate(
        "performance.getEntriesByType('resource').filter(one => one.name.includes('/live')).length"
    )
    assert streams <= 1
    town.platform.client().post(
        "/observations",
        json={"observations": [{"address": f"{uuid}/meter/sound/level", "value": 77.7}]},
    ).raise_for_status()
    page.get_by_text("77.7").first.wait_for()


def test_a_set_point_is_set_and_its_rungs_are_shown(tab: Tab, town: Town) -> None:
    page = tab.open(f"/devices/{town.endpoints['Street light 7']}")
    page.get_by_role("heading", name="Set this point").wait_for()
    page.get_by_label("New value").fill("much")
    page.get_by_role("button", name="Send").click()
    page.get_by_text("Write a number, such as 40").wait_for()
    page.get_by_label("New value").fill("64")
    page.get_by_role("button", name="Send").click()
    page.get_by_role("status").filter(has_text=re.compile("64.*Verified")).wait_for()
    assert until(lambda: town.lamp.level == 64, "the lamp's light")
    for rung in ("Requested", "Authorised", "Queued", "Sent", "Verified"):
        assert page.get_by_role("listitem").filter(has_text=rung).first.is_visible()
    # The line goes on with what the lamp confirmed, without being asked for again.
    page.get_by_role("img", name=re.compile("^Level, the last 24 hours:.*last 64")).wait_for()


def test_an_alarm_is_seen_by_who_says_so(tab: Tab, town: Town) -> None:
    page = tab.page
    alarm = page.get_by_role("listitem").filter(has_text="The river stands at the gate")
    alarm.get_by_text("Critical").wait_for()
    alarm.get_by_role("button", name="I have seen it: The river stands at the gate").click()
    alarm.get_by_text(f"seen by {NAME}").wait_for()
    assert alarm.get_by_role("button").count() == 0
    told = town.platform.client().get("/alarms", params={"open": True}).json()["alarms"]
    [stored] = [one for one in told if one["text"] == "The river stands at the gate"]
    assert stored["acknowledged_by"] == NAME
    alarm.get_by_role("link").click()
    page.get_by_role("heading", name="Flood gate").wait_for()


def test_escape_takes_back_what_would_delete(tab: Tab, town: Town) -> None:
    page = tab.open(f"/mashups/{town.endpoints['mashup']}")
    page.get_by_role("button", name="Delete").click()
    page.get_by_role("button", name="Really delete").wait_for()
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Delete", exact=True).wait_for()
    assert page.get_by_role("button", name="Keep it").count() == 0


def test_escape_empties_the_search(tab: Tab) -> None:
    page = tab.open("/devices?text=Mikonkatu")
    page.get_by_text("1 device", exact=True).wait_for()
    page.get_by_label("Search devices").press("Escape")
    page.get_by_text("Noise meter Bulevardi").wait_for()
    assert "text=" not in page.url


def test_a_template_becomes_a_mashup_that_was_tried(tab: Tab) -> None:
    page = tab.open("/mashups")
    page.get_by_role("link", name=re.compile("Too loud at night")).click()
    page.get_by_label("What they measure").select_option("sound level")
    page.get_by_text("4 points fit, now:").wait_for()
    page.get_by_label("Limit", exact=True).fill("65")
    page.get_by_role("button", name="Make a draft and look at it").click()
    page.get_by_role("heading", name="What it does").wait_for()
    page.get_by_role("button", name="Try it").click()
    page.get_by_role("heading", name=re.compile(r"^Would have raised \d+ alarm")).wait_for()
    page.get_by_role("button", name="Let it run").click()
    page.get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause").wait_for()
    page.get_by_role("link", name="Mashups").first.click()
    page.get_by_role("row").filter(has_text="Too loud at night").get_by_text("Running").wait_for()


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_stays_text_wherever_it_is_shown(tab: Tab, town: Town, name: str) -> None:
    page = tab.open(f"/devices/{town.endpoints[name]}")
    page.get_by_role("heading", level=1).wait_for()
    assert page.get_by_role("heading", level=1).text_content() == name
    page.get_by_role("heading", name="About this point").wait_for()
    tab.open("/devices")
    page.get_by_text(name, exact=True).first.wait_for()


def test_signing_out_ends_the_session_on_the_platform(tab: Tab, town: Town) -> None:
    page = tab.page
    cookies = {cookie["name"]: cookie for cookie in page.context.cookies()}
    assert all(c["httpOnly"] and c["sameSite"] == "Strict" for c in cookies.values()), cookies
    cookie = cookies["borough_session"]
    page.get_by_role("button", name="Sign out").click()
    page.get_by_role("heading", name="Sign in").wait_for()
    # The browser stays known for the next sign-in; the session has gone.
    assert "borough_session" not in {left["name"] for left in page.context.cookies()}
    client = town.platform.client()
    client.headers["Authorization"] = f"Bearer {cookie['value']}"
    assert client.get("/account").status_code == 401


def test_the_first_page_is_light(set_up: None, stranger: Tab) -> None:
    sizes: list[int] = []
    stranger.page.on(
        "requestfinished",
        lambda request: (
            sizes.append(request.sizes()["responseBodySize"])
            if request.url.endswith(".js")
            else None
        ),
    )
    stranger.sign_in()
    stranger.page.wait_for_load_state("networkidle")
    assert 50_000 < sum(sizes) < JS_BYTES_MAX
