"""A person signs in to an application: from its link to its token, and what the token opens."""

from __future__ import annotations

import httpx
import pyotp
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.cpaas.conftest import House
from tests.cpaas.oidc.conftest import (
    CALLBACK,
    PASSWORD,
    Browser,
    Page,
    Party,
    claims_of,
    part_of,
    party_of,
    told_of,
)


def test_a_person_signs_in_agrees_and_the_application_reads_as_them(
    city: House, party: Party, browser: Browser
) -> None:
    door = browser.get(party.query())
    assert isinstance(door, Page)
    assert door.title == "Sign in"
    asked = browser.sign_in(door)
    assert isinstance(asked, Page)
    assert asked.title == "Allow Harbour lights?"
    assert "know your name" in asked.answer.text
    back = browser.send(asked, decision="allow")
    assert isinstance(back, str)
    assert back.startswith(CALLBACK + "?")
    told = told_of(back)
    assert (told["state"], told["iss"]) == ("state-1", party.base)
    tokens = party.redeem(told["code"]).json()
    assert tokens["token_type"] == "Bearer"
    assert set(tokens["scope"].split()) == {"openid", "profile", "read"}
    api = party.api(tokens["access_token"])
    assert api.get("/account").json() == {"name": "maria", "admin": False, "scopes": ["read"]}
    assert api.get("/endpoints").status_code == 200
    assert api.post("/observations", json={"observations": []}).status_code == 403


def test_an_id_token_is_signed_and_says_who_when_and_how(party: Party, browser: Browser) -> None:
    tokens = party.tokens(browser)
    keys = party.http.get(f"{party.base}/oauth2/jwks").json()
    found = jwt.decode(tokens["id_token"], KeySet.import_key_set(keys), algorithms=["ES256"])
    claims = found.claims
    assert claims["iss"] == party.base
    assert claims["aud"] == party.client_id
    assert claims["nonce"] == "nonce-1"
    assert claims["name"] == "maria"
    assert claims["acr"] == "urn:borough:password"
    assert claims["amr"] == ["pwd"]
    assert claims["auth_time"] <= claims["iat"] < claims["exp"]
    told = party.http.get(
        f"{party.base}/oauth2/userinfo",
        headers={"Authorization": f"Bearer {tokens['access_token']}"},
    ).json()
    assert told == {"sub": claims["sub"], "name": "maria", "preferred_username": "maria"}


def test_an_application_may_have_its_id_tokens_signed_by_rsa(
    city: House, base: str, browser: Browser
) -> None:
    party = party_of(city, base, id_token_alg="RS256")
    tokens = party.tokens(browser)
    assert part_of(tokens["id_token"], 0)["alg"] == "RS256"
    keys = KeySet.import_key_set(party.http.get(f"{party.base}/oauth2/jwks").json())
    jwt.decode(tokens["id_token"], keys, algorithms=["RS256"])


def test_who_agreed_once_is_asked_again_only_for_more(party: Party, browser: Browser) -> None:
    party.tokens(browser)
    assert isinstance(browser.get(party.query()), str)
    more = browser.get(party.query(scope="openid profile read write"))
    assert isinstance(more, Page)
    assert "set points" in more.answer.text
    again = browser.get(party.query(prompt="consent"))
    assert isinstance(again, Page)


def test_who_does_not_agree_sends_the_application_away(party: Party, browser: Browser) -> None:
    door = browser.get(party.query())
    assert isinstance(door, Page)
    asked = browser.sign_in(door)
    assert isinstance(asked, Page)
    back = browser.send(asked, decision="deny")
    assert isinstance(back, str)
    assert told_of(back)["error"] == "access_denied"
    assert told_of(back)["iss"] == party.base


@pytest.mark.parametrize(
    ("prompt", "signed_in", "error"),
    [("none", False, "login_required"), ("none", True, "consent_required")],
)
def test_a_silent_request_shows_no_page(
    party: Party, browser: Browser, prompt: str, signed_in: bool, error: str
) -> None:
    if signed_in:
        door = browser.get(party.query())
        assert isinstance(door, Page)
        browser.sign_in(door)
    back = browser.get(party.query(prompt=prompt))
    assert isinstance(back, str)
    assert told_of(back)["error"] == error


def test_a_silent_request_is_answered_once_everything_is_settled(
    party: Party, browser: Browser
) -> None:
    party.tokens(browser)
    back = browser.get(party.query(prompt="none"))
    assert isinstance(back, str)
    assert "code" in told_of(back)


@pytest.mark.parametrize("how", [{"prompt": "login"}, {"max_age": "0"}])
def test_a_person_has_to_prove_again_who_it_is(
    party: Party, browser: Browser, how: dict[str, str | None], city: House
) -> None:
    first = claims_of(party.tokens(browser)["id_token"])["auth_time"]
    if "max_age" in how:
        city.city.clock.now_ms()
    door = browser.get(party.query(**how))
    assert isinstance(door, Page)
    assert door.title == "Confirm that it is you"
    back = browser.sign_in(door)
    if "max_age" in how and isinstance(back, Page):
        return  # a second passed between signing in and coming back: asked once more, as told
    assert isinstance(back, str)
    tokens = party.redeem(told_of(back)["code"]).json()
    assert claims_of(tokens["id_token"])["auth_time"] >= first


def test_an_application_on_a_desktop_may_use_any_port(
    city: House, base: str, browser: Browser
) -> None:
    desktop = party_of(
        city,
        base,
        confidential=False,
        redirect_uris=["http://127.0.0.1/done"],
        grants=["authorization_code"],
    )
    assert desktop.secret is None
    uri = "http://127.0.0.1:49152/done"
    code = desktop.code(browser, redirect_uri=uri)
    answer = desktop.redeem(code, redirect_uri=uri)
    assert answer.status_code == 200, answer.text
    assert "refresh_token" not in answer.json()
    again = browser.get(desktop.query(redirect_uri=uri))
    assert isinstance(again, Page), "anybody may say to be an application without a secret"
    assert again.title == "Allow Harbour lights?"


def test_a_wrong_password_is_told_on_the_page_and_nothing_is_set(
    party: Party, browser: Browser
) -> None:
    door = browser.get(party.query())
    assert isinstance(door, Page)
    page = browser.sign_in(door, password="wrong, but long enough")
    assert isinstance(page, Page)
    assert page.answer.status_code == 401
    assert "not right" in page.answer.text
    assert 'value="maria"' in page.answer.text
    assert "set-cookie" not in page.answer.headers


def test_the_provider_describes_itself(party: Party, plain: httpx.Client) -> None:
    told = plain.get(f"{party.base}/.well-known/openid-configuration").json()
    assert told["issuer"] == party.base
    assert told["code_challenge_methods_supported"] == ["S256"]
    for name, address in told.items():
        if name.endswith(("_endpoint", "_uri")):
            answer = plain.get(address)
            assert answer.status_code in (200, 400, 401, 405), (name, answer.status_code)


def test_what_is_recorded_names_people_and_applications_and_no_secret(
    city: House, party: Party, browser: Browser
) -> None:
    tokens = party.tokens(browser, scope="openid read")
    party.api(tokens["access_token"]).get("/endpoints")
    party.refresh(tokens["refresh_token"])
    entries = city.recorded()
    consent = [e for e in entries if e["path"] == "/oauth2/consent"][-1]
    assert consent["about"]["application"] == party.client_id
    assert (consent["who"], consent["about"]["allowed"]) == ("maria", True)
    issued = [e for e in entries if e["path"] == "/oauth2/token"][-1]
    assert issued["about"]["application"] == party.client_id
    read = next(
        e for e in entries if e["path"].endswith("/endpoints") and e.get("app") == party.client_id
    )
    assert (read["who"], read["app"]) == ("maria", party.client_id)
    text = str(entries)
    for secret in (PASSWORD, party.secret, *map(str, tokens.values())):
        if secret and len(secret) > 20:
            assert secret not in text


def test_a_second_factor_is_asked_for_and_told_to_the_application(
    city: House, party: Party, browser: Browser
) -> None:
    name = f"doubly-{party.client_id[:8]}"
    city.client().post("/users", json={"name": name, "password": PASSWORD}).raise_for_status()
    login = city.client(token=None).post("/login", json={"name": name, "password": PASSWORD})
    own = city.client(login.json()["token"])
    secret = own.post("/account/second-factor", json={"password": PASSWORD}).json()["secret"]
    code = pyotp.TOTP(secret).now()
    spare = own.post("/account/second-factor/confirm", json={"code": code}).json()
    door = browser.get(party.query())
    assert isinstance(door, Page)
    assert 'name="code"' not in door.answer.text
    half = browser.sign_in(door, name=name)
    assert isinstance(half, Page)
    assert half.answer.status_code == 401
    assert 'name="code"' in half.answer.text
    wrong = browser.send(half, name=name, password=PASSWORD, code="000000")
    assert isinstance(wrong, Page)
    assert wrong.answer.status_code == 401
    fields = {"name": name, "password": PASSWORD, "code": spare["recovery_codes"][0]}
    asked = browser.send(half, **fields)
    assert isinstance(asked, Page)
    back = browser.send(asked, decision="allow")
    assert isinstance(back, str)
    claims = claims_of(party.redeem(told_of(back)["code"]).json()["id_token"])
    assert claims["acr"] == "urn:borough:two-factor"
    assert "otp" in claims["amr"]
