"""Overlays over HTTP: merged, checked before they are stored, and in effect from wide to narrow."""

from __future__ import annotations

import pytest

from tests.cpaas.conftest import House


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def test_keys_are_merged_and_null_removes(house: House) -> None:
    uuid, client = house.endpoint(), house.client()
    place = {"site": {"street": "Rue 1", "lot": 7, "floor": 1}, "unit": "W"}
    assert client.patch(f"/metadata/{uuid}", json=place).json()["own"] == place
    changed = client.patch(f"/metadata/{uuid}", json={"site": {"floor": None}, "unit": None})
    assert changed.json()["own"] == {"site": {"street": "Rue 1", "lot": 7}}
    assert client.get(f"/metadata/{uuid}").json() == changed.json()


def test_what_holds_is_gathered_from_the_widest_to_the_narrowest(house: House) -> None:
    uuid, client = house.endpoint(), house.client()
    point = f"{uuid}/n/o/a"
    house.observe((point, 1.0, None))
    client.patch(f"/metadata/{uuid}", json={"owner": "city", "unit": "W"})
    client.patch(f"/metadata/{uuid}/n", json={"unit": "kW"})
    client.patch(f"/metadata/{point}", json={"precision": 1})
    assert client.get(f"/metadata/{point}").json() == {
        "own": {"precision": 1},
        "effective": {"owner": "city", "unit": "kW", "precision": 1},
    }
    assert client.get(f"/metadata/{uuid}/n/%23").json() == {
        "own": {"unit": "kW"},
        "effective": {"owner": "city", "unit": "kW"},
    }
    assert client.get(f"/metadata/{uuid}/other").json() == {
        "own": {},
        "effective": {"owner": "city", "unit": "W"},
    }


@pytest.mark.parametrize(
    "merge",
    [{"unit": "no such unit"}, {"range": [2, 1]}, {"between": "held"}, {"": 1}],
)
def test_an_unsound_overlay_changes_nothing(house: House, merge: dict[str, object]) -> None:
    uuid, client = house.endpoint(), house.client()
    client.patch(f"/metadata/{uuid}", json={"title": "Lamp"})
    answer = client.patch(f"/metadata/{uuid}", json=merge)
    assert answer.status_code == 422
    assert client.get(f"/metadata/{uuid}").json()["own"] == {"title": "Lamp"}


def test_keys_that_are_sound_alone_must_be_so_together(house: House) -> None:
    uuid, client = house.endpoint(), house.client()
    assert client.patch(f"/metadata/{uuid}", json={"unit": "W"}).status_code == 200
    answer = client.patch(f"/metadata/{uuid}", json={"source_unit": "metre"})
    assert answer.status_code == 422
    assert "source_unit" in answer.json()["detail"]


def test_a_class_is_for_administrators(house: House) -> None:
    client, reader = house.client(), house.user("anna", {"project:city": "OWN"})
    assert client.patch("/metadata/class:Dimmer", json={"unit": "percent"}).status_code == 200
    assert client.get("/metadata/class:Dimmer").json()["own"] == {"unit": "percent"}
    assert reader.get("/metadata/class:Dimmer").status_code == 404
    assert reader.patch("/metadata/class:Dimmer", json={}).status_code == 404
    assert client.get("/metadata/class:a b").status_code == 400
