"""MQTT packets of the load, against the standard."""

from __future__ import annotations

import pytest

from borough.bench.load.packets import IDS, PACKET_IDS, connect, pubacks, publish_head


def read_remaining(data: bytes) -> tuple[int, int]:
    """Return the remaining length and where it ends; algorithm of MQTT 3.1.1, section 2.2.3."""
    value, multiplier, at = 0, 1, 1
    while True:
        digit = data[at]
        value += (digit & 127) * multiplier
        multiplier *= 128
        at += 1
        if not digit & 128:
            return value, at


def test_connect_is_as_the_standard_writes_it() -> None:
    assert connect("abc") == bytes.fromhex("100f 0004 4d515454 04 02 0000 0003 616263")


@pytest.mark.parametrize("length", [0, 100, 122, 123, 16_378, 16_379, 300_000])
def test_the_remaining_length_covers_topic_id_and_payload(length: int) -> None:
    packet = publish_head("t", length) + PACKET_IDS[7] + b"x" * length
    remaining, at = read_remaining(packet)
    assert len(packet) == at + remaining
    assert packet[at : at + 5] == b"\x00\x01t\x00\x07"


def test_quality_of_service_and_retain_are_in_the_first_byte() -> None:
    assert publish_head("t", 0)[0] == 0x32
    assert publish_head("t", 0, retain=True)[0] == 0x33


def test_topics_are_utf8() -> None:
    assert publish_head("é", 0).endswith(b"\x00\x02\xc3\xa9")


def test_acknowledgements_go_on_with_1_after_the_last_id() -> None:
    assert pubacks(1, 2) == bytes.fromhex("40020001 40020002")
    assert pubacks(IDS, 2) == bytes.fromhex("4002ffff 40020001")
    assert pubacks(IDS, 1) == bytes.fromhex("4002ffff")
    assert pubacks(5, 0) == b""
