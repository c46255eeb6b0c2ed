"""Who read or wrote a point, told to who may grant on it; the record, told to administrators."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.cpaas.conftest import House

T = 1_700_000_000


@pytest.fixture
def lamp(house: House) -> str:
    uuid = house.endpoint()
    written = house.observe(
        (f"{uuid}/lamp/light/power", 1.0, T), (f"{uuid}/lamp/light/hue", 2.0, T)
    )
    assert written.status_code == 201
    return uuid


def accesses(client: httpx.Client, point: str, **asked: object) -> list[dict[str, Any]]:
    answer = client.get(f"/accesses/{point}", params={k: str(v) for k, v in asked.items()})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


def test_every_read_and_write_of_a_point_is_told_with_who_and_when(house: House, lamp: str) -> None:
    power, hue = f"{lamp}/lamp/light/power", f"{lamp}/lamp/light/hue"
    anna = house.user("anna", {f"{lamp}/#": "READ"})
    for path in (f"/data/{power}", f"/data/{lamp}", f"/history/{power}", f"/history/{hue}"):
        assert anna.get(path).status_code == 200
    assert anna.get("/history", params={"address": [power, hue]}).status_code == 200
    told = accesses(house.client(), power)
    assert [(entry["who"], entry["did"], entry["points"]) for entry in told] == [
        ("anna", "read", 2),
        ("anna", "read", 1),
        ("anna", "read", 2),
        ("anna", "read", 1),
        ("local-automation", "wrote", 2),
    ]
    assert [entry["seq"] for entry in told] == sorted((e["seq"] for e in told), reverse=True)
    assert told[-1]["verb"] == "POST"
    assert told[0]["kind"] == "access"


def test_what_was_refused_touched_nothing(house: House, lamp: str) -> None:
    power = f"{lamp}/lamp/light/power"
    blind = house.user("blind", {f"{lamp}/#": "BROWSE"})
    assert blind.get(f"/data/{power}").status_code == 403
    assert house.client().get(f"/history/{power}?resampleInterval=x").status_code == 400
    assert [entry["did"] for entry in accesses(house.client(), power)] == ["wrote"]


def test_pages_subjects_and_times_narrow_what_is_told(house: House, lamp: str) -> None:
    power = f"{lamp}/lamp/light/power"
    anna = house.user("anna", {f"{lamp}/#": "READ"})
    for client in (anna, house.client(), anna):
        assert client.get(f"/data/{power}").status_code == 200
    admin = house.client()
    every = accesses(admin, power)
    assert len(every) == 4
    first = accesses(admin, power, limit=3)
    assert first + accesses(admin, power, before=first[-1]["seq"]) == every
    assert len(accesses(admin, power, subject="anna")) == 2
    assert accesses(admin, power, **{"from": "2099-01-01T00:00:00"}) == []
    assert accesses(admin, power, to="2001-01-01T00:00:00") == []
    assert admin.get(f"/accesses/{power}?from=yesterday").status_code == 400
    assert admin.get(f"/accesses/{power}?limit=0").status_code == 422


def test_it_is_for_who_may_grant_on_the_point(house: House, lamp: str) -> None:
    power = f"{lamp}/lamp/light/power"
    boss = house.user("boss", {f"{power}": "GRANT"})
    assert [entry["did"] for entry in accesses(boss, power)] == ["wrote"]
    assert boss.get(f"/accesses/{lamp}/lamp/light/hue").status_code == 404
    assert (
        house.user("anna", {f"{lamp}/#": "CONFIGURE"}).get(f"/accesses/{power}").status_code == 403
    )
    assert house.client().get(f"/accesses/{lamp}/lamp/light/no").status_code == 404


def test_administrators_search_the_record(house: House, lamp: str) -> None:
    admin = house.client()
    house.record.append({"kind": "refusal", "who": lamp, "what": "publish"})
    [refusal] = admin.get("/record", params={"kind": "refusal"}).json()
    assert (refusal["who"], refusal["what"]) == (lamp, "publish")
    assert refusal in admin.get("/record", params={"subject": lamp}).json()
    newest = admin.get("/record", params={"limit": 2}).json()
    assert [entry["path"] for entry in newest] == ["/api/v1/record", "/api/v1/record"]
    before = admin.get("/record", params={"before": refusal["seq"], "limit": 1}).json()
    assert [entry["seq"] for entry in before] == [refusal["seq"] - 1]
    assert admin.get("/record", params={"from": "2099-01-01T00:00:00"}).json() == []


def test_checkpoints_come_with_their_key(house: House) -> None:
    signer = house.city.assurance.signer
    head = house.record.head
    checkpoint = signer.sign(head.size, head.digest, 5)
    house.registry.checkpoints.put_checkpoint(checkpoint)
    told = house.client().get("/record/checkpoints").json()
    assert told["key"].startswith("-----BEGIN PUBLIC KEY-----")
    assert told["fingerprint"] == signer.fingerprint
    assert told["checkpoints"] == [
        {"size": head.size, "head": head.digest, "at": 5, "signature": checkpoint.signature}
    ]


def test_searches_queries_exports_and_objects_say_what_they_gave(house: House, lamp: str) -> None:
    power = f"{lamp}/lamp/light/power"
    anna = house.user("anna", {"project:city": "WRITE"})
    select = {"addresses": [power]}
    asked = {"select": select, "interval": {"from": "2023-11-14", "to": "2023-11-16"}}
    for answer in (
        anna.get("/search", params={"address": power}),
        anna.post("/search", json={"filter": {"address": [power]}}),
        anna.get("/history", params={"address": power}, headers={"Accept": "text/csv"}),
        anna.post("/query", json=asked, headers={"Accept": "text/csv"}),
        anna.post("/query", json=asked, headers={"Accept": "application/vnd.apache.arrow.stream"}),
    ):
        assert answer.status_code == 200, answer.text
    told = accesses(house.client(), power, subject="anna")
    assert [(entry["did"], entry["points"]) for entry in told] == [("read", 1)] * 5
    assert anna.put("/objects/city/report.csv", content=b"1,2").status_code == 201
    assert anna.get("/objects/city/report.csv").content == b"1,2"
    about = house.recorded()[-1]["about"]
    assert (about["bytes"], len(about["sha256"])) == (3, 16)
