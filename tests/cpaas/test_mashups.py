"""Mashups over HTTP: drafts, checks, publishing with rights, dry runs."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.cpaas.conftest import House

DAY = "2026-03-01T"
BEGIN = 1_772_323_200.0  # 2026-03-01T00:00:00Z


def rule(*points: str, name: str = "Too hot", **threshold: Any) -> dict[str, Any]:
    """A source, a threshold, an alarm, and the mean as a data point."""
    return {
        "schemaVersion": 1,
        "name": name,
        "nodes": [
            {"id": "heat", "type": "source", "params": {"points": list(points)}},
            {"id": "mean", "type": "window", "params": {"sizeS": 60, "function": "mean"}},
            {"id": "hot", "type": "threshold", "params": {"limit": 30, **threshold}},
            {"id": "alarm", "type": "alarm", "params": {"text": "Hot", "severity": "major"}},
            {"id": "kept", "type": "virtual-point", "params": {"name": "Mean"}},
        ],
        "wires": [
            {"from": "heat.out", "to": "mean.in"},
            {"from": "mean.out", "to": "hot.in"},
            {"from": "hot.out", "to": "alarm.in"},
            {"from": "mean.out", "to": "kept.in"},
        ],
    }


@pytest.fixture
def admin(house: House) -> httpx.Client:
    return house.client()


@pytest.fixture
def point(house: House) -> str:
    """A point with a minute of 20, then 40, then 10 degrees, once in ten seconds."""
    address = f"{house.endpoint('Thermometer')}/Sensor/air/temperature"
    samples = [
        (address, value, BEGIN + 60 * minute + second)
        for minute, value in enumerate((20.0, 40.0, 10.0))
        for second in range(0, 60, 10)
    ]
    assert house.observe(*samples).status_code == 201
    return address


def made(client: httpx.Client, document: dict[str, Any]) -> str:
    answer = client.post("/mashups", json=document)
    assert answer.status_code == 201, answer.text
    uuid: str = answer.json()["uuid"]
    return uuid


def test_from_a_draft_to_a_published_version(admin: httpx.Client, point: str) -> None:
    uuid = made(admin, rule(point))
    assert admin.get("/mashups").json()[0]["state"] == "draft"
    checked = admin.get(f"/mashups/{uuid}/check").json()
    assert checked["sentence"].startswith("1. Read 1 point")
    assert checked["points"]["kept"] == [f"{uuid}/mashup/Mean/value"]
    published = admin.post(f"/mashups/{uuid}/publish", json={"note": "first"})
    assert published.status_code == 201, published.text
    assert (published.json()["version"], published.json()["note"]) == (1, "first")
    assert admin.get(f"/mashups/{uuid}").json()["state"] == "running"
    point_of_alarm = f"{uuid}/mashup/alarm/value"
    said = admin.get(f"/metadata/{point_of_alarm}").json()["effective"]
    assert said["alarm"] == {"severity": "major", "text": "Hot", "raised_when": True}
    assert admin.get(f"/data/{uuid}/mashup").status_code == 200
    assert admin.get(f"/endpoints/{uuid}").json()["friendlyName"] == "Too hot"


def test_versions_stay_as_they_were_published(admin: httpx.Client, point: str) -> None:
    uuid = made(admin, rule(point))
    admin.post(f"/mashups/{uuid}/publish")
    first = admin.get(f"/mashups/{uuid}/versions/1").json()
    assert admin.put(f"/mashups/{uuid}", json=rule(point, limit=35)).json()["revision"] == 2
    assert admin.get(f"/mashups/{uuid}").json()["version"] == 1
    assert admin.post(f"/mashups/{uuid}/publish").json()["version"] == 2
    assert [v["version"] for v in admin.get(f"/mashups/{uuid}/versions").json()] == [2, 1]
    assert admin.get(f"/mashups/{uuid}/versions/1").json() == first
    assert admin.get(f"/mashups/{uuid}/versions/3").status_code == 404


def test_a_draft_that_was_changed_meanwhile_is_not_overwritten(
    admin: httpx.Client, point: str
) -> None:
    uuid = made(admin, rule(point))
    etag = admin.get(f"/mashups/{uuid}").headers["ETag"]
    changed = rule(point, limit=31)
    assert admin.put(f"/mashups/{uuid}", json=changed, headers={"If-Match": etag}).is_success
    again = admin.put(f"/mashups/{uuid}", json=rule(point), headers={"If-Match": etag})
    assert again.status_code == 409 and "revision 2" in again.json()["detail"]
    assert admin.put(f"/mashups/{uuid}", json=rule(point), headers={"If-Match": "x"}).is_error


def test_a_dry_run_tells_what_would_have_been(admin: httpx.Client, point: str) -> None:
    uuid = made(admin, rule(point))
    interval = {"from": f"{DAY}00:00:00", "to": f"{DAY}00:05:00"}
    before = admin.get("/status").json()["samples"]
    found = admin.post(f"/mashups/{uuid}/dry-run", json=interval)
    assert found.status_code == 200, found.text
    told = found.json()
    assert told["read"] == 18 and told["missing"] == []
    assert told["counts"] == {"heat": 18, "mean": 3, "hot": 3, "alarm": 3, "kept": 3}
    by_node = {output["node"]: output for output in told["outputs"]}
    assert [v["value"] for v in by_node["kept"]["values"]] == [20, 40, 10]
    assert [(v["at"][11:19], v["value"]) for v in by_node["alarm"]["values"]] == [
        ("00:01:00", False), ("00:02:00", True), ("00:03:00", False),
    ]  # fmt: skip
    assert by_node["alarm"]["raised"] == 1
    assert admin.post(f"/mashups/{uuid}/dry-run", json=interval).json() == told
    assert admin.get("/status").json()["samples"] == before
    tried = {**interval, "document": rule(point, limit=50)}
    assert admin.post(f"/mashups/{uuid}/dry-run", json=tried).json()["outputs"][0]["raised"] == 0


def test_a_dry_run_names_what_is_missing_and_is_bounded(admin: httpx.Client, point: str) -> None:
    uuid = made(admin, rule(point))
    nothing = {"from": "2020-01-01T00:00:00", "to": "2020-01-02T00:00:00"}
    assert admin.post(f"/mashups/{uuid}/dry-run", json=nothing).json()["missing"] == [point]
    for wrong in (
        {"from": "2020-01-02T00:00:00", "to": "2020-01-01T00:00:00"},
        {"from": "2020-01-01T00:00:00", "to": "2020-03-01T00:00:00"},
    ):
        assert admin.post(f"/mashups/{uuid}/dry-run", json=wrong).status_code == 422
    assert admin.post(f"/mashups/{uuid}/dry-run", json={"from": "x", "to": "y"}).status_code == 400


def test_nobody_publishes_what_reads_more_than_the_publisher_may(house: House, point: str) -> None:
    editor = house.user("editor", {"project:city": "CONFIGURE"})
    uuid = made(editor, rule(point))
    assert editor.post(f"/mashups/{uuid}/publish").status_code == 201
    house.project("parks")
    gardener = house.user("gardener", {"project:parks": "OWN"})
    theirs = made(gardener, rule(point))
    for asked in (
        gardener.get(f"/mashups/{theirs}/check"),
        gardener.post(f"/mashups/{theirs}/publish"),
        gardener.post(
            f"/mashups/{theirs}/dry-run", json={"from": f"{DAY}00:00:00", "to": f"{DAY}01:00:00"}
        ),
    ):
        assert asked.status_code == 422
        assert "that you may read" in asked.json()["detail"] and asked.json()["node"] == "heat"
    assert gardener.get(f"/mashups/{uuid}").status_code == 404


def test_a_mashup_acts_as_a_user_of_its_own_with_just_its_rights(
    house: House, admin: httpx.Client, point: str
) -> None:
    uuid = made(admin, rule(point))
    admin.post(f"/mashups/{uuid}/publish")
    mine = [g for g in admin.get("/grants").json() if g["user"] == f"mashup:{uuid}"]
    assert [(g["prefix"], g["level"]) for g in mine] == [(f"{point}/#", "READ")]
    assert admin.delete(f"/mashups/{uuid}").status_code == 204
    assert not [g for g in admin.get("/grants").json() if g["user"] == f"mashup:{uuid}"]
    assert admin.get(f"/mashups/{uuid}").status_code == 404
    assert admin.get(f"/endpoints/{uuid}").status_code == 200, "its points stay"


def test_pause_and_resume(admin: httpx.Client, point: str) -> None:
    uuid = made(admin, rule(point))
    early = admin.post(f"/mashups/{uuid}/pause")
    assert early.status_code == 409 and "publish it first" in early.json()["detail"]
    admin.post(f"/mashups/{uuid}/publish")
    assert admin.post(f"/mashups/{uuid}/pause").json()["state"] == "paused"
    status = admin.get(f"/mashups/{uuid}/status").json()
    assert (status["state"], status["running"], status["version"]) == ("paused", False, 1)
    assert admin.post(f"/mashups/{uuid}/resume").json()["state"] == "running"


def test_a_draft_may_be_unfinished_but_not_malformed(admin: httpx.Client) -> None:
    uuid = made(admin, {"name": "empty"})
    answer = admin.post(f"/mashups/{uuid}/publish")
    assert answer.status_code == 422 and "begin with a source" in answer.json()["detail"]
    for wrong in ({}, {"name": "a", "nodes": 1}, {"name": "a", "more": 1}, {"name": ""}):
        assert admin.post("/mashups", json=wrong).status_code == 422
    too_much = {"name": "a", "description": "x" * 300_000}
    assert admin.post("/mashups", json=too_much).status_code == 422


def test_node_types_come_with_schemas(admin: httpx.Client) -> None:
    types = {entry["type"]: entry for entry in admin.get("/mashups/node-types").json()}
    assert len(types) == 11
    assert types["threshold"]["params"]["properties"]["forS"]["minimum"] == 0


def test_templates_are_filled_and_published(house: House, admin: httpx.Client, point: str) -> None:
    lamp = f"{house.endpoint('Lamp')}/Lamp/light/level"
    assert house.observe((lamp, 1.0, BEGIN)).status_code == 201
    assert len(admin.get("/mashups/templates").json()) == 3
    where = {"address": point}
    for template, blanks in {
        "too-high-at-night": {"name": "Night", "points": where, "limit": 55, "clear": 50},
        "index": {"name": "Index", "points": where},
        "lights-by-counts": {
            "name": "Lights", "points": where, "many": 9, "few": 3, "lights": [lamp],
        },
    }.items():  # fmt: skip
        filled = admin.post(f"/mashups/templates/{template}", json=blanks)
        assert filled.status_code == 200, filled.text
        uuid = made(admin, filled.json())
        checked = admin.get(f"/mashups/{uuid}/check")
        if template == "lights-by-counts":  # the lamp's point takes no command
            assert checked.status_code == 422 and "SetPoint" in checked.json()["detail"]
        else:
            assert checked.status_code == 200, checked.text
            assert admin.post(f"/mashups/{uuid}/publish").status_code == 201
    wrong = admin.post("/mashups/templates/index", json={"name": "x", "points": {"no": 1}})
    assert wrong.status_code == 422
    assert admin.post("/mashups/templates/nothing", json={}).status_code == 404


def copying(address: str, name: str) -> dict[str, Any]:
    return {
        "name": name,
        "nodes": [
            {"id": "s", "type": "source", "params": {"points": [address]}},
            {"id": "v", "type": "virtual-point", "params": {"name": "Copy"}},
        ],
        "wires": [{"from": "s.out", "to": "v.in"}],
    }


def test_results_never_feed_themselves(admin: httpx.Client, point: str) -> None:
    first, second = made(admin, copying(point, "one")), made(admin, {"name": "two"})
    assert admin.post(f"/mashups/{first}/publish").status_code == 201
    own, other = f"{first}/mashup/Copy/value", f"{second}/mashup/Copy/value"
    admin.put(f"/mashups/{first}", json=copying(own, "one"))
    refused = admin.post(f"/mashups/{first}/publish")
    assert refused.status_code == 422 and "its own results" in refused.json()["detail"]
    admin.put(f"/mashups/{second}", json=copying(own, "two"))
    assert admin.post(f"/mashups/{second}/publish").status_code == 201
    admin.put(f"/mashups/{first}", json=copying(other, "one"))
    refused = admin.post(f"/mashups/{first}/publish")
    assert refused.status_code == 422 and "over another mashup" in refused.json()["detail"]


def test_a_dry_run_tells_of_many_events_the_first(
    admin: httpx.Client, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cpaas.access.answers.mashups.DRY_RUN_OUTPUTS_MAX", 4)
    uuid = made(admin, copying(point, "copy"))
    interval = {"from": f"{DAY}00:00:00", "to": f"{DAY}01:00:00"}
    [told] = admin.post(f"/mashups/{uuid}/dry-run", json=interval).json()["outputs"]
    assert (told["events"], len(told["values"])) == (18, 4)
