"""Over quota is a clear refusal that names quota, bound and who can change it; the rest goes on."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest

from ciaas.limits import SAMPLE_BYTES
from cpaas.access.people import Tenancy
from security.limits import QUOTA_MAX, QUOTA_WINDOW_S
from tests.cpaas.conftest import House, served

QUOTAS = "/projects/city/quotas"


def bounded(house: House, **quotas: int | str | None) -> None:
    answer = house.client().put(QUOTAS, json=quotas)
    assert answer.status_code == 204, answer.text


def is_refused(answer: httpx.Response, quota: str, status: int = 403) -> None:
    assert answer.status_code == status, answer.text
    told = answer.json()
    assert told["quota"] == quota and told["used"] > told["bound"]
    assert "an operator can change it" in told["detail"]


def test_use_and_bounds_are_told_to_who_may_read(house: House) -> None:
    uuid = house.endpoint()
    assert house.observe((f"{uuid}/Lamp/state/power", 1.0, 1_700_000_000)).status_code == 201
    house.city.people.allowance.storage.keep(house.history)
    bounded(house, endpoints=5, points="unbounded")
    told = house.user("reader", {"project:city": "READ"}).get(QUOTAS).json()
    assert told["endpoints"] == {"bound": 5, "used": 1, "own": True}
    assert told["points"] == {"bound": None, "used": 1, "own": True}
    assert told["storage_bytes"] == {"bound": None, "used": SAMPLE_BYTES, "own": False}
    bounded(house, endpoints=None)
    assert house.client().get(QUOTAS).json()["endpoints"]["bound"] is None
    for wrong in ({"endpoints": -1}, {"endpoints": QUOTA_MAX + 1}, {"lamps": 1}):
        assert house.client().put(QUOTAS, json=wrong).status_code == 422


def test_one_endpoint_too_many_is_refused_until_one_goes(house: House) -> None:
    bounded(house, endpoints=2)
    first, _ = house.endpoint(), house.endpoint()
    more = {"friendlyName": "Lamp 3", "project": "city"}
    is_refused(house.client().post("/endpoints", params=more), "endpoints")
    assert house.client().delete(f"/endpoints/{first}").status_code in (200, 204)
    house.endpoint()
    house.project("harbour")
    assert [house.endpoint(project="harbour") for _ in range(3)]


def test_points_beyond_the_quota_are_refused_one_by_one(house: House) -> None:
    uuid = house.endpoint()
    assert house.observe((f"{uuid}/Lamp/state/power", 1.0, 1_700_000_000)).status_code == 201
    bounded(house, points=1)
    known = f"{uuid}/Lamp/state/power"
    answer = house.observe((known, 2.0, 1_700_000_001), (f"{uuid}/Lamp/state/colour", 2.0, None))
    assert answer.status_code == 201 and answer.json()["stored"] == 1
    [refused] = answer.json()["refused"]
    assert refused["index"] == 1
    bounded(house, points=2)
    assert house.observe((f"{uuid}/Lamp/state/colour", 2.0, None)).json()["refused"] == []


def test_an_app_that_writes_too_often_is_told_when_to_come_again(house: House) -> None:
    uuid = house.endpoint()
    bounded(house, messages_per_s=1)
    sample = (f"{uuid}/Lamp/state/power", 1.0, None)
    answers = [house.observe(sample) for _ in range(QUOTA_WINDOW_S + 2)]
    refused = [answer for answer in answers if answer.status_code == 429]
    is_refused(refused[0], "messages_per_s", 429)
    assert 1 <= int(refused[0].headers["Retry-After"]) <= QUOTA_WINDOW_S
    accepted = len(answers) - len(refused)
    assert accepted >= QUOTA_WINDOW_S


def test_a_full_project_takes_no_more_and_still_answers(house: House) -> None:
    uuid = house.endpoint()
    point = f"{uuid}/Lamp/state/power"
    house.city.people.allowance.storage.catch_up(house.history)
    assert house.observe((point, 1.0, 1_700_000_000)).status_code == 201
    bounded(house, storage_bytes=SAMPLE_BYTES)
    is_refused(house.observe((point, 2.0, 1_700_000_001)), "storage_bytes")
    [row] = house.client().get(f"/history/{point}").json()
    assert row["value"] == 1.0
    bounded(house, storage_bytes=2 * SAMPLE_BYTES)
    assert house.observe((point, 2.0, 1_700_000_001)).status_code == 201


def test_who_has_had_the_seconds_of_the_hour_waits_for_the_next(house: House) -> None:
    uuid = house.endpoint()
    point = f"{uuid}/Lamp/state/power"
    assert house.observe((point, 1.0, 1_700_000_000)).status_code == 201
    query = {
        "select": {"addresses": [point]},
        "interval": {"from": "2023-11-14T00:00:00Z", "to": "2023-11-15T00:00:00Z"},
    }
    client = house.client()
    for _ in range(2):
        assert client.get(f"/history/{point}").status_code == 200
        answer = client.post("/query", json=query)
        assert answer.status_code == 200, answer.text
    spent = client.get(QUOTAS).json()["query_s_per_hour"]["used"]
    assert spent > 0
    bounded(house, query_s_per_hour=0)
    for answer in (client.get(f"/history/{point}"), client.post("/query", json=query)):
        is_refused(answer, "query_s_per_hour", 429)
        assert 1 <= int(answer.headers["Retry-After"]) <= 3_600
    bounded(house, query_s_per_hour=None)
    assert client.get(f"/history/{point}").status_code == 200


@pytest.mark.parametrize("creation", ["operators", "users"])
def test_users_make_projects_where_the_operator_lets_them(house: House, creation: str) -> None:
    tenancy = Tenancy("public", creation, per_user=2)  # type: ignore[arg-type] # one of the two
    people = replace(house.city.people, tenancy=tenancy)
    with served(replace(house.city, people=people)) as base_url:
        token = house.user("maker").headers["Authorization"].removeprefix("Bearer ")
        maker = house.client(token, base_url)
        answers = [maker.post("/projects", json={"name": f"own-{n}"}) for n in range(3)]
        if creation == "operators":
            assert {answer.status_code for answer in answers} == {404}
            return
        assert [answer.status_code for answer in answers] == [201, 201, 403]
        assert answers[2].json()["quota"] == "projects"
        made = maker.post("/endpoints", params={"friendlyName": "Mine", "project": "own-0"})
        assert made.status_code == 201
        assert maker.get("/projects/own-0/quotas").status_code == 200
        assert maker.put("/projects/own-0/quotas", json={"points": 9}).status_code == 404
        stranger = house.user("somebody").headers["Authorization"].removeprefix("Bearer ")
        assert house.client(stranger, base_url).get("/projects").json() == []


def test_in_private_mode_there_is_one_project(house: House) -> None:
    people = replace(house.city.people, tenancy=Tenancy("private", "operators", per_user=0))
    with served(replace(house.city, people=people)) as base_url:
        client = house.client(base_url=base_url)
        refused = client.post("/projects", json={"name": "second"})
        assert refused.status_code == 409
        assert 'mode = "public"' in refused.json()["detail"]
        assert client.get("/projects").json() == [{"name": "city"}]
