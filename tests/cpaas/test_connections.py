"""Connections of adapters over HTTP, each project's own."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ciaas.limits import CONNECTION_NAME_CHARS_MAX
from tests.cpaas.conftest import House

DOCUMENT: dict[str, Any] = {
    "adapter": "modbus",
    "config": {"host": "127.0.0.1", "port": 5020},
    "profiles": [
        {
            "id": "meter",
            "revision": 1,
            "adapter": "modbus",
            "points": [
                {
                    "id": "Meter/flow/rate",
                    "address": {"table": "holding", "register": 0},
                    "raw": {"type": "u16"},
                    "sampling": {"interval_s": 1},
                }
            ],
        }
    ],
    "devices": [{"id": "one", "friendly_name": "Meter one", "profile": "meter"}],
}


def with_device(**changes: Any) -> dict[str, Any]:
    document = copy.deepcopy(DOCUMENT)
    document["devices"][0].update(changes)
    return document


def test_a_document_makes_endpoints_and_comes_back_as_it_was(house: House) -> None:
    client = house.user("anna", {"project:city": "CONFIGURE"})
    made = client.put("/connections/meters", json=DOCUMENT)
    assert made.status_code == 200, made.text
    assert (made.json()["name"], made.json()["revision"]) == ("meters", 1)
    (uuid,) = made.json()["endpoints"]
    assert client.get(f"/endpoints/{uuid}").json()["feed"] == "adapter"
    assert client.get(f"/data/{uuid}").json()[f"{uuid}/Meter/flow/rate"]["value"] is None
    assert client.get("/connections").json() == [
        {"name": "meters", "adapter": "modbus", "revision": 1, "enabled": True}
    ]
    stored = client.get("/connections/meters").json()
    assert stored["devices"][0]["id"] == "one"
    again = client.put("/connections/meters", json=stored).json()
    assert (again["revision"], again["created"]) == (1, [])
    renamed = client.put("/connections/meters", json=with_device(id="two")).json()
    assert renamed["revision"] == 2
    assert renamed["released"] == [uuid]
    assert client.delete("/connections/meters").status_code == 204
    assert client.get("/connections/meters").status_code == 404
    assert client.delete("/connections/meters").status_code == 404
    assert client.get(f"/endpoints/{uuid}").status_code == 200


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({}, "adapter"),
        (DOCUMENT | {"name": "other"}, "as in the path"),
        (DOCUMENT | {"adapter": "abacus"}, "abacus"),
        (with_device(profile="none"), "none"),
        (with_device(uuid="no-uuid"), "uuid"),
        (with_device(metadata={"a": "\ud800"}), ""),
        (DOCUMENT | {"devices": "many"}, "devices"),
        (DOCUMENT | {"devices": ["one"]}, "devices"),
    ],
)
def test_a_document_at_fault_is_refused_whole(
    shared_house: House, document: dict[str, Any], words: str
) -> None:
    answer = shared_house.client().put(
        "/connections/meters",
        content=json.dumps(document),
        headers={"Content-Type": "application/json"},
    )
    assert answer.status_code in (409, 422)
    assert words in answer.json()["detail"]
    assert shared_house.client().get("/connections").json() == []


def test_a_name_has_a_length(shared_house: House) -> None:
    name = "x" * (CONNECTION_NAME_CHARS_MAX + 1)
    assert shared_house.client().put(f"/connections/{name}", json=DOCUMENT).status_code == 422


def test_a_project_has_its_own_connections_and_takes_its_own_endpoints(house: House) -> None:
    house.project("parks")
    house.project("water")
    gardener = house.user("anna", {"project:parks": "CONFIGURE"})
    plumber = house.user("bert", {"project:water": "CONFIGURE"})
    assert gardener.put("/connections/meters", json=DOCUMENT).status_code == 200
    assert plumber.get("/connections").json() == []
    for verb in ("GET", "PUT", "DELETE"):
        body = DOCUMENT if verb == "PUT" else None
        assert plumber.request(verb, "/connections/meters", json=body).status_code == 404
    reader = house.user("carl", {"project:parks": "WRITE"})
    assert reader.get("/connections").json() == []
    assert reader.get("/connections/meters").status_code == 404
    mine, theirs = house.endpoint("Own", project="parks"), house.endpoint("Theirs", project="water")
    taken = gardener.put("/connections/more", json=with_device(uuid=mine))
    assert taken.json()["endpoints"] == [mine]
    refused = gardener.put("/connections/others", json=with_device(uuid=theirs))
    assert refused.status_code == 422
    assert "leave the uuid out" in refused.json()["detail"]


def test_the_project_is_named_where_there_are_several(house: House) -> None:
    house.project("parks")
    url = "/connections/meters"
    assert house.client().put(url, json=DOCUMENT).status_code == 422
    assert house.client().put(url, json=DOCUMENT, params={"project": "none"}).status_code == 404
    made = house.client().put(url, json=DOCUMENT, params={"project": "parks"})
    assert made.status_code == 200
    assert house.client().put(url, json=DOCUMENT).status_code == 200
