import math
import tracemalloc

import cbor2
import pytest

from ciaas.kernel.wire import WireError, read_document
from ciaas.kernel.wire.document import _REFUSED_TAGS
from ciaas.limits import PAYLOAD_BYTES_MAX, WIRE_DEPTH_MAX


def test_the_first_byte_chooses_the_form() -> None:
    tree = {"value": 21.5}
    assert read_document(b'{"value":21.5}').tree == tree
    assert read_document(cbor2.dumps(tree)).tree == tree
    assert read_document(b"\xbf\x65value\xfb\x40\x35\x80\x00\x00\x00\x00\x00\xff").tree == tree


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"DEAD",
        b"[1]",
        b"7",
        b"\x81\x01",
        b"\x00",
        b"\xff\xfe",
        b'{"a":1',
        b"{",
        b"\xa1",
        b'{"a":"\xff"}',
    ],
)
def test_what_is_no_document_is_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        read_document(payload)


def test_white_space_around_json_is_no_fault() -> None:
    assert read_document(b' \r\n{"a":1}\n') == ({"a": 1}, b"")


def test_trailing_bytes_are_handed_back() -> None:
    assert read_document(b'{"a":1}{"b":2}') == ({"a": 1}, b'{"b":2}')
    first, second = cbor2.dumps({"a": 1}), cbor2.dumps({"b": 2})
    assert read_document(first + second) == ({"a": 1}, second)


def test_json_numbers_beyond_a_double_are_infinite() -> None:
    tree = read_document(b'{"a":1e999,"b":-1e999,"c":NaN}').tree
    assert tree["a"] == math.inf
    assert tree["b"] == -math.inf
    assert tree["c"] != tree["c"]


def test_payload_bytes_max() -> None:
    fitting = b'{"a":"' + b"x" * (PAYLOAD_BYTES_MAX - 8) + b'"}'
    assert len(fitting) == PAYLOAD_BYTES_MAX
    read_document(fitting)
    with pytest.raises(WireError, match="at most"):
        read_document(fitting + b" ")


def test_wire_depth_max() -> None:
    def nested(depth: int) -> bytes:
        return b"\xa1\x61a" * depth + b"\x01"

    read_document(nested(WIRE_DEPTH_MAX))
    with pytest.raises(WireError, match="depth"):
        read_document(nested(WIRE_DEPTH_MAX + 1))


@pytest.mark.parametrize(
    "payload",
    [
        b'{"a":' + b"[" * 100_000,
        b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a":' * 100_000,
        b"\xa1\x61a" + b"\x81" * 100_000,
        b"\xa1\x61a" * 100_000,
        b"\xbf\x61a" * 100_000,
    ],
)
def test_depth_bombs_are_refused(payload: bytes) -> None:
    with pytest.raises(WireError):
        read_document(payload)


@pytest.mark.parametrize(
    "payload",
    [
        b"\xbb\x00\x00\x00\x01\x00\x00\x00\x00",  # a map of four thousand million entries
        b"\xa1\x61a\x9b\x00\x00\x00\x00\x40\x00\x00\x00",  # an array claiming 1 GiB
        b"\xa1\x61a\x5b\x00\x00\x00\x00\x40\x00\x00\x00",  # bytes claiming 1 GiB
        b"\xa1\x61a\x7b\x7f\xff\xff\xff\xff\xff\xff\xff",  # text claiming 8 EiB
        b"\xa1\x61a\xc5\x82\x1a\x7f\xff\xff\xff\x01",  # 1 * 2 ** 2147483647
    ],
)
def test_a_claim_of_size_costs_no_memory(payload: bytes) -> None:
    tracemalloc.start()
    try:
        with pytest.raises(WireError):
            read_document(payload)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


def test_every_tag_that_the_library_acts_on_is_refused_but_integers() -> None:
    contents = [cbor2.dumps(content) for content in (1, "a", b"a", [1, 2], {"a": 1})]
    acted_on = set()
    for tag in [*range(2000), 43000, 43001, 55799, 55800]:
        for content in contents:
            payload = b"\xa1\x61a\xd9" + tag.to_bytes(2) + content
            try:
                value = read_document(payload).tree["a"]
            except WireError:
                acted_on.add(tag)
            else:
                if not isinstance(value, cbor2.CBORTag):
                    assert tag in (2, 3)
    assert acted_on - {2, 3} == set(_REFUSED_TAGS)


def test_integers_of_any_length_are_read() -> None:
    assert read_document(cbor2.dumps({"value": 2**80})).tree == {"value": 2**80}
    assert read_document(b'{"value":1208925819614629174706176}').tree == {"value": 2**80}


def test_thousands_of_digits_are_refused() -> None:
    with pytest.raises(WireError, match="digits"):
        read_document(b'{"value":' + b"1" * 5_000 + b"}")


def test_the_last_of_two_equal_keys_wins() -> None:
    assert read_document(b'{"a":1,"a":2}').tree == {"a": 2}
    assert read_document(b"\xa2\x61a\x01\x61a\x02").tree == {"a": 2}
