import pytest

from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.kernel.wire import (
    Tree,
    WireError,
    read_attribute,
    read_model,
    read_node,
    without_readings,
)
from ciaas.limits import (
    ADDRESS_CHARS_MAX,
    ADDRESS_LEVELS_MAX,
    NAME_CHARS_MAX,
    POINTS_PER_ENDPOINT_MAX,
)

MEASURE: Tree = {"type": "Number", "constraint": "Measure"}


def node_of(attributes: Tree) -> Tree:
    return {"implements": [], "objects": {"o": {"attributes": attributes}}}


def names(node: Node) -> set[str]:
    return {"/".join(path) for path, _, _ in node.attributes()}


def test_a_model_is_read_with_all_it_says() -> None:
    model, faults = read_model(
        {
            "version": "v0.2",
            "messageFormatVersion": 2,
            "supportedFormats": ["JSON", "CBOR"],
            "nodes": {
                "n": {
                    "implements": ["Luminaire"],
                    "online": True,
                    "objects": {
                        "o": {"conforms": "Dimmer", "attributes": {"a": MEASURE | {"value": 1.5}}}
                    },
                }
            },
        }
    )
    attribute = Attribute(Constraint.MEASURE, ValueType.NUMBER, None, 1.5)
    thing = Thing("Dimmer", {}, {"a": attribute})
    node = Node(("Luminaire",), {"o": thing})
    assert model == EndpointModel("v0.2", 2, ("JSON", "CBOR"), {"n": node})
    assert faults == []


def test_what_a_model_leaves_out_has_cloudio_defaults() -> None:
    assert read_model({"nodes": {}}) == (EndpointModel("unknown", 1, ("JSON",), {}), [])


@pytest.mark.parametrize("tree", [{}, {"nodes": None}, {"nodes": []}])
def test_a_model_needs_nodes(tree: Tree) -> None:
    with pytest.raises(WireError, match="nodes"):
        read_model(tree)


@pytest.mark.parametrize(
    "bad",
    [
        5,
        None,
        [],
        {},
        {"type": "Number"},
        {"constraint": "Measure", "value": 1},
        {"type": "Float", "constraint": "Measure"},
        {"type": 3, "constraint": "Measure"},
        {"type": "Number", "constraint": "Invalid"},
        MEASURE | {"value": [1, 2]},
        MEASURE | {"value": {"a": 1}},
        MEASURE | {"value": b"bytes"},
        MEASURE | {"value": "\ud800"},
        MEASURE | {"timestamp": "today"},
        MEASURE | {"timestamp": True},
        MEASURE | {"timestamp": float("nan")},
        MEASURE | {"timestamp": 10**400},
    ],
)
def test_a_bad_attribute_drops_only_itself(bad: object) -> None:
    with pytest.raises(WireError):
        read_attribute(bad)
    node, faults = read_node("n", node_of({"good": MEASURE, "bad": bad}))
    assert names(node) == {"o/good"}
    assert [(fault.path, fault.element) for fault in faults] == [("n/o/bad", bad)]
    assert faults[0].reason


@pytest.mark.parametrize("name", ["", "a b", "a/b", "*", ">", "x" * (NAME_CHARS_MAX + 1)])
def test_a_name_that_no_topic_can_carry_drops_its_element(name: str) -> None:
    node, faults = read_node("n", node_of({"good": MEASURE, name: MEASURE}))
    assert names(node) == {"o/good"}
    assert len(faults) == 1


@pytest.mark.parametrize(
    ("element", "fault"),
    [
        ({"implements": {"a": 1}, "objects": {}}, "n/implements"),
        ({"implements": ["A", 5], "objects": {}}, "n/implements"),
        ({"objects": []}, "n/objects"),
        ({"objects": {"o": 5}}, "n/o"),
        ({"objects": {"o": {"conforms": 5}}}, "n/o/conforms"),
        ({"objects": {"o": {"attributes": "none"}}}, "n/o/attributes"),
        ({"objects": {"o": {"objects": 1}}}, "n/o/objects"),
    ],
)
def test_an_element_of_another_type_is_named(element: Tree, fault: str) -> None:
    _, faults = read_node("n", element)
    assert [found.path for found in faults] == [fault]


def test_null_maps_are_empty_maps() -> None:
    element: Tree = {"implements": None, "objects": {"o": {"objects": None, "attributes": None}}}
    assert read_node("n", element) == (Node((), {"o": Thing()}), [])


def test_implements_may_be_a_single_text() -> None:
    node, faults = read_node("n", {"implements": "Luminaire", "objects": {}})
    assert node.implements == ("Luminaire",)
    assert faults == []


def test_address_levels_max() -> None:
    element: Tree = {"attributes": {"a": MEASURE}}
    for _ in range(ADDRESS_LEVELS_MAX):
        element = {"attributes": {"a": MEASURE}, "objects": {"o": element}}
    node, faults = read_node("n", {"objects": {"o": element}})
    deepest = max(len(path) for path, _, _ in node.attributes())
    assert deepest + 2 == ADDRESS_LEVELS_MAX
    assert len(faults) > 0


def test_address_chars_max() -> None:
    long = "x" * NAME_CHARS_MAX
    inner: Tree = {"attributes": {"fits": MEASURE, long: MEASURE}}
    element: Tree = {"objects": {long: {"objects": {long: {"objects": {long: inner}}}}}}
    node, faults = read_node("n", element)
    assert [path[-1] for path, _, _ in node.attributes()] == ["fits"]
    assert [fault.reason for fault in faults] == ["the address is too long"]
    assert 36 + 2 + 4 * NAME_CHARS_MAX + 4 > ADDRESS_CHARS_MAX


def test_points_per_endpoint_max() -> None:
    attributes: Tree = {f"a{number}": MEASURE for number in range(POINTS_PER_ENDPOINT_MAX + 2)}
    model, faults = read_model({"nodes": {"n": node_of(attributes)}})
    assert len(names(model.nodes["n"])) == POINTS_PER_ENDPOINT_MAX
    assert [fault.crowded for fault in faults] == [True, True]


def test_without_readings_only_statics_keep_a_value() -> None:
    static = {"type": "String", "constraint": "Static", "value": "A1", "timestamp": 5.0}
    measured = MEASURE | {"value": 1.0, "timestamp": 5.0}
    model, _ = read_model({"nodes": {"n": node_of({"serial": static, "power": measured})}})
    kept = {
        path[-1]: attribute
        for path, attribute, _ in without_readings(model).nodes["n"].attributes()
    }
    assert kept == {
        "serial": Attribute(Constraint.STATIC, ValueType.STRING, None, "A1"),
        "power": Attribute(Constraint.MEASURE, ValueType.NUMBER, None, None),
    }
