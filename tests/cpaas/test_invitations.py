"""An invitation makes one account, for as long as its inviter may give what it promises."""

from __future__ import annotations

import httpx
import pytest

from security import limits
from security.limits import INVITATION_LIFE_S_MAX, INVITATION_NOTE_CHARS_MAX
from tests.cpaas.conftest import House

PASSWORD = "a long way to the harbour"


def invited(client: httpx.Client, **more: object) -> dict[str, object]:
    answer = client.post("/invitations", json={"note": "Dora of the water works", **more})
    assert answer.status_code == 201, answer.text
    found: dict[str, object] = answer.json()
    return found


def accepted(house: House, token: object, name: str = "dora") -> httpx.Response:
    body = {"token": token, "name": name, "password": PASSWORD}
    return house.client(token=None).post("/invitations/accept", json=body)


def test_the_invited_person_chooses_and_signs_in(house: House) -> None:
    made = invited(house.client(), project="city", level="READ")
    uuid = house.endpoint()
    [listed] = house.client().get("/invitations").json()
    assert listed == {key: value for key, value in made.items() if key != "token"}
    bad = house.client(token=None).post(
        "/invitations/accept", json={"token": made["token"], "name": "dora", "password": "short"}
    )
    assert bad.status_code == 422
    assert accepted(house, made["token"]).status_code == 201
    body = {"name": "dora", "password": PASSWORD}
    token = house.client(token=None).post("/login", json=body).json()["token"]
    dora = house.client(token)
    assert dora.get(f"/endpoints/{uuid}").status_code == 200
    assert dora.delete(f"/endpoints/{uuid}").status_code == 403
    assert house.client().get("/invitations").json() == []


def test_it_is_good_once_and_never_on_record(house: House) -> None:
    made = invited(house.client())
    assert accepted(house, made["token"]).status_code == 201
    assert accepted(house, made["token"], "another").status_code == 401
    assert accepted(house, "bor_invite_x", "another").status_code == 401
    assert str(made["token"]) not in repr(house.recorded())


def test_withdrawn_it_is_worth_nothing(house: House) -> None:
    made = invited(house.client(), admin=True)
    assert house.client().delete(f"/invitations/{made['id']}").status_code == 204
    assert accepted(house, made["token"]).status_code == 401
    assert house.client().delete(f"/invitations/{made['id']}").status_code == 404


def test_who_owns_a_project_invites_to_it_and_nowhere_else(house: House) -> None:
    house.project("harbour")
    owner = house.user("owner", {"project:harbour": "OWN"})
    made = invited(owner, project="harbour", level="WRITE")
    assert [one["id"] for one in owner.get("/invitations").json()] == [made["id"]]
    for body, status in (
        ({"project": "city", "level": "READ"}, 404),
        ({"project": "harbour", "level": "READ", "admin": True}, 403),
        ({}, 403),
        ({"project": "harbour"}, 422),
        ({"project": "harbour", "level": "EVERYTHING"}, 422),
    ):
        refused = owner.post("/invitations", json={"note": "a", **body})
        assert refused.status_code == status, refused.text
    reader = house.user("reader", {"project:harbour": "READ"})
    body = {"note": "a", "project": "harbour", "level": "READ"}
    assert reader.post("/invitations", json=body).status_code == 403
    assert reader.get("/invitations").json() == []
    assert reader.delete(f"/invitations/{made['id']}").status_code == 404


@pytest.mark.parametrize("how", ["less", "disabled"])
def test_an_inviter_who_may_no_more_invites_nobody(house: House, how: str) -> None:
    owner = house.user("owner", {"project:city": "OWN"})
    made = invited(owner, project="city", level="WRITE")
    if how == "less":
        house.grant("owner", "project:city", "READ")
    else:
        house.client().patch("/users/owner", json={"disabled": True})
    assert accepted(house, made["token"]).status_code == 401


def test_bad_notes_and_lives_are_refused(house: House) -> None:
    for body in (
        {"note": ""},
        {"note": "x" * (INVITATION_NOTE_CHARS_MAX + 1)},
        {"note": "a", "expires_in_s": 0},
        {"note": "a", "expires_in_s": INVITATION_LIFE_S_MAX + 1},
    ):
        assert house.client().post("/invitations", json=body).status_code == 422
    assert limits.INVITATION_LIFE_S <= INVITATION_LIFE_S_MAX
