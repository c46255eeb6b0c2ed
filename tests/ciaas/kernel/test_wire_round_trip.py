import cbor2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ciaas.kernel.model import Attribute, Constraint, EndpointModel, Node, Thing, ValueType
from ciaas.kernel.wire import (
    ExecOutput,
    LogLevel,
    LogLine,
    WireError,
    WireFormat,
    attribute_tree,
    encode_attribute,
    encode_delayed,
    encode_log,
    encode_model,
    encode_node,
    encode_output,
    encode_transaction,
    read_attribute,
    read_attributes,
    read_document,
    read_entries,
    read_log,
    read_model,
    read_node,
    read_output,
)

FORMS = st.sampled_from(WireFormat)
NAMES = st.text(
    st.characters(codec="utf-8", categories=["L", "N", "P"], exclude_characters="/*>+#"),
    min_size=1,
    max_size=12,
)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=20)
TIMES = st.none() | st.floats(0, 4e9)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
VALUES = {
    ValueType.BOOLEAN: st.booleans(),
    ValueType.INTEGER: st.integers(-(2**63), 2**63 - 1),
    ValueType.NUMBER: FINITE,
    ValueType.STRING: TEXTS,
}
ATTRIBUTES = st.sampled_from(ValueType).flatmap(
    lambda kind: st.builds(
        Attribute, st.sampled_from(Constraint), st.just(kind), TIMES, st.none() | VALUES[kind]
    )
)
THINGS = st.recursive(
    st.builds(
        Thing, st.none() | NAMES, st.just({}), st.dictionaries(NAMES, ATTRIBUTES, max_size=3)
    ),
    lambda inner: st.builds(
        Thing,
        st.none() | NAMES,
        st.dictionaries(NAMES, inner, max_size=3),
        st.dictionaries(NAMES, ATTRIBUTES, max_size=3),
    ),
    max_leaves=6,
)
NODES = st.builds(
    Node, st.lists(NAMES, max_size=3).map(tuple), st.dictionaries(NAMES, THINGS, max_size=3)
)
MODELS = st.builds(
    EndpointModel,
    NAMES,
    st.integers(1, 9),
    st.lists(st.sampled_from(["JSON", "CBOR"]), max_size=2).map(tuple),
    st.dictionaries(NAMES, NODES, max_size=3),
)
LINES = st.builds(LogLine, st.sampled_from(LogLevel), st.floats(0, 4e9), TEXTS, TEXTS, TEXTS)


@settings(max_examples=40, deadline=None)
@given(ATTRIBUTES, FORMS)
def test_attributes(attribute: Attribute, form: WireFormat) -> None:
    assert read_attribute(read_document(encode_attribute(attribute, form)).tree) == attribute


@settings(max_examples=40, deadline=None)
@given(NODES, FORMS)
def test_nodes(node: Node, form: WireFormat) -> None:
    assert read_node("n", read_document(encode_node(node, form)).tree) == (node, [])


@settings(max_examples=40, deadline=None)
@given(MODELS, FORMS)
def test_models(model: EndpointModel, form: WireFormat) -> None:
    assert read_model(read_document(encode_model(model, form)).tree) == (model, [])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(NAMES, ATTRIBUTES, max_size=4), FORMS)
def test_transactions(attributes: dict[str, Attribute], form: WireFormat) -> None:
    elements = read_attributes(read_document(encode_transaction(attributes, form)).tree)
    assert {path: read_attribute(element) for path, element in elements.items()} == attributes


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(NAMES, ATTRIBUTES), max_size=4), FORMS)
def test_delayed(sent: list[tuple[str, Attribute]], form: WireFormat) -> None:
    trees = [(topic, attribute_tree(attribute, form)) for topic, attribute in sent]
    good, bad = read_entries(read_document(encode_delayed(5, trees, form)).tree)
    assert [(topic, read_attribute(element)) for topic, element in good] == sent
    assert bad == []


@settings(max_examples=40, deadline=None)
@given(LINES, FORMS)
def test_log_lines(line: LogLine, form: WireFormat) -> None:
    assert read_log(read_document(encode_log(line, form)).tree) == line


@settings(max_examples=40, deadline=None)
@given(TEXTS, TEXTS, FORMS)
def test_outputs(correlation_id: str, data: str, form: WireFormat) -> None:
    output = ExecOutput(correlation_id, data)
    assert read_output(read_document(encode_output(output, form)).tree) == output


def test_the_attribute_of_the_protocol_reference_byte_by_byte() -> None:
    attribute = Attribute(Constraint.MEASURE, ValueType.NUMBER, 1795300000.5, 21.5)
    assert encode_attribute(attribute, WireFormat.JSON) == (
        b'{"type":"Number","constraint":"Measure","timestamp":1795300000.5,"value":21.5}'
    )
    assert encode_attribute(attribute, WireFormat.CBOR) == bytes.fromhex(
        "a4 64 74797065 66 4e756d626572 6a 636f6e73747261696e74 67 4d656173757265"
        "69 74696d657374616d70 fb 41dac086a8200000 65 76616c7565 fb 4035800000000000"
    )


@pytest.mark.parametrize("form", WireFormat)
def test_a_number_is_written_as_a_double(form: WireFormat) -> None:
    attribute = Attribute(Constraint.SET_POINT, ValueType.NUMBER, 1.0, 5)
    value = read_document(encode_attribute(attribute, form)).tree["value"]
    assert type(value) is float


def test_json_refuses_what_only_cbor_can_carry() -> None:
    attribute = Attribute(Constraint.MEASURE, ValueType.NUMBER, 1.0, float("inf"))
    assert cbor2.loads(encode_attribute(attribute, WireFormat.CBOR))["value"] == float("inf")
    with pytest.raises(ValueError, match="JSON"):
        encode_attribute(attribute, WireFormat.JSON)


def test_a_correlation_id_travels_with_the_attribute() -> None:
    attribute = Attribute(Constraint.SET_POINT, ValueType.BOOLEAN, 1.0, True)
    payload = encode_attribute(attribute, WireFormat.JSON, "c-1")
    assert read_document(payload).tree["correlationID"] == "c-1"


def test_log_lines_need_level_time_and_message() -> None:
    good = {"level": "WARN", "timestamp": 5.0, "message": "hot"}
    assert read_log(good) == LogLine(LogLevel.WARN, 5.0, "hot", "", "")
    for field in good:
        with pytest.raises(WireError):
            read_log({key: value for key, value in good.items() if key != field})
    with pytest.raises(WireError):
        read_log(good | {"level": "LOUD"})
