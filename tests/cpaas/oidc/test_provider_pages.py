"""The provider's pages in Chromium: no barrier, no script, small screens, light and dark."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.console.barriers import without_barriers
from tests.console.conftest import CHROMIUM, FLAGS
from tests.cpaas.conftest import House
from tests.cpaas.oidc.conftest import DEVICE, PASSWORD, party_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM:
        pytest.skip("no Chromium")
    playwright = pytest.importorskip("playwright.sync_api").sync_playwright()
    with playwright as started:
        browser = started.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Browser) -> Iterator[BrowserContext]:
    context = chromium.new_context(java_script_enabled=False)
    context.set_default_timeout(20_000)
    yield context
    context.close()


def sign_in(page: Page) -> None:
    page.get_by_label("Name").fill("maria")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def test_a_person_gets_by_without_a_script(city: House, base: str, context: BrowserContext) -> None:
    # The application's pages are at another origin: what browsers hold forms to shows only there.
    app = base.replace("127.0.0.1", "localhost") + "/api/v1/health"
    party = party_of(city, base, redirect_uris=[app], logout_uris=[f"{app}?bye"])
    page = context.new_page()
    told: list[str] = []
    page.on("console", lambda message: told.append(message.text))
    page.goto(base + party.query(redirect_uri=app))
    page.get_by_label("Name").fill("maria")
    page.get_by_label("Password").fill("wrong, but long enough")
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("alert").filter(has_text="not right").wait_for()
    sign_in(page)
    page.get_by_role("heading", name="Allow Harbour lights?").wait_for()
    page.get_by_role("button", name="Allow", exact=True).click()
    page.wait_for_url(f"{app}?code=**")
    begun = party.post("/oauth2/device_authorization", scope="openid read").json()
    page.goto(begun["verification_uri_complete"])
    page.get_by_role("button", name="Continue").click()
    page.get_by_role("button", name="Allow", exact=True).click()
    page.get_by_role("heading", name="The device is connected").wait_for()
    let_in = party.post("/oauth2/token", grant_type=DEVICE, device_code=begun["device_code"])
    hint = let_in.json()["id_token"]
    page.goto(f"{base}/oauth2/logout?id_token_hint={hint}&post_logout_redirect_uri={app}?bye")
    page.wait_for_url(f"{app}?bye")
    assert not [text for text in told if "Content Security Policy" in text]


def test_no_page_has_a_barrier(city: House, base: str, chromium: Browser, tmp_path: Path) -> None:
    """With scripts, since the one that looks for barriers is one; the pages bring none."""
    name = "Harbour lights of the northern breakwater and everything that shines beyond it"
    party = party_of(city, base, name=name)
    context = chromium.new_context(bypass_csp=True)
    page = context.new_page()

    def look(name: str, go: Callable[[], object], heading: str) -> None:
        go()
        page.get_by_role("heading", name=heading).wait_for()
        without_barriers(page, name, tmp_path)

    def wrong() -> None:
        page.get_by_label("Name").fill("maria")
        page.get_by_label("Password").fill("wrong, but long enough")
        page.get_by_role("button", name="Sign in").click()
        page.get_by_role("alert").wait_for()

    page.goto(base + party.query())
    look("wrong", wrong, "Sign in")
    look("consent", lambda: sign_in(page), f"Allow {name}?")
    look("mistake", lambda: page.goto(f"{base}/oauth2/authorize"), "This did not work")
    look("device", lambda: page.goto(f"{base}/oauth2/device"), "Connect a device")
    look("sign-out", lambda: page.goto(f"{base}/oauth2/logout"), "Sign out?")
    context.close()
