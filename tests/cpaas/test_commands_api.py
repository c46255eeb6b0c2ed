"""Setting points over HTTP: the rungs, what is refused, and who may ask about it."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from ciaas.kernel.downlink.command import Rung
from ciaas.kernel.downlink.ports import Answer
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.kernel.sample import Frame, Kind
from ciaas.limits import COMMAND_TEXT_CHARS_MAX
from ciaas.ports import Feed
from cpaas import limits
from security.aaa.tokens import Scope
from tests.cpaas.conftest import House


def lamp(house: House, project: str = "city", name: str = "Lamp 12") -> str:
    """Return a new lamp that an adapter serves."""
    uuid = house.endpoint(name, project)
    dimmer = Thing(
        attributes={
            "level": Attribute(Constraint.SET_POINT, ValueType.INTEGER),
            "fade": Attribute(Constraint.PARAMETER, ValueType.NUMBER),
            "on": Attribute(Constraint.SET_POINT, ValueType.BOOLEAN),
            "scene": Attribute(Constraint.SET_POINT, ValueType.STRING),
            "power": Attribute(Constraint.MEASURE, ValueType.NUMBER),
        }
    )
    resources = house.registry.resources
    endpoint = resources.endpoint(house.city.catalogue.endpoints()[-1].uuid)
    assert endpoint.uuid == uuid
    resources.declare_model(
        endpoint.uuid, EndpointModel(nodes={"Lamp": Node(objects={"l": dimmer})})
    )
    resources.change_endpoint(endpoint.uuid, feed=Feed.ADAPTER)
    return f"{uuid}/Lamp/l"


def test_a_value_is_sent_and_verified(house: House) -> None:
    where = lamp(house)
    answer = house.client().put(f"/data/{where}/level", params={"value": "40", "wait": 10})
    assert answer.status_code == 200, answer.text
    command = answer.json()
    assert (command["value"], command["state"], command["ended"]) == (40, "verified", True)
    rungs = ["requested", "authorised", "queued", "sent", "verified"]
    assert [rung["rung"] for rung in command["rungs"]] == rungs
    assert answer.headers["Location"] == f"/api/v1/commands/{command['id']}"
    assert house.client().get(f"/commands/{command['id']}").json() == command
    assert [parcel.value for parcel in house.hands.parcels] == [40]


@pytest.mark.parametrize(
    ("attribute", "text", "value"),
    [("on", "true", True), ("fade", "1.5", 1.5), ("level", "7", 7), ("scene", "7", "7")],
)
def test_a_text_is_read_as_the_type_of_the_point(
    shared_house: House, attribute: str, text: str, value: object
) -> None:
    where = lamp(shared_house)
    answer = shared_house.client().put(f"/data/{where}/{attribute}", params={"value": text})
    assert answer.json()["value"] == value


def test_without_waiting_the_command_is_answered_at_once(house: House) -> None:
    where = lamp(house)
    house.hands.there = False
    answer = house.client().put(f"/data/{where}/level", json={"value": 40, "ttl_s": 100})
    assert answer.status_code == 202
    assert answer.json()["state"] == "queued"
    later = house.client().put(f"/data/{where}/fade", json={"value": 2}, params={"wait": 0.2})
    assert (later.status_code, later.json()["state"]) == (202, "queued")


def test_every_rung_leaves_a_line_in_the_record(house: House) -> None:
    where = lamp(house)
    command = house.client().put(f"/data/{where}/level", params={"value": "40", "wait": 10}).json()
    lines = [
        (line["what"], line["who"])
        for line in house.record.read(0, 1_000)
        if line.get("kind") == "command" and line["command"] == command["id"]
    ]
    assert [what for what, _ in lines] == [rung["rung"] for rung in command["rungs"]]
    assert lines[0][1] == "local-automation"


@pytest.mark.parametrize(
    ("overlay", "value", "reason"),
    [
        ({"range": [0, 100]}, 101, "outside the range of the point, 0 to 100"),
        ({}, "bright", "is of type Integer, 'bright' is not"),
        ({}, 1.5, "without a fraction"),
        ({"enum": {"0": "off", "100": "on"}}, 50, "none of the allowed values: 0, 100"),
        ({"interlock": {"allow": "value < 50"}}, 60, "value < 50 does not hold (value is 60)"),
    ],
)
def test_what_the_point_does_not_allow_is_rejected_and_recorded(
    shared_house: House, overlay: Any, value: Any, reason: str
) -> None:
    where = lamp(shared_house)
    client = shared_house.client()
    assert client.patch(f"/metadata/{where}/level", json=overlay).status_code == 200
    before = len(shared_house.hands.parcels)
    answer = client.put(f"/data/{where}/level", json={"value": value})
    assert answer.status_code == 409
    assert reason in answer.json()["detail"]
    command = answer.json()["command"]
    assert client.get(f"/commands/{command['id']}").json()["state"] == "rejected"
    assert len(shared_house.hands.parcels) == before


@pytest.mark.parametrize(
    ("attribute", "query", "body", "status"),
    [
        ("power", {"value": "1"}, None, 422),
        ("level", {}, None, 422),
        ("level", {"value": "1"}, {"value": 1}, 422),
        ("level", {}, {"value": None}, 422),
        ("level", {}, {"value": 1, "unit": "W"}, 422),
        ("level", {}, {"value": 1, "ttl_s": 0}, 422),
        ("level", {"wait": "61"}, {"value": 1}, 422),
        ("scene", {"value": "x" * (COMMAND_TEXT_CHARS_MAX + 1)}, None, 422),
        ("scene", {}, {"value": "x" * (COMMAND_TEXT_CHARS_MAX + 1)}, 422),
        ("level", {}, {"value": 2**70}, 422),
        ("nothing", {"value": "1"}, None, 404),
    ],
)
def test_what_can_be_no_command_leaves_none(
    shared_house: House, attribute: str, query: Any, body: Any, status: int
) -> None:
    where = lamp(shared_house)
    client = shared_house.client()
    answer = client.put(f"/data/{where}/{attribute}", params=query, json=body)
    assert answer.status_code == status, answer.text
    found = client.get("/commands", params={"address": where}).json()
    assert found == {"commands": [], "next": None}


def test_a_point_without_a_device_takes_no_command(shared_house: House) -> None:
    uuid = shared_house.endpoint("nothing behind it")
    shared_house.observe((f"{uuid}/A/b/c", 1.0, None))
    answer = shared_house.client().put(f"/data/{uuid}/A/b/c", params={"value": "1"})
    assert answer.status_code == 422


def test_an_idempotency_key_gives_the_same_command_again(house: House) -> None:
    where = lamp(house)
    client = house.client()
    key = {"Idempotency-Key": "evening"}
    one, again = (
        client.put(f"/data/{where}/level", json={"value": 40}, headers=key).json()["id"]
        for _ in range(2)
    )
    assert one == again
    other = client.put(f"/data/{where}/level", json={"value": 41}, headers=key)
    assert other.status_code == 422
    assert "take another key" in other.json()["detail"]


def test_a_newer_command_supersedes_one_that_was_not_sent(house: House) -> None:
    where = lamp(house)
    house.hands.there = False
    client = house.client()
    old = client.put(f"/data/{where}/level", json={"value": 40}).json()
    new = client.put(f"/data/{where}/level", json={"value": 50}).json()
    assert client.get(f"/commands/{old['id']}").json()["why"] == f"by {new['id']}"
    house.hands.there = True
    done = client.put(f"/data/{where}/fade", json={"value": 1}, params={"wait": 5}).json()
    assert done["state"] == "verified"
    ended = client.get("/commands", params={"address": where, "state": "superseded"}).json()
    assert [command["id"] for command in ended["commands"]] == [old["id"]]


def test_a_caller_who_waits_is_told_the_end(house: House) -> None:
    """The device answers while the request is open."""
    where = lamp(house)
    house.hands.answer = None
    seen: list[Any] = []

    def ask() -> None:
        seen.append(
            house.client().put(f"/data/{where}/level", json={"value": 40}, params={"wait": 30})
        )

    asking = threading.Thread(target=ask)
    asking.start()
    for _ in range(500):
        if house.hands.parcels:
            break
        threading.Event().wait(0.01)
    house.observe((f"{where}/power", 1.0, None))
    # what the device itself reports of the point, as its adapter would
    point = house.city.catalogue.by_address(house.hands.parcels[0].point.address)
    assert point is not None
    report(house, point.id, 40.0)
    asking.join(30)
    assert (seen[0].status_code, seen[0].json()["state"]) == (200, "verified")


def report(house: House, point: int, value: float) -> None:
    """Have the writer of history record a reading of a point, as if it came from a device."""
    now = house.city.clock.now_ms() + 1
    frame = Frame(
        point=np.array([point], np.uint32),
        observed=np.array([now], np.int64),
        received=np.array([now], np.int64),
        kind=np.array([Kind.INTEGER], np.uint8),
        num=np.array([value]),
        txt=np.array([None], np.object_),
        verdict=np.zeros(1, np.uint8),
        reason=np.zeros(1, np.uint16),
        raw=np.array([None], np.object_),
        source=np.zeros(1, np.uint32),
        revision=np.zeros(1, np.uint16),
    )
    house.uplink.write(frame).result(10)


def test_levels_and_scopes_are_asked(house: House) -> None:
    where = lamp(house)
    uuid = where.partition("/")[0]
    reader = house.user("reader", {f"{uuid}/#": "READ"})
    assert reader.put(f"/data/{where}/level", params={"value": "1"}).status_code == 403
    writer = house.user("writer", {f"{where}/level": "WRITE"})
    answer = writer.put(f"/data/{where}/level", params={"value": "1", "wait": 5})
    assert answer.status_code == 200
    assert writer.put(f"/data/{where}/fade", params={"value": "1"}).status_code == 404
    timid = house.user("timid", {f"{uuid}/#": "OWN"}, frozenset({Scope.READ}))
    assert timid.put(f"/data/{where}/level", params={"value": "1"}).status_code == 403
    id_ = answer.json()["id"]
    assert reader.get(f"/commands/{id_}").status_code == 200
    assert house.user("stranger").get(f"/commands/{id_}").status_code == 404
    assert house.user("other").get("/commands").json() == {"commands": [], "next": None}


def test_a_right_taken_away_meanwhile_stops_a_queued_command(house: House) -> None:
    where = lamp(house)
    house.hands.there = False
    writer = house.user("writer", {f"{where}/level": "WRITE"})
    id_ = writer.put(f"/data/{where}/level", params={"value": "1"}).json()["id"]
    house.grant("writer", f"{where}/level", "DENY")
    house.hands.there = True
    ended = house.city.commands.outcome(house.city.commands.command(id_)).result(10)
    assert (ended.state, ended.steps[-1].why) == (
        Rung.REJECTED,
        "the user holds no WRITE on the point any more",
    )
    assert house.hands.parcels == []


def test_lists_are_paged_over_what_is_not_the_callers(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, other = lamp(house), lamp(house, name="Lamp 13")
    house.hands.answer = Answer(Rung.REJECTED, "field", "no")
    client = house.client()
    for number in range(6):
        for where in (mine, other, other):
            client.put(
                f"/data/{where}/level", json={"value": number, "ttl_s": 5}, params={"wait": 9}
            )
    reader = house.user("reader", {f"{mine.partition('/')[0]}/#": "READ"})
    values, before = [], None
    for _ in range(20):
        page = reader.get("/commands", params={"limit": 2} | ({"before": before} if before else {}))
        values += [command["value"] for command in page.json()["commands"]]
        before = page.json()["next"]
        if before is None:
            break
    assert values == [5, 4, 3, 2, 1, 0]
    monkeypatch.setattr("cpaas.access.routes.commands.commands.COMMAND_PAGES_READ_MAX", 1)
    page = house.user("nobody", {f"{mine}/power": "READ"}).get("/commands", params={"limit": 2})
    assert page.json()["commands"] == []
    assert page.json()["next"] is not None


def test_waiting_has_a_bound() -> None:
    assert limits.COMMAND_WAIT_S_MAX == 60
