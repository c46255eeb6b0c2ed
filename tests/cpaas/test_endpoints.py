"""Endpoints in cloud.iO's shapes: made, listed, changed, deleted."""

from __future__ import annotations

import re
import time

import pytest

from ciaas.limits import FRIENDLY_NAME_CHARS_MAX, METADATA_BYTES_MAX
from cpaas.limits import LIST_MAX
from tests.cpaas.conftest import House

NOW = int(time.time()) - 3_600


def test_a_new_endpoint_is_its_makers_and_has_clouds_fields(house: House) -> None:
    client = house.user("anna", {"project:city": "CONFIGURE"})
    made = client.post(
        "/endpoints", params={"friendlyName": "Lamp 12"}, json={"metaData": {"street": "Rue 1"}}
    )
    assert made.status_code == 201
    uuid = made.json()["uuid"]
    assert made.json() == {
        "uuid": uuid,
        "friendlyName": "Lamp 12",
        "banned": False,
        "online": False,
        "permission": "OWN",
        "metaData": {"street": "Rue 1"},
        "version": "unknown",
        "supportedFormats": [],
        "groupMemberships": [],
        "feed": None,
        "lastSeen": None,
        "certificateExpires": None,
        "dataModel": None,
    }
    assert client.get(f"/endpoints/{uuid}").json() == made.json()
    assert client.get(f"/endpoints/{uuid.upper()}").json() == made.json()
    assert client.get(f"/data/{uuid}").json() == {}
    assert client.delete(f"/endpoints/{uuid}").status_code == 200


def test_an_administrator_may_choose_the_uuid_once(house: House) -> None:
    uuid = "0B6E2F14-6a52-4a3b-9d55-0f5f3c1f7a10"
    ask = {"params": {"friendlyName": "Lamp"}, "json": {"uuid": uuid}}
    assert house.client().post("/endpoints", **ask).json()["uuid"] == uuid.lower()  # type: ignore[arg-type] # a literal above
    assert house.client().post("/endpoints", **ask).status_code == 409  # type: ignore[arg-type] # a literal above


def test_the_project_must_be_named_when_there_are_several(house: House) -> None:
    client = house.user("anna", {"project:city": "CONFIGURE"})
    ask = {"friendlyName": "Lamp"}
    assert client.post("/endpoints", params=ask).status_code == 201
    house.project("parks")
    house.grant("anna", "project:parks", "CONFIGURE")
    assert client.post("/endpoints", params=ask).status_code == 422
    assert client.post("/endpoints", params=ask | {"project": "parks"}).status_code == 201
    house.grant("anna", "project:parks", "READ")
    assert client.post("/endpoints", params=ask | {"project": "parks"}).status_code == 403
    assert house.user("bert").post("/endpoints", params=ask).status_code == 403


@pytest.mark.parametrize(
    ("query", "body", "status"),
    [
        ({}, None, 422),
        ({"friendlyName": ""}, None, 422),
        ({"friendlyName": "x" * (FRIENDLY_NAME_CHARS_MAX + 1)}, None, 422),
        ({"friendlyName": "x"}, {"metaData": []}, 422),
        ({"friendlyName": "x"}, {"more": 1}, 422),
        ({"friendlyName": "x"}, {"uuid": "x"}, 400),
        ({"friendlyName": "x"}, {"uuid": "00000000-0000-0000-0000-000000000000"}, 400),
        ({"friendlyName": "x"}, {"metaData": {"a": "x" * METADATA_BYTES_MAX}}, 409),
    ],
)
def test_what_is_no_endpoint_is_refused(
    shared_house: House, query: dict[str, str], body: object, status: int
) -> None:
    answer = shared_house.client().post(
        "/endpoints", params={"project": "city", **query}, json=body
    )
    assert answer.status_code == status
    assert answer.json()["detail"]


def test_the_list_is_filtered_and_pages_go_on_behind_what_is_gone(house: House) -> None:
    house.project("parks")
    uuids = [house.endpoint(name) for name in ("a", "b", "a", "c")]
    parks = house.endpoint("a", project="parks")
    admin = house.client()

    def found(**query: object) -> list[str]:
        listed = admin.get("/endpoints", params=query).json()  # type: ignore[arg-type] # text, numbers and booleans
        return [entry["uuid"] for entry in listed]

    everything = found()
    assert sorted(everything) == sorted([*uuids, parks])
    assert sorted(found(friendlyName="a")) == sorted([uuids[0], uuids[2], parks])
    assert found(friendlyName="a", project="parks") == [parks]
    assert found(friendlyName="A") == []
    assert found(friendlyName="") == everything
    house.room.inside.add(uuids[1])
    assert found(online=True) == [uuids[1]]
    assert uuids[1] not in found(online=False)
    banned = admin.put(f"/endpoints/{uuids[3]}/banned", params={"blocked": True})
    assert banned.status_code == 204
    assert found(banned=True) == [uuids[3]]
    pages = found(limit=2)
    assert admin.delete(f"/endpoints/{pages[-1]}").status_code == 200
    while page := found(limit=2, after=pages[-1]):
        pages += page
    assert pages == everything
    assert admin.get("/endpoints", params={"after": "0" * 8}).status_code == 400
    nobody = {"after": "00000000-0000-4000-8000-000000000001"}
    assert admin.get("/endpoints", params=nobody).status_code == 404
    assert admin.get("/endpoints", params={"limit": LIST_MAX + 1}).status_code == 422


def test_names_metadata_and_bans_are_changed(house: House) -> None:
    uuid, admin = house.endpoint(), house.client()
    renamed = admin.put(f"/endpoints/{uuid}/friendlyName", params={"friendlyName": "Lampe № 7"})
    assert renamed.status_code == 204
    assert admin.put(f"/endpoints/{uuid}/metaData", json={"a": [1]}).status_code == 204
    entity = admin.get(f"/endpoints/{uuid}").json()
    assert (entity["friendlyName"], entity["metaData"]) == ("Lampe № 7", {"a": [1]})
    for blocked in (True, False):
        params = {"blocked": blocked}
        assert admin.put(f"/endpoints/{uuid}/banned", params=params).status_code == 204
        assert admin.get(f"/endpoints/{uuid}").json()["banned"] is blocked
    assert house.room.sent_away == [uuid]


def test_online_is_what_the_presence_says(house: House) -> None:
    uuid, admin = house.endpoint(), house.client()
    assert admin.get(f"/endpoints/{uuid}/online").json() is False
    house.room.inside.add(uuid)
    assert admin.get(f"/endpoints/{uuid}/online").json() is True


def test_history_of_a_deleted_endpoint_is_the_owners_of_the_project(house: House) -> None:
    uuid = house.endpoint()
    point = f"{uuid}/n/o/a"
    house.observe((point, 1.5, NOW), (point, 2.5, NOW + 1))
    reader = house.user("reader", {point: "READ"})
    endpoint_owner = house.user("anna", {f"{uuid}/#": "OWN"})
    project_owner = house.user("mayor", {"project:city": "OWN"})
    foreign_owner = house.user("other")
    house.project("parks")
    house.grant("other", "project:parks", "OWN")
    answer = endpoint_owner.delete(f"/endpoints/{uuid}")
    assert "readable" not in answer.json() and "GET /history" in answer.json()["history"]
    assert house.room.sent_away == [uuid]
    for client in (reader, endpoint_owner, foreign_owner):
        assert client.get(f"/history/{point}").status_code == 404
    for client in (project_owner, house.client()):
        assert [row["value"] for row in client.get(f"/history/{point}").json()] == [1.5, 2.5]
        many = client.get("/history", params={"address": point}).json()
        assert len(many[point]) == 2
        assert client.get(f"/history/{uuid}/n/o/never").status_code == 404
        for path in (f"/endpoints/{uuid}", f"/data/{point}", f"/metadata/{point}"):
            assert client.get(path).status_code == 404
        assert client.delete(f"/endpoints/{uuid}").status_code == 404
    assert house.client().get("/endpoints").json() == []
    assert house.observe((point, 1.0, NOW)).status_code == 422
    retaken = house.client().post(
        "/endpoints", params={"friendlyName": "again", "project": "city"}, json={"uuid": uuid}
    )
    assert retaken.status_code == 409


def test_history_of_a_removed_point_stays_readable(house: House) -> None:
    uuid = house.endpoint()
    house.observe((f"{uuid}/gone/o/a", 1.0, NOW), (f"{uuid}/kept/o/a", 2.0, NOW))
    house.city.registry.remove_node(house.city.catalogue.endpoints()[0].uuid, "gone")
    admin = house.client()
    assert list(admin.get(f"/data/{uuid}").json()) == [f"{uuid}/kept/o/a"]
    assert admin.get(f"/data/{uuid}/gone/o/a").status_code == 404
    assert [row["value"] for row in admin.get(f"/history/{uuid}/gone/o/a").json()] == [1.0]


def test_the_list_says_nothing_twice(house: House) -> None:
    house.endpoint()
    listed = house.client().get("/endpoints").text
    assert len(re.findall("friendlyName", listed)) == 1
