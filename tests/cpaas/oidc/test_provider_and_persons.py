"""What an application may not do for who let it in: that is for the person alone."""

from __future__ import annotations

from tests.cpaas.conftest import House
from tests.cpaas.oidc.conftest import PASSWORD, Browser, Page, Party, party_of, told_of


def admitted(party: Party, browser: Browser, name: str, scope: str) -> str:
    """Return the access token that somebody let an application have."""
    door = browser.get(party.query(scope=scope))
    assert isinstance(door, Page)
    asked = browser.sign_in(door, name=name)
    assert isinstance(asked, Page)
    back = browser.send(asked, decision="allow")
    assert isinstance(back, str), back.answer.text
    return str(party.redeem(told_of(back)["code"]).json()["access_token"])


def test_no_application_makes_or_changes_users(city: House, base: str, browser: Browser) -> None:
    city.city.accounts.add_user("chief", PASSWORD, admin=True)
    party = party_of(city, base, scopes=["openid", "read"])
    chief = city.client(city.city.accounts.sign_in("chief", PASSWORD).text)
    wide = chief.patch(f"/applications/{party.client_id}", json={"scopes": ["openid", "admin"]})
    assert wide.status_code == 200, wide.text
    api = party.api(admitted(party, browser, "chief", "openid admin"))
    assert api.get("/users").status_code == 200
    body = {"name": "mole", "password": PASSWORD, "admin": True}
    answers = [api.post("/users", json=body), api.patch("/users/chief", json={"password": "x"})]
    assert [answer.status_code for answer in answers] == [403, 403]
    assert "mole" not in {user.name for user in city.city.accounts.users()}


def test_to_know_who_somebody_is_tells_nothing_of_their_affairs(
    city: House, party: Party, browser: Browser
) -> None:
    api = party.api(party.tokens(browser, scope="openid")["access_token"])
    paths = ("/authorisations", "/sessions", "/tokens", "/account/second-factor", "/account")
    assert [api.get(path).status_code for path in paths] == [403] * len(paths)
    assert "/oauth2/userinfo" in api.get("/account").json()["detail"]


def test_no_application_takes_back_what_another_was_let_do(
    city: House, base: str, party: Party, browser: Browser
) -> None:
    other = party_of(city, base)
    theirs = other.api(other.tokens(browser)["access_token"])
    api = party.api(party.tokens(browser)["access_token"])
    assert api.delete(f"/authorisations/{other.client_id}").status_code == 403
    assert api.get("/authorisations").status_code == 403
    assert api.get("/account").json()["name"] == "maria"
    assert theirs.get("/account").status_code == 200


def test_scopes_taken_from_an_application_are_gone_for_who_agreed_before(
    city: House, party: Party, browser: Browser
) -> None:
    def leave(*scopes: str) -> None:
        path = f"/applications/{party.client_id}"
        assert city.client().patch(path, json={"scopes": scopes}).status_code == 200

    tokens = party.tokens(browser, scope="openid read write")
    api = party.api(tokens["access_token"])
    assert api.get("/account").json()["scopes"] == ["read", "write"]
    leave("openid", "read")
    assert api.get("/account").json()["scopes"] == ["read"]
    refreshed = party.refresh(tokens["refresh_token"]).json()
    assert refreshed["scope"] == "openid read"
    told = party.post("/oauth2/introspect", token=refreshed["refresh_token"]).json()
    assert told["scope"] == "openid read"
    again = refreshed["refresh_token"]
    assert party.refresh(again, scope="write").json()["error"] == "invalid_scope"
    leave("groups")
    assert party.refresh(again).json()["error"] == "invalid_scope"
    assert api.get("/endpoints").status_code == 403
    leave("openid", "read", "write")
    assert party.refresh(again).json()["scope"] == "openid read write"


def test_a_code_gives_no_scope_that_was_taken_away_meanwhile(
    city: House, party: Party, browser: Browser
) -> None:
    code = party.code(browser, scope="openid read write")
    path = f"/applications/{party.client_id}"
    assert city.client().patch(path, json={"scopes": ["openid", "read"]}).status_code == 200
    assert party.redeem(code).json()["scope"] == "openid read"
