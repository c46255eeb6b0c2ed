"""Rights on single points and branches: seen is what was granted, no more and no less."""

from __future__ import annotations

import time

import pytest

from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from tests.cpaas.conftest import House

NOW = int(time.time()) - 3_600


@pytest.fixture
def plant(house: House) -> str:
    """An endpoint of two nodes with samples, ``pump/flow/{rate,total}`` and ``tank/level/now``."""
    uuid = house.endpoint("Plant")
    stored = house.observe(
        (f"{uuid}/pump/flow/rate", 1.0, NOW),
        (f"{uuid}/pump/flow/total", 2.0, NOW),
        (f"{uuid}/tank/level/now", 3.0, NOW),
    )
    assert stored.json()["stored"] == 3
    return uuid


def test_who_was_granted_one_point_finds_its_endpoint_and_that_branch_alone(
    house: House, plant: str
) -> None:
    house.endpoint("Another")
    point = f"{plant}/pump/flow/rate"
    reader = house.user("anna", {point: "READ"})
    assert reader.get("/endpoints").json() == [
        {
            "uuid": plant,
            "friendlyName": "Plant",
            "banned": False,
            "online": False,
            "permission": "ACCESS",
        }
    ]
    assert reader.get("/projects").json() == [{"name": "city"}]
    entity = reader.get(f"/endpoints/{plant}").json()
    nodes = entity["dataModel"]["nodes"]
    assert list(nodes) == ["pump"]
    assert list(nodes["pump"]["objects"]["flow"]["attributes"]) == ["rate"]
    assert entity["metaData"] == {}
    assert reader.get(f"/endpoints/{plant}/online").json() is False
    assert list(reader.get(f"/data/{plant}").json()) == [point]
    assert reader.get(f"/data/{point}").json()["value"] == 1.0
    assert len(reader.get(f"/history/{point}").json()) == 1
    for hidden in (f"{plant}/pump/flow/total", f"{plant}/tank/level/now", f"{plant}/tank"):
        assert reader.get(f"/data/{hidden}").status_code == 404
        assert reader.get(f"/metadata/{hidden}").status_code == 404
    assert reader.get(f"/history/{plant}/tank/level/now").status_code == 404
    both = {"address": [point, f"{plant}/tank/level/now"]}
    assert reader.get("/history", params=both).status_code == 404


def test_a_deny_below_a_grant_takes_away(house: House, plant: str) -> None:
    reader = house.user("anna", {"project:city": "READ", f"{plant}/tank/#": "DENY"})
    assert len(reader.get(f"/data/{plant}").json()) == 2
    nodes = reader.get(f"/endpoints/{plant}").json()["dataModel"]["nodes"]
    assert list(nodes) == ["pump"]
    for path in ("data", "history", "metadata"):
        assert reader.get(f"/{path}/{plant}/tank/level/now").status_code == 404
    denied = house.user("bert", {"project:city": "READ", f"{plant}/#": "DENY"})
    assert denied.get("/endpoints").json() == []
    assert denied.get(f"/endpoints/{plant}").status_code == 404


def test_a_grant_below_a_deny_gives_back(house: House, plant: str) -> None:
    grants = {f"{plant}/#": "DENY", f"{plant}/tank/level/now": "READ", "project:city": "OWN"}
    reader = house.user("anna", grants)
    assert list(reader.get(f"/data/{plant}").json()) == [f"{plant}/tank/level/now"]


@pytest.mark.parametrize(
    ("level", "model", "value", "metadata"),
    [
        ("ACCESS", False, 403, 403),
        ("BROWSE", True, 403, 403),
        ("DESCRIBE", True, 403, 200),
        ("READ", True, 200, 200),
        ("OWN", True, 200, 200),
    ],
)
def test_each_level_shows_what_it_says(
    house: House, plant: str, level: str, model: bool, value: int, metadata: int
) -> None:
    point = f"{plant}/pump/flow/rate"
    caller = house.user("anna", {f"{plant}/#": level})
    entity = caller.get(f"/endpoints/{plant}").json()
    assert entity["permission"] == level
    assert bool(entity["dataModel"]["nodes"]) is model
    assert caller.get(f"/data/{point}").status_code == value
    assert caller.get(f"/data/{plant}").status_code == value
    assert caller.get(f"/history/{point}").status_code == value
    assert caller.get(f"/metadata/{point}").status_code == metadata


@pytest.mark.parametrize(
    ("verb", "path", "body", "need"),
    [
        ("PATCH", "/metadata/U", {"unit": "W"}, "CONFIGURE"),
        ("PUT", "/endpoints/U/friendlyName?friendlyName=x", None, "CONFIGURE"),
        ("PUT", "/endpoints/U/metaData", {"a": 1}, "CONFIGURE"),
        ("PUT", "/endpoints/U/banned?blocked=true", None, "GRANT"),
        ("DELETE", "/endpoints/U", None, "OWN"),
    ],
)
def test_a_level_too_low_is_told_to_who_may_know_the_endpoint(
    house: House, plant: str, verb: str, path: str, body: object, need: str
) -> None:
    below = {"CONFIGURE": "WRITE", "GRANT": "CONFIGURE", "OWN": "GRANT"}[need]
    caller = house.user("anna", {f"{plant}/#": below})
    answer = caller.request(verb, path.replace("U", plant), json=body)
    assert answer.status_code == 403
    assert f"needs the level {need}" in answer.json()["detail"]
    house.grant("anna", f"{plant}/#", need)
    answer = caller.request(verb, path.replace("U", plant), json=body)
    assert answer.status_code in (200, 204)


def test_a_grant_and_its_end_hold_at_once(house: House, plant: str) -> None:
    reader = house.user("anna")
    point = f"{plant}/pump/flow/rate"
    for _ in range(3):
        assert reader.get(f"/data/{point}").status_code == 404
        house.grant("anna", point, "READ")
        assert reader.get(f"/data/{point}").status_code == 200
        params = {"user": "anna", "prefix": point}
        assert house.client().delete("/grants", params=params).status_code == 204


def test_static_values_of_the_model_need_read(house: House) -> None:
    uuid = house.endpoint()
    attributes = {
        "maker": Attribute(Constraint.STATIC, ValueType.STRING, value="ACME"),
        "power": Attribute(Constraint.MEASURE, ValueType.NUMBER),
    }
    inner = Thing("Inner", attributes=attributes)
    nodes = {
        "lamp": Node(("Luminaire",), {"light": Thing("Dimmer", {"inner": inner})}),
        "empty": Node(("Idle",)),
    }
    model = EndpointModel("v0.2", 2, ("JSON", "CBOR"), nodes)
    house.registry.resources.declare_model(house.city.registry.endpoint(uuid).uuid, model)  # type: ignore[arg-type] # text of a UUID
    reader = house.user("anna", {f"{uuid}/#": "READ"}).get(f"/endpoints/{uuid}").json()
    assert (reader["version"], reader["messageFormatVersion"]) == ("v0.2", 2)
    assert reader["supportedFormats"] == ["JSON", "CBOR"]
    assert reader["dataModel"]["nodes"] == {
        "lamp": {
            "online": False,
            "implements": ["Luminaire"],
            "objects": {
                "light": {
                    "conforms": "Dimmer",
                    "objects": {
                        "inner": {
                            "conforms": "Inner",
                            "objects": {},
                            "attributes": {
                                "maker": {
                                    "constraint": "Static",
                                    "type": "String",
                                    "value": "ACME",
                                },
                                "power": {"constraint": "Measure", "type": "Number"},
                            },
                        }
                    },
                    "attributes": {},
                }
            },
        },
        "empty": {"online": False, "implements": ["Idle"], "objects": {}},
    }
    browser = house.user("bert", {f"{uuid}/#": "BROWSE"}).get(f"/endpoints/{uuid}").json()
    inner_seen = browser["dataModel"]["nodes"]["lamp"]["objects"]["light"]["objects"]["inner"]
    assert "value" not in inner_seen["attributes"]["maker"]
