"""Confidential points: clear for who may read, encrypted where they lie, gone when erased."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from ciaas.interoperability.confidential import PREFIX
from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.sample import Kind
from ciaas.ports import Feed
from tests.cpaas.conftest import House
from tests.cpaas.sse import following
from tests.cpaas.test_subscriptions import receiving, soon

T0 = 1_700_000_000
POINT = "Person/body/pulse"


def confidential(house: House, subject: str = "citizen-7", **endpoint: str) -> str:
    """Return the address of a point of a new endpoint whose values are this data subject's."""
    uuid = house.endpoint("Watch", **endpoint)
    declared = house.client().patch(f"/metadata/{uuid}", json={"confidential": subject})
    assert declared.status_code == 200, declared.text
    return f"{uuid}/{POINT}"


def values(client: httpx.Client, point: str) -> list[Any]:
    answer = client.get(f"/history/{point}")
    assert answer.status_code == 200, answer.text
    return [row["value"] for row in answer.json()]


def number_of(house: House, point: str) -> int:
    known = house.city.catalogue.by_address(PointAddress(point))
    assert known is not None
    return known.id


def lies(house: House, point: str) -> list[str]:
    """Return what the store holds of a point."""
    number = number_of(house, point)
    return [
        text
        for commit in house.history.sealed.commits(0)
        for held, text in zip(commit.frame.point, commit.frame.txt, strict=True)
        if held == number
    ]


def test_who_may_read_sees_values_and_the_store_holds_none(house: House) -> None:
    point = confidential(house)
    for n, value in enumerate([61.5, 62.5, None, 1e300]):
        assert house.observe((point, value, T0 + n)).status_code == 201
    client = house.client()
    assert values(client, point) == [61.5, 62.5, None, 1e300]
    assert client.get(f"/data/{point}").json()["value"] == 1e300
    found = client.post("/search", json={"filter": {"address": point, "value": ">62"}}).json()
    assert [hit["address"] for hit in found["hits"]] == [point]
    assert "62.5" not in str(lies(house, point)) and len(lies(house, point)) == 4
    assert all(text.startswith(PREFIX) for text in lies(house, point))


@pytest.mark.parametrize("value", ["a text", True, False, "", "ß" * 5, "borough-sealed.1.1.x"])
def test_each_kind_of_value_comes_back(shared_house: House, value: Any) -> None:
    point = confidential(shared_house)
    assert shared_house.observe((point, value, T0)).status_code == 201
    assert values(shared_house.client(), point) == [value]
    assert str(value) not in [text for text in lies(shared_house, point)]


def test_repeats_and_revisions_are_told_apart_as_ever(house: House) -> None:
    point = confidential(house)
    for value in (61.5, 61.5, 62.5, 61.5):
        assert house.observe((point, value, T0)).status_code == 201
    assert house.history.counts()["repeats"] >= 1
    assert values(house.client(), point)[-1] in (61.5, 62.5)
    assert len(set(lies(house, point))) == 2
    assert house.observe((point, 61.5, T0 + 1)).status_code == 201
    assert len(set(lies(house, point))) == 3, "the same value at another time looks otherwise"


def test_what_is_judged_is_the_value(house: House) -> None:
    point = confidential(house)
    house.observe((point, 60.0, T0))
    overlay = {"range": [30, 200]}
    assert house.client().patch(f"/metadata/{point}", json=overlay).status_code == 200
    house.observe((point, 250.0, T0 + 1))
    rows = house.client().get(f"/history/{point}").json()
    assert [row["verdict"] for row in rows] == ["good", "bad"]


def test_an_erasure_takes_all_values_and_lets_none_in(house: House) -> None:
    point, other = confidential(house), confidential(house, "citizen-8")
    for address in (point, other):
        house.observe((address, 61.5, T0), (address, 62.5, T0 + 1))
    client = house.client()
    listed = client.get("/data-subjects").json()
    assert [(s["id"], s["project"], s["erased_at"]) for s in listed] == [
        ("citizen-7", "city", None),
        ("citizen-8", "city", None),
    ]
    assert client.delete("/data-subjects/citizen-7").status_code == 204
    assert client.delete("/data-subjects/citizen-7").status_code == 204
    assert values(client, point) == [None, None]
    assert client.get(f"/data/{point}").json()["value"] is None
    assert values(client, other) == [61.5, 62.5]
    refused = house.observe((point, 63.5, T0 + 2))
    assert refused.status_code == 422 and "were erased" in refused.text
    fresh = house.observe((point.replace("pulse", "weight"), 63.5, T0 + 2))
    assert fresh.status_code == 422 and "were erased" in fresh.text
    assert client.get("/data-subjects").json()[0]["erased_at"] is not None
    again = client.patch(f"/metadata/{house.endpoint('New')}", json={"confidential": "citizen-7"})
    assert again.status_code == 409 and "were erased" in again.text


def test_what_comes_for_an_erased_data_subject_all_the_same_is_never_stored(house: House) -> None:
    point = confidential(house)
    house.observe((point, 61.5, T0))
    number = number_of(house, point)
    clear = house.history.latest(np.array([number], np.uint32))
    house.client().delete("/data-subjects/citizen-7")
    commit = house.history.record(replace(clear, observed=clear.observed + 1))
    assert commit.frame.kind.tolist() == [Kind.NULL]
    assert lies(house, point)[-1] is None


@pytest.mark.parametrize(
    "path", ["?resampleInterval=1h", "?resampleInterval=1h&resampleFunction=MODE"]
)
def test_no_figures_are_made_of_them(shared_house: House, path: str) -> None:
    point = confidential(shared_house)
    shared_house.observe((point, 61.5, T0))
    answer = shared_house.client().get(f"/history/{point}{path}")
    assert answer.status_code == 422 and "is confidential" in answer.json()["detail"]


def test_no_query_and_so_no_job_exports_them(house: House) -> None:
    point = confidential(house)
    house.observe((point, 61.5, T0))
    body = {
        "select": {"filter": {"address": [point]}},
        "interval": {"from": "2023-11-14T00:00:00Z", "to": "2023-11-16T00:00:00Z"},
    }
    answer = house.client().post("/query", json=body)
    assert "61.5" not in answer.text and "is confidential" in answer.text


def refusal(house: House, scope: str, **merge: Any) -> str:
    answer = house.client().patch(f"/metadata/{scope}", json=merge)
    assert answer.status_code == 422, answer.text
    detail: str = answer.json()["detail"]
    return detail


def test_a_point_with_samples_a_class_and_a_device_are_refused(house: House) -> None:
    uuid = house.endpoint("Watch")
    house.observe((f"{uuid}/{POINT}", 61.5, T0))
    assert "there are samples already" in refusal(house, uuid, confidential="citizen-7")
    assert "not of a class" in refusal(house, "class:Person", confidential="citizen-7")
    fed = house.endpoint("Device")
    house.registry.resources.change_endpoint(EndpointId(fed), feed=Feed.DEVICE)
    assert "fed by its device" in refusal(house, fed, confidential="citizen-7")
    for name in ("", "a b", "x" * 129, 7, ["citizen-7"]):
        assert "whose data" in refusal(house, house.endpoint("New"), confidential=name)
    assert house.client().get("/data-subjects").json() == []


def test_a_confidential_point_stays_so(house: House) -> None:
    uuid = confidential(house).partition("/")[0]
    assert "stay confidential" in refusal(house, uuid, confidential=None)
    assert "stay confidential" in refusal(house, uuid, confidential="citizen-8")
    same = house.client().patch(f"/metadata/{uuid}", json={"confidential": "citizen-7"})
    assert same.status_code == 200


def test_a_confidential_point_raises_no_alarm(house: House) -> None:
    hot = {"severity": "major", "text": "hot", "raised_when": "value > 40"}
    point = confidential(house)
    uuid = point.partition("/")[0]
    assert "raises no alarm" in refusal(house, uuid, alarm=hot)
    assert "raises no alarm" in refusal(house, f"{uuid}/Person", alarm=hot)
    fresh = house.endpoint("New")
    assert "raises no alarm" in refusal(house, fresh, alarm=hot, confidential="citizen-7")
    said = house.client().patch("/metadata/class:body", json={"alarm": hot})
    assert said.status_code == 200
    house.observe((point, 61.5, T0))
    assert house.client().get("/alarms").json()["alarms"] == []


def test_two_projects_have_data_subjects_of_their_own(house: House) -> None:
    house.project("health")
    one, other = confidential(house, project="city"), confidential(house, project="health")
    for address in (one, other):
        house.observe((address, 61.5, T0))
    client = house.client()
    assert client.delete("/data-subjects/citizen-7").status_code == 422
    erased = client.delete("/data-subjects/citizen-7", params={"project": "health"})
    assert erased.status_code == 204
    assert values(client, one) == [61.5] and values(client, other) == [None]
    owner = house.user("owner", {"project:city": "OWN"})
    assert [s["project"] for s in owner.get("/data-subjects").json()] == ["city"]
    assert owner.delete("/data-subjects/citizen-7").status_code == 204
    assert values(client, one) == [None]


def test_only_the_owner_of_a_project_erases(house: House) -> None:
    point = confidential(house)
    house.observe((point, 61.5, T0))
    granter = house.user("granter", {"project:city": "GRANT"})
    assert granter.delete("/data-subjects/citizen-7").status_code == 404
    assert granter.get("/data-subjects").json() == []
    assert values(house.client(), point) == [61.5]


def test_the_record_says_who_erased_and_knows_no_value(house: House) -> None:
    point = confidential(house)
    house.observe((point, 61.25, T0))
    house.client().delete("/data-subjects/citizen-7")
    told = str(house.recorded())
    assert "citizen-7" in told and "61.25" not in told


def test_the_key_lies_sealed_in_a_file_that_goes_with_the_erasure(
    house: House, tmp_path: Path
) -> None:
    confidential(house)
    [path] = tmp_path.rglob("subjects/*.key")
    assert path.read_text().startswith("v2.1.") and path.stat().st_mode & 0o777 == 0o600
    house.client().post("/keys/rotate")
    ring = house.client().get("/keys/ring").json()
    while not ring["rewrap"]["done"]:
        ring = house.client().get("/keys/ring").json()
    assert path.read_text().startswith("v2.2.")
    house.client().delete("/data-subjects/citizen-7")
    assert not path.exists() and (path.parent / "erased").read_text().split() == [path.stem]


def test_no_mashup_reads_them(house: House) -> None:
    point = confidential(house)
    house.observe((point, 61.5, T0))
    document = {
        "name": "Pulse",
        "nodes": [
            {"id": "in", "type": "source", "params": {"points": [point]}},
            {"id": "out", "type": "virtual-point", "params": {"name": "pulse"}},
        ],
        "wires": [{"from": "in.out", "to": "out.in"}],
    }
    made = house.client().post("/mashups", json=document)
    answer = house.client().get(f"/mashups/{made.json()['uuid']}/check")
    assert answer.status_code == 422 and "is confidential" in answer.json()["detail"]


def test_a_commit_is_given_as_it_lies_also_after_an_erasure(house: House) -> None:
    """What tells the record of commits by their digests sees the same before and after."""
    point = confidential(house)
    house.observe((point, 61.5, T0))
    before = [commit.frame.txt.tolist() for commit in house.history.sealed.commits(0)]
    again = [house.history.sealed.of(c).frame.txt.tolist() for c in house.history.commits(0)]
    assert again == before
    house.client().delete("/data-subjects/citizen-7")
    again = [house.history.sealed.of(c).frame.txt.tolist() for c in house.history.commits(0)]
    assert again == before
    uuid = point.partition("/")[0]
    assert house.client().delete(f"/endpoints/{uuid}").is_success
    again = [house.history.sealed.of(c).frame.txt.tolist() for c in house.history.commits(0)]
    assert again == before


def test_nothing_in_memory_tells_what_was_erased(house: House) -> None:
    """The newest commits are kept for feeds, and a parcel for a receiver that is away."""
    point = confidential(house)
    with receiving() as receiver:
        receiver.status = 503
        body = {"url": receiver.url, "filter": {"address": point}}
        made = house.client().post("/subscriptions", json=body).json()
        house.observe((point, 61.5, T0))
        with following(house.client(), address=point, after="0:0") as live:
            assert live.event("samples").data[0]["value"] == 61.5
        soon(lambda: house.client().get(f"/subscriptions/{made['id']}").json()["failures"])
        assert house.client().delete("/data-subjects/citizen-7").status_code == 204
        receiver.status = 200
        soon(lambda: receiver.requests)
        assert receiver.values() == [None]
    with following(house.client(), address=point, after="0:0") as live:
        assert live.event("samples").data[0]["value"] is None
