"""Sets of points are what their filters say, whatever changes, and grants on them write once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path as FilePath
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from borough.roles.rights_feed import RightsFeed
from ciaas.interoperability.overlay import check_overlay
from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.management.directory.filter import Filter
from ciaas.management.directory.index import Index
from ciaas.management.sets import membership as module
from ciaas.management.sets.membership import Membership, check_selectable
from ciaas.storage.registry import Registry, migrate, open_registry
from security.aaa.extents import SetExtent, SetKind
from security.aaa.levels import Level
from security.aaa.subjects import user_subject
from security.ports import Permit

MEASURE = Attribute(Constraint.MEASURE, ValueType.NUMBER)
CLASSES = ("Lamp", "Camera")
TAGS = ("north", "south")


def model_of(cls: str) -> EndpointModel:
    return EndpointModel(nodes={"n": Node(("Pole",), {"o": Thing(cls, attributes={"a": MEASURE})})})


class Town(NamedTuple):
    """A registry and all that follows it."""

    registry: Registry
    catalogue: Catalogue
    feed: RightsFeed
    membership: Membership
    project: int
    author: int

    def follow(self) -> None:
        self.catalogue.refresh()
        self.feed.refresh()

    def endpoint(self, cls: str = "Lamp") -> str:
        made = self.registry.resources.create_endpoint(self.project, "Thing", {})
        model = EndpointModel(
            nodes={"n": Node(("Pole",), {"o": Thing(cls, attributes={"a": MEASURE})})}
        )
        self.registry.resources.declare_model(made.uuid, model)
        return str(made.uuid)

    def members(self, kind: SetKind, name: str) -> set[str]:
        """Addresses of a set, asked in each of the ways there are."""
        key = str(SetExtent(kind, str(self.project), name))
        points = self.catalogue.under(())
        paths = [(str(self.project), *point.address.split("/")) for point in points]
        numbers = np.array([point.id for point in points], np.int64)
        mask = self.membership.mask(key, paths, numbers)
        found: set[str] = {
            point.address for point, held in zip(points, mask.tolist(), strict=True) if held
        }
        for point, path in zip(points, paths, strict=True):
            number = self.membership.number(path)
            assert number == point.id
            assert self.membership.has(key, path, number) == (point.address in found)
            below = list(self.membership.below(key, path[:2]))
            if kind is not SetKind.ENDPOINTS:
                assert (path in below) == (point.address in found)
        if kind is not SetKind.ENDPOINTS:
            every = {"/".join(path[1:]) for path in self.membership.below(key, ())}
            assert every == found
        return found


@pytest.fixture
def town(tmp_path: FilePath) -> Iterator[Town]:
    path = tmp_path / "registry.sqlite"
    migrate(path)
    with open_registry(path) as registry:
        project = registry.resources.create_project("city").id
        registry.resources.create_project("parks")
        author = registry.accounts.add_user("anna", None, False).id
        catalogue = Catalogue(registry.resources)
        feed = RightsFeed(registry)
        membership = feed.tell_sets(Index(catalogue), catalogue)
        yield Town(registry, catalogue, feed, membership, project, author)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(CLASSES)),
        st.tuples(st.just("class"), st.sampled_from(CLASSES)),
        st.tuples(st.just("tag"), st.sampled_from(TAGS)),
        st.tuples(st.just("delete"), st.just("")),
        st.tuples(st.just("select"), st.sampled_from(TAGS)),
        st.tuples(st.just("join"), st.just("")),
        st.tuples(st.just("leave"), st.just("")),
    ),
    max_size=8,
)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=steps, which=st.integers(0, 9))
def test_sets_and_a_look_at_everything_agree(
    town: Town, steps: list[tuple[str, str]], which: int
) -> None:
    resources, sets = town.registry.resources, town.registry.sets
    uuids = [town.endpoint()]
    group = sets.add_endpoint_group(town.project, "group").id
    for step, word in steps:
        uuid = uuids[which % len(uuids)]
        match step:
            case "add":
                uuids.append(town.endpoint(word))
            case "class":
                resources.declare_model(EndpointId(uuid), model_of(word))
            case "tag":
                resources.change_overlay(uuid, {"tags": [word]}, check_overlay)
            case "delete" if len(uuids) > 1:
                resources.delete_endpoint(EndpointId(uuids.pop(which % len(uuids))), 1)
            case "select":
                sets.put_selection(town.project, "tagged", {"tag": [word]}, town.author, None)
            case "join":
                sets.add_endpoint(group, uuid)
            case "leave":
                sets.remove_endpoint(group, uuid)
        town.follow()
        points = town.catalogue.under(())
        mine = {point.address for point in points}
        for name in CLASSES:
            of_class = {point.address for point in points if point.conforms == name}
            assert town.members(SetKind.CLASS, name) == of_class
        assert town.members(SetKind.CLASS, "Pole") == mine
        for saved in sets.selections(town.project):
            [tag] = saved.filter["tag"]
            tagged = {
                p.address for p in points if tag in town.catalogue.overlay(p.id).get("tags", ())
            }
            assert town.members(SetKind.SELECTION, str(saved.id)) == tagged
        held = set(sets.endpoints_of(group))
        assert town.members(SetKind.ENDPOINTS, str(group)) == {
            address for address in mine if address.partition("/")[0] in held
        }


def test_a_set_is_of_its_own_project(town: Town) -> None:
    uuid = town.endpoint()
    town.follow()
    other = str(SetExtent(SetKind.CLASS, str(town.project + 1), "Lamp"))
    path = (str(town.project), uuid, "n", "o", "a")
    assert not town.membership.has(other, path, town.membership.number(path))
    assert list(town.membership.below(other, ())) == []
    assert list(town.membership.below(other, path[:1])) == []


def test_a_grant_over_many_points_is_one_row_and_so_is_a_change_of_its_set(town: Town) -> None:
    for _ in range(20):
        town.endpoint()
    town.follow()
    registry = town.registry
    saved = registry.sets.put_selection(town.project, "s", {"class": ["Lamp"]}, town.author, None)
    extent = SetExtent(SetKind.SELECTION, str(town.project), str(saved.id))
    rows = count(registry)
    registry.permits.put_permit(Permit(0, user_subject(town.author), extent, Level.READ))
    assert count(registry) == rows + 1
    town.follow()
    points = town.catalogue.under(())
    paths = [(str(town.project), *point.address.split("/")) for point in points]
    assert len(paths) == 20
    assert town.feed.rights.visible(town.author, paths, Level.READ).all()
    registry.sets.put_selection(town.project, "s", {"class": ["Camera"]}, town.author, None)
    assert count(registry) == rows + 2  # what it was before stays as a revision
    town.follow()
    assert not town.feed.rights.visible(town.author, paths, Level.READ).any()
    group = registry.sets.add_endpoint_group(town.project, "g").id
    rows = count(registry)
    registry.sets.add_endpoint(group, points[0].address.partition("/")[0])
    assert count(registry) == rows + 1


def count(registry: Registry) -> int:
    """Rows of all tables together."""
    with registry._database.read() as connection:
        tables = connection.exec_driver_sql(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
        )
        return sum(
            connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one()
            for (name,) in tables
        )


def test_so_many_sets_are_kept_marked(town: Town, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SET_MASKS_MAX", 2)
    town.endpoint()
    town.follow()
    for name in ("Lamp", "Camera", "Pole"):
        assert len(town.members(SetKind.CLASS, name)) == (name != "Camera")
        assert len(town.membership._masks) <= 2


@pytest.mark.parametrize("key", ["value", "verdict", "state", "silent", "permission", "project"])
def test_a_filter_of_this_moment_selects_nothing_lasting(key: str) -> None:
    wanted = {"value": ">1", "verdict": "good", "state": "online", "silent": 5,
              "permission": "READ", "project": "city"}[key]  # fmt: skip
    with pytest.raises(ValueError, match=key):
        check_selectable(Filter.parse({key: wanted}))
