from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ciaas.ports import Conflict, Feed, RegistryStore
from ciaas.sensorisation.connection import DocumentError
from ciaas.sensorisation.enrolment import Enrolment, enrol
from ciaas.storage.registry import migrate, open_registry
from tests.ciaas.sensorisation.bench import Bench


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[RegistryStore]:
    migrate(tmp_path / "registry.db")
    with open_registry(tmp_path / "registry.db") as opened:
        yield opened.resources


@pytest.fixture
def project(registry: RegistryStore) -> int:
    return registry.create_project("harbour").id


@pytest.fixture
def document(bench: Bench) -> dict[str, Any]:
    made = bench.document(cells=(0, 1))
    made["profiles"][0]["points"][0]["validity"] = {"range": [0, 10]}
    made["devices"][0] |= {
        "place": {"lat": 60.1, "lon": 24.9},
        "tags": ["quay"],
        "metadata": {"asset": "A1"},
    }
    return made


def enrolled(
    bench: Bench, registry: RegistryStore, project: int, document: dict[str, Any]
) -> Enrolment:
    return enrol(registry, project, document, bench.adapters)


def test_enrolling_makes_endpoints_points_overlays_and_the_connection(
    bench: Bench, registry: RegistryStore, project: int, document: dict[str, Any]
) -> None:
    done = enrolled(bench, registry, project, document)
    red, blue = done.created
    assert done.connection.name == "bench-1" and done.connection.enabled and not done.notes
    endpoint = registry.endpoint(red)
    assert (endpoint.friendly_name, endpoint.feed) == ("Red", Feed.ADAPTER)
    assert endpoint.metadata == {"asset": "A1"}
    assert registry.overlay(red) == {"place": {"lat": 60.1, "lon": 24.9}, "tags": ["quay"]}
    assert [point.address for point in registry.points([blue])] == [
        f"{blue}/drawer/cell/c0",
        f"{blue}/drawer/cell/c1",
    ]
    assert registry.overlay(f"{blue}/drawer/cell/c0") == {"range": [0, 10]}
    assert registry.connections() == [done.connection]


def test_enrolling_the_same_again_changes_nothing(
    bench: Bench, registry: RegistryStore, project: int, document: dict[str, Any]
) -> None:
    first = enrolled(bench, registry, project, document)
    version = registry.version()
    again = enrolled(bench, registry, project, document)
    assert registry.version() == version
    assert again.connection == first.connection
    assert set(again.kept) == set(first.created) and not again.created


def test_a_correction_made_by_hand_outlives_the_next_enrolment(
    bench: Bench, registry: RegistryStore, project: int, document: dict[str, Any]
) -> None:
    red, _ = enrolled(bench, registry, project, document).created
    scope = f"{red}/drawer/cell/c0"
    registry.change_overlay(scope, {"range": [0, 99]})
    registry.change_endpoint(red, friendly_name="Crimson", metadata={"asset": "B2"})
    document["profiles"][0]["points"][0]["title"] = "Cell"
    enrolled(bench, registry, project, document)
    assert registry.overlay(scope) == {"range": [0, 99], "title": "Cell"}
    assert registry.endpoint(red).friendly_name == "Crimson"
    assert registry.endpoint(red).metadata == {"asset": "B2"}


def test_what_the_document_changes_is_changed_and_what_it_drops_goes(
    bench: Bench, registry: RegistryStore, project: int, document: dict[str, Any]
) -> None:
    red, _ = enrolled(bench, registry, project, document).created
    document["profiles"][0]["points"][0]["validity"] = {"rate_max": 2}
    document["profiles"][0]["points"].pop()
    document["devices"][0] |= {"friendly_name": "Crimson", "tags": [], "metadata": {"by": "me"}}
    enrolled(bench, registry, project, document)
    assert registry.overlay(f"{red}/drawer/cell/c0") == {"rate_max": 2}
    assert registry.overlay(red) == {"place": {"lat": 60.1, "lon": 24.9}}
    assert registry.endpoint(red).friendly_name == "Crimson"
    assert registry.endpoint(red).metadata == {"by": "me"}
    assert [point.removed for point in registry.points([red])] == [False, True]


def test_a_device_taken_out_keeps_its_endpoint_and_that_is_said(
    bench: Bench, registry: RegistryStore, project: int, document: dict[str, Any]
) -> None:
    _, blue = enrolled(bench, registry, project, document).created
    document["devices"].pop()
    done = enrolled(bench, registry, project, document)
    assert done.released == (blue,) and "keeps its history" in done.notes[0]
    assert len(registry.points([blue])) == 2


def test_a_connection_switched_off_stays_off(
    bench: Bench, registry: RegistryStore, project: int, document: dict[str, Any]
) -> None:
    stored = enrolled(bench, registry, project, document).connection
    registry.put_connection(stored.name, project, "bench", stored.document, enabled=False)
    assert not enrolled(bench, registry, project, document).connection.enabled


def test_a_document_at_fault_changes_nothing(
    bench: Bench, registry: RegistryStore, project: int, document: dict[str, Any]
) -> None:
    version = registry.version()
    document["devices"][1]["profile"] = "none"
    with pytest.raises(DocumentError):
        enrolled(bench, registry, project, document)
    assert registry.version() == version


@pytest.mark.parametrize("case", ["foreign name", "foreign endpoint", "fed", "shared", "deleted"])
def test_what_belongs_to_something_else_is_not_taken(
    bench: Bench, registry: RegistryStore, project: int, document: dict[str, Any], case: str
) -> None:
    other = registry.create_project("other").id
    if case == "foreign name":
        enrolled(bench, registry, other, document)
    elif case == "shared":
        first = enrolled(bench, registry, project, document)
        document = document | {"name": "bench-2"}
        document["devices"][0]["uuid"] = first.created[0]
    elif case == "deleted":
        first = enrolled(bench, registry, project, document)
        registry.delete_endpoint(first.created[0], 1)
    else:
        owner = other if case == "foreign endpoint" else project
        uuid = registry.create_endpoint(owner, "Taken", {}).uuid
        if case == "fed":
            registry.change_endpoint(uuid, feed=Feed.DEVICE)
        document["devices"][0]["uuid"] = uuid
    version = registry.version()
    with pytest.raises(Conflict, match="another"):
        enrolled(bench, registry, project, document)
    assert registry.version() == version
