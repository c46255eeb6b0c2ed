"""Whatever is asked, the directory finds what going through everything one by one finds."""

from __future__ import annotations

import math
import unicodedata
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ciaas.kernel.address import EndpointId
from ciaas.kernel.sample import Frame, Kind, Reason, Verdict
from ciaas.management.directory import sight
from ciaas.management.directory.filter import Filter
from ciaas.ports import Endpoint, Feed, Point
from security.aaa.levels import Level
from tests.ciaas.management.directory.conftest import FRESH_MS, NOW, USERS, Town

OF_POINTS = {"class", "implements", "constraint", "unit", "quantity", "value", "verdict"}
OF_SAMPLES = {"value", "verdict", "silent"}
Document = dict[str, Any]


class Oracle:
    """The same questions, answered slowly and without an index."""

    def __init__(self, town: Town, user: int) -> None:
        self.town, self.user = town, user
        self.names = {project.name: project.id for project in town.projects}

    def points(self, asked: Document, least: Level = Level.READ) -> set[str]:
        level = max(least, Level[asked.get("permission", least.name)])
        return {point.address for point in self.seen(level) if self.of_point(point, asked, False)}

    def endpoints(self, asked: Document) -> set[str]:
        level = Level[asked.get("permission", "ACCESS")]
        found = set()
        for endpoint in self.town.catalogue.endpoints():
            path = (str(endpoint.project), endpoint.uuid)
            held = self.town.rights.level(self.user, path) >= level
            if level is Level.ACCESS:
                held = self.town.rights.under(self.user, path, level)
            if not held:
                continue
            own = not uses(asked, OF_POINTS) and self.holds(endpoint, None, asked, True)
            need = Level.READ if uses(asked, OF_SAMPLES) else Level.DESCRIBE
            inner = (p for p in self.seen(need) if p.address.startswith(endpoint.uuid))
            if own or any(self.of_point(point, asked, True) for point in inner):
                found.add(str(endpoint.uuid))
        return found

    def seen(self, level: Level) -> list[Point]:
        town, seen = self.town, []
        for point in town.catalogue.under(()):
            uuid, *levels = point.address.split("/")
            endpoint = town.catalogue.endpoint(EndpointId(uuid))
            assert endpoint is not None
            if town.rights.level(self.user, (str(endpoint.project), uuid, *levels)) >= level:
                seen.append(point)
        return seen

    def of_point(self, point: Point, asked: Document, by_endpoint: bool) -> bool:
        endpoint = self.town.catalogue.endpoint(EndpointId(point.address.split("/")[0]))
        assert endpoint is not None
        return self.holds(endpoint, point, asked, by_endpoint)

    def holds(
        self, endpoint: Endpoint, point: Point | None, asked: Document, by_endpoint: bool
    ) -> bool:
        for key, value in asked.items():
            entries = value if isinstance(value, list) else [value]
            match key:
                case "all":
                    met = all(self.holds(endpoint, point, one, by_endpoint) for one in entries)
                case "any":
                    met = any(self.holds(endpoint, point, one, by_endpoint) for one in entries)
                case "not":
                    met = not self.holds(endpoint, point, value, by_endpoint)
                case "permission":
                    met = True
                case "silent":
                    met = self.silent(endpoint, point, value, by_endpoint)
                case _:
                    met = any(self.one(endpoint, point, key, entry) for entry in entries)
            if not met:
                return False
        return True

    def one(self, endpoint: Endpoint, point: Point | None, key: str, entry: Any) -> bool:
        town, overlay = self.town, self.overlay(endpoint, point)
        node = None
        if point is not None and endpoint.model is not None:
            node = endpoint.model.nodes[point.address.split("/")[1]]
        match key:
            case "text":
                text = self.text(endpoint, point)
                return all(
                    word in text or (len(word) >= 8 and endpoint.uuid.startswith(word))
                    for word in plain(entry).split()
                )
            case "class":
                return point is not None and point.conforms == entry
            case "implements":
                return node is not None and entry in node.implements
            case "tag":
                return entry in overlay.get("tags", [])
            case "project":
                return self.names.get(entry) == endpoint.project
            case "address":
                address = endpoint.uuid if point is None else point.address
                return address == entry or address.startswith(entry + "/")
            case "constraint":
                return point is not None and point.constraint == entry
            case "unit" | "quantity":
                return point is not None and overlay.get(key) == entry
            case "near":
                return within(overlay.get("place"), entry)
            case "box":
                return inside(overlay.get("place"), entry)
            case "value":
                return point is not None and compares(town.history.latest(ids(point)), entry)
            case "verdict":
                latest = town.history.latest(ids(point))
                return len(latest) == 1 and Verdict(int(latest.verdict[0])).name.lower() == entry
            case "state":
                return self.online(endpoint) is (entry == "online")
        raise AssertionError(key)

    def overlay(self, endpoint: Endpoint, point: Point | None) -> dict[str, Any]:
        if point is not None:
            return dict(self.town.catalogue.overlay(point.id))
        return (
            dict(self.town.registry.resources.overlay(endpoint.uuid))
            if self.browses(endpoint)
            else {}
        )

    def browses(self, endpoint: Endpoint) -> bool:
        path = (str(endpoint.project), endpoint.uuid)
        return self.town.rights.level(self.user, path) >= Level.DESCRIBE

    def text(self, endpoint: Endpoint, point: Point | None) -> str:
        parts: list[Any] = [endpoint.friendly_name, self.overlay(endpoint, point)]
        if self.browses(endpoint):
            parts.append(endpoint.metadata)
        if point is not None:
            parts += [point.address.partition("/")[2], point.conforms or ""]
        return plain(" ".join(words(parts)))

    def online(self, endpoint: Endpoint) -> bool:
        if endpoint.uuid in self.town.connected.inside:
            return True
        if endpoint.feed is not Feed.ADAPTER:
            return False
        latest = self.town.history.latest(ids(*self.town.catalogue.under((endpoint.uuid,))))
        return any(
            received > NOW - FRESH_MS and reason != Reason.READ_ERROR
            for received, reason in zip(latest.received, latest.reason, strict=True)
        )

    def silent(
        self, endpoint: Endpoint, point: Point | None, seconds: float, by_endpoint: bool
    ) -> bool:
        asked = [point] if point is not None else []
        if by_endpoint:
            asked = [p for p in self.seen(Level.READ) if p.address.startswith(endpoint.uuid)]
            if not asked:
                return False
        latest = self.town.history.latest(ids(*asked))
        return all(received < NOW - seconds * 1_000 for received in latest.received)


def ids(*points: Point | None) -> Any:
    return np.array([point.id for point in points if point is not None], np.uint32)


def uses(asked: Document, keys: set[str]) -> bool:
    inner = [
        *asked.get("all", []),
        *asked.get("any", []),
        *([asked["not"]] if "not" in asked else []),
    ]
    return bool(keys & asked.keys()) or any(uses(one, keys) for one in inner)


def plain(text: str) -> str:
    apart = unicodedata.normalize("NFKD", text)
    return "".join(char for char in apart if not unicodedata.combining(char)).casefold()


def words(value: Any) -> list[str]:
    match value:
        case str():
            return [value]
        case dict():
            return words(list(value.values()))
        case list() | tuple():
            return [word for inner in value for word in words(inner)]
    return []


def within(place: dict[str, float] | None, area: str) -> bool:
    if place is None:
        return False
    lat, lon, radius = map(float, area.split(","))
    a, b = math.radians(lat), math.radians(place["lat"])
    cosine = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(
        math.radians(lon - place["lon"])
    )
    return math.acos(min(1.0, cosine)) * 6_371_008.8 <= radius


def inside(place: dict[str, float] | None, area: str) -> bool:
    if place is None:
        return False
    south, west, north, east = map(float, area.split(","))
    return south <= place["lat"] <= north and west <= place["lon"] <= east


def compares(latest: Frame, entry: Any) -> bool:
    if not len(latest) or latest.kind[0] == Kind.NULL:
        return False
    number, kind, text = float(latest.num[0]), Kind(int(latest.kind[0])), latest.txt[0]
    match entry:
        case ">15":
            return number > 15
        case "<=20":
            return number <= 20
        case "20..50":
            return 20 <= number <= 50
        case "true" | "!=true":
            equal = (kind is Kind.BOOLEAN and number == 1) or text == "true"
        case 50 | "50":
            equal = number == 50 or text == "50"
        case "on":
            equal = text == "on"
        case _:
            raise AssertionError(entry)
    return not equal if isinstance(entry, str) and entry.startswith("!=") else equal


ENTRIES: dict[str, list[Any]] = {
    "text": ["lamp", "KAFER", "käfer 3", "maker1", "driver sons", "light power", "corner t1", "x"],
    "class": ["Light", "Driver", "Nothing"],
    "implements": ["Beacon", "Common", "Nothing"],
    "tag": ["street", "t1", "energy", "inner"],
    "project": ["city", "water", "nowhere"],
    "constraint": ["Measure", "SetPoint", "Static"],
    "unit": ["W", "kW", "m"],
    "quantity": ["power", "light"],
    "near": ["60.02,24.02,900", "60,24,4000", "60.05,24.05,1"],
    "box": ["60.015,24,60.045,25", "59,23,61,24.03"],
    "value": [">15", "<=20", "20..50", "true", "!=true", 50, "on"],
    "verdict": ["good", "uncertain", "bad"],
    "state": ["online", "offline"],
}
flat = st.fixed_dictionaries(
    {},
    optional={
        key: st.lists(st.sampled_from(entries), min_size=1, max_size=2, unique=True)
        for key, entries in ENTRIES.items()
    }
    | {"silent": st.sampled_from([50, 350, 5_000])},
)
narrow = flat.map(lambda document: dict(list(document.items())[:3]))
nested = st.recursive(
    narrow,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "all": st.lists(inner, max_size=2),
            "any": st.lists(inner, min_size=1, max_size=2),
            "not": inner,
            "tag": st.just(["street"]),
        },
    ),
    max_leaves=4,
)
levels = st.sampled_from([None, "ACCESS", "DESCRIBE", "READ", "WRITE", "OWN"])


@pytest.mark.parametrize("worth", [1, 100])
@settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(document=nested, level=levels, data=st.data())
def test_search_and_oracle_agree(
    town: Town,
    monkeypatch: pytest.MonkeyPatch,
    worth: int,
    document: Document,
    level: str | None,
    data: st.DataObject,
) -> None:
    # Rights are decided endpoint by endpoint, or point by point; both have to be right.
    monkeypatch.setattr(sight, "POINTS_WORTH_AN_ENDPOINT", worth)
    if data.draw(st.integers(0, 3)) == 0:
        document = {**document, "address": [address_in(town, data)]}
    if data.draw(st.integers(0, 5)) == 0:
        document = {**document, "text": [data.draw(st.sampled_from(town.uuids))[:9], "lamp t2"]}
    if level is not None:
        document = {**document, "permission": level}
    try:
        wanted = Filter.parse(document)
    except ValueError as error:
        assert "deep" in str(error)
        return
    for user in USERS:
        oracle = Oracle(town, user)
        points = town.directory.points(wanted, user).points
        found = {town.catalogue.point(number).address for number in points.tolist()}
        assert found == oracle.points(document), f"points of user {user}"
        told = town.directory.points(wanted, user, Level.DESCRIBE)
        found = {town.catalogue.point(number).address for number in told.points.tolist()}
        least = Level.READ if uses(document, OF_SAMPLES) else Level.DESCRIBE
        assert found == oracle.points(document, least), f"points told to user {user}"
        read = {town.catalogue.point(number) for number in told.points[told.read].tolist()}
        assert read == {p for p in oracle.seen(Level.READ) if p.address in found}
        endpoints = town.directory.endpoints(wanted, user).endpoints
        assert {one.uuid for one in endpoints} == oracle.endpoints(document), f"user {user}"


def address_in(town: Town, data: st.DataObject) -> str:
    below = data.draw(st.sampled_from(["", "/Light", "/Light/lamp/driver", "/Light/la"]))
    return data.draw(st.sampled_from(town.uuids)) + below


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(document=nested)
def test_followers_get_what_search_finds(town: Town, document: Document) -> None:
    """Of each point that may match, the sample that search finds is one that a follower gets."""
    try:
        wanted = Filter.parse(document)
    except ValueError:
        return
    if wanted.asks("state", "silent"):
        with pytest.raises(ValueError, match="leave them out"):
            town.directory.readable(wanted, USERS[0])
        return
    for user in USERS:
        points = town.directory.readable(wanted, user)
        latest = town.history.latest(points)
        got = latest.point[town.directory.holds(wanted, latest, user)]
        found = town.directory.points(wanted, user).points
        sampled = town.history.latest(found).point
        assert got.tolist() == sampled.tolist()
        assert set(found.tolist()) <= set(points.tolist())
