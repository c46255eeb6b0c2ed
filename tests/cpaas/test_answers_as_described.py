"""What is answered is what the description of the API says, key by key."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, TypeAdapter

from cpaas.access.answers import described
from tests.cpaas.conftest import House

POINT = "Meter/air/temperature"


def fields(model: type[BaseModel]) -> set[str]:
    return {field.alias or name for name, field in model.model_fields.items()}


@pytest.fixture(scope="module")
def lamp(shared_house: House) -> str:
    """An endpoint with one point and two samples."""
    uuid = shared_house.endpoint()
    stored = shared_house.observe(
        (f"{uuid}/{POINT}", 20.5, 1_700_000_000), (f"{uuid}/{POINT}", 21.5, None)
    )
    assert stored.status_code == 201
    return uuid


@pytest.mark.parametrize(
    ("path", "model", "part"),
    [
        ("/session", described.Session, None),
        ("/health", described.Health, None),
        ("/projects", described.ProjectEntry, 0),
        ("/endpoints", described.EndpointSummary, 0),
        ("/metadata/{uuid}", described.Metadata, None),
        ("/data/{uuid}/" + POINT, described.LastValue, None),
        ("/history/{uuid}/" + POINT, described.Row, -1),
        ("/search?what=points&address={uuid}", described.FoundPoints, None),
        ("/search?what=endpoints", described.FoundEndpoints, None),
        ("/search?what=candidates", described.FoundCandidates, None),
    ],
)
def test_an_answer_has_the_members_that_are_described(
    shared_house: House, lamp: str, path: str, model: type[BaseModel], part: int | None
) -> None:
    answer: Any = shared_house.client().get(path.replace("{uuid}", lamp)).json()
    found = answer if part is None else answer[part]
    TypeAdapter(model).validate_python(found)
    assert set(found) <= fields(model)
    required = {
        field.alias or name for name, field in model.model_fields.items() if field.is_required()
    }
    assert required <= set(found)


def test_a_hit_has_the_members_that_are_described(shared_house: House, lamp: str) -> None:
    client = shared_house.client()
    [point] = client.get("/search", params={"address": lamp}).json()["hits"]
    assert set(point) <= fields(described.PointHit)
    hits = client.get("/search", params={"what": "endpoints"}).json()["hits"]
    assert set(hits[0]) <= fields(described.EndpointHit)


def test_an_endpoint_has_the_members_that_are_described(shared_house: House, lamp: str) -> None:
    entity = shared_house.client().get(f"/endpoints/{lamp}").json()
    found = described.EndpointEntity.model_validate(entity)
    assert found.dataModel is not None
    attribute = found.dataModel.nodes["Meter"].objects["air"].attributes["temperature"]
    assert attribute.type == "Number"
