"""Grants on classes, selections and endpoint groups, for a time, for a purpose, and handed on."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from security.aaa.subjects import Party
from security.limits import DECIDERS_TOLD_MAX
from tests.cpaas.conftest import House

NOW = int(time.time()) - 3_600
APP = "app:00000000-0000-4000-8000-00000000000a"
CLAIM = "claim:https://city.example/idp#role=warden"


@pytest.fixture
def lamps(house: House) -> list[str]:
    """Three lamps of the class Lamp with a camera each, the points' values recorded."""
    made = []
    for number in range(3):
        uuid = house.endpoint(f"Lamp {number}")
        measured = {"value": Attribute(Constraint.MEASURE, ValueType.NUMBER)}
        objects = {
            "lamp": Thing("Lamp", attributes=measured),
            "eye": Thing("Camera", attributes=measured),
        }
        model = EndpointModel(nodes={"n": Node(("Beacon",), objects)})
        house.city.catalogue.declare(house.city.catalogue.endpoints()[-1].uuid, model)
        sent = house.observe((f"{uuid}/n/lamp/value", 1.0, NOW), (f"{uuid}/n/eye/value", 2.0, NOW))
        assert sent.json()["refused"] == []
        made.append(uuid)
    return made


def grant(client: httpx.Client, expected: int = 204, /, **body: Any) -> httpx.Response:
    answer = client.put("/grants", json=body)
    assert answer.status_code == expected, answer.text
    return answer


def at(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat()


def seen(client: httpx.Client) -> set[str]:
    """Addresses that a search for all shows with a value."""
    hits = client.get("/search").json()["hits"]
    return {hit["address"] for hit in hits if hit["value"] is not None}


def test_a_class_is_granted_and_denied_as_a_whole(house: House, lamps: list[str]) -> None:
    admin, anna = house.client(), house.user("anna")
    grant(admin, user="anna", prefix="class:city/Lamp", level="READ")
    of_class = {f"{uuid}/n/lamp/value" for uuid in lamps}
    assert seen(anna) == of_class
    assert anna.get(f"/data/{lamps[0]}/n/lamp/value").json()["value"] == 1.0
    assert anna.get(f"/data/{lamps[0]}/n/eye/value").status_code == 404
    assert list(anna.get(f"/data/{lamps[0]}").json()) == [f"{lamps[0]}/n/lamp/value"]
    assert len(anna.get("/endpoints").json()) == 3
    bert = house.user("bert", {"project:city": "READ"})
    grant(admin, user="bert", prefix="class:city/Camera", level="DENY")
    assert seen(bert) == of_class
    grant(admin, user="bert", prefix=f"{lamps[0]}/#", level="READ")  # narrower than the class
    assert seen(bert) == of_class | {f"{lamps[0]}/n/eye/value"}
    grant(admin, user="anna", prefix="class:city/Beacon", level="READ")  # what the node implements
    assert len(seen(anna)) == 6
    gone = admin.delete("/grants", params={"user": "anna", "prefix": "class:city/Beacon"})
    assert gone.status_code == 204
    new = house.endpoint("Lamp 4")
    model = house.city.catalogue.endpoints()[0].model
    assert model is not None
    house.city.catalogue.declare(house.city.catalogue.endpoints()[-1].uuid, model)
    house.observe((f"{new}/n/lamp/value", 3.0, NOW))
    assert seen(anna) == of_class | {f"{new}/n/lamp/value"}


def test_a_selection_follows_its_filter_and_its_points(house: House, lamps: list[str]) -> None:
    admin, anna = house.client(), house.user("anna")
    made = admin.put("/selections/city/north", json={"filter": {"tag": "north"}})
    assert (made.status_code, made.json()["revision"], made.json()["points"]) == (201, 1, 0)
    grant(admin, user="anna", prefix="selection:city/north", level="READ")
    assert seen(anna) == set()
    admin.patch(f"/metadata/{lamps[1]}/n/lamp", json={"tags": ["north"]})
    assert seen(anna) == {f"{lamps[1]}/n/lamp/value"}
    admin.patch(f"/metadata/{lamps[1]}", json={"tags": ["north"]})
    assert len(seen(anna)) == 2
    wider = {"filter": {"any": [{"tag": "north"}, {"class": "Camera"}]}, "revision": 1}
    assert admin.put("/selections/city/north", json=wider).json()["points"] == 4
    assert len(seen(anna)) == 4
    assert admin.put("/selections/city/north", json={**wider, "filter": {}}).status_code == 409
    told = admin.get("/selections/city/north").json()
    assert [(r["revision"], r["author"]) for r in told["revisions"]] == [
        (2, "local-automation"), (1, "local-automation"),
    ]  # fmt: skip
    assert admin.delete("/selections/city/north").status_code == 204
    assert seen(anna) == set()
    assert anna.get("/rights").json() == []
    again = admin.put("/selections/city/north", json={"filter": {}})
    assert (again.status_code, seen(anna)) == (201, set())


@pytest.mark.parametrize(
    "filter", [{"value": ">1"}, {"silent": "1h"}, {"permission": "READ"}, {"project": "city"}]
)
def test_a_selection_goes_by_what_points_are(shared_house: House, filter: dict[str, Any]) -> None:
    refused = shared_house.client().put("/selections/city/a", json={"filter": filter})
    assert (refused.status_code, "leave it out" in refused.text) == (422, True)


def test_an_endpoint_group_gives_what_is_in_it(house: House, lamps: list[str]) -> None:
    admin, anna = house.client(), house.user("anna")
    assert admin.put("/endpoint-groups/city/field").json()["endpoints"] == []
    grant(admin, user="anna", prefix="endpoints:city/field", level="READ")
    path = f"/endpoint-groups/city/field/members/{lamps[2]}"
    before = house.registry.version()
    assert admin.put(path).status_code == 204
    assert house.registry.version() == before + 1
    assert seen(anna) == {f"{lamps[2]}/n/lamp/value", f"{lamps[2]}/n/eye/value"}
    assert anna.get(f"/data/{lamps[0]}").status_code == 404
    assert admin.get("/endpoint-groups/city/field").json()["endpoints"] == [lamps[2]]
    assert admin.delete(path).status_code == 204
    assert admin.delete(path).status_code == 404
    assert seen(anna) == set()
    house.project("parks")
    foreign = house.endpoint("Bench", project="parks")
    assert admin.put(f"/endpoint-groups/city/field/members/{foreign}").status_code == 422
    assert admin.delete("/endpoint-groups/city/field").status_code == 204
    assert admin.get("/endpoint-groups", params={"project": "city"}).json() == []


def test_a_grant_ends_by_itself_to_the_second(house: House, lamps: list[str]) -> None:
    admin, anna = house.client(), house.user("anna")
    point = f"{lamps[0]}/n/lamp/value"
    grant(admin, user="anna", prefix=point, level="READ", **{"from": at(3_600)})
    assert anna.get(f"/data/{point}").status_code == 404
    grant(admin, user="anna", prefix=point, level="READ", until=at(1.0))
    ends = time.time() + 1.0
    assert anna.get(f"/data/{point}").status_code == 200
    while anna.get(f"/data/{point}").status_code == 200:
        assert time.time() < ends + 1.0
    assert time.time() > ends - 0.5
    assert [entry["level"] for entry in anna.get("/rights").json()] == ["READ"]
    grant(admin, 422, user="anna", prefix=point, level="READ", **{"from": at(2), "until": at(1)})
    grant(admin, 400, user="anna", prefix=point, level="READ", until="tomorrow")
    grant(admin, user="anna", prefix=point, level="READ")  # takes the place of the other
    assert anna.get("/rights").json() == [
        {"prefix": f"{point}/#", "level": "READ", "admin": False, "groups": []}
    ]


def test_a_purpose_is_stated_bound_and_recorded(house: House, lamps: list[str]) -> None:
    admin, anna = house.client(), house.user("anna")
    point = f"{lamps[0]}/n/eye/value"
    grant(admin, user="anna", prefix=point, level="READ", purpose="accident-research")
    stated = {"Borough-Purpose": "accident-research"}
    assert anna.get(f"/data/{point}").status_code == 404
    assert anna.get(f"/data/{point}", headers={"Borough-Purpose": "curiosity"}).status_code == 404
    assert anna.get(f"/data/{point}", headers=stated).status_code == 200
    assert anna.get(f"/data/{point}", headers={"Borough-Purpose": "No Good"}).status_code == 400
    [entry] = [
        e for e in house.recorded()
        if e["who"] == "anna" and e["status"] == 200 and e["path"].endswith(point)
    ]  # fmt: skip
    [held] = admin.get("/rights", params={"subject": "anna"}).json()
    assert (entry["about"]["purpose"], held["purpose"]) == ("accident-research",) * 2
    assert entry["about"]["under"] == [f"permit {held['number']}"]
    asked = {"subject": "anna", "address": point, "action": "read"}
    why = admin.get("/rights/why", params=asked).json()
    assert (why["allowed"], why["overruled"][0]["in_force"]) == (False, False)
    why = admin.get("/rights/why", params={**asked, "purpose": "accident-research"}).json()
    assert (why["allowed"], why["decides"][0]["number"]) == (True, held["number"])
    gone = {"user": "anna", "prefix": point}
    assert admin.delete("/grants", params=gone).status_code == 404
    named = {**gone, "purpose": "accident-research"}
    assert admin.delete("/grants", params=named).status_code == 204


def test_nobody_hands_on_more_than_is_held_there_then_and_for_that(
    house: House, lamps: list[str]
) -> None:
    admin, boss = house.client(), house.user("boss")
    house.user("anna")
    until = at(3_600)
    grant(admin, user="boss", prefix=f"{lamps[0]}/#", level="GRANT", until=until)
    mine = {"user": "anna", "prefix": f"{lamps[0]}/n/lamp/value", "level": "READ"}
    assert "for longer" in grant(boss, 403, **mine).text
    grant(boss, 403, **mine, until=at(7_200))
    grant(boss, 403, **mine, **{"from": at(7_200)}, until=at(7_300))
    grant(boss, **mine, until=at(3_000))
    grant(boss, 403, user="anna", prefix=mine["prefix"], level="OWN", until=at(3_000))
    grant(boss, 403, user="anna", prefix="class:city/Lamp", level="READ", until=at(3_000))
    steward = house.user("steward")
    grant(admin, user="steward", prefix="project:city", level="GRANT", purpose="works")
    stated = {"Borough-Purpose": "works"}
    body = {"user": "anna", "prefix": "class:city/Lamp", "level": "READ"}
    assert steward.put("/grants", json=body).status_code == 404
    assert steward.put("/grants", json=body, headers=stated).status_code == 403
    bound = {**body, "purpose": "works"}
    assert steward.put("/grants", json=bound, headers=stated).status_code == 204
    listed = admin.get("/grants").json()
    [given] = [entry for entry in listed if entry["prefix"] == "class:city/Lamp"]
    assert (given["user"], given["purpose"]) == ("anna", "works")


def test_a_writer_forges_no_reading_and_a_reporter_commands_nothing(
    house: House, lamps: list[str]
) -> None:
    point = f"{lamps[0]}/n/lamp/value"
    sent = {"observations": [{"address": point, "value": 9.0}]}
    for level, may in (("WRITE", False), ("OBSERVE", True), ("OPERATE", True), ("READ", False)):
        client = house.user(level.lower(), {point: level})
        assert (client.post("/observations", json=sent).status_code == 201) is may, level
    reporter = house.client()
    reporter.headers["Authorization"] = house.user("r2", {point: "OBSERVE"}).headers[
        "Authorization"
    ]
    assert reporter.put(f"/data/{point}", params={"value": 1}).status_code == 403


def test_describing_is_told_from_reading(house: House, lamps: list[str]) -> None:
    point = f"{lamps[0]}/n/lamp/value"
    house.client().patch(f"/metadata/{point}", json={"title": "Corner lamp", "unit": "lm"})
    anna = house.user("anna", {f"{lamps[0]}/#": "DESCRIBE"})
    [hit] = anna.get("/search", params={"text": "corner"}).json()["hits"]
    assert (hit["title"], hit["value"], hit["timestamp"]) == ("Corner lamp", None, None)
    assert hit["permission"] == "DESCRIBE"
    assert anna.get(f"/metadata/{point}").json()["own"]["unit"] == "lm"
    for query in ({"value": ">0"}, {"verdict": "good"}, {"silent": "1s"}):
        assert anna.get("/search", params=query).json()["count"] == 0
    for sort in ("value", "-observed"):
        order = [h["address"] for h in anna.get("/search", params={"sort": sort}).json()["hits"]]
        assert order == sorted(order)
    for path in (f"/data/{point}", f"/history/{point}"):
        assert anna.get(path).status_code == 403
    asked = {"select": {"addresses": [point]}, "interval": {"last": "1d"}}
    assert anna.post("/query", json=asked).status_code == 403
    browser = house.user("bert", {f"{lamps[0]}/#": "BROWSE"})
    assert browser.get("/search", params={"text": "corner"}).json()["count"] == 0
    assert browser.get(f"/metadata/{point}").status_code == 403
    assert browser.get(f"/endpoints/{lamps[0]}").json()["dataModel"]["nodes"]["n"]
    kinds = {c["kind"] for c in browser.get("/changes").json()["changes"]}
    assert kinds == {"endpoint", "point"}


def test_subjects_that_are_no_users_are_granted_and_listed(house: House, lamps: list[str]) -> None:
    admin, point = house.client(), f"{lamps[0]}/n/lamp/value"
    path = ("1", *point.split("/"))
    grant(admin, subject=APP, prefix=point, level="READ")
    party = Party(None, frozenset({APP}))
    assert house.city.rights.level(party, path).name == "READ"
    assert house.city.rights.level(party, ("1", lamps[0], "n", "eye", "value")).name == "DENY"
    there = admin.get("/rights", params={"prefix": point}).json()
    assert [e["subject"] for e in there] == [APP, "local-automation"]
    held = admin.get("/rights", params={"subject": APP}).json()
    assert [(e["prefix"], e["level"]) for e in held] == [(f"{point}/#", "READ")]
    asked = {"subject": APP, "address": point, "action": "read"}
    assert admin.get("/rights/why", params=asked).json()["allowed"] is True
    gone = {"subject": APP, "prefix": point}
    assert admin.delete("/grants", params=gone).status_code == 204
    assert admin.get("/rights/why", params=asked).json()["allowed"] is False
    for wrong in ("app:lamp", "claim:x", "nothing", "Upper:x", CLAIM, "robot:x"):
        grant(admin, 422, subject=wrong, prefix=point, level="READ")
    grant(admin, 422, subject=APP, user="local-automation", prefix=point, level="READ")
    grant(admin, 404, subject="user:nobody", prefix=point, level="READ")


def test_who_changes_a_set_could_grant_what_is_granted_on_it(
    house: House, lamps: list[str]
) -> None:
    admin = house.client()
    house.user("anna")
    boss = house.user("boss", {"project:city": "GRANT"})
    assert boss.put("/selections/city/s", json={"filter": {"tag": "x"}}).status_code == 201
    assert boss.put("/endpoint-groups/city/g").status_code == 200
    grant(boss, user="anna", prefix="selection:city/s", level="READ")
    assert boss.put("/selections/city/s", json={"filter": {"tag": "y"}}).status_code == 200
    for prefix in ("selection:city/s", "endpoints:city/g"):
        grant(admin, user="anna", prefix=prefix, level="OWN")
    assert boss.put("/selections/city/s", json={"filter": {}}).status_code == 403
    assert boss.delete("/selections/city/s").status_code == 403
    assert boss.put(f"/endpoint-groups/city/g/members/{lamps[0]}").status_code == 403
    grant(admin, user="anna", prefix="selection:city/s", level="DENY")
    assert boss.put("/selections/city/s", json={"filter": {}}).status_code == 403
    house.user("owner", {"project:city": "OWN"})
    refused = grant(boss, 403, user="owner", prefix="class:city/Lamp", level="DENY")
    assert "holds OWN there, more than you" in refused.text
    house.user("tenant")
    grant(admin, user="tenant", prefix="endpoints:city/g", level="OWN", purpose="repair")
    grant(boss, 403, user="tenant", prefix="class:city/Camera", level="DENY")
    reader = house.user("reader", {"project:city": "READ"})
    assert reader.get("/selections", params={"project": "city"}).json()[0]["name"] == "s"
    assert reader.put("/selections/city/t", json={"filter": {}}).status_code == 403


def test_an_application_is_given_exactly_one_point(house: House, lamps: list[str]) -> None:
    admin, point = house.client(), f"{lamps[1]}/n/lamp/value"
    wanted = {"name": "Light map", "redirect_uris": [], "grants": ["client_credentials"],
              "scopes": ["read"]}  # fmt: skip
    made = admin.post("/applications", params={"project": "city"}, json=wanted).json()
    subject = f"app:{made['client_id']}"
    grant(admin, subject=subject, prefix=point, level="READ")
    app = token_of(house, made)
    assert seen(app) == {point}
    assert [e["uuid"] for e in app.get("/endpoints").json()] == [lamps[1]]
    assert app.get(f"/data/{point}").json()["value"] == 1.0
    for hidden in (f"{lamps[1]}/n/eye/value", f"{lamps[0]}/n/lamp/value"):
        assert app.get(f"/data/{hidden}").status_code == 404
    there = admin.get("/rights", params={"prefix": point}).json()
    assert subject in [entry["subject"] for entry in there]
    purposeful = {"subject": subject, "prefix": "class:city/Camera", "level": "READ"}
    grant(admin, **purposeful, purpose="counting")
    stated = {"Borough-Purpose": "counting"}
    assert app.get(f"/data/{lamps[0]}/n/eye/value", headers=stated).status_code == 200
    assert admin.delete(f"/applications/{made['client_id']}").status_code == 204
    assert house.registry.permits.permits() == []


def token_of(house: House, made: dict[str, Any]) -> httpx.Client:
    """Return a client of an application that acts for itself."""
    url = str(house.client().base_url.copy_with(path="/oauth2/token"))
    identity = (made["client_id"], made["client_secret"])
    answer = httpx.post(url, auth=identity, data={"grant_type": "client_credentials"})
    assert answer.status_code == 200, answer.text
    return house.client(answer.json()["access_token"])


def test_a_read_of_many_points_names_some_of_the_grants_that_let_it_through(house: House) -> None:
    uuid = house.endpoint()
    points = [f"{uuid}/n/o/p{number}" for number in range(2 * DECIDERS_TOLD_MAX)]
    house.observe(*((point, 1.0, NOW) for point in points))
    anna = house.user("anna", dict.fromkeys(points, "READ"))
    assert len(anna.get(f"/data/{uuid}").json()) == len(points)
    about = house.recorded()[-1]["about"]
    assert about["count"] == len(points)
    assert 1 < len(about["under"]) <= DECIDERS_TOLD_MAX
    assert all(grant.startswith("own 1/") for grant in about["under"])
    house.client().get(f"/data/{points[0]}")
    assert house.recorded()[-1]["about"]["under"] == ["admin"]
