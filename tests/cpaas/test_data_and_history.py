"""Observations come back as last values and as history, in every form."""

from __future__ import annotations

import time

import pytest

from cpaas.access.routes.samples import data
from cpaas.limits import (
    HISTORY_ADDRESSES_MAX,
    HISTORY_ANSWER_ROWS_MAX,
    HISTORY_READS_AT_ONCE,
    HISTORY_READS_WAITING_MAX,
    HISTORY_ROWS_DEFAULT,
    HISTORY_ROWS_MAX,
    SUBTREE_POINTS_MAX,
)
from tests.cpaas.conftest import House

NOW = int(time.time()) - 3_600


@pytest.fixture
def house(shared_house: House) -> House:
    return shared_house


def test_what_an_app_writes_is_its_last_value_and_its_history(house: House) -> None:
    point = f"{house.endpoint()}/Lamp/light/level"
    answer = house.observe((point, 40.5, NOW), (point, 41.25, NOW + 60))
    assert answer.status_code == 201
    commit = house.history.last_commit()
    assert answer.json() == {"commit": commit, "stored": 2, "repeats": 0, "refused": []}
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
        "commit": house.history.last_commit(), "stored": 0, "repeats": 1, "refused": []
    }  # fmt: skip
    assert house.observe((point, 2.0, NOW)).json()["stored"] == 1
    rows = house.client().get(f"/history/{point}").json()
    assert [row["value"] for row in rows] == [2.0]


def test_the_same_key_writes_once_and_another_body_under_it_is_refused(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    body = {"observations": [{"address": point, "value": 1.0, "timestamp": NOW}]}
    key = {"Idempotency-Key": "night-run-7"}
    client = house.client()
    first = client.post("/observations", json=body, headers=key)
    assert first.status_code == 201
    again = client.post("/observations", json=body, headers=key)
    assert again.status_code == 200
    assert again.json() == first.json() | {"stored": 0}
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
        {"separator": "1"},
        {"separator": "\n"},
        {"resampleInterval": "999999999999w"},
        {"to": "2026-13-01T00:00:00"},
        {"address": "x"},
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


def test_the_ends_of_an_interval_are_utc_and_take_an_offset(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    base = 1_767_225_600  # 2026-01-01T00:00:00Z
    house.observe(*((point, float(i), base + 3_600 * i) for i in range(3)))
    client = house.client()
    for start in ("2026-01-01T01:00:00", "2026-01-01T01:00:00Z", "2026-01-01T02:00:00+01:00"):
        rows = client.get(f"/history/{point}", params={"from": start}).json()
        assert [row["time"] for row in rows] == [
            "2026-01-01T01:00:00.000Z", "2026-01-01T02:00:00.000Z"
        ]  # fmt: skip
    for extreme in ("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"):
        ask = {"from": extreme, "to": extreme}
        assert client.get(f"/history/{point}", params=ask).json() == []
    assert (
        client.get(f"/history/{point}", params={"from": "2026-01-02", "to": "2026-01-01"}).json()
        == []
    )


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("COUNT", [3.0, 1.0]), ("DISTINCT", [1.0, 4.0, 10.0]), ("INTEGRAL", [2382.0, 4428.0]),
        ("MEAN", [2.0, 10.0]), ("MEDIAN", [1.0, 10.0]), ("MODE", [1.0, 10.0]),
        ("SPREAD", [3.0, 0.0]), ("STDDEV", [3**0.5]), ("SUM", [6.0, 10.0]),
        ("FIRST", [1.0, 10.0]), ("LAST", [4.0, 10.0]), ("MAX", [4.0, 10.0]), ("MIN", [1.0, 10.0]),
    ],
)  # fmt: skip
def test_every_function_of_clouds(house: House, function: str, expected: list[float]) -> None:
    point = f"{house.endpoint()}/n/o/a"
    base = 1_767_225_600
    house.observe(
        *((point, value, base + 60 * i) for i, value in ((0, 1.0), (1, 1.0), (4, 4.0), (19, 10.0)))
    )
    ask = {"resampleInterval": "10m", "resampleFunction": function}
    rows = house.client().get(f"/history/{point}", params=ask).json()
    assert [row["value"] for row in rows] == pytest.approx(expected)


@pytest.mark.parametrize(
    ("fill", "expected"),
    [
        ("NONE", [1.0, 4.0]), ("NULL", [1.0, None, None, 4.0]), ("ZERO", [1.0, 0.0, 0.0, 4.0]),
        ("PREVIOUS", [1.0, 1.0, 1.0, 4.0]), ("LINEAR", [1.0, 2.0, 3.0, 4.0]),
    ],
)  # fmt: skip
def test_every_fill_of_clouds(house: House, fill: str, expected: list[float | None]) -> None:
    point = f"{house.endpoint()}/n/o/a"
    base = 1_767_225_600
    house.observe((point, 1.0, base), (point, 4.0, base + 3 * 60))
    ask = {"resampleInterval": "1m", "fillValue": fill}
    rows = house.client().get(f"/history/{point}", params=ask).json()
    assert [row["value"] for row in rows] == expected
    estimated = [row.get("reason") for row in rows if row.get("reason")]
    assert estimated == (["estimated"] * 2 if fill in ("ZERO", "PREVIOUS", "LINEAR") else [])


def test_values_of_every_kind_in_one_series(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    sent = [1.5, True, 7, "text", None, "", 2**53 + 2]
    house.observe(*((point, value, NOW + i) for i, value in enumerate(sent)))
    client = house.client()
    answer = client.get(f"/history/{point}")
    assert [row["value"] for row in answer.json()] == [*sent[:-1], float(2**53 + 2)]
    assert b"NaN" not in answer.content
    csv = client.get(f"/history/{point}", headers={"Accept": "text/csv"})
    assert csv.headers["content-type"] == "text/csv; charset=utf-8"
    assert [line.split(";")[1] for line in csv.text.splitlines()] == [
        "1.5", "true", "7", "text", "", '""', str(float(2**53 + 2))
    ]  # fmt: skip


def test_a_bad_verdict_comes_with_its_reason_and_the_value_stays(house: House) -> None:
    uuid = house.endpoint()
    point = f"{uuid}/n/o/a"
    house.observe((point, 1.0, NOW - 1))
    house.client().patch(f"/metadata/{point}", json={"range": [0, 10]})
    house.observe((point, 99.0, NOW))
    rows = house.client().get(f"/history/{point}").json()
    assert rows[-1]["value"] == 99.0
    assert (rows[-1]["verdict"], rows[-1]["reason"]) == ("bad", "out-of-range")
    assert "reason" not in rows[0]


def test_many_series_come_in_the_order_asked_and_each_once(house: House) -> None:
    uuid = house.endpoint()
    points = [f"{uuid}/n/o/{name}" for name in "cab"]
    house.observe(*((point, 1.0, NOW) for point in sorted(points)))
    client = house.client()
    asked = [*points, points[0], points[0].replace(uuid, uuid.upper())]
    answer = client.get("/history", params={"address": asked, "from": "2099-01-01"})
    assert answer.json() == {point: [] for point in points}
    answer = client.get("/history", params={"address": asked}).json()
    assert list(answer) == points
    csv = client.get(
        "/history", params={"address": points, "separator": ","}, headers={"Accept": "text/csv"}
    ).text
    assert [line.split(",")[0] for line in csv.splitlines()] == points


def test_the_bounds_of_a_history_request(house: House) -> None:
    uuid, client = house.endpoint(), house.client()
    house.observe(*((f"{uuid}/n/o/a{i}", 1.0, NOW) for i in range(HISTORY_ADDRESSES_MAX + 1)))
    points = [f"{uuid}/n/o/a{i}" for i in range(HISTORY_ADDRESSES_MAX + 1)]
    assert client.get("/history", params={"address": points}).status_code == 422
    assert client.get("/history").status_code == 422
    assert len(client.get("/history", params={"address": points[:-1]}).json()) == len(points) - 1
    rows = HISTORY_ANSWER_ROWS_MAX // 20
    assert client.get("/history", params={"address": points[:20], "max": rows}).status_code == 200
    assert client.get("/history", params={"address": points[:21], "max": rows}).status_code == 422
    assert client.get(f"/history/{points[0]}", params={"max": HISTORY_ROWS_MAX}).status_code == 200
    more = client.get(f"/history/{points[0]}", params={"max": HISTORY_ROWS_MAX + 1})
    assert more.status_code == 422


def test_a_thousand_rows_when_nothing_is_said(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe(*((point, float(i), NOW - 5_000 + i) for i in range(HISTORY_ROWS_DEFAULT + 1)))
    answer = house.client().get(f"/history/{point}")
    assert len(answer.json()) == HISTORY_ROWS_DEFAULT
    assert answer.headers["Borough-Truncated"] == "true"


def test_a_subtree_of_more_points_than_an_answer_holds_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    uuid = house.endpoint()
    house.observe(*((f"{uuid}/n{i % 2}/o/a{i}", 1.0, NOW) for i in range(20)))
    assert SUBTREE_POINTS_MAX == 20_000
    monkeypatch.setattr(data, "SUBTREE_POINTS_MAX", 19)
    assert house.client().get(f"/data/{uuid}").status_code == 413
    assert len(house.client().get(f"/data/{uuid}/n0").json()) == 10


def test_a_sum_beyond_all_numbers_is_refused_and_not_a_fault(house: House) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe(*((point, 1.7e308, 1_767_225_600 + i) for i in range(3)))
    ask = {"resampleInterval": "1h", "resampleFunction": "SUM"}
    answer = house.client().get(f"/history/{point}", params=ask)
    assert answer.status_code in (200, 422)
    assert b"inf" not in answer.content.lower().replace(b"information", b"")


def test_reads_of_history_take_turns(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    point = f"{house.endpoint()}/n/o/a"
    house.observe((point, 1.0, NOW))
    reads = house.city.processing.reads
    assert (reads._turn._value, reads._waiting_max) == (
        HISTORY_READS_AT_ONCE,
        HISTORY_READS_WAITING_MAX,
    )
    client = house.client()
    monkeypatch.setattr(reads, "_waiting_max", 0)
    for path in (f"/history/{point}", f"/history?address={point}"):
        refused = client.get(path)
        assert (refused.status_code, "waiting" in refused.text) == (503, True)
        assert int(refused.headers["Retry-After"]) > 0
    assert client.get(f"/data/{point}").status_code == 200
    monkeypatch.undo()
    assert len(client.get(f"/history/{point}").json()) == 1
