"""What changes in the registry, in rights or in history holds at the next question."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ciaas.kernel.address import EndpointId
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.limits import DIRECTORY_STALE_TEXTS_MAX, DOORSTEP_DEVICES_MAX
from ciaas.management.directory.doorstep import Doorstep
from ciaas.management.directory.filter import Filter
from ciaas.management.directory.index import columns
from security.aaa.levels import Level
from security.ports import Grant
from tests.ciaas.management.directory.conftest import (
    ADMIN,
    NOBODY,
    NOW,
    PATCHWORK,
    READER,
    Town,
    lamp,
)


def found(town: Town, document: dict[str, Any], user: int = ADMIN) -> set[int]:
    """Return the numbers of the lamps that have a point that is found."""
    points = town.directory.points(Filter.parse(document), user).points.tolist()
    uuids = {town.catalogue.point(number).address.partition("/")[0] for number in points}
    return {town.uuids.index(EndpointId(uuid)) for uuid in uuids}


def listed(town: Town, document: dict[str, Any], user: int = ADMIN) -> set[int]:
    endpoints = town.directory.endpoints(Filter.parse(document), user).endpoints
    return {town.uuids.index(endpoint.uuid) for endpoint in endpoints}


def test_a_new_name_is_found_and_the_old_one_no_more(town: Town) -> None:
    assert found(town, {"text": "kafer 5"}) == {5}
    town.registry.resources.change_endpoint(town.uuids[5], friendly_name="Zebra crossing")
    town.catalogue.refresh()
    assert found(town, {"text": "kafer 5"}) == set()
    assert found(town, {"text": "crossing"}) == listed(town, {"text": "crossing"}) == {5}


def test_metadata_at_every_scope(town: Town) -> None:
    resources, lamp0 = town.registry.resources, town.uuids[0]
    for scope in (f"{lamp0}/Light/lamp", "class:Light", lamp0):
        resources.change_overlay(scope, {"quantity": scope[:9]})
        town.catalogue.refresh()
        assert 0 in found(town, {"quantity": scope[:9], "text": scope[:9]}), scope
        resources.change_overlay(scope, {"quantity": None})
        town.catalogue.refresh()
        assert found(town, {"quantity": scope[:9]}) == set(), scope


def test_what_a_node_implements_changes_without_its_points(town: Town) -> None:
    assert found(town, {"implements": "Beacon"}) == {0, 2, 4, 6, 8}
    town.catalogue.declare(town.uuids[2], lamp("Bell"))
    assert found(town, {"implements": "Bell"}) == {2}
    assert found(town, {"implements": "Beacon"}) == {0, 4, 6, 8}


def test_points_come_and_go_with_the_model(town: Town) -> None:
    extra = Thing("Siren", {}, {"loud": Attribute(Constraint.STATUS, ValueType.BOOLEAN)})
    model = EndpointModel(nodes={**lamp().nodes, "Alarm": Node((), {"siren": extra})})
    town.catalogue.declare(town.uuids[3], model)
    assert found(town, {"class": "Siren"}) == {3}
    town.catalogue.remove_node(town.uuids[3], "Alarm")
    assert found(town, {"class": "Siren"}) == set()
    town.catalogue.declare(town.uuids[3], model)
    assert found(town, {"class": "Siren"}) == {3}


def test_a_deleted_endpoint_is_gone(town: Town) -> None:
    town.registry.resources.delete_endpoint(town.uuids[6], NOW)
    town.catalogue.refresh()
    assert 6 not in found(town, {}) | listed(town, {})


def test_an_endpoint_without_points_is_found_by_itself(town: Town) -> None:
    bare = town.registry.resources.create_endpoint(town.projects[0].id, "Bare pole", {"x": "ash"})
    town.uuids.append(bare.uuid)
    town.catalogue.refresh()
    for document in (
        {"text": "pole ash"},
        {"address": bare.uuid},
        {"not": {"tag": ["street", "energy"]}},
    ):
        assert listed(town, document) == {9}
    assert listed(town, {"text": "pole", "class": "Light"}) == set()


def test_rights_hold_at_once(town: Town) -> None:
    water = str(town.projects[1].id)
    before = town.directory.version()
    assert found(town, {"project": "water"}, NOBODY) == set()
    town.grant(Grant(NOBODY, (water, town.uuids[4], "Light", "lamp", "power"), Level.READ))
    assert town.directory.version() != before
    assert found(town, {}, NOBODY) == listed(town, {}, NOBODY) == {4}
    town.grant(Grant(NOBODY, (water, town.uuids[4], "Light", "lamp", "power"), Level.DENY))
    assert found(town, {}, NOBODY) == listed(town, {}, NOBODY) == set()


def test_each_change_gives_followers_another_version(town: Town) -> None:
    versions = [town.directory.version()]
    for change in (
        lambda: town.registry.resources.change_endpoint(town.uuids[0], banned=True),
        lambda: town.registry.resources.change_overlay("class:Driver", {"tags": ["x"]}),
        lambda: town.catalogue.declare(town.uuids[0], EndpointModel()),
    ):
        change()
        town.catalogue.refresh()
        versions.append(town.directory.version())
    assert len(set(versions)) == 4


def test_silent_endpoints_are_those_of_which_nothing_readable_came(town: Town) -> None:
    # The switches and drivers are read now; number 6 has only what is 600 s old.
    assert listed(town, {"silent": "5m"}) == {6}
    assert listed(town, {"silent": "5m"}, READER) == {6}
    # All that this user may read of number 1 is its power, 100 s old; of 4 nothing.
    assert listed(town, {"silent": 50}, PATCHWORK) == {1}
    assert 4 in listed(town, {}, PATCHWORK)


def test_a_place_or_a_tag_that_may_not_be_seen_finds_nobody(town: Town) -> None:
    assert listed(town, {"tag": "t0", "text": "lamp 4"}) == {4}
    for document in (
        {"tag": "t0", "text": "lamp 4"},
        {"text": "lamp 4 corner"},
        {"text": "maker0"},
    ):
        assert 4 not in listed(town, document, PATCHWORK), document
    assert 4 in listed(town, {"text": "lamp 4"}, PATCHWORK)
    # Who reads a point sees what is said of it, but not the metadata of the endpoint above.
    assert found(town, {"text": "power corner"}, PATCHWORK) >= {1}
    assert found(town, {"text": "power maker1"}, PATCHWORK) == set()


def test_texts_that_nothing_carries_any_more_are_thrown_away(
    town: Town, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert DIRECTORY_STALE_TEXTS_MAX > 1_000
    monkeypatch.setattr(columns, "DIRECTORY_STALE_TEXTS_MAX", 20)
    for number in range(150):
        town.registry.resources.change_endpoint(town.uuids[0], friendly_name=f"Name{number}")
        town.catalogue.refresh()
        assert found(town, {"text": f"name{number}"}) == {0}
    assert len(town.directory.index.names) < 120
    assert found(town, {}) == listed(town, {}) == set(range(9))
    assert found(town, {"tag": "t1", "class": "Driver"}) == {1, 5}


def test_a_catalogue_of_thousands_is_found_whole(town: Town) -> None:
    """More points, endpoints and texts than fit where they were put at first."""
    many = Thing(
        "Cell",
        {},
        {f"cell{n}": Attribute(Constraint.MEASURE, ValueType.NUMBER) for n in range(5_000)},
    )
    town.catalogue.declare(town.uuids[0], EndpointModel(nodes={"Battery": Node((), {"c": many})}))
    for number in range(300):
        new = town.registry.resources.create_endpoint(town.projects[2].id, f"Sensor {number}", {})
        town.uuids.append(new.uuid)
    town.catalogue.refresh()
    wanted = Filter.parse({"class": "Cell"})
    assert len(town.directory.points(wanted, ADMIN).points) == 5_000
    assert len(town.directory.points(Filter.parse({"text": "cell4999"}), ADMIN).points) == 1
    assert listed(town, {"text": "sensor"}) == set(range(9, 309))


def test_the_doorstep_remembers_the_latest() -> None:
    doorstep = Doorstep()
    for number in range(DOORSTEP_DEVICES_MAX + 1):
        doorstep.refused(f"device {number}", "unknown", "from 10.0.0.1", number)
    doorstep.refused("device 1", "banned", "from 10.0.0.2", 5_000)
    outside = doorstep.outside()
    assert len(outside) == DOORSTEP_DEVICES_MAX
    first = outside[0]
    assert (first.client, first.reason, first.count) == ("device 1", "banned", 2)
    assert (first.first_seen, first.last_seen) == (1, 5_000)
    assert "device 0" not in {one.client for one in outside}


def test_the_index_is_not_touched_by_who_only_notes_a_change(town: Town, tmp_path: Path) -> None:
    """The thread that changes the registry, such as the uplink, leaves the work to who asks."""
    town.directory.index.refresh()
    version = town.directory.index.version
    town.registry.resources.change_endpoint(town.uuids[0], friendly_name="Other")
    town.catalogue.refresh()
    assert town.directory.index.version == version
    town.directory.index.refresh()
    assert town.directory.index.version == version + 1
