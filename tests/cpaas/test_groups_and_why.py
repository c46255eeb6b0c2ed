"""Groups by HTTP: their grants count, nobody gives by them more than the own, and why says it."""

from __future__ import annotations

import pytest

from tests.cpaas.conftest import House


@pytest.fixture
def lamp(house: House) -> str:
    house.project("parks")
    uuid = house.endpoint("Lamp", project="parks")
    assert house.observe((f"{uuid}/lamp/light/power", 7.0, 1_700_000_000)).status_code == 201
    return uuid


def grant_group(house: House, group: str, prefix: str, level: str) -> None:
    body = {"group": group, "prefix": prefix, "level": level}
    answer = house.client().put("/grants", json=body)
    assert answer.status_code == 204, answer.text


def test_members_hold_what_the_group_holds_until_they_leave(house: House, lamp: str) -> None:
    admin, anna = house.client(), house.user("anna")
    assert admin.post("/groups", json={"name": "gardeners"}).status_code == 201
    grant_group(house, "gardeners", f"{lamp}/#", "READ")
    point = f"/data/{lamp}/lamp/light/power"
    assert anna.get(point).status_code == 404
    assert admin.put("/groups/gardeners/members/anna").status_code == 204
    assert anna.get(point).json()["value"] == 7.0
    assert admin.get("/groups").json() == [{"name": "gardeners", "members": ["anna"]}]
    assert {"group": "gardeners", "prefix": f"{lamp}/#", "level": "READ"} in admin.get(
        "/grants"
    ).json()
    assert admin.delete("/groups/gardeners/members/anna").status_code == 204
    assert anna.get(point).status_code == 404
    assert admin.delete("/groups/gardeners/members/anna").status_code == 404
    admin.put("/groups/gardeners/members/anna")
    assert admin.delete("/groups/gardeners").status_code == 204
    assert anna.get(point).status_code == 404
    assert admin.get("/groups").json() == []


def test_a_grant_is_for_a_user_or_a_group(house: House, lamp: str) -> None:
    admin = house.client()
    assert admin.post("/groups", json={"name": "staff"}).status_code == 201
    assert admin.post("/groups", json={"name": "staff"}).status_code == 409
    assert admin.post("/groups", json={"name": "a b"}).status_code == 422
    both = {"user": "anna", "group": "staff", "prefix": f"{lamp}/#", "level": "READ"}
    assert admin.put("/grants", json=both).status_code == 422
    neither = {"prefix": f"{lamp}/#", "level": "READ"}
    assert admin.put("/grants", json=neither).status_code == 422
    grant_group(house, "staff", f"{lamp}/#", "WRITE")
    gone = {"group": "staff", "prefix": f"{lamp}/#"}
    assert admin.delete("/grants", params=gone).status_code == 204
    assert admin.delete("/grants", params=gone).status_code == 404


def test_who_governs_a_group_holds_as_much_as_the_group(house: House, lamp: str) -> None:
    admin = house.client()
    boss = house.user("boss", {f"{lamp}/#": "GRANT"})
    house.user("anna")
    admin.post("/groups", json={"name": "staff"})
    assert boss.get("/groups").json() == []
    assert boss.put("/groups/staff/members/anna").status_code == 404
    grant_group(house, "staff", f"{lamp}/#", "WRITE")
    assert boss.get("/groups").json() == [{"name": "staff", "members": []}]
    assert boss.put("/groups/staff/members/anna").status_code == 204
    grant_group(house, "staff", "project:parks", "READ")
    refused = boss.put("/groups/staff/members/boss")
    assert (refused.status_code, "more than you could grant" in refused.text) == (403, True)
    mine = {"group": "staff", "prefix": f"{lamp}/#", "level": "OWN"}
    assert boss.put("/grants", json=mine).status_code == 403
    assert boss.put("/grants", json={**mine, "level": "GRANT"}).status_code == 204
    grant_group(house, "staff", f"{lamp}/#", "OWN")
    assert boss.put("/grants", json={**mine, "level": "READ"}).status_code == 403


def test_nobody_grants_past_a_denial_by_a_group(house: House, lamp: str) -> None:
    admin = house.client()
    boss = house.user("boss", {f"{lamp}/#": "GRANT"})
    house.user("anna")
    admin.post("/groups", json={"name": "kept-out"})
    admin.put("/groups/kept-out/members/boss")
    grant_group(house, "kept-out", f"{lamp}/lamp/#", "DENY")
    body = {"user": "anna", "prefix": f"{lamp}/#", "level": "READ"}
    refused = boss.put("/grants", json=body)
    assert (refused.status_code, "own level, DENY" in refused.text) == (403, True)


def test_why_names_the_deciding_grant_and_what_it_overrules(house: House, lamp: str) -> None:
    admin = house.client()
    anna = house.user("anna", {"project:parks": "WRITE", f"{lamp}/#": "READ"})
    admin.post("/groups", json={"name": "kept-out"})
    grant_group(house, "kept-out", f"{lamp}/#", "DENY")
    asked = {"subject": "anna", "address": f"{lamp}/lamp", "action": "read"}
    before = admin.get("/rights/why", params=asked).json()
    assert (before["allowed"], before["level"]) == (True, "READ")
    assert anna.get("/rights/why", params=asked).json() == before
    admin.put("/groups/kept-out/members/anna")
    assert admin.get("/rights/why", params=asked).json() == {
        "subject": "anna",
        "address": f"{lamp}/lamp",
        "action": "read",
        "allowed": False,
        "level": "DENY",
        "needed": "READ",
        "admin": False,
        "disabled": False,
        "decides": [{"prefix": f"{lamp}/#", "level": "DENY", "group": "kept-out"}],
        "overruled": [
            {"prefix": f"{lamp}/#", "level": "READ"},
            {"prefix": "project:parks", "level": "WRITE"},
        ],
    }
    assert anna.get("/rights/why", params=asked).status_code == 404


def test_why_of_others_is_for_who_grants_there(house: House, lamp: str) -> None:
    house.user("anna", {f"{lamp}/#": "READ"})
    bert = house.user("bert", {f"{lamp}/#": "CONFIGURE"})
    asked = {"subject": "anna", "address": lamp, "action": "own"}
    assert bert.get("/rights/why", params=asked).status_code == 403
    admin = house.client()
    assert admin.get("/rights/why", params={**asked, "subject": "nobody"}).status_code == 404
    assert admin.get("/rights/why", params={**asked, "action": "fly"}).status_code == 422
    mine = admin.get("/rights/why", params={"address": "project:parks", "action": "own"}).json()
    assert (mine["allowed"], mine["admin"], mine["decides"]) == (True, True, [])


def test_who_may_do_what_there_and_what_somebody_holds(house: House, lamp: str) -> None:
    admin = house.client()
    anna = house.user("anna", {f"{lamp}/lamp/#": "READ"})
    house.user("bert", {"project:parks": "DENY"})
    admin.post("/groups", json={"name": "staff"})
    grant_group(house, "staff", "project:parks", "BROWSE")
    admin.put("/groups/staff/members/anna")
    there = admin.get("/rights", params={"prefix": f"{lamp}/#"}).json()
    assert [entry["subject"] for entry in there] == ["anna", "local-automation"]
    assert there[0] == {
        "subject": "anna",
        "level": "BROWSE",
        "admin": False,
        "disabled": False,
        "groups": ["staff"],
        "decides": [{"prefix": "project:parks", "level": "BROWSE", "group": "staff"}],
    }
    page = admin.get("/rights", params={"prefix": f"{lamp}/#", "limit": 1, "after": "anna"}).json()
    assert [entry["subject"] for entry in page] == ["local-automation"]
    one = admin.get("/rights", params={"prefix": f"{lamp}/#", "subject": "anna"}).json()
    assert one == there[:1]
    held = [
        {"prefix": f"{lamp}/lamp/#", "level": "READ", "admin": False, "groups": []},
        {"prefix": "project:parks", "level": "BROWSE", "admin": False, "groups": ["staff"]},
    ]
    assert anna.get("/rights").json() == held
    assert admin.get("/rights", params={"subject": "anna"}).json() == held
    boss = house.user("boss", {f"{lamp}/#": "GRANT"})
    assert boss.get("/rights", params={"subject": "anna"}).json() == held[:1]
    assert boss.get("/rights", params={"subject": "bert"}).status_code == 404
    assert admin.get("/rights", params={"limit": 0}).status_code == 422
    assert admin.get("/rights").json() == [
        {"prefix": "#", "level": "OWN", "admin": True, "groups": []}
    ]


def test_of_others_only_the_groups_are_named_that_have_a_say_there(house: House, lamp: str) -> None:
    admin = house.client()
    house.project("police")
    house.user("anna", {f"{lamp}/lamp/#": "READ"})
    for group in ("gardeners", "undercover", "lighters"):
        assert admin.post("/groups", json={"name": group}).status_code == 201
        assert admin.put(f"/groups/{group}/members/anna").status_code == 204
    boss = house.user("boss", {f"{lamp}/#": "GRANT"})
    grant_group(house, "undercover", "project:police", "READ")
    grant_group(house, "lighters", f"{lamp}/lamp/light/#", "READ")

    def groups_of_anna() -> list[str]:
        there = boss.get("/rights", params={"prefix": f"{lamp}/#"}).json()
        [anna] = [entry for entry in there if entry["subject"] == "anna"]
        found: list[str] = anna["groups"]
        return found

    assert groups_of_anna() == []
    grant_group(house, "gardeners", "project:parks", "READ")
    assert groups_of_anna() == ["gardeners"]
