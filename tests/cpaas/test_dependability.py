"""Dependability by the API: figures, page, states, and only what the caller may read."""

from __future__ import annotations

import time

import pytest

from security.dependability.states import Resource, State, Transition
from tests.cpaas.conftest import House

HOUR = 3_600_000


def watch_over(house: House, *steps: tuple[str, str, State, float]) -> int:
    """Tell states of resources, hours before now; returns now in milliseconds."""
    now = time.time_ns() // 1_000_000
    house.registry.states.note(
        [
            Transition(Resource.of(name, endpoint), state, now - round(hours * HOUR), "power")
            for name, endpoint, state, hours in steps
        ]
    )
    return now


def test_figures_are_those_of_the_states(house: House) -> None:
    watch_over(
        house,
        ("role:core", "", State.UP, 10),
        ("role:core", "", State.DOWN, 4),
        ("role:core", "", State.UP, 3),
    )
    (core,) = house.client().get("/dependability").json()["resources"]
    assert core["resource"] == "role:core"
    assert (core["state"], core["failures"], core["restorations"]) == ("up", 1, 1)
    assert abs(core["availability"] - 0.9) < 0.001
    assert abs(core["mttr_s"] - 3600) < 1
    assert core["sufficient"] is False
    assert core["mtbf_interval_s"][0] < core["mtbf_s"] < core["mtbf_interval_s"][1]


def test_a_reader_of_an_endpoint_sees_its_device_and_nothing_of_the_platform(house: House) -> None:
    ours, theirs = house.endpoint("Ours"), house.endpoint("Theirs")
    watch_over(
        house,
        (f"device:{ours}", ours, State.UP, 2),
        (f"device:{theirs}", theirs, State.UP, 2),
        ("host", "", State.UP, 2),
    )
    reader = house.user("reader", {f"{ours}/#": "READ"})
    found = reader.get("/dependability").json()["resources"]
    assert [(row["resource"], row["title"]) for row in found] == [(f"device:{ours}", "Ours")]
    page = reader.get("/dependability/report")
    assert "Ours" in page.text and theirs not in page.text and "Only what you may read" in page.text
    for resource in (f"device:{theirs}", "host", "role:nobody"):
        assert reader.get("/dependability/states", params={"resource": resource}).status_code == 404
    assert len(house.client().get("/dependability").json()["resources"]) == 3


def test_states_are_listed_within_the_span(house: House) -> None:
    now = watch_over(house, ("role:field", "", State.UP, 5), ("role:field", "", State.DOWN, 2))
    start = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime((now - 3 * HOUR) / 1000))
    answer = house.client().get(
        "/dependability/states", params={"resource": "role:field", "from": start}
    )
    assert [(s["state"], s["cause"]) for s in answer.json()] == [("up", "power"), ("down", "power")]
    assert answer.json()[0]["since"].startswith(start)


def test_one_kind_or_one_endpoint_can_be_asked_for(house: House) -> None:
    uuid = house.endpoint("Lamp")
    watch_over(house, (f"device:{uuid}", uuid, State.UP, 2), ("host", "", State.UP, 2))
    client = house.client()
    by_kind = client.get("/dependability", params={"kind": "host"}).json()["resources"]
    assert [row["kind"] for row in by_kind] == ["host"]
    by_endpoint = client.get("/dependability", params={"endpoint": uuid}).json()["resources"]
    assert [row["endpoint"] for row in by_endpoint] == [uuid]


def test_a_point_is_up_while_it_delivers_and_silent_after(house: House) -> None:
    uuid = house.endpoint("Counter")
    address = f"{uuid}/Counter/people/rate"
    now = time.time()
    for ago in (7200, 6600, 6000, 1800):
        assert house.observe((address, 1.0, now - ago)).status_code == 201
    client = house.client()
    assert client.get("/dependability", params={"kind": "point"}).json()["resources"] == []
    assert client.patch(f"/metadata/{address}", json={"stale_after_s": 900}).is_success
    watch_over(house, ("role:core", "", State.UP, 10))
    (point,) = client.get("/dependability", params={"kind": "point"}).json()["resources"]
    assert point["title"] == "Counter Counter/people/rate"
    # Up 7200 to 5100 and 1800 to 900 s ago, down in between and since.
    assert abs(point["up_s"] - 3000) < 5
    assert abs(point["down_s"] - 4200) < 5
    assert (point["failures"], point["restorations"], point["state"]) == (2, 1, "down")


def test_silence_while_core_was_away_is_unknown(house: House) -> None:
    uuid = house.endpoint("Counter")
    address = f"{uuid}/Counter/people/rate"
    now = time.time()
    for ago in (7200, 1800):
        assert house.observe((address, 1.0, now - ago)).status_code == 201
    assert house.client().patch(f"/metadata/{address}", json={"stale_after_s": 3600}).is_success
    watch_over(
        house,
        ("role:core", "", State.UP, 10),
        ("role:core", "", State.DOWN, 0.9),
        ("role:core", "", State.UP, 0.6),
    )
    (point,) = house.client().get("/dependability", params={"kind": "point"}).json()["resources"]
    assert abs(point["unknown_s"] - 0.3 * 3600) < 5
    assert abs(point["down_s"] - 720) < 5


def test_an_empty_span_is_refused(house: House) -> None:
    answer = house.client().get("/dependability", params={"from": "2026-01-02", "to": "2026-01-01"})
    assert answer.status_code == 400
    assert "from must lie before to" in answer.json()["detail"]


def test_a_report_has_a_bound(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cpaas.access.answers.dependability.REPORT_RESOURCES_MAX", 1)
    watch_over(house, ("host", "", State.UP, 1), ("role:core", "", State.UP, 1))
    answer = house.client().get("/dependability")
    assert answer.status_code == 413
    assert "ask for one kind" in answer.json()["detail"]
