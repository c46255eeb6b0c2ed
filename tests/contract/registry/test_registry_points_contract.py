"""What every backend of `RegistryStore` keeps of models and data points."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from ciaas.kernel.address import PointAddress
from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.ports import Endpoint, Missing, NewPoint
from ciaas.storage.registry import Registry


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


def present(points: Any) -> list[str]:
    return [point.address.split("/", 1)[1] for point in points if not point.removed]


def test_a_model_is_kept_as_declared_without_what_changes(
    registry: Registry, endpoint: Endpoint
) -> None:
    attributes = {
        "serial": Attribute(Constraint.STATIC, ValueType.STRING, None, "A-1"),
        "power": Attribute(Constraint.MEASURE, ValueType.NUMBER, 1.5, 20.0),
        "level": Attribute(Constraint.SET_POINT, ValueType.INTEGER, 1.5, 2**62),
    }
    inner = Thing("Inner", attributes={"on": Attribute(Constraint.STATUS, ValueType.BOOLEAN)})
    nodes = {"n": Node(("A", "B"), {"o": Thing(None, {"p": inner}, attributes)})}
    declared = EndpointModel("v0.2", 2, ("JSON", "CBOR"), nodes)

    added = registry.resources.declare_model(endpoint.uuid, declared)

    assert present(added) == ["n/o/level", "n/o/p/on", "n/o/power", "n/o/serial"]
    assert [point.conforms for point in added] == [None, "Inner", None, None]
    kept = registry.resources.endpoint(endpoint.uuid).model
    assert kept is not None
    assert (kept.version, kept.message_format_version) == ("v0.2", 2)
    assert kept.supported_formats == ("JSON", "CBOR")
    assert kept.nodes["n"].implements == ("A", "B")
    assert kept.nodes["n"].objects["o"].objects["p"] == inner
    assert kept.nodes["n"].objects["o"].attributes == {
        "serial": attributes["serial"],
        "power": Attribute(Constraint.MEASURE, ValueType.NUMBER),
        "level": Attribute(Constraint.SET_POINT, ValueType.INTEGER),
    }


def test_point_ids_start_at_one_and_outlive_removal_and_return(
    registry: Registry, endpoint: Endpoint
) -> None:
    resources = registry.resources
    resources.declare_model(endpoint.uuid, EndpointModel(nodes={"n": node("a", "b")}))
    assert {p.address[37:]: p.id for p in resources.points(())} == {"n/meter/a": 1, "n/meter/b": 2}
    resources.declare_model(endpoint.uuid, EndpointModel())
    resources.declare_model(endpoint.uuid, EndpointModel(nodes={"n": node("c")}))
    back = resources.declare_model(endpoint.uuid, EndpointModel(nodes={"n": node("c", "b")}))
    assert [(point.id, point.removed) for point in back] == [(2, False)]
    assert [(point.id, point.removed) for point in resources.points((endpoint.uuid,))] == [
        (1, True),
        (2, False),
        (3, False),
    ]


def test_a_declaration_returns_what_it_added_changed_and_removed(
    registry: Registry, endpoint: Endpoint
) -> None:
    resources = registry.resources
    resources.declare_model(endpoint.uuid, EndpointModel(nodes={"n": node("a", "b", "same")}))
    attributes = {"b": measure(ValueType.STRING), "c": measure(), "same": measure()}
    changed = resources.declare_model(
        endpoint.uuid,
        EndpointModel(nodes={"n": Node((), {"meter": Thing("Meter", attributes=attributes)})}),
    )
    assert [(p.address[37:], p.type, p.removed) for p in changed] == [
        ("n/meter/a", ValueType.NUMBER, True),
        ("n/meter/b", ValueType.STRING, False),
        ("n/meter/c", ValueType.NUMBER, False),
    ]
    assert changed[1].id == 2


def test_a_changed_constraint_or_class_keeps_the_id(registry: Registry, endpoint: Endpoint) -> None:
    resources = registry.resources
    (first,) = resources.declare_node(endpoint.uuid, "n", node("a"))
    (second,) = resources.declare_node(endpoint.uuid, "n", node("a", conforms="Counter"))
    (third,) = resources.declare_node(
        endpoint.uuid,
        "n",
        Node(
            objects={
                "meter": Thing(attributes={"a": Attribute(Constraint.STATUS, ValueType.NUMBER)})
            }
        ),
    )
    assert second == replace(first, conforms="Counter")
    assert third == replace(first, conforms=None, constraint=Constraint.STATUS)
    assert resources.point(first.address) == third


def test_nodes_come_and_go_one_by_one(registry: Registry, endpoint: Endpoint) -> None:
    resources = registry.resources
    assert present(resources.declare_node(endpoint.uuid, "n", node("a"))) == ["n/meter/a"]
    assert present(resources.declare_node(endpoint.uuid, "m", node("b"))) == ["m/meter/b"]
    removed = resources.remove_node(endpoint.uuid, "n")
    assert [(point.address[37:], point.removed) for point in removed] == [("n/meter/a", True)]
    model = resources.endpoint(endpoint.uuid).model
    assert model is not None
    assert list(model.nodes) == ["m"]
    assert present(resources.points((endpoint.uuid,))) == ["m/meter/b"]


def test_ensured_points_come_back_in_order_and_join_the_model(
    registry: Registry, endpoint: Endpoint
) -> None:
    resources = registry.resources
    other = resources.create_endpoint(endpoint.project, "other", {})
    resources.declare_model(endpoint.uuid, EndpointModel("v0.2", 2, nodes={"n": node("a")}))
    wanted = [
        new_point(endpoint, "n/meter/z", ValueType.STRING),
        new_point(other, "x/y/deep/er/b", ValueType.BOOLEAN, "Deep"),
        new_point(endpoint, "n/meter/a", ValueType.STRING, "Other"),
        new_point(endpoint, "m/o/c"),
        new_point(endpoint, "m/o/c", ValueType.STRING),
    ]
    points = resources.ensure_points(wanted)
    assert [point.address for point in points] == [new.address for new in wanted]
    assert [(point.type, point.conforms) for point in points] == [
        (ValueType.STRING, "Meter"),
        (ValueType.BOOLEAN, "Deep"),
        (ValueType.NUMBER, "Meter"),
        (ValueType.NUMBER, None),
        (ValueType.NUMBER, None),
    ]
    assert resources.ensure_points(wanted) == points
    assert resources.ensure_points([]) == []
    model = resources.endpoint(endpoint.uuid).model
    assert model is not None
    assert model.version == "v0.2"
    assert model.nodes["n"].objects["meter"].attributes["z"] == measure(ValueType.STRING)
    assert model.nodes["m"].objects["o"].attributes["c"] == measure()
    made = resources.endpoint(other.uuid).model
    assert made is not None
    assert made.nodes["x"].objects["y"].objects["deep"].objects["er"].conforms == "Deep"


def test_a_removed_point_comes_back_as_ensured(registry: Registry, endpoint: Endpoint) -> None:
    resources = registry.resources
    (first,) = resources.declare_node(endpoint.uuid, "n", node("a"))
    resources.remove_node(endpoint.uuid, "n")
    (back,) = resources.ensure_points([new_point(endpoint, "n/meter/a", ValueType.STRING)])
    assert back == replace(first, type=ValueType.STRING, conforms=None)


def test_ensuring_points_names_the_endpoint_that_is_missing(registry: Registry) -> None:
    unknown = str(uuid.uuid4())
    with pytest.raises(Missing, match=unknown):
        registry.resources.ensure_points(
            [NewPoint(PointAddress(f"{unknown}/n/o/a"), Constraint.MEASURE, ValueType.NUMBER)]
        )


def test_a_prefix_selects_whole_levels_in_the_order_of_addresses(
    registry: Registry, endpoint: Endpoint
) -> None:
    # Neighbours in the order of bytes (- . / 0), and what LIKE would take for wildcards.
    paths = [
        "n/o/a",
        "n-1/o/a",
        "n.1/o/a",
        "n0/o/a",
        "n/o_/a",
        "n/ox/a",
        "n/o%/a",
        "n/o/é",
        "N/o/a",
    ]
    registry.resources.ensure_points([new_point(endpoint, path) for path in paths])
    other = registry.resources.create_endpoint(endpoint.project, "other", {})
    registry.resources.ensure_points([new_point(other, "n/o/a")])

    def below(*levels: str) -> list[str]:
        return present(registry.resources.points((endpoint.uuid, *levels)))

    assert below() == sorted(paths)
    assert below("n") == ["n/o%/a", "n/o/a", "n/o/é", "n/o_/a", "n/ox/a"]
    assert below("n", "o") == ["n/o/a", "n/o/é"]
    assert below("n", "o_") == ["n/o_/a"]
    assert below("n", "o%") == ["n/o%/a"]
    assert below("n", "o", "a") == ["n/o/a"]
    assert below("n", "o", "a", "b") == below("unknown") == []
    assert len(registry.resources.points(())) == len(paths) + 1


def test_one_point_is_found_by_its_address(registry: Registry, endpoint: Endpoint) -> None:
    (made,) = registry.resources.ensure_points([new_point(endpoint, "n/o/a")])
    assert registry.resources.point(made.address) == made
    with pytest.raises(Missing, match="no data point"):
        registry.resources.point(PointAddress(f"{endpoint.uuid}/n/o/b"))
