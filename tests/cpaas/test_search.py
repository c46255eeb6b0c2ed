"""Search over the API: what is found, in which order, page by page, and for whom."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from borough.roles.finding import Finding
from borough.roles.rights_feed import RightsFeed
from ciaas.computing.admission.ports import Refusal, RefusalKind
from ciaas.sensorisation.contract import Sighting, SuggestedPoint
from ciaas.sensorisation.sighting import Candidate, SightingBoard
from cpaas.limits import LIST_MAX
from tests.cpaas.conftest import House

UNKNOWN = "00000000-0000-4000-8000-00000000dead"


@pytest.fixture(scope="module")
def street(shared_house: House) -> list[str]:
    """Five lamps of their own project, 111 m apart; the second is dark and without a place."""
    shared_house.project("street")
    return [_lamp(shared_house, number) for number in range(5)]


def _lamp(house: House, number: int) -> str:
    uuid = house.endpoint(f"Straßenlampe {number}", "street")
    if number != 1:
        at = 1_700_000_000 + number
        observed = house.observe((f"{uuid}/Light/lamp/power", 10.0 * number, at))
        assert observed.status_code == 201, observed.text
    overlay: dict[str, Any] = {"unit": "W", "quantity": "power", "tags": ["lighting"]}
    if number != 1:
        overlay["place"] = {"lat": 60.0 + number / 1_000, "lon": 25.0}
    assert house.client().patch(f"/metadata/{uuid}", json=overlay).status_code == 200
    return uuid


def ask(client: httpx.Client, **query: Any) -> dict[str, Any]:
    answer = client.get("/search", params=query)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def names(found: dict[str, Any]) -> list[int]:
    return [int(hit["friendlyName"].rpartition(" ")[2]) for hit in found["hits"]]


def test_a_hit_tells_what_a_map_or_a_list_shows(shared_house: House, street: list[str]) -> None:
    shared_house.room.inside.add(street[2])
    found = ask(shared_house.client(), text="strassenlampe 2", near="60,25,5000")
    shared_house.room.inside.clear()
    [hit] = found["hits"]
    assert hit.pop("received_at")
    assert hit == {
        "address": f"{street[2]}/Light/lamp/power",
        "friendlyName": "Straßenlampe 2",
        "project": "street",
        "class": None,
        "title": None,
        "unit": "W",
        "quantity": "power",
        "tags": ["lighting"],
        "place": {"lat": 60.002, "lon": 25.0},
        "online": True,
        "permission": "OWN",
        "constraint": "Measure",
        "type": "Number",
        "timestamp": 1700000002.0,
        "value": 20.0,
        "observed_at": "2023-11-14T22:13:22.000Z",
        "verdict": "good",
        "distance_m": 222.4,
    }
    assert (found["count"], found["next"]) == (1, None)


def test_an_endpoint_hit(shared_house: House, street: list[str]) -> None:
    [hit] = ask(shared_house.client(), what="endpoints", address=street[1])["hits"]
    assert hit == {
        "uuid": street[1],
        "friendlyName": "Straßenlampe 1",
        "banned": False,
        "online": False,
        "permission": "OWN",
        "project": "street",
        "feed": None,
        "title": None,
        "tags": ["lighting"],
        "place": None,
    }


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({"value": ">15"}, [2, 3, 4]),
        ({"value": [">35", "0"]}, [0, 4]),
        ({"value": "10..30", "near": "60,25,300"}, [2]),
        ({"box": "60.0015,24,60.0035,26"}, [2, 3]),
        ({"sort": "-value"}, [4, 3, 2, 0]),
        ({"sort": "-distance", "near": "60,25,9999"}, [4, 3, 2, 0]),
        ({"what": "endpoints"}, [0, 1, 2, 3, 4]),
        ({"what": "endpoints", "sort": "-name"}, [4, 3, 2, 1, 0]),
        ({"what": "endpoints", "near": "60.004,25,150", "sort": "distance"}, [4, 3]),
        ({"what": "endpoints", "state": "online"}, []),
        ({"state": "offline", "verdict": "good", "constraint": "Measure"}, [0, 2, 3, 4]),
        ({"silent": "1d"}, []),
        ({"quantity": "light"}, []),
        ({"permission": "OWN", "implements": "nothing"}, []),
    ],
)  # fmt: skip
def test_finding(
    shared_house: House, street: list[str], query: dict[str, Any], found: list[int]
) -> None:
    answer = ask(shared_house.client(), project="street", **query)
    assert names(answer) == found
    assert answer["count"] == len(found)
    document = {key: query[key] for key in query if key not in ("what", "sort")}
    rest = {key: query[key] for key in query if key in ("what", "sort")}
    body = {"filter": {"project": "street", **document}, **rest}
    posted = shared_house.client().post("/search", json=body)
    assert posted.json() == answer


def test_a_document_may_nest(shared_house: House, street: list[str]) -> None:
    filter = {
        "project": ["street"],
        "any": [{"value": ">35"}, {"all": [{"text": "strassenlampe"}, {"value": 0}]}],
        "not": {"near": {"lat": 60, "lon": 25, "radius_m": 1}},
    }
    found = shared_house.client().post("/search", json={"filter": filter}).json()
    assert names(found) == [4]
    entry = shared_house.recorded()[-1]
    assert entry["path"] == "/api/v1/search"
    assert "lampe" in entry["about"]["select"]


def test_pages(shared_house: House, street: list[str]) -> None:
    met: list[int] = []
    query: dict[str, Any] = {"project": "street", "sort": "-value", "limit": 3}
    while True:
        page = ask(shared_house.client(), **query)
        assert page["count"] == 4
        met += names(page)
        if page["next"] is None:
            break
        query["after"] = page["next"]
    assert met == [4, 3, 2, 0]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"near": "60"}, "write the numbers lat,lon,radius_m"),
        ({"value": "<x"}, "write >40"),
        ({"colour": "red"}, "colour"),
        ({"sort": "distance"}, "needs near="),
        ({"sort": "age"}, "'name'"),
        ({"what": "endpoints", "sort": "value"}, "use name or distance"),
        ({"what": "lamps"}, "'points', 'endpoints' or 'candidates'"),
        ({"limit": LIST_MAX + 1}, str(LIST_MAX)),
        ({"after": "x"}, "give the `next`"),
        ({"what": "candidates", "tag": "x"}, "text and project alone"),
        ({"what": "candidates", "sort": "-name"}, "leave sort and after out"),
    ],
)
def test_what_is_wrong_is_said(shared_house: House, query: dict[str, Any], said: str) -> None:
    answer = shared_house.client().get("/search", params=query)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert "Value error" not in answer.text


def test_each_finds_and_counts_what_is_theirs(shared_house: House, street: list[str]) -> None:
    one_point = f"{street[3]}/Light/lamp/power"
    neighbour = shared_house.user("neighbour", {one_point: "READ"})
    everything = ask(neighbour)
    assert [hit["address"] for hit in everything["hits"]] == [one_point]
    assert (everything["count"], everything["hits"][0]["permission"]) == (1, "READ")
    assert names(ask(neighbour, what="endpoints")) == [3]
    assert ask(neighbour, text="strassenlampe")["count"] == 1
    assert ask(neighbour, permission="WRITE")["count"] == 0
    # The place is the endpoint's, which may be known and not browsed.
    [hit] = ask(neighbour, what="endpoints", near="60,25,9999")["hits"]
    assert "distance_m" not in hit
    assert hit["place"] is None
    shared_house.grant("neighbour", f"{street[3]}/#", "DENY")
    assert ask(neighbour)["count"] == 1, "the longer prefix decides"
    shared_house.grant("neighbour", one_point, "DENY")
    assert ask(neighbour) == ask(neighbour, what="endpoints") == {
        "count": 0, "hits": [], "next": None,
    }  # fmt: skip


def test_candidates_are_for_those_who_may_enrol(shared_house: House, street: list[str]) -> None:
    desk = shared_house.city.directory
    for client, reason in ((UNKNOWN, "unknown"), (street[0], "revoked"), ("sensor-7", "unknown")):
        desk.doorstep.refused(client, reason, "from 10.0.0.1", 1_700_000_000_000)
    resources = shared_house.registry.resources
    project = next(one for one in resources.projects() if one.name == "street")
    resources.put_connection("yard", project.id, "modbus", {"x": 1}, True)
    assert isinstance(desk.discovered, SightingBoard)
    point = SuggestedPoint("Air/sensor/temperature", "temperature", "number")
    seen = Sighting("0x00124b", "Sensor in the yard", {}, (point,), 1_700_000_000_000)
    desk.discovered.take("field", [Candidate("yard", seen)])

    found = ask(shared_house.client(), what="candidates")
    assert found["count"] == 4
    assert [hit["name"] for hit in found["hits"]] == sorted(
        [UNKNOWN, street[0], "Sensor in the yard", "sensor-7"]
    )
    [discovered] = ask(shared_house.client(), what="candidates", text="YARD 0x0012")["hits"]
    assert discovered == {
        "kind": "discovered",
        "name": "Sensor in the yard",
        "connection": "yard",
        "externalId": "0x00124b",
        "config": {},
        "points": ["Air/sensor/temperature"],
        "last_seen": "2023-11-14T22:13:20.000Z",
    }
    foreman = shared_house.user("foreman", {"project:street": "CONFIGURE"})
    assert {hit["name"] for hit in ask(foreman, what="candidates")["hits"]} == {
        "Sensor in the yard", street[0],
    }  # fmt: skip
    assert ask(foreman, what="candidates", project="city")["count"] == 0
    reader = shared_house.user("street-reader", {"project:street": "READ"})
    assert ask(reader, what="candidates")["count"] == 0
    shared_house.room.inside.add(street[0])
    assert ask(foreman, what="candidates")["count"] == 1
    shared_house.room.inside.clear()


def test_the_door_tells_the_directory_whom_it_refused(shared_house: House) -> None:
    house, city = shared_house, shared_house.city
    rights = RightsFeed(house.registry)
    finding = Finding(city.catalogue, house.history, house.registry, rights, house.room, city.clock)
    for kind in RefusalKind:
        finding.refused(Refusal(at=5, client=f"by {kind}", kind=kind, reason="unknown"))
    [refused] = finding.desk.doorstep.outside()
    assert (refused.client, refused.reason, refused.last_seen) == ("by connect", "unknown", 5)
    finding.warm_up()
    assert finding.directory.index.version == 1


def test_changes_are_followed(shared_house: House, street: list[str]) -> None:
    client = shared_house.client()

    def changes(after: str) -> tuple[list[dict[str, Any]], str]:
        found: list[dict[str, Any]] = []
        while True:
            answer = client.get("/changes", params={"after": after, "limit": 50})
            assert answer.status_code == 200, answer.text
            page = answer.json()
            found += page["changes"]
            after = page["next"]
            if not page["more"]:
                return found, after

    everything, now = changes("0")
    assert {one["address"] for one in everything} >= set(street)
    assert changes(now) == ([], now)
    shared_house.registry.resources.change_endpoint(street[0], friendly_name="Laterne 0")  # type: ignore[arg-type] # a UUID
    [changed], _ = changes(now)
    assert (changed["kind"], changed["change"], changed["address"]) == (
        "endpoint", "changed", street[0],
    )  # fmt: skip
    assert changed["value"]["friendlyName"] == "Laterne 0"
    shared_house.registry.resources.change_endpoint(street[0], friendly_name="Straßenlampe 0")  # type: ignore[arg-type] # a UUID
    stranger = shared_house.user("follower")
    assert stranger.get("/changes").json()["changes"] == []
    refused = client.get("/changes", params={"after": "yesterday"})
    assert refused.status_code == 422
    assert "no position" in refused.json()["detail"]
