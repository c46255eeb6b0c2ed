"""Sessions are listed with their last use, and end one by one or all at once."""

from __future__ import annotations

import httpx
import pytest

from security.aaa import sessions as module
from security.aaa.tokens import Scope
from security.limits import SIGN_IN_FAILURES_FREE
from tests.cpaas.conftest import NO_TLS, USER_SCOPES, House

PASSWORD = "a long way to the harbour"
ANOTHER = "the ferry leaves at noon"


@pytest.fixture
def anna(house: House) -> httpx.Client:
    house.city.accounts.add_user("anna", PASSWORD)
    return signed_in(house)


def signed_in(house: House, password: str = PASSWORD) -> httpx.Client:
    body = {"name": "anna", "password": password}
    answer = house.client(token=None).post("/login", json=body)
    assert answer.status_code == 200, answer.text
    return house.client(answer.json()["token"])


def test_each_way_in_is_listed_with_where_it_came_from(house: House, anna: httpx.Client) -> None:
    named = anna.post("/tokens", json={"label": "script", "scopes": ["read"]}).json()
    house.client(named["token"]).get("/account")
    first, second = anna.get("/sessions").json()
    assert (first["kind"], first["this"], second["kind"]) == ("sign-in", True, "token")
    assert second["label"] == "script" and second["scopes"] == ["read"]
    for session in (first, second):
        assert session["created_from"] == session["last_used_from"] == "127.0.0.1"
        assert session["created_at"] <= session["last_used_at"]


def test_last_use_survives_in_the_registry(house: House, anna: httpx.Client) -> None:
    anna.get("/account")
    [before] = anna.get("/sessions").json()
    house.city.people.sessions.flush()
    [after] = anna.get("/sessions").json()
    assert after["last_used_at"] >= before["last_used_at"]
    lives = {user["name"]: user for user in house.client().get("/users").json()}
    assert lives["anna"]["created_at"] <= lives["anna"]["last_used_at"]


def test_one_session_ends_and_the_others_go_on(house: House, anna: httpx.Client) -> None:
    other = signed_in(house)
    mine = {session["id"]: session for session in anna.get("/sessions").json()}
    [theirs] = [name for name, session in mine.items() if not session["this"]]
    assert anna.delete(f"/sessions/{theirs}").status_code == 204
    assert (other.get("/account").status_code, anna.get("/account").status_code) == (401, 200)
    assert anna.delete(f"/sessions/{theirs}").status_code == 404
    assert anna.delete("/sessions/nothing").status_code == 404


def test_all_others_end_at_once(house: House, anna: httpx.Client) -> None:
    others = [signed_in(house) for _ in range(3)]
    assert anna.delete("/sessions").json() == {"ended": 3}
    assert [other.get("/account").status_code for other in others] == [401] * 3
    assert anna.get("/account").status_code == 200


@pytest.mark.parametrize("keep", [False, True])
def test_another_password_ends_every_other_session(
    house: House, anna: httpx.Client, keep: bool
) -> None:
    other = signed_in(house)
    issued = anna.post("/tokens", json={"label": "script", "scopes": ["read"]}).json()["token"]
    body = {"password": PASSWORD, "new_password": ANOTHER, "keep_tokens": keep}
    assert anna.put("/account/password", json=body | {"password": "x"}).status_code == 401
    answer = anna.put("/account/password", json=body)
    assert answer.json() == {"ended": 1 if keep else 2}
    assert other.get("/account").status_code == 401
    assert house.client(issued).get("/account").status_code == (200 if keep else 401)
    assert anna.get("/account").status_code == 200
    assert signed_in(house, ANOTHER).get("/account").status_code == 200


def test_a_password_that_is_tried_first_is_refused_with_what_to_do(anna: httpx.Client) -> None:
    body = {"password": PASSWORD, "new_password": "anna-city-2026"}
    answer = anna.put("/account/password", json=body)
    assert answer.status_code == 422
    assert "several unrelated words" in answer.json()["detail"]


def test_an_administrator_ends_the_sessions_of_a_user(house: House, anna: httpx.Client) -> None:
    admin = house.client()
    [session] = admin.get("/users/anna/sessions").json()
    assert admin.delete(f"/users/anna/sessions/{session['id']}").status_code == 204
    assert anna.get("/account").status_code == 401
    again = [signed_in(house) for _ in range(2)]
    assert admin.delete("/users/anna/sessions").json() == {"ended": 2}
    assert [one.get("/account").status_code for one in again] == [401, 401]


def test_shut_out_a_user_has_no_session_and_gets_none_back(
    house: House, anna: httpx.Client
) -> None:
    admin = house.client()
    assert admin.patch("/users/anna", json={"disabled": True}).status_code == 200
    assert anna.get("/account").status_code == 401
    assert admin.patch("/users/anna", json={"disabled": False}).status_code == 200
    assert anna.get("/account").status_code == 401
    assert signed_in(house).get("/account").status_code == 200


def test_deleted_a_user_is_gone_and_the_name_stays_taken(house: House) -> None:
    reader = house.user("berta", {"project:city": "READ"}, USER_SCOPES | {Scope.AUDIT})
    assert reader.get("/projects").json() == [{"name": "city"}]
    admin = house.client()
    assert admin.delete("/users/berta").status_code == 204
    assert reader.get("/account").status_code == 401
    assert "berta" not in [user["name"] for user in admin.get("/users").json()]
    assert admin.get("/rights", params={"prefix": "project:city"}).json() == [
        entry
        for entry in admin.get("/rights", params={"prefix": "project:city"}).json()
        if entry["subject"] != "berta"
    ]
    assert admin.delete("/users/berta").status_code == 404
    again = admin.post("/users", json={"name": "berta"})
    assert again.status_code == 422 and "taken" in again.json()["detail"]
    assert [entry["who"] for entry in house.recorded()].count("berta") >= 1


def test_the_last_administrator_stays(house: House) -> None:
    admin = house.client()
    [name] = [user["name"] for user in admin.get("/users").json() if user["admin"]]
    assert admin.delete(f"/users/{name}").status_code == 422


def test_the_owner_signs_in_while_somebody_guesses(house: House) -> None:
    """From elsewhere, from the very address behind the same router, and with many names."""
    house.city.accounts.add_user("anna", PASSWORD)
    right = {"name": "anna", "password": PASSWORD}
    here = house.client(token=None)
    device = here.post("/login", json=right).json()["device"]
    elsewhere = httpx.HTTPTransport(verify=NO_TLS, local_address="127.0.0.2")
    with httpx.Client(base_url=house.base_url, transport=elsewhere) as attacker:
        wrong = {"name": "anna", "password": "wrong, but long enough"}
        answers = [attacker.post("/login", json=wrong) for _ in range(SIGN_IN_FAILURES_FREE + 3)]
        assert answers[-1].status_code == 429
        assert here.post("/login", json=right).status_code == 200
        refused = attacker.post("/login", json=right)
        assert refused.status_code == 429 and int(refused.headers["Retry-After"]) >= 1
        assert attacker.post("/login", json=right | {"device": device}).status_code == 200
        cookie = {"Cookie": f"borough_device={device}"}
        assert attacker.post("/login", json=right, headers=cookie).status_code == 200
    told = [entry["about"] for entry in house.recorded() if entry["status"] == 429]
    assert told and {one["throttled"] for one in told} == {"account and source"}
    assert {one["name"] for one in told} == {"anna"}


def test_a_browser_is_known_at_its_next_sign_in(house: House) -> None:
    house.city.accounts.add_user("anna", PASSWORD)
    own = {"Sec-Fetch-Site": "same-origin"}
    browser = house.client(token=None)
    body = {"name": "anna", "password": PASSWORD}
    assert browser.post("/session", json=body, headers=own).status_code == 204
    cookies = browser.cookies.jar
    [known] = [cookie for cookie in cookies if cookie.name == "borough_device"]
    assert known.path == "/" and known.has_nonstandard_attr("HttpOnly")
    for _ in range(SIGN_IN_FAILURES_FREE + 1):
        house.client(token=None).post("/login", json=body | {"password": "x" * 12})
    assert house.client(token=None).post("/login", json=body).status_code == 429
    assert browser.post("/session", json=body, headers=own).status_code == 204


def test_last_uses_wait_in_bounded_memory(
    house: House, anna: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.city.people.sessions.flush()
    monkeypatch.setattr(module, "USES_WAITING_MAX", 1)
    assert house.client().get("/account").status_code == 200
    [before] = anna.get("/sessions").json()
    for _ in range(3):
        assert anna.get("/account").status_code == 200
    [after] = anna.get("/sessions").json()
    assert after["last_used_at"] == before["last_used_at"]
    house.city.people.sessions.flush()
    assert anna.get("/account").status_code == 200
    assert anna.get("/sessions").json()[0]["last_used_at"] >= before["last_used_at"]
