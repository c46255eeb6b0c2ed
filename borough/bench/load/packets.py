"""The few packets of MQTT 3.1.1 that a publishing device needs.

Source: MQTT 3.1.1, sections 2.2.3 (remaining length), 3.1 (CONNECT) to 3.4 (PUBACK).
"""

from __future__ import annotations

CONNACK_ACCEPTED = b"\x20\x02\x00\x00"
PUBACK_BYTES = 4
IDS = 65_535
"""Packet ids run from 1 to this."""

PACKET_IDS = [number.to_bytes(2, "big") for number in range(IDS + 1)]
PUBACKS = b"".join(b"\x40\x02" + packet_id for packet_id in PACKET_IDS[1:])
"""Every PUBACK in order: what a broker sends is a slice of this, wrapped around."""

_CLEAN_SESSION = 0x02
_PUBLISH_QOS0 = 0x30
_PUBLISH_QOS1 = 0x32
_RETAIN = 0x01


def connect(client_id: str) -> bytes:
    """Return a CONNECT with a clean session and without keep-alive."""
    body = _text("MQTT") + bytes([4, _CLEAN_SESSION]) + b"\x00\x00" + _text(client_id)
    return b"\x10" + _remaining(len(body)) + body


def publish_head(topic: str, payload_bytes: int, *, retain: bool = False) -> bytes:
    """Return what precedes the packet id of a QoS 1 PUBLISH; the payload follows the id."""
    name = _text(topic)
    first = bytes([_PUBLISH_QOS1 | (_RETAIN if retain else 0)])
    return first + _remaining(len(name) + 2 + payload_bytes) + name


def volatile_head(topic: str, payload_bytes: int) -> bytes:
    """Return what precedes the payload of a QoS 0 PUBLISH, which has no packet id."""
    name = _text(topic)
    return bytes([_PUBLISH_QOS0]) + _remaining(len(name) + payload_bytes) + name


def pubacks(first_id: int, count: int) -> bytes:
    """Return the PUBACKs of ``count`` ids from ``first_id`` on; after 65,535 comes 1."""
    start = (first_id - 1) * PUBACK_BYTES
    end = start + count * PUBACK_BYTES
    if end <= len(PUBACKS):
        return PUBACKS[start:end]
    return PUBACKS[start:] + PUBACKS[: end - len(PUBACKS)]


def _text(text: str) -> bytes:
    encoded = text.encode()
    return len(encoded).to_bytes(2, "big") + encoded


def _remaining(length: int) -> bytes:
    digits = bytearray()
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | 0x80 if length else digit)
        if not length:
            return bytes(digits)
