"""Observations come back as last values and as history, in every form."""

from __future__ import annotations

import time

import pytest

from tests.cpaas.conftest import House

NOW = int(time.time()) - 3_600


def test_what_an_app_writes_is_its_last_value_and_its_history(house: House) -> None:
    point = f"{house.endpoint()}/Lamp/light/level"
    answer = house.observe((point, 40.5, NOW), (point, 41.25, NOW + 60))
    assert answer.status_code == 201
    assert answer.json() == {"commit": 1, "stored": 2, "repeats": 0, "refused": []}
    last = house.client().get(f"/data/{point}").json()
    assert last["value"] == 41.25
    assert last["timestamp"] == NOW + 60
    assert last["verdict"] == "good"
    rows = house.client().get(f"/history/{point}").json()
    assert [row["value"] for row in rows] == [40.5, 41.25]


@pytest.mark.parametrize(
    "value", [True, False, 0, -7, 2**53 + 1, -(2**62), 21.5, 1e300, "", "grün", None]
)
def test_every_kind_of_value_comes_back_as_it_was(house: House, value: object) -> None:
    point = f"{house.endpoint()}/n/o/a"
    assert house.observe((point, value, NOW)).status_code == 201
    found = house.client().get(f"/data/{point}").json()["value"]
    assert found == value
    assert type(found) in (type(value), float)


def test_a_repeat_is_not_stored_twice_and_another_value_is_a_revision(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe((point, 1.0, NOW))
    assert house.observe((point, 1.0, NOW)).json() == {
        "commit": 1, "stored": 0, "repeats": 1, "refused": []
    }  # fmt: skip
    assert house.observe((point, 2.0, NOW)).json()["stored"] == 1
    rows = house.client().get(f"/history/{point}").json()
    assert [row["value"] for row in rows] == [2.0]


def test_the_same_key_writes_once_and_another_body_under_it_is_refused(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    body = {"observations": [{"address": point, "value": 1.0, "timestamp": NOW}]}
    key = {"Idempotency-Key": "night-run-7"}
    client = house.client()
    assert client.post("/observations", json=body, headers=key).status_code == 201
    again = client.post("/observations", json=body, headers=key)
    assert (again.status_code, again.json()["commit"], again.json()["stored"]) == (200, 1, 0)
    body["observations"][0]["value"] = 2.0
    assert client.post("/observations", json=body, headers=key).status_code == 422


def test_bad_samples_are_named_and_the_good_ones_are_stored(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    answer = house.observe(
        (point, 1.0, NOW),
        ("no-uuid/n/o/a", 1.0, NOW),
        (point, 1.0, time.time() + 3_600),
        (f"{house.endpoint('Other')}/with space/o/a", 1.0, NOW),
        ("00000000-0000-4000-8000-000000000001/n/o/a", 1.0, NOW),
    )
    assert answer.status_code == 201
    assert [entry["index"] for entry in answer.json()["refused"]] == [1, 2, 3, 4]
    assert answer.json()["stored"] == 1


def test_a_subtree_gives_the_last_values_below_it(house: House) -> None:
    uuid = house.endpoint()
    house.observe(
        (f"{uuid}/a/o/x", 1.0, NOW), (f"{uuid}/a/o/y", 2.0, NOW), (f"{uuid}/b/o/x", 3.0, NOW)
    )
    client = house.client()
    assert set(client.get(f"/data/{uuid}/a").json()) == {f"{uuid}/a/o/x", f"{uuid}/a/o/y"}
    assert len(client.get(f"/data/{uuid}/%23").json()) == 3


def test_many_series_in_one_request_and_as_csv(house: House) -> None:
    uuid = house.endpoint()
    a, b = f"{uuid}/n/o/a", f"{uuid}/n/o/b"
    house.observe((a, 1.5, NOW), (a, 2.5, NOW + 1), (b, 'x;"y"', NOW))
    client = house.client()
    many = client.get("/history", params={"address": [a, b]}).json()
    assert [row["value"] for row in many[a]] == [1.5, 2.5]
    csv = client.get(f"/history/{a}", headers={"Accept": "text/csv"}).text
    assert [line.split(";")[1] for line in csv.splitlines()] == ["1.5", "2.5"]
    csv = client.get("/history", params={"address": [b]}, headers={"Accept": "text/csv"}).text
    assert csv.rstrip("\n").endswith(';"x;""y"""')


def test_cloudios_parameters(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    base = 1_767_225_600  # 2026-01-01T00:00:00Z
    house.observe(*((point, float(i), base + 60 * i) for i in range(10)))
    client = house.client()
    ask = {"from": "2026-01-01T00:02:00", "to": "2026-01-01T00:04:00"}
    both = client.get(f"/history/{point}", params=ask).json()
    assert [row["value"] for row in both] == [2.0, 3.0, 4.0]
    few = client.get(f"/history/{point}", params={"max": 3})
    assert [row["value"] for row in few.json()] == [0.0, 1.0, 2.0]
    assert few.headers["Borough-Truncated"] == "true"
    ask = {"resampleInterval": "5m", "resampleFunction": "MAX"}
    assert [row["value"] for row in client.get(f"/history/{point}", params=ask).json()] == [
        4.0,
        9.0,
    ]
    only_to = client.get(f"/history/{point}", params={"to": "2026-01-01T00:00:00"}).json()
    assert [row["value"] for row in only_to] == [0.0]


@pytest.mark.parametrize(
    "params",
    [
        {"resampleInterval": "5m') OR 1=1 --"},
        {"resampleInterval": "0m"},
        {"resampleInterval": "1u"},
        {"resampleFunction": "DROP"},
        {"fillValue": "MAYBE"},
        {"from": "yesterday"},
        {"max": "0"},
        {"max": "100001"},
        {"unknown": "1"},
        {"separator": ";;"},
    ],
)
def test_a_wrong_parameter_is_refused_with_a_problem(house: House, params: dict[str, str]) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe((point, 1.0, NOW))
    answer = house.client().get(f"/history/{point}", params=params)
    assert answer.status_code in (400, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["detail"]


def test_points_without_a_sample_in_the_interval_have_an_empty_series(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe((point, 1.0, NOW))
    ask = {"address": point, "to": "2001-01-01T00:00:00"}
    assert house.client().get("/history", params=ask).json() == {point: []}
