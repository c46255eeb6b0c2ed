"""Whose chain an entry of the record stands in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from borough.roles.chains import ChainedRecord
from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.model import Constraint, ValueType
from ciaas.ports import NewPoint
from ciaas.storage.record import RecordFile
from ciaas.storage.registry import Registry, migrate, open_registry
from security.aaa import accesses as words
from security.aaa.accesses import told_points


class Towns:
    """Three projects, one of them the platform's, with points of their own."""

    def __init__(self, registry: Registry, file: RecordFile) -> None:
        resources = registry.resources
        self.registry, self.file = registry, file
        self.catalogue = Catalogue(resources)
        self.project = {name: resources.create_project(name).id for name in ("a", "b", "platform")}
        self.record = ChainedRecord(file, self.catalogue, resources.projects)
        self.uuid = {
            name: resources.create_endpoint(number, name, {}).uuid
            for name, number in self.project.items()
        }
        self.points = {name: self.learn(name, 3) for name in self.project}

    def learn(self, name: str, count: int) -> list[int]:
        addresses = [PointAddress(f"{self.uuid[name]}/n/o/{name}{n}") for n in range(count)]
        self.catalogue.learn(
            [NewPoint(address, Constraint.MEASURE, ValueType.NUMBER) for address in addresses]
        )
        found = [self.catalogue.by_address(address) for address in addresses]
        return [point.id for point in found if point is not None]

    def placed(self, **entry: Any) -> list[dict[str, Any]]:
        before = self.file.sequence
        self.record.append({"kind": "access", **entry})
        return list(self.file.read(before, 10))


@pytest.fixture
def towns(tmp_path: Path) -> Iterator[Towns]:
    migrate(tmp_path / "registry.sqlite")
    with (
        open_registry(tmp_path / "registry.sqlite") as registry,
        RecordFile(tmp_path / "audit", lambda: 1) as file,
    ):
        yield Towns(registry, file)


def test_what_is_about_nobody_is_the_platforms(towns: Towns) -> None:
    assert [entry["chain"] for entry in towns.placed(path="/login")] == [0]
    assert [e["chain"] for e in towns.placed(about=told_points([10_000]))] == [0]
    assert [e["chain"] for e in towns.placed(about=told_points([]))] == [0]


@pytest.mark.parametrize("name", ["a", "b"])
def test_what_is_about_one_project_is_its(towns: Towns, name: str) -> None:
    for entry in (
        {"about": told_points(towns.points[name])},
        {"projects": [towns.project[name]]},
        {"address": f"{towns.uuid[name]}/n/o/x", "kind": "command"},
        {"who": towns.uuid[name], "kind": "presence"},
        {"who": towns.uuid[name], "kind": "refusal"},
    ):
        [placed] = towns.placed(**entry)
        assert placed["chain"] == towns.project[name]
        assert "projects" not in placed


def test_the_platforms_own_project_is_the_platforms_chain(towns: Towns) -> None:
    assert [e["chain"] for e in towns.placed(about=told_points(towns.points["platform"]))] == [0]
    assert towns.record.chain_of_project(towns.project["platform"]) == 0
    assert towns.record.chain_of_project(towns.project["a"]) == towns.project["a"]


def test_of_several_each_gets_its_own_points(towns: Towns) -> None:
    points = towns.points["a"] + towns.points["b"][:1]
    about = {**told_points(points), "reads": True, "purpose": "planning", "under": ["g1"], "x": 1}
    whole, a, b = towns.placed(about=about, query="all", who="anna")
    assert (whole["chain"], whole["query"], whole["about"]["x"]) == (0, "all", 1)
    assert "points" not in whole["about"]
    kept = {"reads": True, "purpose": "planning", "under": ["g1"], "part": True}
    assert a["about"] == told_points(towns.points["a"]) | kept
    assert b["about"] == told_points(towns.points["b"][:1]) | kept
    assert ("query" in a, a["who"]) == (False, "anna")


def test_points_of_the_platform_stay_with_the_whole(towns: Towns) -> None:
    points = towns.points["a"] + towns.points["platform"]
    whole, part = towns.placed(about=told_points(points))
    assert whole["about"]["points"] == told_points(towns.points["platform"])["points"]
    assert (whole["chain"], whole["about"]["count"]) == (0, 6)
    assert part["about"] == told_points(towns.points["a"]) | {"part": True}


def test_ranges_that_close_gaps_accuse_no_stranger(
    towns: Towns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(words, "ACCESS_RANGES_TOLD_MAX", 1)
    more = towns.learn("a", 5)[-1]
    about = told_points([towns.points["a"][0], more])
    assert about["exact"] is False
    [placed] = towns.placed(about=about, projects=[towns.project["a"]])
    assert placed["chain"] == towns.project["a"]


def test_points_and_endpoints_that_came_later_are_known(towns: Towns) -> None:
    resources = towns.registry.resources
    towns.project["c"] = resources.create_project("c").id
    towns.uuid["c"] = resources.create_endpoint(towns.project["c"], "c", {}).uuid
    towns.catalogue.refresh()
    points = towns.learn("c", 2_000)
    [placed] = towns.placed(about=told_points(points))
    assert placed["chain"] == towns.project["c"]
    found = towns.record.projects_of(np.array(points + towns.points["a"]))
    assert found == {towns.project["a"], towns.project["c"]}


def test_what_is_left_of_a_deleted_endpoint_is_its_projects(towns: Towns) -> None:
    towns.registry.resources.delete_endpoint(EndpointId(towns.uuid["a"]), 1)
    towns.catalogue.refresh()
    [placed] = towns.placed(about=told_points(towns.points["a"]))
    assert placed["chain"] == towns.project["a"]


@pytest.mark.parametrize(
    ("kind", "act"),
    [("command", "command"), ("refusal", "refusal"), ("presence", "presence"), ("commit", "write")],
)
def test_entries_that_are_no_requests_have_an_act_too(towns: Towns, kind: str, act: str) -> None:
    [placed] = towns.placed(kind=kind)
    assert placed["act"] == act


def test_projects_are_asked_for_after_a_change_alone(towns: Towns) -> None:
    asked: list[int] = []
    projects = towns.registry.resources.projects
    late = [project for project in projects() if project.name != "platform"]

    def counted() -> list[Any]:
        asked.append(1)
        return late

    record = ChainedRecord(towns.file, towns.catalogue, counted)
    for _ in range(3):
        assert record.chain_of_project(towns.project["platform"]) != 0
    assert len(asked) == 1
    late.append(next(project for project in projects() if project.name == "platform"))
    towns.registry.resources.create_project("c")
    towns.catalogue.refresh()
    assert record.chain_of_project(towns.project["platform"]) == 0
    assert len(asked) == 2
