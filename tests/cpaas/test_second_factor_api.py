"""Second factors over HTTP: set up, asked for, lost, demanded."""

from __future__ import annotations

import time

import httpx
import pyotp

from tests.cpaas.conftest import House

PASSWORD = "a long way to the harbour"


def member(house: House, name: str = "anna") -> tuple[httpx.Client, dict[str, str]]:
    """Return a signed-in user, and what it signs in with."""
    house.city.accounts.add_user(name, PASSWORD)
    body = {"name": name, "password": PASSWORD}
    token = house.client(token=None).post("/login", json=body).json()["token"]
    return house.client(token), body


def enrolled(client: httpx.Client) -> tuple[pyotp.TOTP, list[str]]:
    """Set a second factor up; returns the device and the recovery codes."""
    made = client.post("/account/second-factor", json={"password": PASSWORD})
    assert made.status_code == 201, made.text
    device = pyotp.parse_uri(made.json()["uri"])
    assert isinstance(device, pyotp.TOTP) and device.secret == made.json()["secret"]
    now = int(time.time()) - 30  # the code of now stays for the first sign-in
    confirmed = client.post("/account/second-factor/confirm", json={"code": device.at(now)})
    assert confirmed.status_code == 200, confirmed.text
    return device, confirmed.json()["recovery_codes"]


def test_once_set_up_each_sign_in_asks_for_a_code(house: House) -> None:
    anna, body = member(house)
    assert anna.post("/account/second-factor", json={"password": "x"}).status_code == 401
    device, codes = enrolled(anna)
    assert anna.get("/account/second-factor").json() == {
        "enrolled": True,
        "required": False,
        "recovery_codes": len(codes),
    }
    anyone = house.client(token=None)
    refused = anyone.post("/login", json=body)
    assert (refused.status_code, refused.json()["second_factor"]) == (401, "needed")
    assert anyone.post("/login", json=body | {"code": "000000"}).status_code == 401
    code = device.now()
    assert anyone.post("/login", json=body | {"code": code}).status_code == 200
    replayed = anyone.post("/login", json=body | {"code": code})
    assert (replayed.status_code, replayed.json()["second_factor"]) == (401, "needed")
    assert anyone.post("/login", json=body | {"code": codes[0]}).status_code == 200
    browser = anyone.post(
        "/session", json=body | {"code": codes[1]}, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert browser.status_code == 204
    kinds = {session["kind"] for session in anna.get("/sessions").json()}
    assert kinds == {"sign-in", "browser"}


def test_it_is_removed_by_password_and_code_alone(house: House) -> None:
    anna, body = member(house)
    _, codes = enrolled(anna)
    for wrong in ({"password": PASSWORD}, {"password": "x", "code": codes[0]}):
        assert anna.post("/account/second-factor/removal", json=wrong).status_code == 401
    right = {"password": PASSWORD, "code": codes[0]}
    renewed = anna.post("/account/second-factor/recovery-codes", json=right)
    assert renewed.status_code == 201
    right["code"] = renewed.json()["recovery_codes"][0]
    assert anna.post("/account/second-factor/removal", json=right).status_code == 204
    assert house.client(token=None).post("/login", json=body).status_code == 200


def test_an_administrator_resets_what_was_lost(house: House) -> None:
    anna, body = member(house)
    enrolled(anna)
    [told] = [user for user in house.client().get("/users").json() if user["name"] == "anna"]
    assert told["second_factor"]
    assert house.client().delete("/users/anna/second-factor").status_code == 204
    assert anna.get("/account").status_code == 401
    assert house.client(token=None).post("/login", json=body).status_code == 200


def test_who_must_have_one_can_do_nothing_else_before(house: House) -> None:
    _, body = member(house)
    uuid = house.endpoint()
    house.grant("anna", f"{uuid}/#", "READ")
    admin = house.client()
    assert admin.patch("/projects/city", json={"second_factor": True}).status_code == 204
    answer = house.client(token=None).post("/login", json=body)
    assert (answer.status_code, answer.json()["scopes"]) == (200, [])
    bound = house.client(answer.json()["token"])
    assert bound.get(f"/endpoints/{uuid}").status_code == 403
    issued = bound.post("/tokens", json={"label": "a", "scopes": ["read"]})
    assert issued.status_code == 403
    page = house.client(token=None).post(
        "/session", json=body, headers={"Sec-Fetch-Site": "same-origin"}
    )
    assert (page.status_code, page.json()["second_factor"]) == (401, "missing")
    device, codes = enrolled(bound)
    full = house.client(token=None).post("/login", json=body | {"code": device.now()}).json()
    reader = house.client(full["token"])
    assert reader.get(f"/endpoints/{uuid}").status_code == 200
    removal = {"password": PASSWORD, "code": codes[0]}
    assert reader.post("/account/second-factor/removal", json=removal).status_code == 403
    assert admin.patch("/projects/city", json={"second_factor": False}).status_code == 204
    assert reader.post("/account/second-factor/removal", json=removal).status_code == 204


def test_it_is_demanded_of_administrators_by_one(house: House) -> None:
    house.city.accounts.add_user("carla", PASSWORD, admin=True)
    admin = house.client()
    path = "/second-factor/administrators"
    assert admin.get(path).json() == {"required": False}
    assert admin.put(path, json={"required": True}).status_code == 204
    assert admin.get(path).json() == {"required": True}
    body = {"name": "carla", "password": PASSWORD}
    assert house.client(token=None).post("/login", json=body).json()["scopes"] == []


def test_neither_code_nor_secret_is_on_record(house: House) -> None:
    anna, body = member(house)
    device, codes = enrolled(anna)
    house.client(token=None).post("/login", json=body | {"code": codes[0]})
    text = repr(house.recorded())
    assert device.secret not in text
    assert not [code for code in codes if code in text]
