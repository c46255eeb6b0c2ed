"""Set-up, sign-in, tokens and users over HTTP."""

from __future__ import annotations

import threading
from typing import Any

import httpx
import pytest

from cpaas.limits import SIGN_INS_AT_ONCE, SIGN_INS_WAITING_MAX
from tests.cpaas.conftest import NO_TLS, House

PASSWORD = "correct horse battery"


def code_of(house: House) -> str:
    code = house.city.accounts.set_up_code()
    assert code is not None
    return code


def test_the_code_makes_the_first_administrator_once(house: House) -> None:
    code, anyone = code_of(house), house.client(token=None)
    body = {"code": code, "name": "anna", "password": PASSWORD}
    wrong = anyone.post("/setup", json=body | {"code": "AAAA-BBBB-CCCC-DDDD"})
    assert wrong.status_code == 401
    assert anyone.post("/setup", json=body | {"password": "short"}).status_code == 422
    made = anyone.post("/setup", json=body)
    assert made.status_code == 201
    account = house.client(made.json()["token"]).get("/account").json()
    assert (account["name"], account["admin"]) == ("anna", True)
    assert anyone.post("/setup", json=body).status_code == 409


def test_signing_in_gives_a_token_that_ends(house: House) -> None:
    house.city.accounts.add_user("bert", PASSWORD)
    anyone = house.client(token=None)
    answer = anyone.post("/login", json={"name": "bert", "password": PASSWORD})
    assert answer.status_code == 200
    assert answer.json()["expires_at"] > house.city.clock.now_ms()
    account = house.client(answer.json()["token"]).get("/account").json()
    assert account == {
        "name": "bert",
        "admin": False,
        "scopes": ["audit", "configure", "grant", "read", "write"],
    }


def test_wrong_names_and_passwords_read_the_same_and_are_slowed_down(house: House) -> None:
    house.city.accounts.add_user("bert", PASSWORD)
    anyone = house.client(token=None)
    wrong = anyone.post("/login", json={"name": "bert", "password": "x" * 12})
    nobody = anyone.post("/login", json={"name": "nobody", "password": "x" * 12})
    assert wrong.status_code == nobody.status_code == 401
    assert wrong.content == nobody.content
    answers = [anyone.post("/login", json={"name": "bert", "password": "x" * 12}) for _ in range(6)]
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1


def test_a_crowd_at_the_door_is_turned_away_and_keeps_nobody_else_waiting(house: House) -> None:
    entered, leave = threading.Semaphore(0), threading.Event()
    sign_in = house.city.accounts.sign_in

    def slow(name: str, password: str, source: str, **more: Any) -> object:
        entered.release()
        leave.wait(20)
        return sign_in(name, password, source, **more)

    house.city.accounts.sign_in = slow  # type: ignore[assignment,method-assign] # as slow as a full machine
    crowd = SIGN_INS_AT_ONCE + SIGN_INS_WAITING_MAX + 4
    answers: list[int] = []

    def attempt(number: int) -> None:
        body = {"name": f"user{number}", "password": "x" * 12}
        with httpx.Client(base_url=house.base_url, timeout=30.0, verify=NO_TLS) as client:
            answers.append(client.post("/login", json=body).status_code)

    threads = [threading.Thread(target=attempt, args=(n,)) for n in range(crowd)]
    for thread in threads:
        thread.start()
    for _ in range(SIGN_INS_AT_ONCE):
        assert entered.acquire(timeout=20)
    try:
        assert house.client().get("/tokens").status_code == 200
        while len(answers) < 4:
            threading.Event().wait(0.01)  # those beyond the bound are answered at once
        assert answers == [429] * 4
    finally:
        leave.set()
        for thread in threads:
            thread.join()
    assert sorted(answers) == [401] * (crowd - 4) + [429] * 4


def test_a_token_issues_no_more_than_it_has(house: House) -> None:
    client = house.user("anna")
    token = client.post("/tokens", json={"label": "dashboard", "scopes": ["read"]})
    assert token.status_code == 201
    reader = house.client(token.json()["token"])
    assert reader.get("/endpoints").status_code == 200
    assert reader.post("/endpoints", params={"friendlyName": "x"}).status_code == 403
    more = reader.post("/tokens", json={"label": "more", "scopes": ["read", "write"]})
    assert more.status_code == 403
    assert "lacks: write" in more.json()["detail"]
    assert client.post("/tokens", json={"label": "a", "scopes": ["admin"]}).status_code == 403


def test_tokens_are_listed_without_their_text_and_revoked_at_once(house: House) -> None:
    client = house.user("anna")
    body = {"label": "dashboard", "scopes": ["read"], "expires_in_s": 60}
    made = client.post("/tokens", json=body).json()
    reader = house.client(made["token"])
    assert reader.get("/account").status_code == 200
    listed = client.get("/tokens").json()
    assert [token["label"] for token in listed] == ["test", "dashboard"]
    assert made["token"] not in str(listed)
    assert client.delete(f"/tokens/{made['id']}").status_code == 204
    assert reader.get("/account").status_code == 401
    assert client.delete(f"/tokens/{made['id']}").status_code == 404
    assert client.delete("/tokens/99999999999999999999999").status_code == 404


@pytest.mark.parametrize(
    "change",
    [{"scopes": []}, {"scopes": ["all"]}, {"expires_in_s": 0}, {"label": ""}, {"label": "sign-in"}],
)
def test_a_token_that_breaks_a_rule_is_refused(house: House, change: dict[str, object]) -> None:
    body = {"label": "a", "scopes": ["read"], **change}
    assert house.client().post("/tokens", json=body).status_code == 422


def test_an_administrator_adds_shuts_out_and_lets_in(house: House) -> None:
    admin = house.client()
    made = admin.post("/users", json={"name": "bert", "password": PASSWORD})
    assert (made.status_code, made.json()) == (
        201, {"name": "bert", "admin": False, "disabled": False}
    )  # fmt: skip
    assert admin.post("/users", json={"name": "bert"}).status_code == 422
    anyone = house.client(token=None)
    token = anyone.post("/login", json={"name": "bert", "password": PASSWORD}).json()["token"]
    bert = house.client(token)
    assert bert.get("/account").status_code == 200
    assert admin.patch("/users/bert", json={"disabled": True}).json()["disabled"] is True
    assert bert.get("/account").status_code == 401
    assert admin.patch("/users/bert", json={"disabled": False}).json()["disabled"] is False
    assert bert.get("/account").status_code == 401
    token = anyone.post("/login", json={"name": "bert", "password": PASSWORD}).json()["token"]
    bert = house.client(token)
    changed = admin.patch("/users/bert", json={"password": PASSWORD + "!"})
    assert changed.status_code == 200
    assert bert.get("/account").status_code == 401
    [told] = [user for user in admin.get("/users").json() if user["name"] == "bert"]
    assert (told["admin"], told["disabled"], told["second_factor"]) == (False, False, False)
    assert admin.patch("/users/nobody", json={"disabled": True}).status_code == 404


def test_an_administrator_made_by_the_api_owns_everything_at_once(house: House) -> None:
    uuid = house.endpoint()
    body = {"name": "anna", "password": PASSWORD, "admin": True}
    assert house.client().post("/users", json=body).status_code == 201
    login = house.client(token=None).post("/login", json={"name": "anna", "password": PASSWORD})
    anna = house.client(login.json()["token"])
    assert anna.get(f"/endpoints/{uuid}").json()["permission"] == "OWN"
    assert anna.get("/status").json()["samples"] == 0
