"""What the devices of the load send: single values and transactions, made from prepared pieces.

Every sample has a time of its own, so that none is a repeat that history would drop.
"""

from __future__ import annotations

import json
import struct
import time
from collections.abc import Sequence
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import cbor2

from borough.bench.load.packets import IDS, PACKET_IDS, publish_head, volatile_head

CLASS = "BenchSensor"
"""Class of every object of the load, for overlays."""
RANGE = (-40.0, 60.0)
"""Of the points' overlay, in their own unit."""
POINTS = 100
"""Points that one device declares."""
SINGLE_POINTS = 20
"""Of these, those that single values are sent of."""

_OBJECT = "sensors/probe"
_MARK = b"@time@"
_TIME_BYTES = len("1700000000.000")
_CBOR_MARK = struct.pack(">Bd", 0xFB, -1.25)
"""A double that no value of the load has; a time takes its place."""
_OUT_OF_RANGE_EACH = 64
"""One value in so many lies outside the range, the fourth of a device first."""
FIRST_OUT_OF_RANGE = 3
"""Number of the point that gets it."""
_SINGLE_VALUES = 8
_TRANSACTION_VALUES = 4


class Kind(StrEnum):
    """One way of sending."""

    SINGLE = "single"
    CBOR = "cbor"
    """Single values in CBOR instead of JSON."""
    VOLATILE = "volatile"
    """Single values at QoS 0."""
    TRANSACTION20 = "transaction20"
    TRANSACTION100 = "transaction100"

    @property
    def values(self) -> int:
        """Values in one message."""
        return {Kind.TRANSACTION20: 20, Kind.TRANSACTION100: 100}.get(self, 1)

    @property
    def message_bytes(self) -> int:
        """Payload of one message, about."""
        return len(_payload(_NOBODY, self, 0))


class Traffic(Protocol):
    """An endless sequence of publishes of one device."""

    def take(self, count: int, first_id: int) -> bytes:
        """Return the next ``count`` packets with ids from ``first_id`` on, after 65,535 comes 1."""
        ...


def traffic(uuid: str, kind: Kind, clock: Clock) -> Traffic:
    """Return what one device sends."""
    match kind:
        case Kind.SINGLE:
            return _Singles(uuid, clock)
        case Kind.CBOR:
            return _Compact(uuid, clock)
        case Kind.VOLATILE:
            return _Volatile(uuid, clock)
        case _:
            return _Transactions(uuid, kind, clock)


def addresses(uuid: str) -> Sequence[str]:
    """Return the addresses of a device's points."""
    return [f"{uuid}/{_OBJECT}/p{number:02}" for number in range(POINTS)]


def declaration() -> bytes:
    """Return the payload of ``@online``: the device's data model."""
    attribute = {"type": "Number", "constraint": "Measure"}
    points = {f"p{number:02}": attribute for number in range(POINTS)}
    node, _, thing = _OBJECT.partition("/")
    objects = {thing: {"conforms": CLASS, "objects": {}, "attributes": points}}
    document = {
        "version": "v0.2",
        "messageFormatVersion": 2,
        "supportedFormats": ["JSON"],
        "nodes": {node: {"implements": [], "objects": objects}},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def attribute(time_ms: int, value: float) -> dict[str, Any]:
    """Return one sample as devices write it."""
    return {
        "type": "Number",
        "constraint": "Measure",
        "timestamp": time_ms / 1000,
        "value": value,
    }


class Clock:
    """Times that never come twice, at most a few milliseconds ahead of the wall clock."""

    def __init__(self) -> None:
        self._last_ms = 0

    def next_ms(self) -> int:
        """Return the next time in milliseconds."""
        self._last_ms = max(self._last_ms + 1, time.time_ns() // 1_000_000)
        return self._last_ms

    def next(self) -> bytes:
        """Return the next time as JSON's seconds with three decimals."""
        return b"%d.%03d" % divmod(self.next_ms(), 1000)

    def next_binary(self) -> bytes:
        """Return the next time as CBOR's double of seconds."""
        return struct.pack(">Bd", 0xFB, self.next_ms() / 1000)


class _Prepared(NamedTuple):
    """One packet but for its id and time."""

    head: bytes
    before: bytes
    after: bytes


class _Singles:
    """``@update`` of one point after the other."""

    def __init__(self, uuid: str, clock: Clock):
        self._clock = clock
        self._packets = []
        self._next = 0
        self._time = b""
        for turn in range(_SINGLE_VALUES * SINGLE_POINTS):
            topic = f"@update/{addresses(uuid)[turn % SINGLE_POINTS]}"
            self._packets.append(self._prepared(topic, uuid, turn))

    def take(self, count: int, first_id: int) -> bytes:
        """Return the next packets."""
        packets, turn = self._packets, self._next
        pieces: list[bytes] = []
        for number in range(first_id, first_id + count):
            if turn % SINGLE_POINTS == 0:
                self._time = self._moment()
            head, before, after = packets[turn]
            packet_id = PACKET_IDS[number if number <= IDS else number - IDS]
            pieces += (head, packet_id, before, self._time, after)
            turn = (turn + 1) % len(packets)
        self._next = turn
        return b"".join(pieces)

    def _prepared(self, topic: str, uuid: str, turn: int) -> _Prepared:
        before, _, after = _payload(uuid, Kind.SINGLE, turn).partition(_MARK)
        return _Prepared(publish_head(topic, len(before) + _TIME_BYTES + len(after)), before, after)

    def _moment(self) -> bytes:
        return self._clock.next()


class _Compact(_Singles):
    """The same in CBOR."""

    def _prepared(self, topic: str, uuid: str, turn: int) -> _Prepared:
        payload = _payload(uuid, Kind.CBOR, turn)
        before, _, after = payload.partition(_CBOR_MARK)
        return _Prepared(publish_head(topic, len(payload)), before, after)

    def _moment(self) -> bytes:
        return self._clock.next_binary()


class _Volatile(_Singles):
    """The same at QoS 0: no packet ids."""

    def take(self, count: int, first_id: int) -> bytes:
        """Return the next packets; the id is for others."""
        pieces: list[bytes] = []
        for _ in range(count):
            if self._next % SINGLE_POINTS == 0:
                self._time = self._moment()
            head, before, after = self._packets[self._next]
            pieces += (head, before, self._time, after)
            self._next = (self._next + 1) % len(self._packets)
        return b"".join(pieces)

    def _prepared(self, topic: str, uuid: str, turn: int) -> _Prepared:
        before, _, after = _payload(uuid, Kind.SINGLE, turn).partition(_MARK)
        return _Prepared(
            volatile_head(topic, len(before) + _TIME_BYTES + len(after)), before, after
        )


class _Transactions:
    """``@transaction`` of the device's first 20 points, or of all."""

    def __init__(self, uuid: str, kind: Kind, clock: Clock):
        self._clock = clock
        self._packets = []
        self._next = 0
        for turn in range(_TRANSACTION_VALUES):
            pieces = _payload(uuid, kind, turn).split(_MARK)
            size = sum(map(len, pieces)) + (len(pieces) - 1) * _TIME_BYTES
            self._packets.append((publish_head(f"@transaction/{uuid}", size), pieces))

    def take(self, count: int, first_id: int) -> bytes:
        """Return the next packets."""
        made: list[bytes] = []
        for number in range(first_id, first_id + count):
            head, pieces = self._packets[self._next]
            packet_id = PACKET_IDS[number if number <= IDS else number - IDS]
            made += (head, packet_id, self._clock.next().join(pieces))
            self._next = (self._next + 1) % len(self._packets)
        return b"".join(made)


_NOBODY = "00000000-0000-4000-8000-000000000000"


def _payload(uuid: str, kind: Kind, turn: int) -> bytes:
    """Return a payload with marks where times belong."""

    def sample(number: int) -> dict[str, Any]:
        return attribute(0, _value(turn * kind.values + number)) | {"timestamp": _MARK.decode()}

    if kind is Kind.CBOR:
        return cbor2.dumps(attribute(0, _value(turn)) | {"timestamp": -1.25})
    document: dict[str, Any] = sample(0)
    if kind.values > 1:
        names = addresses(uuid)[: kind.values]
        document = {"attributes": {name: sample(n) for n, name in enumerate(names)}}
    text = json.dumps(document, separators=(",", ":")).encode()
    return text.replace(b'"' + _MARK + b'"', _MARK)


def _value(number: int) -> float:
    if number % _OUT_OF_RANGE_EACH == FIRST_OUT_OF_RANGE:
        return RANGE[1] + 1 + number % 7
    return round(18 + (number * 37 % 1_000) / 100, 2)
