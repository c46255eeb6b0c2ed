"""The session of a browser: what the cookie is like, and who can make use of it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from cpaas.access.entrance.cookie import COOKIE
from security.limits import SIGN_IN_LIFE_S
from tests.cpaas.conftest import House

PASSWORD = "a long way to the harbour"
OWN = {"Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def browser(house: House) -> Iterator[httpx.Client]:
    """A client without a token, as a browser is; the user maria has a password."""
    house.city.accounts.add_user("maria", PASSWORD, admin=True)
    yield house.client(token=None)


def sign_in(browser: httpx.Client, **headers: str) -> httpx.Response:
    body = {"name": "maria", "password": PASSWORD}
    return browser.post("/session", json=body, headers=headers or OWN)


def test_a_cookie_that_no_script_reads_and_no_other_site_sends(browser: httpx.Client) -> None:
    answer = sign_in(browser)
    assert answer.status_code == 204
    session, known = answer.headers.get_list("set-cookie")
    assert known.startswith("borough_device=") and "HttpOnly; SameSite=Strict" in known
    value, *attributes = session.split("; ")
    assert value.startswith(f"{COOKIE}=bor_")
    assert set(attributes) == {
        "HttpOnly",
        "SameSite=Strict",
        "Path=/api/v1",
        f"Max-Age={SIGN_IN_LIFE_S}",
    }
    assert answer.content == b""
    assert browser.get("/account").json()["name"] == "maria"


def test_who_is_signed_in_is_told_without_a_session_too(browser: httpx.Client) -> None:
    nobody: dict[str, object] = {"name": None, "admin": False, "scopes": [], "awaits_set_up": False}
    assert browser.get("/session").json() == nobody
    sign_in(browser)
    known = browser.get("/session").json()
    assert (known["name"], known["admin"]) == ("maria", True)
    browser.cookies.clear()
    browser.cookies.set(COOKIE, "bor_" + "x" * 43)
    assert browser.get("/session").json() == nobody


def test_before_the_first_person_the_page_is_told_to_set_up(house: House) -> None:
    assert house.client(token=None).get("/session").json()["awaits_set_up"] is True


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {},
    ],
)
def test_a_change_that_no_page_of_ours_asked_for_is_refused(
    browser: httpx.Client, headers: dict[str, str]
) -> None:
    sign_in(browser)
    refused = browser.post("/projects", json={"name": "theirs"}, headers=headers)
    assert refused.status_code == 401
    assert "programs send a token" in refused.json()["detail"]
    for verb in ("POST", "DELETE"):
        body = {"name": "maria", "password": PASSWORD} if verb == "POST" else None
        other = browser.request(verb, "/session", json=body, headers=headers)
        assert other.status_code == 403
        assert "set-cookie" not in other.headers
    assert browser.get("/account", headers=OWN).status_code == 200


def test_a_change_by_our_page_is_taken_also_from_a_browser_that_names_its_origin_alone(
    browser: httpx.Client,
) -> None:
    sign_in(browser)
    host = browser.base_url.netloc.decode()
    assert browser.post("/projects", json={"name": "a"}, headers=OWN).status_code == 201
    named = browser.post("/projects", json={"name": "b"}, headers={"Origin": f"http://{host}"})
    assert named.status_code == 201


def test_another_site_reads_nothing_with_the_session(browser: httpx.Client) -> None:
    sign_in(browser)
    answer = browser.get("/endpoints", headers={"Sec-Fetch-Site": "cross-site"})
    assert answer.status_code == 401
    told = browser.get("/session", headers={"Sec-Fetch-Site": "cross-site"}).json()
    assert told["name"] is None


def test_signing_out_revokes_the_token_and_takes_the_cookie(
    house: House, browser: httpx.Client
) -> None:
    sign_in(browser)
    token = browser.cookies[COOKIE]
    answer = browser.delete("/session", headers=OWN)
    assert answer.status_code == 204
    assert "Max-Age=0" in answer.headers["set-cookie"]
    assert house.client(token).get("/account").status_code == 401
    assert browser.delete("/session", headers=OWN).status_code == 204


def test_a_token_in_the_header_goes_before_the_cookie(house: House, browser: httpx.Client) -> None:
    sign_in(browser)
    reader = house.user("reader")
    header = {"Authorization": reader.headers["Authorization"]}
    assert browser.get("/account", headers=header).json()["name"] == "reader"


def test_a_wrong_password_is_refused_and_gives_no_cookie(browser: httpx.Client) -> None:
    body = {"name": "maria", "password": "wrong, but long enough"}
    answer = browser.post("/session", json=body, headers=OWN)
    assert answer.status_code == 401
    assert "set-cookie" not in answer.headers


def test_the_record_names_who_signed_in_and_never_the_cookie(
    house: House, browser: httpx.Client
) -> None:
    sign_in(browser)
    browser.get("/account")
    entries = house.recorded()
    assert any(e["path"].endswith("/session") and e["about"]["name"] == "maria" for e in entries)
    assert browser.cookies[COOKIE] not in str(entries)
