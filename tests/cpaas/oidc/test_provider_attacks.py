"""What attackers try on the provider, and that each of it is refused."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from joserfc import jwk, jws

from cpaas.access.routes.oidc.browser import COOKIE
from tests.cpaas.conftest import House
from tests.cpaas.oidc.conftest import (
    CALLBACK,
    CHALLENGE,
    PASSWORD,
    VERIFIER,
    Browser,
    Page,
    Party,
    claims_of,
    part_of,
    party_of,
    told_of,
)


def refused(answer: httpx.Response, error: str = "invalid_grant") -> bool:
    return answer.status_code in (400, 401) and answer.json()["error"] == error


# -- signed tokens


def encoded(part: Any) -> str:
    data = part if isinstance(part, bytes) else json.dumps(part).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def by_alg_none(token: str, party: Party) -> str:
    header = part_of(token, 0) | {"alg": "none"}
    return f"{encoded(header)}.{token.split('.')[1]}."


def by_the_public_key_as_a_secret(token: str, party: Party) -> str:
    """Sign with HMAC and what everybody knows: the key that verifies."""
    [public] = [
        key
        for key in party.http.get(f"{party.base}/oauth2/jwks").json()["keys"]
        if key["kid"] == part_of(token, 0)["kid"]
    ]
    pem = jwk.ECKey.import_key(public).public_key.public_bytes(
        Encoding.PEM, PublicFormat.SubjectPublicKeyInfo
    )
    header = part_of(token, 0) | {"alg": "HS256"}
    rest = f"{encoded(header)}.{token.split('.')[1]}"
    return f"{rest}.{encoded(hmac.digest(pem, rest.encode(), 'sha256'))}"


def with_header(**more: Any) -> Callable[[str, Party], str]:
    """Return a forger that signs with a key of its own and says so in the header."""

    def forge(token: str, party: Party) -> str:
        key = jwk.ECKey.generate_key("P-256")
        told = {**part_of(token, 0), **more}
        if more.get("jwk") is True:
            told["jwk"] = key.as_dict(private=False)
        rest = f"{encoded(told)}.{token.split('.')[1]}"
        signed = jws.serialize_compact({"alg": "ES256"}, rest.encode(), key, algorithms=["ES256"])
        return f"{rest}.{signed.split('.')[2]}"

    return forge


def by_another_alg(token: str, party: Party) -> str:
    header = part_of(token, 0) | {"alg": "RS256"}
    return ".".join([encoded(header), *token.split(".")[1:]])


def with_a_changed_claim(token: str, party: Party) -> str:
    head, _, signature = token.split(".")
    return ".".join([head, encoded(claims_of(token) | {"scope": "read write admin"}), signature])


@pytest.fixture(scope="module")
def known(city: House, base: str) -> Party:
    """An application that stays as it is: for requests that come to nothing."""
    return party_of(city, base)


FORGERIES = {
    "alg none": by_alg_none,
    "alg NONE": lambda token, party: by_alg_none(token, party).replace(
        encoded({"alg": "none"}), encoded({"alg": "NONE"})
    ),
    "key confusion": by_the_public_key_as_a_secret,
    "another algorithm": by_another_alg,
    "a changed claim": with_a_changed_claim,
    "kid of nobody": with_header(kid="nobody"),
    "kid that is a path": with_header(kid="../../../dev/null"),
    "kid that is SQL": with_header(kid="' OR 1=1 --"),
    "kid that is no text": with_header(kid=["a"]),
    "own key in the header": with_header(jwk=True),
    "address of a key": with_header(jku="https://evil.example/keys"),
    "critical extension": with_header(crit=["exp"], exp=1),
    "unencoded payload": with_header(b64=False, crit=["b64"]),
    "another type": with_header(typ="JWT"),
}


@pytest.fixture(scope="module")
def good(city: House, base: str) -> tuple[str, Party]:
    """An access token of an application for itself, which may read the city."""
    party = party_of(city, base)
    city.grant(f"app:{party.client_id}", "project:city", "READ")
    token: str = party.credentials(scope="read").json()["access_token"]
    assert party.api(token).get("/account").status_code == 200
    return token, party


@pytest.mark.parametrize("how", FORGERIES)
def test_a_forged_token_opens_nothing(good: tuple[str, Party], how: str) -> None:
    token, party = good
    forged = FORGERIES[how](token, party)
    assert forged != token
    answer = party.api(forged).get("/account")
    assert answer.status_code == 401
    assert party.post("/oauth2/introspect", token=forged).json() == {"active": False}


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "https://other.example/api"},
        {"aud": ["http://127.0.0.1/api/v1"]},
        {"iss": "https://evil.example"},
        {"exp": 1_000},
        {"exp": "soon"},
        {"exp": None},
        {"iat": None},
        {"iat": 9_999_999_999},
        {"nbf": 9_999_999_999},
        {"authorisation": 999_999},
        {"authorisation": True},
        {"authorisation": "1"},
    ],
)
def test_a_token_of_ours_for_something_else_opens_nothing(
    city: House, good: tuple[str, Party], changed: dict[str, Any]
) -> None:
    token, party = good
    keys = city.city.oidc.provider.keys
    claims = claims_of(token) | changed
    told = {name: value for name, value in claims.items() if value is not None}
    assert party.api(keys.sign("ES256", "at+jwt", claims_of(token))).get("/account").is_success
    answer = party.api(keys.sign("ES256", "at+jwt", told)).get("/account")
    assert answer.status_code == 401, answer.text


def test_an_id_token_is_no_access_token(party: Party, browser: Browser) -> None:
    tokens = party.tokens(browser)
    assert party.api(tokens["id_token"]).get("/account").status_code == 401


def test_a_token_with_a_retired_key_is_over(house: House) -> None:
    base = house.base_url.removesuffix("/api/v1")
    party = party_of(house, base)
    token = party.credentials(scope="read").json()["access_token"]
    assert party.api(token).get("/account").status_code == 200
    before = party.http.get(f"{base}/oauth2/jwks").json()["keys"]
    made = house.client().post("/signing-keys", json={})
    assert made.status_code == 201
    assert party.api(token).get("/account").status_code == 200
    assert set(made.json()["kids"]) > {key["kid"] for key in before}
    house.client().post("/signing-keys", json={"retire": True})
    assert party.api(token).get("/account").status_code == 401
    fresh = party.credentials(scope="read").json()["access_token"]
    assert party.api(fresh).get("/account").status_code == 200


# -- codes


def test_a_code_is_good_once_and_its_replay_ends_what_it_gave(
    party: Party, browser: Browser
) -> None:
    code = party.code(browser)
    tokens = party.redeem(code).json()
    api = party.api(tokens["access_token"])
    assert api.get("/account").status_code == 200
    assert refused(party.redeem(code))
    assert api.get("/account").status_code == 401
    assert refused(party.refresh(tokens["refresh_token"]))


@pytest.mark.parametrize(
    "changed",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": CHALLENGE},
        {"redirect_uri": "https://app.example/other"},
        {"redirect_uri": None},
        {"code": "x" * 48},
    ],
)
def test_a_code_is_worth_nothing_without_what_belongs_to_it(
    party: Party, browser: Browser, changed: dict[str, str | None]
) -> None:
    code = party.code(browser)
    assert refused(party.redeem(changed.pop("code", None) or code, **changed))
    assert party.redeem(code).status_code == 200


def test_a_code_without_a_verifier_is_refused(party: Party, browser: Browser) -> None:
    answer = party.redeem(party.code(browser), code_verifier=None)
    assert refused(answer, "invalid_request")


def test_a_code_of_another_application_is_refused_and_stays_good(
    city: House, base: str, party: Party, browser: Browser
) -> None:
    thief, code = party_of(city, base), party.code(browser)
    assert refused(thief.redeem(code))
    assert party.redeem(code).status_code == 200


@pytest.mark.parametrize(
    "changed",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge": "short"},
    ],
)
def test_nobody_gets_a_code_without_pkce(
    known: Party, browser: Browser, changed: dict[str, str | None]
) -> None:
    back = browser.get(known.query(**changed))
    assert isinstance(back, str)
    assert told_of(back)["error"] == "invalid_request"
    assert told_of(back)["iss"] == known.base


# -- refresh tokens


def test_a_refresh_token_is_good_once_and_its_replay_ends_the_family(
    party: Party, browser: Browser
) -> None:
    first = party.tokens(browser)
    second = party.refresh(first["refresh_token"]).json()
    assert second["refresh_token"] != first["refresh_token"]
    api = party.api(second["access_token"])
    assert api.get("/account").status_code == 200
    assert refused(party.refresh(first["refresh_token"]))
    assert api.get("/account").status_code == 401
    assert refused(party.refresh(second["refresh_token"]))


def test_a_refresh_token_of_another_application_is_refused_and_stays_good(
    city: House, base: str, party: Party, browser: Browser
) -> None:
    tokens = party.tokens(browser)
    assert refused(party_of(city, base).refresh(tokens["refresh_token"]))
    assert party.refresh(tokens["refresh_token"]).status_code == 200


def test_a_refresh_gives_no_more_than_was_agreed_to(party: Party, browser: Browser) -> None:
    tokens = party.tokens(browser)
    more = party.refresh(tokens["refresh_token"], scope="openid read write")
    assert refused(more, "invalid_scope")
    less = party.refresh(tokens["refresh_token"], scope="openid")
    assert less.json()["scope"] == "openid"


# -- where browsers are sent


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/",
        CALLBACK + "/more",
        CALLBACK + "?next=https://evil.example",
        CALLBACK + "#fragment",
        "https://app.example:444/callback",
        "http://app.example/callback",
        "https://app.example.evil.example/callback",
        "https://app.example@evil.example/callback",
        "//app.example/callback",
        "javascript:alert(1)",
        'https://app.example/callback"><script>',
        "https://APP.example/callback",
    ],
)
def test_a_browser_is_sent_nowhere_that_was_not_registered(
    known: Party, browser: Browser, uri: str
) -> None:
    page = browser.get(known.query(redirect_uri=uri))
    assert isinstance(page, Page)
    assert page.answer.status_code == 400
    assert "<script>" not in page.answer.text
    assert page.title == "This did not work"


@pytest.mark.parametrize(
    "changed",
    [
        {"client_id": "00000000-0000-4000-8000-00000000dead"},
        {"client_id": None},
        {"redirect_uri": None},
        {"response_type": 'code"'},
    ],
)
def test_a_request_of_nobody_is_told_to_the_person(
    known: Party, browser: Browser, changed: dict[str, str | None]
) -> None:
    page = browser.get(known.query(**changed))
    assert isinstance(page, Page)
    assert page.answer.status_code == 400


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"scope": "openid admin"}, "invalid_scope"),
        ({"scope": "openid everything"}, "invalid_scope"),
        ({"request": "eyJh.eyJh."}, "request_not_supported"),
        ({"request_uri": "https://evil.example/r"}, "request_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"response_mode": "form_post"}, "invalid_request"),
    ],
)
def test_what_is_not_supported_is_told_to_the_application(
    known: Party, browser: Browser, changed: dict[str, str | None], error: str
) -> None:
    back = browser.get(known.query(**changed))
    assert isinstance(back, str)
    told = told_of(back)
    assert (told["error"], told["state"], told["iss"]) == (error, "state-1", known.base)


def test_a_parameter_twice_is_refused(known: Party, browser: Browser) -> None:
    answer = browser.http.get(f"{known.base}{known.query()}&state=two")
    assert answer.status_code == 400


@pytest.mark.parametrize("to", ["https://evil.example/", "//evil.example", "../api/v1", ""])
def test_a_sign_in_leads_to_pages_of_ours_alone(known: Party, browser: Browser, to: str) -> None:
    door = browser.get(known.query())
    assert isinstance(door, Page)
    page = browser.send(door, to=to, name="maria", password=PASSWORD)
    assert isinstance(page, Page)
    assert page.answer.status_code == 400
    assert "set-cookie" not in page.answer.headers


# -- other sites


@pytest.mark.parametrize(
    "headers",
    [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Origin": "null"}, {}],
)
def test_another_site_signs_nobody_in_and_decides_nothing(
    party: Party, browser: Browser, headers: dict[str, str]
) -> None:
    door = browser.get(party.query())
    assert isinstance(door, Page)
    forged = browser.http.post(
        browser.base + door.action,
        data={**door.hidden, "name": "maria", "password": PASSWORD},
        headers=headers,
    )
    assert forged.status_code == 403
    assert "set-cookie" not in forged.headers
    asked = browser.sign_in(door)
    assert isinstance(asked, Page)
    for path, fields in (
        (asked.action, {**asked.hidden, "decision": "allow"}),
        ("/oauth2/device", {"user_code": "BCDF-GHJK"}),
        ("/oauth2/device/decision", {"user_code": "BCDF-GHJK", "decision": "allow"}),
    ):
        answer = browser.http.post(browser.base + path, data=fields, headers=headers)
        assert answer.status_code == 403


def test_nobody_decides_for_who_signed_in_meanwhile(
    city: House, party: Party, browser: Browser
) -> None:
    asked = browser.sign_in(browser.get(party.query()))  # type: ignore[arg-type] # a page, as seen
    assert isinstance(asked, Page)
    mallory = city.city.accounts.add_user(f"mallory-{party.client_id[:8]}", PASSWORD)
    door = browser.get(party.query(prompt="login"))
    assert isinstance(door, Page)
    browser.sign_in(door, name=mallory.name)
    again = browser.send(asked, decision="allow")
    assert isinstance(again, Page)
    assert mallory.name in again.answer.text


def test_the_cookie_opens_the_provider_alone(party: Party, browser: Browser) -> None:
    party.tokens(browser)
    token = browser.http.cookies[COOKIE]
    cookie = next(iter(browser.http.cookies.jar))
    assert (cookie.path, cookie.name) == ("/oauth2", COOKIE)
    assert cookie.has_nonstandard_attr("HttpOnly")
    assert cookie.get_nonstandard_attr("SameSite") == "Lax"
    assert browser.http.get(f"{party.base}/api/v1/account").status_code == 401
    as_console = browser.http.get(
        f"{party.base}/oauth2/device", headers={"Cookie": f"{COOKIE}=bor_{'x' * 43}"}
    )
    assert Page(as_console).title == "Sign in"
    assert token.startswith("bor_")


def test_pages_are_framed_by_nobody_and_run_no_script(known: Party, browser: Browser) -> None:
    page = browser.get(known.query())
    assert isinstance(page, Page)
    policy = page.answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "form-action 'self' https://app.example;" in policy
    assert "unsafe" not in policy
    assert page.answer.headers["x-frame-options"] == "DENY"
    assert page.answer.headers["cache-control"] == "no-store"
    assert "<script" not in page.answer.text


def test_a_name_that_is_markup_is_shown_as_text(city: House, base: str, browser: Browser) -> None:
    party = party_of(city, base, name='<b>x</b>"><img src=x onerror=alert(1)>')
    door = browser.get(party.query())
    assert isinstance(door, Page)
    assert "<img" not in door.answer.text
    assert "&lt;img" in door.answer.text


# -- applications that are not who they say


@pytest.mark.parametrize("secret", ["", "wrong", "bor_secret_" + "x" * 43])
def test_a_wrong_secret_is_refused(known: Party, secret: str) -> None:
    answer = known.http.post(
        f"{known.base}/oauth2/token",
        data={"grant_type": "client_credentials"},
        auth=(known.client_id, secret),
    )
    assert refused(answer, "invalid_client")


def test_an_application_with_a_secret_does_not_get_by_without_it(
    party: Party, browser: Browser
) -> None:
    code = party.code(browser)
    answer = party.http.post(
        f"{party.base}/oauth2/token",
        data={
            "grant_type": "authorization_code",
            "client_id": party.client_id,
            "code": code,
            "redirect_uri": CALLBACK,
            "code_verifier": VERIFIER,
        },
    )
    assert refused(answer, "invalid_client")
    assert party.redeem(code).status_code == 200


def test_a_grant_that_an_application_was_not_given_is_refused(city: House, base: str) -> None:
    party = party_of(city, base, grants=["authorization_code"])
    assert refused(party.credentials(), "unauthorized_client")
    assert refused(party.refresh("bor_refresh_x"), "unauthorized_client")
    device = party.post("/oauth2/device_authorization", scope="read")
    assert refused(device, "unauthorized_client")


def test_an_applications_token_makes_nothing_that_lasts(
    city: House, base: str, browser: Browser
) -> None:
    scopes = ["openid", "read", "write", "configure", "grant"]
    party = party_of(city, base, scopes=scopes)
    city.grant("maria", "project:city", "OWN")
    try:
        api = party.api(party.tokens(browser, scope=" ".join(scopes))["access_token"])
        tried = [
            api.post("/tokens", json={"label": "for ever", "scopes": ["read"]}),
            api.delete("/tokens/1"),
            api.post("/applications", json={"name": "mine"}),
            api.post(f"/applications/{party.client_id}/secret", json={}),
            api.patch(f"/applications/{party.client_id}", json={"name": "other"}),
            api.delete(f"/applications/{party.client_id}"),
        ]
    finally:
        city.grant("maria", "project:city", "READ")
    assert [answer.status_code for answer in tried] == [403] * len(tried)


def test_a_signed_token_is_no_way_around_the_sign_in_page(good: tuple[str, Party]) -> None:
    token, party = good
    answer = party.http.get(f"{party.base}/oauth2/device", headers={"Cookie": f"{COOKIE}={token}"})
    assert Page(answer).title == "Sign in"


def test_keys_are_sealed_at_rest(city: House, good: tuple[str, Party]) -> None:
    found = city.registry.signing_keys.signing_keys()
    assert found
    for key in found:
        assert '"d"' not in key.sealed
        assert key.sealed.startswith("v2.")
    published = good[1].http.get(f"{good[1].base}/oauth2/jwks").json()["keys"]
    assert all("d" not in key and "p" not in key for key in published)
