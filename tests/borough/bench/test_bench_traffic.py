"""What the load sends: whole packets, cloud.iO's JSON, and no sample twice."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import cbor2
import pytest

from borough.bench.limits import WINDOW_BYTES, WINDOW_MESSAGES
from borough.bench.load.generator import window
from borough.bench.load.packets import IDS
from borough.bench.load.traffic import (
    CLASS,
    FIRST_OUT_OF_RANGE,
    POINTS,
    RANGE,
    SINGLE_POINTS,
    Clock,
    Kind,
    addresses,
    declaration,
    traffic,
)
from ciaas.kernel.address import parse_point
from ciaas.kernel.wire import read_model
from tests.borough.bench.test_mqtt_packets import read_remaining

UUID = "6f1d1b0e-4c3a-4d43-9a57-0c9f3f0f9a11"


def split(data: bytes) -> Iterator[tuple[str, int, Any]]:
    """Yield topic, id and payload of each packet."""
    while data:
        remaining, at = read_remaining(data)
        assert data[0] in (0x30, 0x32)
        id_bytes = 2 if data[0] == 0x32 else 0
        body, data = data[at : at + remaining], data[at + remaining :]
        end = 2 + int.from_bytes(body[:2], "big")
        topic, packet_id = body[2:end].decode(), int.from_bytes(body[end : end + id_bytes], "big")
        payload = body[end + id_bytes :]
        yield topic, packet_id, json.loads(payload) if payload[:1] == b"{" else cbor2.loads(payload)


def samples(kind: Kind, messages: int) -> Iterator[tuple[str, dict[str, Any]]]:
    for topic, _, payload in split(traffic(UUID, kind, Clock()).take(messages, 1)):
        if kind.values == 1:
            yield topic.removeprefix("@update/"), payload
        else:
            assert topic == f"@transaction/{UUID}"
            yield from payload["attributes"].items()


@pytest.mark.parametrize("kind", list(Kind))
def test_every_sample_of_a_point_has_a_later_time(kind: Kind) -> None:
    last: dict[str, float] = {}
    for address, sample in samples(kind, 3 * SINGLE_POINTS):
        assert sample["timestamp"] > last.get(address, 0)
        last[address] = sample["timestamp"]
    assert set(last) <= set(addresses(UUID))
    assert len(last) == (SINGLE_POINTS if kind.values == 1 else kind.values)


def test_times_go_on_when_a_device_changes_its_kind() -> None:
    clock = Clock()
    (_, _, first), *_ = split(traffic(UUID, Kind.SINGLE, clock).take(1, 1))
    (_, _, second), *_ = split(traffic(UUID, Kind.TRANSACTION20, clock).take(1, 1))
    assert all(s["timestamp"] > first["timestamp"] for s in second["attributes"].values())


@pytest.mark.parametrize("kind", list(Kind))
def test_some_values_are_out_of_range_and_most_are_not(kind: Kind) -> None:
    found = [address for address, sample in samples(kind, 200) if sample["value"] > RANGE[1]]
    assert addresses(UUID)[FIRST_OUT_OF_RANGE] in found
    assert len(found) < 0.05 * 200 * kind.values


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.VOLATILE])
def test_packet_ids_go_on_with_1_after_the_last(kind: Kind) -> None:
    packets = traffic(UUID, kind, Clock()).take(4, IDS - 1)
    assert [packet_id for _, packet_id, _ in split(packets)] == [IDS - 1, IDS, 1, 2]


@pytest.mark.parametrize("kind", list(Kind))
def test_a_window_is_bounded_by_messages_and_by_bytes(kind: Kind) -> None:
    assert 1 <= window(kind) <= WINDOW_MESSAGES
    assert window(kind) == 1 or window(kind) * kind.message_bytes <= WINDOW_BYTES


def test_both_bounds_of_a_window_are_reached() -> None:
    assert window(Kind.SINGLE) == WINDOW_MESSAGES
    assert window(Kind.TRANSACTION100) < WINDOW_MESSAGES


def test_the_declaration_is_a_model_of_all_points() -> None:
    model, faults = read_model(json.loads(declaration()))
    assert not faults
    declared = {
        "/".join((UUID, name, *path)): conforms
        for name, node in model.nodes.items()
        for path, _, conforms in node.attributes()
    }
    assert declared == dict.fromkeys(addresses(UUID), CLASS)
    assert len(declared) == POINTS
    assert all(parse_point(address) == address for address in declared)
