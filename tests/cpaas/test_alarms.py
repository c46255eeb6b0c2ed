"""Alarms: raised and cleared by what is recorded, seen by people, told in the live feed."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import httpx
import pytest

from ciaas.limits import ALARM_FLAPS_TOLD, ALARM_TEXT_CHARS_MAX
from cpaas.limits import ALARM_COMMENT_CHARS_MAX
from tests.cpaas.conftest import House
from tests.cpaas.sse import Feed, following

T = TypeVar("T")
T0 = 1_700_000_000
HOT = {"severity": "major", "text": "too hot", "raised_when": "value > 40"}


def soon(found: Callable[[], T]) -> T:
    deadline = time.monotonic() + 10
    while not (value := found()):
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)
    return value


@pytest.fixture
def boiler(house: House) -> str:
    uuid = house.endpoint("Boiler")
    point = f"{uuid}/Boiler/water/temperature"
    assert house.observe((point, 20.0, T0)).status_code == 201
    assert house.client().patch(f"/metadata/{point}", json={"alarm": HOT}).is_success
    return point


def alarms(client: httpx.Client, **query: Any) -> list[dict[str, Any]]:
    answer = client.get("/alarms", params=query)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["alarms"]
    return found


def one(house: House, **wanted: Any) -> dict[str, Any]:
    """Wait for an alarm with these values."""

    def found() -> dict[str, Any]:
        listed = alarms(house.client(), open=False)
        return next((alarm for alarm in listed if wanted.items() <= alarm.items()), {})

    return soon(found)


def history(house: House, alarm: dict[str, Any]) -> list[str]:
    answer = house.client().get(f"/alarms/{alarm['id']}").json()
    return [step["transition"] for step in answer["history"]]


def test_an_alarm_is_raised_acknowledged_and_cleared(house: House, boiler: str) -> None:
    client = house.client()
    commit = house.observe((boiler, 55.5, T0 + 1)).json()["commit"]
    alarm = one(house, state="raised")
    assert alarm | {"id": ""} == {
        "id": "",
        "address": boiler,
        "severity": "major",
        "text": "too hot",
        "state": "raised",
        "open": True,
        "value": 55.5,
        "raised_at": "2023-11-14T22:13:21.000Z",
        "cleared_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "count": 1,
        "commit": commit,
    }
    seen = client.post(f"/alarms/{alarm['id']}/acknowledge", json={"comment": "on my way"})
    assert seen.status_code == 200
    assert (seen.json()["state"], seen.json()["acknowledged_by"]) == (
        "acknowledged",
        "local-automation",
    )
    assert client.post(f"/alarms/{alarm['id']}/acknowledge").json() == seen.json()
    house.observe((boiler, 39.0, T0 + 2))
    over = one(house, state="cleared")
    assert not over["open"]
    assert over["cleared_at"] == "2023-11-14T22:13:22.000Z"
    assert alarms(client) == []
    whole = client.get(f"/alarms/{alarm['id']}").json()
    assert [
        (step["transition"], step["who"], step["why"], step["value"]) for step in whole["history"]
    ] == [
        ("raised", None, None, 55.5),
        ("acknowledged", "local-automation", "on my way", 55.5),
        ("cleared", None, None, 55.5),
    ]


def test_what_was_cleared_and_nobody_saw_stays_visible(house: House, boiler: str) -> None:
    house.observe((boiler, 50.0, T0 + 1), (boiler, 30.0, T0 + 2))
    alarm = one(house, state="cleared")
    assert [a["id"] for a in alarms(house.client())] == [alarm["id"]]
    seen = house.client().post(f"/alarms/{alarm['id']}/acknowledge").json()
    assert (seen["state"], seen["open"]) == ("cleared", False)
    assert alarms(house.client()) == []


def test_going_on_and_off_is_one_alarm_with_a_count(house: House, boiler: str) -> None:
    times = 40
    house.observe(
        *((boiler, 50.0 if n % 2 else 30.0, T0 + 1 + n) for n in range(2 * times)),
    )
    alarm = one(house, count=times)
    house.observe((boiler, 30.0, T0 + 1 + 2 * times))
    assert len(alarms(house.client(), open=False)) == 1
    told = history(house, alarm)
    assert told == ["raised", "cleared"] * ALARM_FLAPS_TOLD


def test_the_same_again_a_while_later_is_another_alarm(house: House, boiler: str) -> None:
    house.observe((boiler, 50.0, T0 + 1), (boiler, 30.0, T0 + 2))
    first = one(house, state="cleared")
    house.client().post(f"/alarms/{first['id']}/acknowledge")
    house.observe((boiler, 51.0, T0 + 3_600))
    second = one(house, state="raised")
    assert second["id"] != first["id"]
    assert [a["id"] for a in alarms(house.client(), open=False)] == [second["id"], first["id"]]


def test_bad_null_text_and_late_samples_change_nothing(house: House, boiler: str) -> None:
    house.client().patch(f"/metadata/{boiler}", json={"range": [0, 60]})
    house.observe((boiler, 99.0, T0 + 1), (boiler, "hot", T0 + 2), (boiler, None, T0 + 3))
    house.observe((boiler, 50.0, T0 + 10))
    alarm = one(house, state="raised")
    house.observe((boiler, 20.0, T0 + 5), (boiler, 51.0, T0 + 11))
    house.observe((boiler, 52.0, T0 + 12))
    soon(lambda: house.city.events.alarms._looked == house.history.last_commit())
    assert history(house, alarm) == ["raised"]
    assert one(house)["value"] == 50.0


def test_a_boolean_raises_by_being_true_or_false(house: House) -> None:
    uuid = house.endpoint("Door")
    open_, closed = f"{uuid}/Door/state/open", f"{uuid}/Door/state/closed"
    house.observe((open_, False, T0), (closed, True, T0))
    client = house.client()
    client.patch(f"/metadata/{open_}", json={"alarm": {"text": "open"}})
    client.patch(
        f"/metadata/{closed}", json={"alarm": {"text": "not closed", "raised_when": False}}
    )
    house.observe((open_, True, T0 + 1), (closed, False, T0 + 1))
    one(house, text="open", value=True, severity="warning")
    one(house, text="not closed", value=False)


def test_an_alarm_that_is_declared_no_more_is_cleared(house: House, boiler: str) -> None:
    house.observe((boiler, 50.0, T0 + 1))
    one(house, state="raised")
    house.client().patch(f"/metadata/{boiler}", json={"alarm": None})
    alarm = one(house, state="cleared")
    [*_, last] = house.client().get(f"/alarms/{alarm['id']}").json()["history"]
    assert last["why"] == "declared no more"


def test_lists_are_filtered_and_paged(house: House) -> None:
    uuid = house.endpoint("Boiler")
    points = [f"{uuid}/Boiler/water/t{n}" for n in range(6)]
    house.observe(*((point, 20.0, T0) for point in points))
    client = house.client()
    for n, point in enumerate(points):
        severity = "critical" if n % 2 else "minor"
        client.patch(f"/metadata/{point}", json={"alarm": HOT | {"severity": severity}})
    house.observe(*((point, 50.0, T0 + 1) for point in points))
    soon(lambda: len(alarms(client)) == 6)
    house.observe((points[0], 30.0, T0 + 2))
    one(house, address=points[0], state="cleared")
    assert [a["address"] for a in alarms(client, severity="critical")] == points[5::-2]
    assert [a["address"] for a in alarms(client, state="cleared")] == [points[0]]
    assert [a["address"] for a in alarms(client, address=f"{points[3]}/#")] == [points[3]]
    listed, before = [], None
    while True:
        page = client.get(
            "/alarms", params={"limit": 4} | ({} if before is None else {"before": before})
        ).json()
        listed += [alarm["address"] for alarm in page["alarms"]]
        if (before := page["before"]) is None:
            break
    assert listed == points[::-1]


def test_alarms_are_seen_by_who_may_read_the_point_and_acknowledged_by_who_may_write(
    house: House, boiler: str
) -> None:
    house.observe((boiler, 50.0, T0 + 1))
    id_ = one(house, state="raised")["id"]
    stranger = house.user("stranger", {"project:city": "BROWSE"})
    assert alarms(stranger) == []
    nothing = stranger.get("/alarms/00000000-0000-4000-8000-00000000dead")
    for answer in (stranger.get(f"/alarms/{id_}"), stranger.post(f"/alarms/{id_}/acknowledge")):
        assert (answer.status_code, answer.content) == (404, nothing.content)
    reader = house.user("reader", {"project:city": "READ"})
    assert [alarm["id"] for alarm in alarms(reader)] == [id_]
    refused = reader.post(f"/alarms/{id_}/acknowledge")
    assert refused.status_code == 403 and "WRITE" in refused.json()["detail"]
    keeper = house.user("keeper", {f"{boiler}": "WRITE"})
    assert keeper.post(f"/alarms/{id_}/acknowledge").json()["acknowledged_by"] == "keeper"
    long = keeper.post(
        f"/alarms/{id_}/acknowledge", json={"comment": "x" * (ALARM_COMMENT_CHARS_MAX + 1)}
    )
    assert long.status_code == 422


def test_steps_come_in_the_live_feed_and_are_resumed(house: House, boiler: str) -> None:
    client = house.client()
    with following(client, event="alarm") as feed:
        house.observe((boiler, 50.0, T0 + 1))
        event = feed.event("alarm")
        assert event.data["transition"] == "raised"
        assert event.data["alarm"] == one(house, state="raised")
        last = feed.id
    client.post(f"/alarms/{event.data['alarm']['id']}/acknowledge", json={"comment": "seen"})
    house.observe((boiler, 30.0, T0 + 2))
    one(house, state="cleared")
    with client.stream("GET", "/live", params={"event": ["samples", "alarm"], "after": last}) as a:
        resumed = Feed(a)
        steps = [resumed.event("alarm").data for _ in range(2)]
    assert [(step["transition"], step["why"]) for step in steps] == [
        ("acknowledged", "seen"),
        ("cleared", None),
    ]
    stranger = house.user("stranger", {"project:city": "BROWSE"})
    house.city.events.feeds.alive_s = 0.1
    with following(stranger, event="alarm", after="0:0:0") as feed:
        for _ in range(3):
            block = feed.next()
            assert block is not None and block.kind == ""


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ("hot", "write {"), ({"text": "x", "colour": "red"}, "nothing else"),
        ({"text": ""}, "text"), ({"text": "x" * (ALARM_TEXT_CHARS_MAX + 1)}, "text"),
        ({"text": "x", "severity": "bad"}, "critical"),
        ({"text": "x", "raised_when": 4}, "value > 40"),
        ({"text": "x", "raised_when": "value >"}, "raised_when"),
        ({"text": "x", "raised_when": "other > 3"}, "raised_when"),
    ],
)  # fmt: skip
def test_a_declaration_at_fault_is_refused(
    house: House, boiler: str, declared: Any, said: str
) -> None:
    answer = house.client().patch(f"/metadata/{boiler}", json={"alarm": declared})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
