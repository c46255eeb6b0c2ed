"""The load against a real broker with certificates and admission by callout."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from borough.bench.limits import PACED_MESSAGES, WINDOW_MESSAGES
from borough.bench.load.device import Broker, Device, LoadError
from borough.bench.load.generator import window
from borough.bench.load.traffic import Clock, Kind, addresses, traffic
from borough.bench.rig.child import BenchError, Child, child
from tests.borough.bench.bench_broker import STRANGER, AckOnlyBroker, ack_only_broker

DEVICES = 3
PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AckOnlyBroker]:
    with ack_only_broker(tmp_path_factory.mktemp("ack-only"), DEVICES) as running:
        yield running


@pytest.fixture
def load(broker: AckOnlyBroker) -> Iterator[Child]:
    with child("borough.bench.load.generator", broker.fleet.spec()) as generator:
        assert generator.hear() == {"open": DEVICES}
        yield generator


def until(condition: Callable[[], bool]) -> None:
    deadline, pause = time.monotonic() + PATIENCE_S, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come"
        pause.wait(0.02)


def held(load: Child) -> dict[str, int]:
    """Stop the load and return its counts once everything is acknowledged."""
    load.tell(do="hold")
    until(lambda: (c := load.tell(do="count"))["sent"] == c["acked"])
    return dict(load.tell(do="count"))


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.VOLATILE])
def test_all_that_is_acknowledged_to_devices_reaches_the_consumer_once(
    broker: AckOnlyBroker, load: Child, kind: Kind
) -> None:
    def consumed() -> int:
        return int(broker.consumer.tell(do="count")["acknowledged"])

    before = consumed()
    load.tell(do="saturate", kind=kind)
    until(lambda: load.tell(do="count")["acked"] > 10 * DEVICES * window(kind))
    counts = held(load)
    assert counts["values"] == counts["acked"] * kind.values
    until(lambda: consumed() - before >= counts["acked"])
    declarations = DEVICES
    assert consumed() - before in range(counts["acked"], counts["acked"] + declarations + 1)


def test_kinds_follow_each_other_and_are_counted_as_what_they_are(load: Child) -> None:
    load.tell(do="saturate", kind=Kind.SINGLE)
    until(lambda: load.tell(do="count")["acked"] > 100)
    single = held(load)
    load.tell(do="pace", kind=Kind.TRANSACTION20, rate=500.0)
    until(lambda: load.tell(do="count")["acked"] > single["acked"] + 50)
    both = held(load)
    assert single["values"] == single["acked"]
    assert both["values"] == single["values"] + 20 * (both["acked"] - single["acked"])


def test_volatile_messages_count_as_acknowledged_at_once(load: Child) -> None:
    load.tell(do="pace", kind=Kind.VOLATILE, rate=20_000.0)
    until(lambda: load.tell(do="count")["sent"] > 1_000)
    counts = held(load)
    assert counts["acked"] == counts["sent"] == counts["values"]


def test_a_pace_is_kept_and_not_passed(load: Child) -> None:
    began = time.monotonic()
    load.tell(do="pace", kind=Kind.SINGLE, rate=200.0)
    until(lambda: load.tell(do="count")["acked"] >= 100)
    counts = held(load)
    assert counts["sent"] <= 200.0 * (time.monotonic() - began) + 1


def test_a_pace_beyond_the_broker_leaves_a_bounded_number_under_way(load: Child) -> None:
    load.tell(do="pace", kind=Kind.SINGLE, rate=1e6)
    under_way = []

    def looked() -> bool:
        counts = load.tell(do="count")
        under_way.append(counts["sent"] - counts["acked"])
        return len(under_way) > 50

    until(looked)
    assert max(under_way) <= DEVICES * PACED_MESSAGES
    assert max(under_way) > DEVICES * WINDOW_MESSAGES
    held(load)


def test_nothing_is_sent_before_it_is_told(load: Child) -> None:
    assert load.tell(do="count") == {"sent": 0, "acked": 0, "values": 0}


def test_a_device_that_the_broker_drops_ends_the_load_with_its_name(
    broker: AckOnlyBroker, load: Child
) -> None:
    # A second connection with the same client id takes the session over: the first is closed.
    uuid = broker.fleet.uuids[0]
    twin = Device(uuid, broker.fleet.identity(uuid), broker.broker)
    twin.open()
    with pytest.raises(BenchError, match=f"device {uuid} lost its connection"):
        until(lambda: load.tell(do="count") is None)
    twin.close()


def test_a_stranger_is_not_admitted(broker: AckOnlyBroker) -> None:
    stranger = Device(STRANGER, broker.fleet.identity(STRANGER), broker.broker)
    with pytest.raises(LoadError, match=f"device {STRANGER} was not admitted"):
        stranger.open()
    stranger._socket.close()


def test_no_broker_is_said_plainly(broker: AckOnlyBroker) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    uuid = broker.fleet.uuids[0]
    nobody = Broker("127.0.0.1", port, broker.fleet.authority)
    with pytest.raises(LoadError, match="cannot connect"):
        Device(uuid, broker.fleet.identity(uuid), nobody).open()


def test_more_than_the_network_takes_waits_and_is_acknowledged_in_the_end(
    broker: AckOnlyBroker,
) -> None:
    uuid = broker.fleet.uuids[1]
    device = Device(uuid, broker.fleet.identity(uuid), broker.broker)
    device.open()
    sending = traffic(uuid, Kind.TRANSACTION100, Clock())
    device.send(sending, 1_200)  # 16 MB in one go
    assert device.stuck

    def work() -> bool:
        device.flush()
        device.receive()
        return not device.under_way

    until(work)
    assert device.acked == 1_201  # with the declaration
    device.close()


def test_an_acknowledgement_out_of_order_is_noticed(broker: AckOnlyBroker) -> None:
    uuid = broker.fleet.uuids[2]
    device = Device(uuid, broker.fleet.identity(uuid), broker.broker)
    device.open()
    device._awaited_id = 40
    device.publish(f"@update/{addresses(uuid)[0]}", b"{}")
    with pytest.raises(LoadError, match="no acknowledgements in order"):
        until(lambda: device.receive() > 0)
    device.close()
