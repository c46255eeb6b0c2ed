import json

import cbor2
import pytest

from ciaas.kernel.decode import Confirmation, DeviceLog, DeviceOutput
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.wire import ExecOutput, LogLevel, LogLine, long_form
from ciaas.limits import (
    ASIDE_DETAIL_CHARS_MAX,
    ASIDE_PARTS_MAX,
    DELAYED_NESTING_MAX,
    POINTS_PER_ENDPOINT_MAX,
)
from ciaas.ports import JournalLine
from tests.ciaas.kernel.city import DEVICE, MODEL, NOW, OTHER, STRANGER, City, judged, reasons

AT = 1_795_300_000_500
BODY = '{"type":"Number","constraint":"Measure","timestamp":1795300000.5,"value":21.5}'
NODE = (
    '{"implements":["Meter"],"objects":{"o":{"conforms":null,"objects":{},"attributes":{"a":'
    '{"type":"Number","constraint":"Measure","timestamp":1795300000.5,"value":3.5}}}}}'
)


def test_an_update_of_an_unknown_attribute_is_learned(city: City) -> None:
    topic = f"@update/{OTHER}/n/o/p/a"
    decoded = city.hear((topic, BODY), (topic, BODY.replace("21.5", "22.5")))
    assert city.rows(decoded) == [("n/o/p/a", AT, 21.5), ("n/o/p/a", AT, 22.5)]
    point = city.point("n/o/p/a", OTHER)
    assert point is not None
    assert (point.constraint, point.type) == (Constraint.MEASURE, ValueType.NUMBER)


def test_only_the_first_message_of_a_new_point_has_to_say_what_it_is(city: City) -> None:
    topic, bare = f"@update/{OTHER}/n/o/a", '{"timestamp":1795300000.5,"value":1}'
    decoded = city.hear((topic, bare), (topic, BODY), (topic, bare))
    assert decoded.frame.num.tolist() == [21.5, 1.0]
    assert reasons(decoded) == ["malformed"]
    assert decoded.aside[0].sequence == 1
    assert city.hear((topic, bare)).frame.num.tolist() == [1.0]


def test_what_is_learned_keeps_its_place_among_the_others(city: City) -> None:
    known, unknown = f"@update/{DEVICE}/Lamp12/light/power", f"@update/{DEVICE}/n/o/a"
    decoded = city.hear(
        (known, BODY),
        (unknown, BODY),
        (known, BODY),
        (f"@nodeAdded/{OTHER}/n", NODE),
        (unknown, BODY),
    )
    names = [name for name, _, _ in city.rows(decoded)]
    assert names == ["Lamp12/light/power", "n/o/a", "Lamp12/light/power", "n/o/a", "n/o/a"]


def test_more_attributes_than_points_per_endpoint_max_are_set_aside(city: City) -> None:
    topic = f"@transaction/{OTHER}"
    element = '{"type":"Number","constraint":"Measure","value":1}'
    parts = ",".join(f'"{OTHER}/n/o/a{i}":{element}' for i in range(POINTS_PER_ENDPOINT_MAX))
    full = city.hear((topic, f'{{"attributes":{{{parts}}}}}'))
    assert len(full.frame) == POINTS_PER_ENDPOINT_MAX
    more = city.hear((f"@update/{OTHER}/n/o/more", BODY), (f"@update/{OTHER}/n/o/a0", BODY))
    assert [name for name, _, _ in city.rows(more)] == ["n/o/a0"]
    assert reasons(more) == ["too-many-points"]
    assert more.aside[0].payload == BODY.encode()


def test_a_declaration_of_too_many_points_is_set_aside(city: City) -> None:
    city.hear((f"@nodeAdded/{OTHER}/n", NODE))
    element = '{"type":"Number","constraint":"Measure"}'
    attributes = ",".join(f'"b{i}":{element}' for i in range(POINTS_PER_ENDPOINT_MAX))
    node = f'{{"objects":{{"o":{{"attributes":{{{attributes}}}}}}}}}'
    decoded = city.hear((f"@nodeAdded/{OTHER}/m", node))
    assert reasons(decoded) == ["too-many-points"]
    assert city.point("n/o/a", OTHER) is not None
    assert city.point("m/o/b0", OTHER) is None


def test_what_a_model_holds_beyond_the_bound_is_set_aside(city: City) -> None:
    element = '{"type":"Number","constraint":"Measure"}'
    attributes = ",".join(f'"b{i}":{element}' for i in range(POINTS_PER_ENDPOINT_MAX + 1))
    node = f'{{"objects":{{"o":{{"attributes":{{{attributes}}}}}}}}}'
    decoded = city.hear((f"@online/{OTHER}", f'{{"nodes":{{"n":{node}}}}}'))
    assert reasons(decoded) == ["too-many-points"]
    assert len(city.catalogue.under((OTHER,))) == POINTS_PER_ENDPOINT_MAX


def test_online_declares_and_tells_presence(city: City) -> None:
    decoded = city.hear((f"@online/{OTHER}", MODEL))
    assert city.presence.seen == [("online", OTHER, NOW)]
    assert len(city.catalogue.under((OTHER,))) == 6
    assert len(decoded.frame) == 0
    assert decoded.aside == []


def test_offline_tells_presence_whatever_the_payload(city: City) -> None:
    city.hear((f"@offline/{DEVICE}", b"DEAD"), (f"@offline/{DEVICE}", b""))
    assert city.presence.seen == [("offline", DEVICE, NOW)] * 2


def test_values_of_a_declaration_are_samples(city: City) -> None:
    decoded = city.hear(
        (f"@nodeAdded/{DEVICE}/n", NODE),
        (f"@nodeAdded/{DEVICE}/m", NODE.replace("1795300000.5", "null")),
    )
    assert city.rows(decoded) == [("n/o/a", AT, 3.5), ("m/o/a", NOW, 3.5)]
    assert [reason.name for _, _, reason, _ in judged(decoded)] == ["NONE", "NO_TIMESTAMP"]


def test_a_static_is_recorded_when_it_changed(city: City) -> None:
    def online(serial: str) -> list[tuple[str, int, float | str | None]]:
        value = f'"constraint":"Static","value":"{serial}"'
        return city.rows(
            city.hear((f"@online/{DEVICE}", MODEL.decode().replace('"constraint":"Static"', value)))
        )

    assert online("A1") == [("Lamp12/light/serial", NOW, "A1")]
    assert online("A1") == []
    assert online("B2") == [("Lamp12/light/serial", NOW, "B2")]


def test_node_removed_and_added_again_keeps_the_ids(city: City) -> None:
    before = city.point("Lamp12/light/power")
    city.hear((f"@nodeRemoved/{DEVICE}/Lamp12", b""))
    assert city.point("Lamp12/light/power") is None
    city.hear((f"@update/{DEVICE}/Lamp12/light/power", BODY))
    after = city.point("Lamp12/light/power")
    assert before is not None
    assert after is not None
    assert before.id == after.id


def test_did_set_confirms_with_the_row_that_holds_it(city: City) -> None:
    early = BODY.replace("1795300000.5", "-1")
    decoded = city.hear(
        (f"@update/{DEVICE}/Lamp12/light/power", early),
        (f"@didSet/{DEVICE}/Lamp12/light/level", BODY),
        (f"@didSet/{DEVICE}/Lamp12/light/level", early),
        (f"@didSet/{DEVICE}/Lamp12/light/level", BODY[:-1] + ',"correlationID":"c-7"}'),
        (
            f"@didSet/{DEVICE}/Lamp12/light/level",
            cbor2.dumps({"value": 1.5, "correlationID": "c-8"}),
        ),
    )
    assert decoded.confirmations == [
        Confirmation(0, None),
        Confirmation(1, "c-7"),
        Confirmation(2, "c-8"),
    ]
    assert decoded.frame.num.tolist() == [21.5, 21.5, 1.5]
    assert reasons(decoded) == ["bad-timestamp", "bad-timestamp"]


def test_the_platforms_own_messages_pass_by(city: City) -> None:
    decoded = city.hear(
        (f"@set/{DEVICE}/Lamp12/light/level", BODY),
        (f"@exec/{DEVICE}", b"{}"),
        (f"@logsLevel/{DEVICE}", b"{}"),
    )
    assert (len(decoded.frame), decoded.aside, decoded.skipped) == (0, [], 3)


@pytest.mark.parametrize("verb", ["@online", "@update", "@didSet", "@transaction", "@delayed"])
def test_clearing_a_retained_message_means_nothing(city: City, verb: str) -> None:
    path = "/Lamp12/light/level" if verb in ("@update", "@didSet") else ""
    decoded = city.hear((f"{verb}/{DEVICE}{path}", b""))
    assert (len(decoded.frame), decoded.aside, decoded.skipped) == (0, [], 1)
    assert city.presence.seen == []
    assert len(city.catalogue.under((DEVICE,))) == 6


def test_logs_and_outputs_are_handed_on(city: City) -> None:
    line = b'{"level":"WARN","timestamp":5.5,"message":"hot","loggerName":"l","logSource":"s"}'
    output = b'{"correlationID":"c","data":"total 0"}'
    decoded = city.hear((f"@logs/{DEVICE}", line), (f"@execOutput/{DEVICE}/c", output))
    assert decoded.logs == [DeviceLog(DEVICE, NOW, LogLine(LogLevel.WARN, 5.5, "hot", "l", "s"))]
    assert decoded.outputs == [DeviceOutput(DEVICE, NOW, ExecOutput("c", "total 0"))]
    assert decoded.journal == [
        JournalLine(DEVICE, NOW, "WARN", 5_500, "hot", "l", "s"),
        JournalLine(DEVICE, NOW, "OUTPUT", NOW, "total 0", "c", ""),
    ]


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (f"@update/{STRANGER}/n/o/a", "unknown-endpoint"),
        (f"@online/{STRANGER}", "unknown-endpoint"),
        ("@update/not-a-uuid/n/o/a", "bad-address"),
        ("@update", "bad-address"),
        ("@update/00000000-0000-0000-0000-000000000000/n/o/a", "bad-address"),
        (f"@update/{DEVICE}", "bad-address"),
        (f"@update/{DEVICE}/n/a", "bad-address"),
        (f"@update/{DEVICE}/n//o/a", "bad-address"),
        (f"@update/{DEVICE}/n/o/*", "bad-address"),
        (f"@update/{DEVICE}/" + "/".join("n" * 40), "bad-address"),
        (f"@online/{DEVICE}/more", "bad-address"),
        (f"@nodeAdded/{DEVICE}", "bad-address"),
        (f"@nodeRemoved/{DEVICE}/n/m", "bad-address"),
        (f"@transaction/{DEVICE}/n", "bad-address"),
        (f"@delayed/{DEVICE}/n", "bad-address"),
        (f"@logs/{DEVICE}/n", "bad-address"),
        (f"@execOutput/{DEVICE}", "bad-address"),
        (f"@offline/{DEVICE}/n", "bad-address"),
        (f"@upgrade/{DEVICE}", "unknown-verb"),
        ("hello/world", "unknown-verb"),
        ("", "unknown-verb"),
    ],
)
def test_a_bad_topic_is_set_aside_with_its_payload(city: City, topic: str, reason: str) -> None:
    decoded = city.hear((topic, BODY))
    assert len(decoded.frame) == 0
    (aside,) = decoded.aside
    assert (aside.reason, aside.payload, aside.received, aside.sequence) == (
        reason,
        BODY.encode(),
        NOW,
        1,
    )
    if "//" not in topic:
        assert aside.topic == topic


def test_a_topic_that_is_no_text_is_set_aside(city: City) -> None:
    message = city.message("@update/x", BODY)._replace(subject=b"@update.\xff.n.o.a")
    decoded = city.decoder.decode([message])
    assert reasons(decoded) == ["bad-address"]
    assert decoded.aside[0].topic == "@update.\\xff.n.o.a"


@pytest.mark.parametrize(
    "topic",
    [
        "@update/{}/Lamp12/light/power",
        "@didSet/{}/n/o/a",
        "@online/{}",
        "@nodeAdded/{}/n",
        "@transaction/{}",
        "@delayed/{}",
        "@logs/{}",
        "@execOutput/{}/c",
    ],
)
@pytest.mark.parametrize("payload", [b"[1]", b"\xff", b'{"value":', b"{}", b"\xa0", b"\xa1"])
def test_a_payload_of_no_use_is_set_aside(city: City, topic: str, payload: bytes) -> None:
    if payload in (b"{}", b"\xa0") and "nodeAdded" in topic:
        return  # a node without anything in it
    decoded = city.hear((topic.format(DEVICE), payload))
    assert len(decoded.frame) == 0
    (aside,) = decoded.aside
    assert (aside.reason, aside.payload, aside.endpoint) == ("malformed", payload, DEVICE)
    assert aside.detail


def test_an_endpoint_created_a_moment_ago_is_known(city: City) -> None:
    made = city.registry.create_endpoint(city.project, "quick", {})
    decoded = city.hear((f"@update/{made.uuid}/n/o/a", BODY), (f"@update/{STRANGER}/n/o/a", BODY))
    assert city.rows(decoded) == [("n/o/a", AT, 21.5)]
    assert reasons(decoded) == ["unknown-endpoint"]


def test_a_transaction_keeps_its_good_parts(city: City) -> None:
    payload = (
        f'{{"attributes":{{"{DEVICE}/Lamp12/light/power":{BODY},"{DEVICE}/n/o/a":{BODY},'
        f'"{DEVICE}/n/o/b":{{"value":[1]}},"{DEVICE}/x":{BODY},"{OTHER}/n/o/a":{BODY},"":1}}}}'
    )
    for form in (payload.encode(), cbor2.dumps(json.loads(payload))):
        decoded = city.hear((f"@transaction/{DEVICE}", form))
        assert sorted(city.rows(decoded)) == [("Lamp12/light/power", AT, 21.5), ("n/o/a", AT, 21.5)]
        assert sorted(reasons(decoded)) == [
            "bad-address",
            "bad-address",
            "forged-address",
            "malformed",
        ]
        assert city.point("n/o/a", OTHER) is None


def test_aside_parts_max(city: City) -> None:
    def hear(count: int) -> list[tuple[str, bytes]]:
        parts = ",".join(f'"{DEVICE}/n/o/a{i}":{i}' for i in range(count))
        payload = f'{{"attributes":{{{parts}}}}}'
        decoded = city.hear((f"@transaction/{DEVICE}", payload))
        return [(aside.detail, aside.payload) for aside in decoded.aside]

    assert len(hear(ASIDE_PARTS_MAX)) == ASIDE_PARTS_MAX
    crowded = hear(ASIDE_PARTS_MAX + 50)
    assert len(crowded) == ASIDE_PARTS_MAX + 1
    detail, payload = crowded[-1]
    assert detail.startswith(f"{ASIDE_PARTS_MAX + 50} parts")
    assert payload.startswith(b'{"attributes"')


def test_aside_detail_chars_max(city: City) -> None:
    node = {"objects": {"o" * 250: 1}}
    decoded = city.hear((f"@online/{OTHER}", json.dumps({"nodes": {"n" * 250: node}})))
    assert [len(aside.detail) for aside in decoded.aside] == [ASIDE_DETAIL_CHARS_MAX]


def delayed(*entries: str) -> str:
    return f'{{"timestamp":1795300100250,"messages":[{",".join(entries)}]}}'


def entry(topic: str, data: str) -> str:
    return f'{{"topic":"{topic}","data":{data}}}'


@pytest.mark.parametrize("cbor", [False, True])
def test_a_delayed_message_is_taken_entry_by_entry(city: City, cbor: bool) -> None:
    power = f"{DEVICE}/Lamp12/light/power"
    payload = delayed(
        entry(f"@nodeAdded/{DEVICE}/n", NODE),
        entry(f"@update/{DEVICE}/n/o/a", BODY),
        entry(f"@update/{power}", BODY),
        entry(f"@update/{long_form(power)}", BODY),
        entry(f"@didSet/{DEVICE}/Lamp12/light/level", BODY),
        entry(f"@transaction/{DEVICE}", f'{{"attributes":{{"{power}":{BODY}}}}}'),
        entry(f"@logs/{DEVICE}", '{"level":"INFO","timestamp":5,"message":"m"}'),
        entry(f"@update/{OTHER}/n/o/a", BODY),
        entry(f"@update/{power}", "null"),
        entry(f"@update/{power}", "[1]"),
        entry(f"@set/{power}", BODY),
        entry(f"@online/{DEVICE}", MODEL.decode().replace("\n", "")),
        entry(f"@nodeRemoved/{DEVICE}/Lamp12", "null"),
        '{"data":1}',
    )
    content = cbor2.dumps(json.loads(payload)) if cbor else payload
    decoded = city.hear((f"@delayed/{DEVICE}", content))
    assert city.rows(decoded) == [
        ("n/o/a", AT, 3.5),
        ("n/o/a", AT, 21.5),
        ("Lamp12/light/power", AT, 21.5),
        ("Lamp12/light/power", AT, 21.5),
        ("Lamp12/light/level", AT, 21.5),
        ("Lamp12/light/power", AT, 21.5),
    ]
    assert [log.line.message for log in decoded.logs] == ["m"]
    assert decoded.confirmations == [Confirmation(4, None)]
    assert reasons(decoded) == [
        "forged-address", "malformed", "malformed", "unknown-verb", "unknown-verb", "malformed"
    ]  # fmt: skip
    assert city.presence.seen == []
    assert city.point("Lamp12/light/power") is None


def test_delayed_nesting_max(city: City) -> None:
    data = BODY
    topic = f"@update/{DEVICE}/Lamp12/light/power"
    for _ in range(DELAYED_NESTING_MAX):
        topic, data = f"@delayed/{DEVICE}", delayed(entry(topic, data))
    assert len(city.hear((topic, data)).frame) == 1
    decoded = city.hear((topic, delayed(entry(topic, data))))
    assert len(decoded.frame) == 0
    assert reasons(decoded) == ["malformed"]


def test_trailing_bytes_are_set_aside_and_the_value_kept(city: City) -> None:
    topic = f"@update/{DEVICE}/Lamp12/light/power"
    for payload, extra in [(BODY.encode(), b'{"x":1}'), (cbor2.dumps({"value": 1.5}), b"\x01")]:
        decoded = city.hear((topic, payload + extra))
        assert len(decoded.frame) == 1
        (aside,) = decoded.aside
        assert (aside.reason, aside.payload) == ("malformed", extra)
