"""What devices in the field send and the original's defects, one test each, named after them."""

import json

import cbor2
import pytest

from ciaas.kernel.decode import Confirmation
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.sample import Kind, Reason, Verdict
from ciaas.kernel.wire import long_form, subject_of
from tests.ciaas.kernel.city import DEVICE, MODEL, NOW, OTHER, City, judged, reasons

AT = 1_795_300_000_500
POWER = f"{DEVICE}/Lamp12/light/power"
LEVEL = f"{DEVICE}/Lamp12/light/level"
BODY = '{"type":"Number","constraint":"Measure","timestamp":1795300000.5,"value":21.5}'
NODE = f'{{"implements":[],"objects":{{"o":{{"conforms":null,"attributes":{{"a":{BODY}}}}}}}}}'


def test_forged_neighbour_payloads(city: City) -> None:
    """Decoded as one array, the first payload would open it and the third close it."""
    honest = BODY.replace("21.5", "20.0")
    attack = [
        '{"timestamp":1795300000.5,"value":1.0,"type":"","x":[{}',
        honest,
        ']},{"timestamp":1795300000.5,"value":99.0}',
    ]
    topics = [f"@update/{OTHER}/n/o/a", f"@update/{POWER}", f"@update/{OTHER}/n/o/b"]
    decoded = city.hear(*zip(topics, attack, strict=True))
    assert city.rows(decoded) == [("Lamp12/light/power", AT, 20.0)]
    assert reasons(decoded) == ["malformed", "malformed"]


@pytest.mark.parametrize(
    "attack",
    [
        ['{"value":1.0,"x":"', BODY, '"}'],
        ['{"value":1.0}\n{"value":99.0}', BODY, BODY],
        ["{\n", BODY, "\n}"],
        ['{"value":1.0}\r\n', BODY, "\n"],
        ["", BODY, '{"value":1.0},{"value":2.0}'],
        ["\xbf", BODY, "\xff"],
    ],
)
def test_forged_neighbour_payloads_in_line_mode(city: City, attack: list[str]) -> None:
    forger = [f"@update/{OTHER}/n/o/a", f"@update/{POWER}", f"@update/{OTHER}/n/o/b"]
    sent = [(topic, text.encode("latin-1")) for topic, text in zip(forger, attack, strict=True)]
    decoded = city.hear(*sent)
    mine = [row for row in city.rows(decoded) if row[0] == "Lamp12/light/power"]
    assert mine == [("Lamp12/light/power", AT, 21.5)]


def test_json_and_cbor_mixed_in_one_batch(city: City) -> None:
    payloads = [BODY.encode(), cbor2.dumps(json.loads(BODY)), BODY.encode()]
    decoded = city.hear(*[(f"@update/{POWER}", payload) for payload in payloads])
    assert city.rows(decoded) == [("Lamp12/light/power", AT, 21.5)] * 3


def test_cbor_of_indefinite_length_and_short_floats(city: City) -> None:
    payload = b"\xbf\x65value\xf9\x4d\x60\x69timestamp\x1a\x6b\x02\x1a\xa0\xff"
    decoded = city.hear((f"@update/{POWER}", payload))
    assert city.rows(decoded) == [("Lamp12/light/power", 0x6B021AA0 * 1000, 21.5)]


def test_a_number_written_as_an_integer_literal(city: City) -> None:
    decoded = city.hear((f"@update/{POWER}", BODY.replace("21.5", "5")))
    assert judged(decoded) == [(Kind.NUMBER, Verdict.GOOD, Reason.NONE, None)]


def test_one_bad_attribute_does_not_drop_the_online(city: City) -> None:
    model = MODEL.replace(b'"type":"Boolean"', b'"type":"Bool"')
    decoded = city.hear((f"@online/{DEVICE}", model))
    assert len(city.catalogue.under((DEVICE,))) == 5
    assert reasons(decoded) == ["malformed"]
    assert (
        decoded.aside[0].payload == b'{"Lamp12/light/on": {"type": "Bool", "constraint": "Status"}}'
    )


def test_unknown_fields_are_ignored(city: City) -> None:
    extended = BODY[:-1] + ',"unit":"W","deep":{"list":[1,{"a":null}]}}'
    model = MODEL[:-1] + b',"vendor":"x"}'
    decoded = city.hear((f"@update/{POWER}", extended), (f"@online/{DEVICE}", model))
    assert city.rows(decoded) == [("Lamp12/light/power", AT, 21.5)]
    assert decoded.aside == []


def test_type_and_constraint_of_a_known_point_may_be_missing(city: City) -> None:
    decoded = city.hear((f"@update/{POWER}", '{"timestamp":1795300000.5,"value":21.5}'))
    assert city.rows(decoded) == [("Lamp12/light/power", AT, 21.5)]


def test_message_format_version_1_is_the_default(city: City) -> None:
    city.hear((f"@online/{OTHER}", '{"nodes":{}}'))
    endpoint = city.catalogue.endpoint(OTHER)
    assert endpoint is not None
    assert endpoint.model is not None
    assert endpoint.model.message_format_version == 1
    assert endpoint.model.supported_formats == ("JSON",)


def test_v01_long_topics(city: City) -> None:
    long = long_form(POWER)
    assert long == f"{DEVICE}/nodes/Lamp12/objects/light/attributes/power"
    transaction = f'{{"attributes":{{"{long}":{BODY}}}}}'
    decoded = city.hear((f"@update/{long}", BODY), (f"@transaction/{DEVICE}", transaction))
    assert city.rows(decoded) == [("Lamp12/light/power", AT, 21.5)] * 2
    point = city.point("Lamp12/light/power")
    assert point is not None
    assert city.catalogue.by_subject(subject_of(long)) == point.id
    assert city.rows(city.hear((f"@update/{long}", BODY))) == [("Lamp12/light/power", AT, 21.5)]


def test_v01_nodes_are_added_and_removed(city: City) -> None:
    city.hear((f"@nodeAdded/{OTHER}/nodes/n", NODE))
    assert city.point("n/o/a", OTHER) is not None
    city.hear((f"@nodeRemoved/{OTHER}/nodes/n", b""))
    assert city.point("n/o/a", OTHER) is None


def test_an_unknown_point_in_the_long_form_is_learned_under_its_short_address(city: City) -> None:
    city.hear((f"@update/{OTHER}/nodes/n/objects/o/objects/p/attributes/a", BODY))
    assert city.point("n/o/p/a", OTHER) is not None


def test_a_declared_node_called_nodes_is_not_mistaken_for_the_long_form(city: City) -> None:
    leaf = {"attributes": {"a": json.loads(BODY)}}
    inner = {"objects": {"objects": {"objects": {"o": {"objects": {"attributes": leaf}}}}}}
    city.hear((f"@nodeAdded/{OTHER}/nodes", json.dumps({"objects": {"n": inner}})))
    literal = "nodes/n/objects/o/attributes/a"
    assert city.point(literal, OTHER) is not None
    decoded = city.hear((f"@update/{OTHER}/{literal}", BODY))
    assert city.rows(decoded) == [(literal, AT, 21.5)]


def test_a_dot_inside_a_name(city: City) -> None:
    decoded = city.hear(
        (f"@update/{OTHER}/n/o/with.dot", BODY),
        (f"@update/{OTHER}/n/o/with/dot", BODY),
        (f"@nodeAdded/{OTHER}/a.b", NODE),
        (f"@update/{OTHER}/a.b/o/a", BODY),
    )
    names = [name for name, _, _ in city.rows(decoded)]
    assert names == ["n/o/with.dot", "n/o/with/dot", "a.b/o/a", "a.b/o/a"]


def test_java_appends_a_second_object_to_did_set(city: City) -> None:
    appended = '{"correlationID":"7f","timestamp":1795300000500,"value":21.5}'
    cbor = cbor2.dumps(json.loads(BODY)) + cbor2.dumps(json.loads(appended))
    decoded = city.hear((f"@didSet/{LEVEL}", BODY + appended), (f"@didSet/{LEVEL}", cbor))
    assert city.rows(decoded) == [("Lamp12/light/level", AT, 21.5)] * 2
    assert decoded.confirmations == [Confirmation(0, "7f"), Confirmation(1, "7f")]
    assert decoded.aside == []


def test_python_comes_online_without_nodes_and_adds_them_after(city: City) -> None:
    city.hear(
        (f"@online/{OTHER}", '{"version":"v0.2","nodes":{}}'), (f"@nodeAdded/{OTHER}/n", NODE)
    )
    assert city.point("n/o/a", OTHER) is not None


def test_a_node_may_be_added_before_or_after_the_online_that_holds_it(city: City) -> None:
    online = (f"@online/{OTHER}", f'{{"nodes":{{"n":{NODE}}}}}')
    added = (f"@nodeAdded/{OTHER}/n", NODE)
    city.hear(added, online)
    first = city.point("n/o/a", OTHER)
    city.hear(online, added)
    assert first is not None
    assert city.point("n/o/a", OTHER) == first


def test_a_node_missing_from_a_new_online_is_removed(city: City) -> None:
    city.hear((f"@online/{DEVICE}", f'{{"nodes":{{"n":{NODE}}}}}'))
    assert [city.name(point.id) for point in city.catalogue.under((DEVICE,))] == ["n/o/a"]


def test_coming_back_unchanged_writes_nothing_to_the_registry(city: City) -> None:
    def online(reading: bytes) -> list[tuple[str, int, float | str | None]]:
        measure = b'"constraint":"Measure"'
        return city.rows(
            city.hear((f"@online/{DEVICE}", MODEL.replace(measure, measure + reading)))
        )

    assert online(b',"timestamp":5,"value":7') == [("Lamp12/light/power", 5_000, 7.0)]
    before = city.registry.version()
    assert online(b',"timestamp":6,"value":8') == [("Lamp12/light/power", 6_000, 8.0)]
    assert city.registry.version() == before


def test_clearing_the_retained_online_is_no_birth(city: City) -> None:
    decoded = city.hear((f"@online/{DEVICE}", b""))
    assert city.presence.seen == []
    assert (decoded.skipped, decoded.aside) == (1, [])


def test_last_wills_of_python_java_and_cpp(city: City) -> None:
    decoded = city.hear((f"@offline/{DEVICE}", "DEAD"), (f"@offline/{OTHER}", b""))
    assert city.presence.seen == [("offline", DEVICE, NOW), ("offline", OTHER, NOW)]
    assert decoded.aside == []


def test_python_enforces_no_constraint_and_nothing_is_dropped_for_it(city: City) -> None:
    decoded = city.hear((f"@update/{LEVEL}", BODY), (f"@didSet/{POWER}", BODY))
    names = [name for name, _, _ in city.rows(decoded)]
    assert names == ["Lamp12/light/level", "Lamp12/light/power"]


def test_java_sends_an_empty_delayed_at_each_connect(city: City) -> None:
    decoded = city.hear(
        (f"@delayed/{DEVICE}", '{"timestamp":1795300100250,"messages":[]}'),
        (f"@delayed/{DEVICE}", cbor2.dumps({"timestamp": 1795300100250, "messages": []})),
        (f"@transaction/{DEVICE}", '{"attributes":{}}'),
        (f"@transaction/{DEVICE}", cbor2.dumps({"attributes": {}})),
    )
    assert (len(decoded.frame), decoded.aside, decoded.skipped) == (0, [], 4)


def test_a_delayed_node_added_does_not_kill_its_batch(city: City) -> None:
    entries = [
        {"topic": f"@nodeAdded/{DEVICE}/n", "data": json.loads(NODE)},
        {"topic": f"@didSet/{LEVEL}", "data": json.loads(BODY)},
    ]
    decoded = city.hear((f"@delayed/{DEVICE}", cbor2.dumps({"timestamp": 1, "messages": entries})))
    assert [name for name, _, _ in city.rows(decoded)] == ["n/o/a", "Lamp12/light/level"]


def test_the_timestamp_of_delayed_is_not_that_of_its_values(city: City) -> None:
    entry = f'{{"topic":"@update/{POWER}","data":{BODY}}}'
    payload = f'{{"timestamp":1795300100250,"messages":[{entry}]}}'
    assert city.rows(city.hear((f"@delayed/{DEVICE}", payload))) == [
        ("Lamp12/light/power", AT, 21.5)
    ]


def test_arrays_are_refused_with_the_reason(city: City) -> None:
    decoded = city.hear((f"@update/{POWER}", BODY.replace("21.5", "[1.5,2.5]")))
    assert reasons(decoded) == ["malformed"]
    assert "array" in decoded.aside[0].detail


def test_python_json_writes_nan(city: City) -> None:
    payload = json.dumps({"timestamp": 1795300000.5, "value": float("nan")})
    decoded = city.hear((f"@update/{POWER}", payload))
    assert judged(decoded) == [(Kind.NULL, Verdict.BAD, Reason.NOT_FINITE, "NaN")]


def test_the_uuid_may_be_in_upper_case(city: City) -> None:
    topic = f"@update/{DEVICE.upper()}/Lamp12/light/power"
    assert city.rows(city.hear((topic, BODY))) == [("Lamp12/light/power", AT, 21.5)]


def test_what_is_learned_has_the_type_and_constraint_of_the_message(city: City) -> None:
    body = '{"type":"Boolean","constraint":"Parameter","value":true}'
    decoded = city.hear((f"@didSet/{OTHER}/n/o/a", body))
    point = city.point("n/o/a", OTHER)
    assert point is not None
    assert (point.constraint, point.type) == (Constraint.PARAMETER, ValueType.BOOLEAN)
    assert judged(decoded) == [(Kind.BOOLEAN, Verdict.UNCERTAIN, Reason.NO_TIMESTAMP, None)]
    assert decoded.confirmations == [Confirmation(0, None)]


def test_half_a_surrogate_pair_drops_only_its_element(city: City) -> None:
    half = "\\ud800"
    transaction = f'{{"attributes":{{"{LEVEL}":{{"value":"{half}"}},"{POWER}":{BODY}}}}}'
    model = f'{{"version":"{half}","nodes":{{"n":{NODE},"{half}":{NODE}}}}}'
    log = f'{{"level":"INFO","timestamp":5,"message":"{half}"}}'
    decoded = city.hear(
        (f"@transaction/{DEVICE}", transaction),
        (f"@online/{OTHER}", model),
        (f"@logs/{OTHER}", log),
    )
    assert [name for name, _, _ in city.rows(decoded)] == ["Lamp12/light/power", "n/o/a"]
    assert reasons(decoded) == ["malformed"] * 4
    assert decoded.logs == []
