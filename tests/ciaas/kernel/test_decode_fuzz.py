"""Whatever is sent: nothing raises, nothing is lost in silence, memory stays bounded."""

import json
import math
import shutil
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import cbor2
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ciaas.kernel.decode import Decoded
from ciaas.limits import PAYLOAD_BYTES_MAX
from ciaas.storage.registry import open_registry
from tests.ciaas.kernel.city import DEVICE, MODEL, OTHER, City, judged

POWER = f"{DEVICE}/Lamp12/light/power"
BODY = {"type": "Number", "constraint": "Measure", "timestamp": 1795300000.5, "value": 21.5}
TOPICS = [
    f"@update/{POWER}",
    f"@update/{DEVICE}/n/o/a",
    f"@update/{DEVICE}/nodes/n/objects/o/attributes/b",
    f"@didSet/{DEVICE}/Lamp12/light/level",
    f"@transaction/{DEVICE}",
    f"@delayed/{DEVICE}",
    f"@online/{OTHER}",
    f"@nodeAdded/{OTHER}/n",
    f"@logs/{DEVICE}",
    f"@execOutput/{DEVICE}/c",
]
DECLARING = ("@online", "@nodeAdded", "@nodeRemoved", "@offline")
"""Verbs whose good messages may leave neither rows nor anything aside."""

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.sampled_from([2**63, -(2**64), 2**1024, 10**4000]),
    st.floats(),
    st.text(max_size=10),
    st.sampled_from(["Number", "Boolean", "Measure", "Static", DEVICE, POWER, "CBOR"]),
)
WORDS = (
    "type constraint timestamp value attributes messages topic data nodes objects implements "
    "conforms level message correlationID n o a"
)
keys = st.sampled_from([*WORDS.split(), "", POWER, f"{OTHER}/n/o/a", f"{DEVICE}/n/o/c"])
trees = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=25,
)
documents = st.dictionaries(keys, trees, max_size=5)
good = st.sampled_from(
    [
        BODY,
        {"attributes": {POWER: BODY, f"{DEVICE}/n/o/a": BODY}},
        {"timestamp": 5, "messages": [{"topic": f"@update/{POWER}", "data": BODY}]},
        json.loads(MODEL),
        {"implements": [], "objects": {"o": {"conforms": None, "attributes": {"a": BODY}}}},
        {"level": "INFO", "timestamp": 5.5, "message": "m", "correlationID": "c", "data": "d"},
    ]
)
payloads = st.one_of(
    st.binary(max_size=200),
    documents.map(lambda tree: json.dumps(tree).encode()),
    documents.map(cbor2.dumps),
    good.map(lambda tree: json.dumps(tree).encode()),
    good.map(cbor2.dumps),
)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A payload with some bytes changed, cut out, or put in."""
    content = bytearray(draw(payloads))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(content)))
        cut = draw(st.integers(0, 3))
        content[at : at + cut] = draw(st.binary(max_size=3))
    return bytes(content)


@pytest.fixture(scope="module")
def fuzzed(settled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[City]:
    path = tmp_path_factory.mktemp("fuzz") / "registry.sqlite"
    shutil.copy(settled, path)
    registry = open_registry(path)
    yield City(registry)
    registry.close()


def traces(decoded: Decoded) -> int:
    handed_on = len(decoded.logs) + len(decoded.outputs)
    return len(decoded.frame) + len(decoded.aside) + handed_on + decoded.skipped


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(TOPICS), mutated())
@example(TOPICS[0], b'{"value":1e400,"timestamp":-1e400}')
@example(TOPICS[4], b'{"attributes":{"' + b"x" * 70_000 + b'":1}}')
@example(TOPICS[4], b"\xa1\x6aattributes\xa1\x41\x00\x01")
@example(TOPICS[5], b'{"messages":[{"topic":"\\ud800","data":{}}]}')
@example(TOPICS[6], b'{"nodes":{"\\ud800":{}}}')
@example(TOPICS[8], b'{"level":"INFO","timestamp":5,"message":"\\ud800"}')
def test_every_message_leaves_a_trace(fuzzed: City, topic: str, payload: bytes) -> None:
    decoded = fuzzed.hear((topic, payload))
    assert traces(decoded) > 0 or topic.startswith(DECLARING)
    frame = decoded.frame
    assert all(text is None or text.encode() is not None for text in [*frame.txt, *frame.raw])
    assert all(aside.detail.encode() and aside.topic.encode() for aside in decoded.aside)
    assert not any(math.isinf(num) for num in frame.num)


@settings(deadline=None, max_examples=75)
@given(st.binary(max_size=80), mutated())
def test_any_subject(fuzzed: City, subject: bytes, payload: bytes) -> None:
    message = fuzzed.message("x", payload)._replace(subject=subject)
    assert traces(fuzzed.decoder.decode([message])) == 1


@settings(deadline=None, max_examples=75)
@given(st.lists(mutated(), min_size=2, max_size=6))
def test_neighbours_in_a_batch_do_not_change_each_other(fuzzed: City, sent: list[bytes]) -> None:
    together = fuzzed.hear(*[(f"@update/{POWER}", payload) for payload in sent])
    apart = [fuzzed.hear((f"@update/{POWER}", payload)) for payload in sent]
    assert judged(together) == [row for decoded in apart for row in judged(decoded)]
    assert str(fuzzed.rows(together)) == str(
        [row for decoded in apart for row in fuzzed.rows(decoded)]
    )  # as text, because not-a-number is not equal to itself
    assert len(together.aside) == sum(len(decoded.aside) for decoded in apart)


BOMBS = {
    "arrays in json": b'{"attributes":{"a":[' + b"[]," * 349_000 + b"0]}}",
    "maps in cbor": b"\xa1\x6aattributes\xa1\x61a\x9a\x00\x0f\x00\x00" + b"\xa0" * 0xF0000,
    "deep json": b'{"attributes":' + b'{"a":' * 200_000,
    "deep cbor": b"\xa1\x6aattributes" + b"\xa1\x61a" * 300_000,
    "one long text": b'{"attributes":{"a":"' + b"x" * 1_000_000 + b'"}}',
    "a hundred thousand elements": json.dumps(
        {"attributes": dict.fromkeys(map(str, range(90_000)))}
    ).encode(),
    "one long integer": b"\xa1\x6aattributes\xa1\x61a\xc2\x5a\x00\x0f\x00\x00" + b"\xff" * 0xF0000,
    "digits": b'{"attributes":{"a":' + b"9" * 1_000_000 + b"}}",
    "entries": b'{"messages":[' + b"0," * 100_000 + b"0]}",
    "too long": b'{"attributes":{"a":"' + b"x" * PAYLOAD_BYTES_MAX + b'"}}',
}


@pytest.mark.parametrize("verb", ["@transaction", "@delayed"])
@pytest.mark.parametrize("bomb", BOMBS)
def test_bombs_cost_bounded_memory(fuzzed: City, verb: str, bomb: str) -> None:
    message = fuzzed.message(f"{verb}/{DEVICE}", BOMBS[bomb])
    tracemalloc.start()
    try:
        decoded = fuzzed.decoder.decode([message])
        kept, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(decoded.frame) == 0
    assert decoded.aside
    assert peak < 150 * PAYLOAD_BYTES_MAX
    assert kept < 10 * PAYLOAD_BYTES_MAX
