"""What every backend of `RegistryStore` keeps: versions, endpoints, overlays, connections."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.ports import Conflict, Endpoint, Feed, Missing, NewPoint
from ciaas.storage.registry import Registry
from security.aaa.levels import Level
from security.ports import CertificateEntry, Grant, ProvisionEntry


def measure(value_type: ValueType = ValueType.NUMBER) -> Attribute:
    return Attribute(Constraint.MEASURE, value_type)


def node(*names: str, conforms: str | None = "Meter") -> Node:
    thing = Thing(conforms, attributes={name: measure() for name in names})
    return Node(("Metering",), {"meter": thing})


def new_point(
    endpoint: Endpoint,
    path: str,
    value_type: ValueType = ValueType.NUMBER,
    conforms: str | None = None,
) -> NewPoint:
    return NewPoint(
        PointAddress(f"{endpoint.uuid}/{path}"), Constraint.MEASURE, value_type, conforms
    )


def test_a_fresh_registry_is_empty_at_version_zero(registry: Registry) -> None:
    changes = registry.resources.changes(0)
    assert registry.version() == registry.resources.version() == changes.version == 0
    assert not (changes.endpoints or changes.points or changes.overlays or changes.connections)


def test_each_change_raises_the_version_by_one_and_is_announced(registry: Registry) -> None:
    announced: list[int] = []
    registry.on_change(announced.append)
    resources = registry.resources
    project = resources.create_project("quarter").id
    lamp = resources.create_endpoint(project, "lamp", {}).uuid
    resources.change_endpoint(lamp, friendly_name="Lamp", banned=True)
    resources.declare_model(lamp, EndpointModel(nodes={"n": node("a", "b")}))
    resources.declare_node(lamp, "m", node("c"))
    resources.remove_node(lamp, "m")
    resources.ensure_points(
        [NewPoint(PointAddress(f"{lamp}/n/o/d"), Constraint.STATUS, ValueType.STRING)]
    )
    resources.change_overlay("class:Meter", {"unit": "W"})
    resources.put_connection("plant", project, "modbus", {}, True)
    resources.delete_connection("plant")
    resources.source("app:1")
    user = registry.accounts.add_user("ada", None, False).id
    registry.accounts.change_user(user, disabled=True)
    token = registry.accounts.add_token(user, "d", "", frozenset(), None).id
    registry.accounts.revoke_token(token)
    registry.accounts.put_set_up_digest("s")
    registry.grants.put_grant(Grant(user, (), Level.READ))
    registry.grants.remove_grant(user, ())
    registry.certificates.add_certificate(CertificateEntry("01", lamp, "f", 1))
    registry.certificates.revoke_certificate("01")
    registry.certificates.put_provision(ProvisionEntry("p", lamp, 5, {}))
    registry.certificates.take_provision("p", 1)
    resources.delete_endpoint(lamp, 1)
    assert announced == list(range(1, 24))
    assert registry.version() == 23


def test_what_changes_nothing_is_neither_numbered_nor_announced(
    registry: Registry, endpoint: Endpoint
) -> None:
    resources, lamp = registry.resources, endpoint.uuid
    model = EndpointModel(nodes={"n": node("a")})
    user = registry.accounts.add_user("ada", None, False).id

    def settle() -> None:
        resources.declare_model(lamp, model)
        resources.declare_node(lamp, "n", node("a"))
        resources.remove_node(lamp, "unknown")
        resources.ensure_points([new_point(endpoint, "n/meter/a")])
        resources.change_endpoint(lamp, friendly_name="lamp", metadata={"b": 1, "a": [2]})
        resources.change_overlay(lamp, {"unit": "W"})
        resources.change_overlay("class:Unheard", {"unit": None})
        resources.put_connection("plant", endpoint.project, "modbus", {"unit": 1}, True)
        resources.source("app:1")
        registry.accounts.change_user(user, disabled=True)
        registry.grants.put_grant(Grant(user, (), Level.READ))
        registry.grants.remove_grant(user, ("9",))
        registry.certificates.take_provision("unknown", 0)

    settle()
    version = registry.version()
    announced: list[int] = []
    registry.on_change(announced.append)
    settle()
    assert (registry.version(), announced) == (version, [])


def test_a_refused_change_leaves_no_trace(registry: Registry, endpoint: Endpoint) -> None:
    before = registry.resources.changes(0)
    with pytest.raises(Missing):
        registry.resources.ensure_points(
            [
                new_point(endpoint, "n/o/a"),
                NewPoint(
                    PointAddress(f"{uuid.uuid4()}/n/o/a"), Constraint.MEASURE, ValueType.NUMBER
                ),
            ]
        )
    assert registry.resources.changes(0) == before


def test_changes_hold_what_came_after_a_version_and_nothing_else(
    registry: Registry, endpoint: Endpoint
) -> None:
    resources = registry.resources
    resources.declare_model(endpoint.uuid, EndpointModel(nodes={"n": node("a", "b")}))
    resources.change_overlay("class:Meter", {"unit": "W"})
    other = resources.create_endpoint(endpoint.project, "other", {})
    version = resources.version()
    resources.declare_model(endpoint.uuid, EndpointModel(nodes={"n": node("b", "c")}))
    resources.put_connection("plant", endpoint.project, "modbus", {"a": 1}, True)

    changes = resources.changes(version)
    assert changes.version == version + 2
    assert [changed.uuid for changed in changes.endpoints] == [endpoint.uuid]
    assert {(point.address.rsplit("/", 1)[1], point.removed) for point in changes.points} == {
        ("a", True),
        ("c", False),
    }
    assert not changes.overlays
    assert [connection.name for connection in changes.connections] == ["plant"]
    assert other.uuid in {changed.uuid for changed in resources.changes(0).endpoints}
    assert resources.changes(changes.version) == replace(
        changes, endpoints=[], points=[], connections=[]
    )


def test_what_is_gone_is_told_as_gone(registry: Registry, endpoint: Endpoint) -> None:
    resources = registry.resources
    resources.change_overlay(endpoint.uuid, {"unit": "W"})
    resources.put_connection("plant", endpoint.project, "modbus", {}, True)
    version = resources.version()
    resources.change_overlay(endpoint.uuid, {"unit": None})
    resources.delete_connection("plant")
    resources.delete_endpoint(endpoint.uuid, 77)
    changes = resources.changes(version)
    assert [gone.deleted_at for gone in changes.endpoints] == [77]
    assert changes.overlays == {endpoint.uuid: {}}
    assert [(gone.name, gone.deleted) for gone in changes.connections] == [("plant", True)]


def test_projects_are_listed_and_their_names_are_unique(registry: Registry) -> None:
    first, second = map(registry.resources.create_project, ("b", "a"))
    assert registry.resources.projects() == [first, second]
    with pytest.raises(Conflict, match="'a' exists already"):
        registry.resources.create_project("a")


def test_an_endpoint_is_created_read_listed_and_changed(registry: Registry) -> None:
    resources = registry.resources
    first, second = resources.create_project("a").id, resources.create_project("b").id
    lamp = resources.create_endpoint(first, "Lämpchen 💡", {"floor": 3, "tags": ["x", None, 1.5]})
    pump = resources.create_endpoint(second, "pump", {})
    assert uuid.UUID(lamp.uuid).version == 4
    assert resources.endpoint(lamp.uuid) == lamp
    assert lamp == Endpoint(
        lamp.uuid,
        first,
        "Lämpchen 💡",
        {"floor": 3, "tags": ["x", None, 1.5]},
        feed=None,
        banned=False,
        model=None,
        created_at=lamp.created_at,
    )
    assert resources.endpoints() == [lamp, pump]
    assert resources.endpoints(second) == [pump]
    changed = resources.change_endpoint(lamp.uuid, metadata={"floor": True}, feed=Feed.DEVICE)
    assert changed == replace(lamp, metadata={"floor": True}, feed=Feed.DEVICE)
    assert resources.change_endpoint(lamp.uuid, friendly_name="L", banned=True) == replace(
        changed, friendly_name="L", banned=True
    )
    assert resources.change_endpoint(lamp.uuid, banned=False).banned is False


def test_metadata_that_only_changes_its_type_is_a_change(
    registry: Registry, endpoint: Endpoint
) -> None:
    for value in (1, True, 1.5, "1"):
        stored = registry.resources.change_endpoint(endpoint.uuid, metadata={"value": value})
        assert repr(stored.metadata) == repr({"value": value})


def test_a_uuid_is_given_once_and_a_deleted_one_is_never_reused(registry: Registry) -> None:
    project = registry.resources.create_project("a").id
    given = EndpointId(str(uuid.uuid4()))
    assert registry.resources.create_endpoint(project, "x", {}, given).uuid == given
    with pytest.raises(Conflict, match="exists already"):
        registry.resources.create_endpoint(project, "y", {}, given)
    registry.resources.delete_endpoint(given, 1)
    with pytest.raises(Conflict, match="deleted endpoint, whose history keeps it"):
        registry.resources.create_endpoint(project, "y", {}, given)


def test_a_deleted_endpoint_is_missing_everywhere(registry: Registry, endpoint: Endpoint) -> None:
    resources, lamp = registry.resources, endpoint.uuid
    resources.declare_model(lamp, EndpointModel(nodes={"n": node("a")}))
    registry.certificates.add_certificate(CertificateEntry("01", lamp, "f", 9))
    registry.certificates.put_provision(ProvisionEntry("digest", lamp, 9, {}))
    ids = [point.id for point in resources.points((lamp,))]

    gone = resources.delete_endpoint(lamp, 1_000)

    assert (gone.uuid, gone.deleted_at) == (lamp, 1_000)
    assert resources.endpoints() == []
    assert [(point.id, point.removed) for point in resources.points((lamp,))] == [(ids[0], True)]
    assert [entry.revoked for entry in registry.certificates.certificates(lamp)] == [True]
    assert registry.certificates.take_provision("digest", 0) is None
    for attempt in (
        lambda: resources.endpoint(lamp),
        lambda: resources.change_endpoint(lamp, banned=True),
        lambda: resources.delete_endpoint(lamp, 2_000),
        lambda: resources.declare_model(lamp, EndpointModel()),
        lambda: resources.declare_node(lamp, "n", Node()),
        lambda: resources.remove_node(lamp, "n"),
        lambda: resources.ensure_points([new_point(endpoint, "n/meter/a")]),
        lambda: resources.change_overlay(f"{lamp}/n", {"unit": "W"}),
        lambda: registry.certificates.add_certificate(CertificateEntry("02", lamp, "f", 9)),
        lambda: registry.certificates.put_provision(ProvisionEntry("e", lamp, 9, {})),
    ):
        with pytest.raises(Missing, match=lamp):
            attempt()


def test_an_endpoint_needs_a_project(registry: Registry) -> None:
    with pytest.raises(Missing, match="no project 7"):
        registry.resources.create_endpoint(7, "x", {})
    with pytest.raises(Missing, match="no project 7"):
        registry.resources.put_connection("x", 7, "modbus", {}, True)


def test_overlays_merge_as_rfc_7396_says(registry: Registry, endpoint: Endpoint) -> None:
    resources, scope = registry.resources, f"{endpoint.uuid}/n"
    assert resources.overlay(scope) == {}
    resources.change_overlay(scope, {"title": "Goodbye!", "author": {"a": "John", "b": "Doe"}})
    merged = resources.change_overlay(
        scope, {"title": "Hello!", "author": {"b": None}, "tags": ["x"], "unknown": None}
    )
    assert merged == {"title": "Hello!", "author": {"a": "John"}, "tags": ["x"]}
    assert resources.overlay(scope) == merged
    assert resources.change_overlay(scope, {"author": "me", "tags": {"y": {"z": None}}}) == {
        "title": "Hello!",
        "author": "me",
        "tags": {"y": {}},
    }
    assert resources.overlay(endpoint.uuid) == {}
    assert resources.change_overlay("class:Meter", {"unit": "W"}) == {"unit": "W"}
    with pytest.raises(Missing):
        resources.change_overlay(f"{uuid.uuid4()}/n", {"unit": "W"})


def test_an_overlay_is_checked_as_it_will_be_before_it_is_stored(
    registry: Registry, endpoint: Endpoint
) -> None:
    resources, scope = registry.resources, endpoint.uuid
    resources.change_overlay(scope, {"unit": "W", "place": {"lat": 1, "lon": 2}})
    version = registry.version()
    shown: list[Mapping[str, Any]] = []

    def refuse(overlay: Mapping[str, Any]) -> None:
        shown.append(overlay)
        raise ValueError("not so")

    with pytest.raises(ValueError, match="not so"):
        resources.change_overlay(scope, {"unit": None, "place": {"lat": 3}}, refuse)
    assert shown == [{"place": {"lat": 3, "lon": 2}}]
    assert registry.version() == version
    assert resources.overlay(scope) == {"unit": "W", "place": {"lat": 1, "lon": 2}}
    merged = resources.change_overlay(scope, {"unit": None}, shown.append)
    assert merged == shown[-1] == resources.overlay(scope)


def test_a_connection_is_put_revised_and_deleted(registry: Registry) -> None:
    resources = registry.resources
    project = resources.create_project("a").id
    first = resources.put_connection("plant", project, "modbus", {"host": "a", "port": 1}, True)
    assert (first.revision, first.enabled, first.deleted) == (1, True, False)
    again = resources.put_connection("plant", project, "modbus", {"port": 1, "host": "a"}, True)
    assert again == first
    off = resources.put_connection("plant", project, "modbus", {"host": "a", "port": 1}, False)
    assert off == replace(first, enabled=False)
    other = resources.put_connection("plant", project, "modbus", {"host": "b"}, False)
    assert other == replace(off, document={"host": "b"}, revision=2)
    resources.put_connection("alpha", project, "modbus", {}, True)
    assert [connection.name for connection in resources.connections()] == ["alpha", "plant"]
    resources.delete_connection("plant")
    with pytest.raises(Missing, match="'plant'"):
        resources.delete_connection("plant")
    assert [connection.name for connection in resources.connections()] == ["alpha"]
    back = resources.put_connection("plant", project, "modbus", {"host": "b"}, True)
    assert back == replace(other, enabled=True, revision=3)


def test_a_name_of_a_connection_belongs_to_one_project(registry: Registry) -> None:
    resources = registry.resources
    mine, theirs = resources.create_project("a").id, resources.create_project("b").id
    resources.put_connection("plant", mine, "modbus", {}, True)
    with pytest.raises(Conflict, match="choose another name"):
        resources.put_connection("plant", theirs, "modbus", {}, True)
    resources.delete_connection("plant")
    assert resources.put_connection("plant", theirs, "modbus", {}, True).project == theirs


def test_a_source_keeps_its_number(registry: Registry) -> None:
    numbers = [registry.resources.source(name) for name in ("mqtt:a", "app:1", "mqtt:a")]
    assert numbers == [1, 2, 1]
