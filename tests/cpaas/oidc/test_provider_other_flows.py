"""Applications for themselves, devices, exchange, introspection, revocation, signing out."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from security.limits import DEVICE_POLL_S, SIGN_IN_FAILURES_FREE
from tests.cpaas.conftest import House
from tests.cpaas.oidc.conftest import (
    ACCESS_TOKEN,
    DEVICE,
    EXCHANGE,
    PASSWORD,
    Browser,
    Page,
    Party,
    claims_of,
    party_of,
    told_of,
)

# -- applications for themselves


def test_an_application_holds_rights_of_its_own(city: House, party: Party) -> None:
    uuid = city.endpoint("Tide gauge")
    answer = party.credentials(scope="read")
    assert answer.status_code == 200
    assert answer.json()["scope"] == "read"
    assert "refresh_token" not in answer.json()
    assert "id_token" not in answer.json()
    api = party.api(answer.json()["access_token"])
    assert api.get("/account").json()["name"] == f"app:{party.client_id}"
    assert api.get("/endpoints").json() == []
    assert api.get(f"/endpoints/{uuid}").status_code == 404
    city.grant(f"app:{party.client_id}", f"{uuid}/#", "READ")
    assert [found["uuid"] for found in api.get("/endpoints").json()] == [uuid]
    assert api.delete(f"/endpoints/{uuid}").status_code == 403
    assert (
        city.client()
        .delete("/grants", params={"user": f"app:{party.client_id}", "prefix": f"{uuid}/#"})
        .is_success
    )
    assert api.get(f"/endpoints/{uuid}").status_code == 404


def test_an_application_gets_no_scope_that_it_was_not_given(party: Party) -> None:
    assert party.credentials(scope="configure").json()["error"] == "invalid_scope"
    assert party.credentials(scope="read admin").json()["error"] == "invalid_scope"
    assert party.credentials(scope="openid").json()["error"] == "invalid_scope"
    assert party.credentials().json()["scope"] == "read write"


def test_an_application_is_no_person(city: House, party: Party, browser: Browser) -> None:
    door = browser.get(party.query())
    assert isinstance(door, Page)
    page = browser.sign_in(door, name=f"app:{party.client_id}", password=PASSWORD)
    assert isinstance(page, Page)
    assert page.answer.status_code == 401


# -- devices


def begin(party: Party, scope: str = "openid read") -> dict[str, Any]:
    answer = party.post("/oauth2/device_authorization", scope=scope)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def poll(party: Party, begun: dict[str, Any]) -> httpx.Response:
    return party.post("/oauth2/token", grant_type=DEVICE, device_code=begun["device_code"])


def let_in(browser: Browser, code: str, decision: str = "allow") -> Page:
    page = browser.get("/oauth2/device")
    assert isinstance(page, Page)
    if page.title == "Sign in":
        signed_in = browser.sign_in(page)
        assert isinstance(signed_in, Page)
        page = signed_in
    asked = browser.send(page, user_code=code)
    assert isinstance(asked, Page)
    if "decision" not in asked.action:
        return asked
    done = browser.send(asked, decision=decision)
    assert isinstance(done, Page)
    return done


def test_a_device_is_let_in_from_elsewhere(party: Party, browser: Browser) -> None:
    begun = begin(party)
    assert begun["interval"] == DEVICE_POLL_S
    assert begun["verification_uri"] == f"{party.base}/oauth2/device"
    assert poll(party, begun).json()["error"] == "authorization_pending"
    assert poll(party, begun).json()["error"] == "slow_down"
    done = let_in(browser, begun["user_code"].lower().replace("-", " "))
    assert done.title == "The device is connected"
    tokens = poll(party, begun).json()
    assert party.api(tokens["access_token"]).get("/account").json()["name"] == "maria"
    assert claims_of(tokens["id_token"])["aud"] == party.client_id
    assert party.refresh(tokens["refresh_token"]).status_code == 200
    assert poll(party, begun).json()["error"] == "invalid_grant"


def test_a_device_that_is_not_let_in_is_told(party: Party, browser: Browser) -> None:
    begun = begin(party)
    assert let_in(browser, begun["user_code"], "deny").title == "The device was not let in"
    assert poll(party, begun).json()["error"] == "access_denied"
    assert "No device waits" in let_in(browser, begun["user_code"]).answer.text


def test_a_code_in_a_link_is_filled_in_and_decides_nothing(party: Party, browser: Browser) -> None:
    begun = begin(party)
    door = browser.get(begun["verification_uri_complete"].removeprefix(party.base))
    assert isinstance(door, Page)
    page = browser.sign_in(door)
    assert isinstance(page, Page)
    assert page.title == "Connect a device"
    assert f'value="{begun["user_code"]}"' in page.answer.text
    assert poll(party, begun).json()["error"] == "authorization_pending"


def test_guessing_codes_of_devices_is_slowed_down(
    city: House, party: Party, browser: Browser
) -> None:
    name = f"guesser-{party.client_id[:8]}"
    city.city.accounts.add_user(name, PASSWORD)
    door = browser.get("/oauth2/device")
    assert isinstance(door, Page)
    form = browser.sign_in(door, name=name)
    assert isinstance(form, Page)
    answers = []
    for _ in range(SIGN_IN_FAILURES_FREE + 1):
        page = browser.send(form, user_code="BCDF-GHJK")
        assert isinstance(page, Page)
        answers.append(page.answer)
    statuses = [answer.status_code for answer in answers]
    assert statuses == [404] * SIGN_IN_FAILURES_FREE + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1


def test_guesses_of_one_person_count_together_from_wherever(
    city: House, base: str, party: Party, browser: Browser
) -> None:
    name = f"roamer-{party.client_id[:8]}"
    city.city.accounts.add_user(name, PASSWORD)
    door = browser.get("/oauth2/device")
    assert isinstance(door, Page)
    form = browser.sign_in(door, name=name)
    assert isinstance(form, Page)
    statuses = []
    for last in range(2, SIGN_IN_FAILURES_FREE + 3):
        away = httpx.HTTPTransport(local_address=f"127.0.0.{last}")
        with httpx.Client(transport=away, cookies=browser.http.cookies) as http:
            page = Browser(base, http).send(form, user_code="BCDF-GHJK")
        assert isinstance(page, Page)
        statuses.append(page.answer.status_code)
    assert statuses == [404] * SIGN_IN_FAILURES_FREE + [429]


def test_a_device_code_of_another_application_is_refused(
    city: House, base: str, party: Party, browser: Browser
) -> None:
    begun = begin(party)
    let_in(browser, begun["user_code"])
    assert poll(party_of(city, base), begun).status_code == 400
    assert poll(party, begun).status_code == 200


# -- exchange


def exchange(party: Party, token: str, **more: str) -> httpx.Response:
    asked = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, **more}
    return party.post("/oauth2/token", grant_type=EXCHANGE, **asked)


def test_a_token_is_exchanged_for_a_narrower_one_and_never_for_a_wider(
    party: Party, browser: Browser
) -> None:
    tokens = party.tokens(browser, scope="openid read write")
    narrow = exchange(party, tokens["access_token"], scope="read").json()
    assert (narrow["scope"], narrow["issued_token_type"]) == ("read", ACCESS_TOKEN)
    api = party.api(narrow["access_token"])
    assert api.get("/account").json() == {"name": "maria", "admin": False, "scopes": ["read"]}
    wider = exchange(party, narrow["access_token"], scope="read write")
    assert wider.json()["error"] == "invalid_scope"
    first, second = (
        claims_of(token)["exp"] for token in (tokens["access_token"], narrow["access_token"])
    )
    assert second <= first
    assert party.post("/oauth2/revoke", token=tokens["access_token"]).status_code == 200
    assert api.get("/account").status_code == 401


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"subject_token": "x.y.z"}, "invalid_grant"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:saml2"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"audience": "urn:uuid:00000000-0000-4000-8000-00000000dead"}, "invalid_target"),
        ({"audience": "https://elsewhere.example"}, "invalid_target"),
    ],
)
def test_an_exchange_that_means_nothing_is_refused(
    party: Party, changed: dict[str, str], error: str
) -> None:
    token = party.credentials().json()["access_token"]
    asked = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, **changed}
    answer = party.post("/oauth2/token", grant_type=EXCHANGE, **asked)
    assert (answer.status_code, answer.json()["error"]) == (400, error)


def test_the_token_of_another_application_is_not_exchanged(
    city: House, base: str, party: Party
) -> None:
    token = party.credentials().json()["access_token"]
    assert exchange(party_of(city, base), token).json()["error"] == "invalid_grant"


# -- introspection and revocation


def test_an_application_is_told_of_its_own_tokens_alone(
    city: House, base: str, party: Party, browser: Browser
) -> None:
    tokens = party.tokens(browser, scope="openid read")
    told = party.post("/oauth2/introspect", token=tokens["access_token"]).json()
    assert told["active"] is True
    assert (told["username"], told["client_id"]) == ("maria", party.client_id)
    assert (told["scope"], told["iss"]) == ("openid read", party.base)
    of_refresh = party.post("/oauth2/introspect", token=tokens["refresh_token"]).json()
    assert of_refresh["active"] is True
    other = party_of(city, base)
    for token in (tokens["access_token"], tokens["refresh_token"], "bor_" + "x" * 43):
        assert other.post("/oauth2/introspect", token=token).json() == {"active": False}
    answer = party.http.post(f"{base}/oauth2/introspect", data={"token": tokens["access_token"]})
    assert answer.status_code == 401


@pytest.mark.parametrize("kind", ["access_token", "refresh_token"])
def test_a_revoked_token_ends_with_all_of_its_authorisation(
    city: House, base: str, party: Party, browser: Browser, kind: str
) -> None:
    tokens = party.tokens(browser)
    api = party.api(tokens["access_token"])
    assert api.get("/account").status_code == 200
    thief = party_of(city, base)
    assert thief.post("/oauth2/revoke", token=tokens[kind]).status_code == 400
    assert api.get("/account").status_code == 200
    assert party.post("/oauth2/revoke", token=tokens[kind]).status_code == 200
    assert api.get("/account").status_code == 401
    assert party.refresh(tokens["refresh_token"]).status_code == 400
    assert party.post("/oauth2/revoke", token=tokens[kind]).status_code == 200


# -- what ends tokens at once


def person(city: House, party: Party) -> str:
    name = f"person-{party.client_id[:8]}"
    city.city.accounts.add_user(name, PASSWORD)
    return name


def signed_in(party: Party, browser: Browser, name: str, scope: str) -> dict[str, Any]:
    door = browser.get(party.query(scope=scope))
    assert isinstance(door, Page)
    asked = browser.sign_in(door, name=name)
    assert isinstance(asked, Page)
    back = browser.send(asked, decision="allow")
    assert isinstance(back, str)
    found: dict[str, Any] = party.redeem(told_of(back)["code"]).json()
    return found


@pytest.mark.parametrize("how", ["disabled", "password", "withdrawn", "application"])
def test_tokens_end_at_once_with_what_they_rest_on(
    city: House, party: Party, browser: Browser, how: str
) -> None:
    name = person(city, party)
    tokens = signed_in(party, browser, name, "openid read")
    api = party.api(tokens["access_token"])
    assert api.get("/account").status_code == 200
    match how:
        case "disabled":
            city.client().patch(f"/users/{name}", json={"disabled": True})
        case "password":
            city.client().patch(f"/users/{name}", json={"password": PASSWORD + " again"})
        case "withdrawn":
            own = city.client(city.city.accounts.sign_in(name, PASSWORD).text)
            [listed] = own.get("/authorisations").json()
            assert (listed["client_id"], listed["name"]) == (party.client_id, "Harbour lights")
            assert own.delete(f"/authorisations/{party.client_id}").status_code == 204
        case "application":
            city.client().patch(f"/applications/{party.client_id}", json={"disabled": True})
    assert api.get("/account").status_code == 401
    assert party.refresh(tokens["refresh_token"]).status_code in (400, 401)


def test_what_may_go_on_goes_on_without_the_sign_in(
    city: House, party: Party, browser: Browser
) -> None:
    name = person(city, party)
    tokens = signed_in(party, browser, name, "openid read offline_access")
    browser.get(goodbye(id_token_hint=tokens["id_token"]))
    refreshed = party.refresh(tokens["refresh_token"])
    assert refreshed.status_code == 200, refreshed.text
    city.client().patch(f"/users/{name}", json={"disabled": True})
    again = party.refresh(refreshed.json()["refresh_token"])
    assert again.json()["error"] == "invalid_grant"


# -- signing out


def goodbye(**told: str) -> str:
    return f"/oauth2/logout?{urlencode(told)}"


def test_an_application_signs_its_person_out(party: Party, browser: Browser) -> None:
    tokens = party.tokens(browser)
    api = party.api(tokens["access_token"])
    assert api.get("/account").status_code == 200
    back = browser.get(
        goodbye(
            id_token_hint=tokens["id_token"],
            post_logout_redirect_uri="https://app.example/bye",
            state="s",
        )
    )
    assert back == "https://app.example/bye?state=s"
    assert api.get("/account").status_code == 401
    door = browser.get(party.query())
    assert isinstance(door, Page)
    assert door.title == "Sign in"


def test_signing_out_ends_what_began_before_the_person_was_asked_again(
    city: House, base: str, party: Party, browser: Browser
) -> None:
    first = party.api(party.tokens(browser)["access_token"])
    door = browser.get(party.query(prompt="login"))
    assert isinstance(door, Page)
    back = browser.sign_in(door)
    assert isinstance(back, str)
    assert first.get("/account").status_code == 200
    hint = party.redeem(told_of(back)["code"]).json()["id_token"]
    browser.get(goodbye(id_token_hint=hint))
    assert first.get("/account").status_code == 401


def test_who_signs_in_where_somebody_is_ends_their_sign_in(
    city: House, party: Party, browser: Browser
) -> None:
    first = party.api(party.tokens(browser)["access_token"])
    assert first.get("/account").status_code == 200
    door = browser.get(party.query(prompt="login"))
    assert isinstance(door, Page)
    browser.sign_in(door, name=person(city, party))
    assert first.get("/account").status_code == 401


def test_who_is_not_meant_for_certain_is_asked(party: Party, browser: Browser) -> None:
    party.tokens(browser)
    page = browser.get(goodbye(client_id=party.client_id))
    assert isinstance(page, Page)
    assert page.title == "Sign out?"
    stayed = browser.send(page, decision="stay")
    assert isinstance(stayed, Page)
    assert isinstance(browser.get(party.query()), str)
    gone = browser.send(page, decision="sign-out")
    assert isinstance(gone, Page)
    assert gone.title == "You are signed out"
    assert isinstance(browser.get(party.query()), Page)


@pytest.mark.parametrize(
    "told",
    [
        {"post_logout_redirect_uri": "https://evil.example/"},
        {"id_token_hint": "x.y.z"},
        {"post_logout_redirect_uri": "https://app.example/bye"},
    ],
)
def test_signing_out_leads_nowhere_else(
    party: Party, browser: Browser, told: dict[str, str]
) -> None:
    party.tokens(browser)
    page = browser.get(goodbye(**told))
    assert isinstance(page, Page)
    assert page.answer.status_code == 400
    assert isinstance(browser.get(party.query()), str)


def test_another_sites_form_signs_nobody_out(party: Party, browser: Browser) -> None:
    party.tokens(browser)
    answer = browser.http.post(
        f"{party.base}/oauth2/logout",
        data={"decision": "sign-out"},
        headers={"Sec-Fetch-Site": "cross-site"},
    )
    assert answer.status_code == 303
    assert answer.headers["location"] == "/oauth2/logout"
    assert isinstance(browser.get(party.query()), str)
