"""The first visit: from the code that the start printed to a signed-in administrator."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from borough.console.build import build
from borough.console.checkout import CONSOLE
from tests.console.barriers import tabbed_through, without_barriers
from tests.console.conftest import NAME, PASSWORD, Tab, set_up_code
from tests.promises.platform import Platform, running

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform that nobody has set up."""
    build(CONSOLE, lambda step: None)
    with running(tmp_path_factory.mktemp("fresh") / "home") as platform:
        yield platform


def test_the_first_visit_makes_the_first_account(
    fresh: Platform, context: BrowserContext, shots: Path
) -> None:
    tab = Tab(context.new_page(), f"http://{fresh.http}")
    tab.watch()
    # Whatever is asked for: before there is an account, there is nothing else to do.
    page = tab.open("/devices")
    page.get_by_role("heading", name="Welcome. Set up the first account").wait_for()
    without_barriers(page, "set-up", shots)
    assert tabbed_through(page)[:3] == ["code", "name", "password"]

    def fill(code: str, password: str) -> None:
        page.get_by_label("Set-up code").fill(code)
        page.get_by_label("Your name").fill(NAME)
        page.get_by_label("Password").fill(password)
        page.get_by_role("button", name="Create the account").click()

    fill("AAAA-BBBB-CCCC-DDDD", PASSWORD)
    page.get_by_role("alert").wait_for()
    assert "code" in page.get_by_role("alert").inner_text()
    without_barriers(page, "set-up-refused", shots, widths=(390,))
    tab.faults.clear()  # the browser itself notes the refusal that this was about
    fill(set_up_code(fresh), "short")
    assert page.get_by_role("heading", name="Welcome").is_visible()
    # What was wrong goes as the button is being pressed, and the button stays where it is.
    page.get_by_text("At least 12 characters.").wait_for()
    fill(set_up_code(fresh), PASSWORD)
    page.get_by_role("heading", name="The city now").wait_for()
    assert page.evaluate("fetch('/api/v1/session').then(a => a.json()).then(s => s.name)") == NAME
    tab.open("/set-up")
    page.get_by_role("heading", name="The city now").wait_for()
    assert tab.faults == []


def test_once_set_up_the_door_asks_who_it_is(fresh: Platform, context: BrowserContext) -> None:
    client = fresh.client()
    client.post("/setup", json={"code": set_up_code(fresh), "name": NAME, "password": PASSWORD})
    tab = Tab(context.new_page(), f"http://{fresh.http}")
    tab.watch()
    page = tab.open("/set-up")
    page.get_by_role("heading", name="Sign in").wait_for()
    assert tab.faults == []
