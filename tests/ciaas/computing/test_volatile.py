"""QoS 0 messages of real devices: taken once, bounded, and gone with a broken connection."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from ciaas.computing.volatile import VERBS, VolatileReader
from ciaas.computing.wire import Wire, publishing
from ciaas.limits import UPLINK_BATCH_MESSAGES, VOLATILE_MESSAGES_MAX
from ciaas.ports import Message
from tests.ciaas.computing.city import City, Device, until
from tests.ciaas.computing.doorkeeper import Doorkeeper
from tests.ciaas.computing.test_wire import credentials

NOW = 1_795_300_000_000
_QOS0 = (("Nmqtt-Pub", "0"),)


class Ear:
    """A reader at work."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.doorbell = threading.Event()
        self.dials = 0
        self.reader = VolatileReader(self._dial, self.doorbell, lambda: NOW)
        self.reader.start()
        self.wait_for_subscriptions()

    def wait_for_subscriptions(self) -> None:
        """Return when what is sent from now on is heard."""

        def heard() -> Sequence[Message]:
            self.send(b"@logs.probe", 1)
            return self.reader.take()

        until(heard, "the subscriptions")
        # Probes may still be on their way: the last of a kind comes behind all of them.
        self.send(b"@logs.last", 1)
        until(lambda: any(m.subject == b"@logs.last" for m in self.reader.take()), "the last probe")
        self.doorbell.clear()

    def send(self, subject: bytes, count: int) -> None:
        """Publish as the broker hands on a device's QoS 0 message."""
        wire = self._new_wire()
        message = publishing(subject, b"{}", b"x", _QOS0)
        for _ in range(0, count, 1_000):
            wire._send(message * min(1_000, count))
        wire._send(b"PING\r\n")
        wire.receive(5.0)  # the pong: the broker has them all
        wire.close()

    def take(self, count: int) -> list[Message]:
        taken: list[Message] = []

        def enough() -> bool:
            taken.extend(self.reader.take())
            return len(taken) >= count

        until(enough, f"{count} messages")
        return taken

    def _dial(self) -> Wire:
        self.dials += 1
        return self._new_wire()

    def _new_wire(self) -> Wire:
        return Wire("127.0.0.1", self.city.configuration.nats.port, credentials(self.city))


@pytest.fixture
def ear(city: City) -> Iterator[Ear]:
    ear = Ear(city)
    try:
        yield ear
    finally:
        ear.reader.stop()


@pytest.fixture
def device(city: City) -> Iterator[Device]:
    """A device that was let in."""
    door = Doorkeeper(city)
    city.run(door.prepare())
    door.callout.open()
    device = door.device()
    assert device.connect() == "Success"
    yield device
    device.leave()
    city.run(door.end())


def test_a_device_is_heard_at_qos_0_and_left_to_the_stream_at_qos_1(
    ear: Ear, device: Device
) -> None:
    uuid = device.client_id
    device.publish(f"@update/{uuid}/n/o/a", b"kept")
    device._client.publish(f"@update/{uuid}/n/o/a.b", b"volatile", qos=0)
    (message,) = ear.take(1)
    assert ear.doorbell.is_set()
    assert message == Message(f"@update.{uuid}.n.o.a//b".encode(), b"volatile", 0, NOW, b"")


def test_every_verb_of_devices_is_heard(ear: Ear) -> None:
    subjects = [f"{verb}.device.x".encode() for verb in VERBS]
    for subject in subjects:
        ear.send(subject, 1)
    assert {message.subject for message in ear.take(len(VERBS))} == set(subjects)


def test_batches_are_bounded(ear: Ear) -> None:
    ear.send(b"@update.d.n.o.a", UPLINK_BATCH_MESSAGES + 1_000)
    until(lambda: len(ear.reader._waiting) > UPLINK_BATCH_MESSAGES, "the messages")
    assert len(ear.reader.take()) == UPLINK_BATCH_MESSAGES
    assert ear.reader.dropped == 0


def test_beyond_the_bound_the_newest_are_dropped_and_counted(ear: Ear) -> None:
    over = 1_000
    ear.send(b"@update.d.n.o.a", VOLATILE_MESSAGES_MAX)
    ear.send(b"@update.d.n.o.b", over)
    until(lambda: ear.reader.dropped == over, "the dropped messages")
    taken = ear.take(VOLATILE_MESSAGES_MAX)
    assert len(taken) == VOLATILE_MESSAGES_MAX
    assert {message.subject for message in taken} == {b"@update.d.n.o.a"}


def test_reading_goes_on_after_the_broker_was_killed(ear: Ear) -> None:
    ear.city.kill()
    ear.city.start()
    ear.wait_for_subscriptions()
    ear.send(b"@update.d.n.o.a", 3)
    assert len(ear.take(3)) == 3
    assert ear.dials > 1


def test_stopping_while_there_is_no_broker_ends_the_thread(city: City) -> None:
    ear = Ear(city)
    city.kill()
    try:
        until(lambda: ear.dials > 1, "an attempt to connect again")
        ear.reader.stop()
        assert not ear.reader._thread.is_alive()
    finally:
        city.start()
