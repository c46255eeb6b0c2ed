"""The one writer over a real history and registry: what is taken, recorded, told and held back."""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import pytest

from ciaas.kernel import uplink as module
from ciaas.kernel.columns import encode
from ciaas.kernel.decode import Decoded
from ciaas.kernel.sample import DTYPES, Frame, Kind
from ciaas.kernel.uplink import Busy, Uplink
from ciaas.kernel.wire import subject_of
from ciaas.limits import APP_WRITES_WAITING, INTERRUPTIONS_MAX
from ciaas.ports import (
    Aside,
    Batch,
    Commit,
    DiskFull,
    Interrupted,
    KeyReused,
    Message,
    Missing,
    Receipt,
    RegistryError,
    StreamId,
)
from ciaas.storage.history import DuckHistory, open_history
from tests.ciaas.kernel.city import NOW, City

T = TypeVar("T")
DEVICES, ROLES = StreamId("$MQTT_msgs", "2026-11-22T00:00:00Z"), StreamId("INTERNAL", "2026")
LEVEL = "Lamp12/light/level"


def until(condition: Callable[[], T | None]) -> T:
    pause = threading.Event()
    for _ in range(2_000):
        if value := condition():
            return value
        pause.wait(0.005)
    raise AssertionError("it did not come")


class HandClock:
    def now_ms(self) -> int:
        return NOW


@dataclass
class Queued:
    """A stream in memory that repeats what is not acknowledged, as a broker does."""

    stream: StreamId
    doorbell: threading.Event
    waiting: deque[Batch] = field(default_factory=deque)
    acknowledged: list[int] = field(default_factory=list)
    purged: list[int] = field(default_factory=list)
    _sequences: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def send(self, *messages: tuple[bytes, bytes]) -> Batch:
        """Let one batch come."""
        batch = Batch(
            self.stream,
            [Message(s, p, next(self._sequences), NOW, b"reply") for s, p in messages],
            1,
        )
        self.repeat(batch)
        return batch

    def repeat(self, batch: Batch) -> None:
        self.waiting.append(batch)
        self.doorbell.set()

    def take(self) -> Batch | None:
        return self.waiting.popleft() if self.waiting else None

    def acknowledge(self, batch: Batch) -> None:
        self.acknowledged += [message.sequence for message in batch.messages]

    def purge(self, batch: Batch) -> None:
        self.purged.append(batch.messages[-1].sequence)


@dataclass
class Heard:
    """QoS 0 messages in memory."""

    waiting: list[Message] = field(default_factory=list)

    def take(self) -> Sequence[Message]:
        taken, self.waiting = self.waiting, []
        return taken


class Bench:
    """An uplink at work, with ways to make each of its parts fail."""

    def __init__(self, city: City) -> None:
        self.city = city
        self.doorbell = threading.Event()
        self.devices, self.roles = Queued(DEVICES, self.doorbell), Queued(ROLES, self.doorbell)
        self.volatile = Heard()
        self.history: DuckHistory = open_history(None, clock=HandClock())
        self.published: list[Commit] = []
        self.failures: list[BaseException] = []
        self.fault: Exception | None = None
        """Raised by the decoder for a batch that holds a message with the payload ``poison``."""
        self.judged: Callable[[Frame], Frame] = lambda frame: frame
        self.uplink = self._uplink(self.history)

    def _uplink(self, history: Any) -> Uplink:
        return Uplink(
            devices=self.devices,
            roles=self.roles,
            volatile=self.volatile,
            decode=self._decode,
            judge=lambda frame: self.judged(frame),
            history=history,
            publish=self.published.append,
            known=self.city.catalogue,
            doorbell=self.doorbell,
            failed=self.failures.append,
        )

    def over(self, history: Any) -> None:
        """Start over another history."""
        self.uplink = self._uplink(history)

    def _decode(self, messages: Sequence[Message]) -> Decoded:
        if self.fault and any(message.payload == b"poison" for message in messages):
            raise self.fault
        return self.city.decoder.decode(messages)

    def update(self, value: float, seconds: float) -> tuple[bytes, bytes]:
        payload = b'{"timestamp":%f,"value":%f}' % (seconds, value)
        return subject_of(f"@update/{self.city.device}/{LEVEL}"), payload

    @property
    def poison(self) -> tuple[bytes, bytes]:
        return self.update(0, 0)[0], b"poison"

    def point(self) -> int:
        point = self.city.point(LEVEL)
        assert point is not None
        return point.id

    def frame(self, value: float, observed: int, point: int | None = None) -> Frame:
        columns = {name: np.zeros(1, dtype) for name, dtype in DTYPES.items()}
        columns["txt"][0] = columns["raw"][0] = None
        return replace(
            Frame(**columns),
            point=np.array([self.point() if point is None else point], np.uint32),
            observed=np.array([observed]),
            kind=np.array([Kind.NUMBER], np.uint8),
            num=np.array([value]),
        )

    def wait_published(self, count: int) -> None:
        until(lambda: len(self.published) == count)

    def values(self) -> list[float]:
        """Return every value recorded, in the order of commits."""
        return [float(v) for commit in self.history.commits(0) for v in commit.frame.num]

    def asides(self) -> list[Aside]:
        return [aside for _, aside in reversed(self.history.aside(None, 100, None))]

    def end(self) -> None:
        self.uplink.stop()
        self.history.close()


@pytest.fixture
def bench(city: City) -> Iterator[Bench]:
    bench = Bench(city)
    try:
        yield bench
    finally:
        bench.end()


@pytest.fixture
def at_work(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Bench:
    monkeypatch.setattr(module, "_DISK_FULL_WAIT_S", 0.02)
    bench.uplink.start()
    return bench


class Hurdle:
    """A history that refuses with an error until it is told to let go."""

    def __init__(self, history: DuckHistory, error: Exception) -> None:
        self._history, self._error = history, error
        self.closed = True
        self.opens_after: int | None = None
        """Lets go after so many refusals; None waits for ``closed``."""
        self.tries = 0

    def record(self, *columns: Any) -> Commit:
        self.tries += 1
        if self.tries == (self.opens_after or -1) + 1:
            self.closed = False
        if self.closed:
            raise self._error
        return self._history.record(*columns)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._history, name)


def test_a_batch_is_recorded_then_acknowledged_then_published(at_work: Bench) -> None:
    at_work.devices.send(at_work.update(20.5, 1e9), at_work.update(21.5, 1e9 + 1))
    until(lambda: at_work.published)
    assert at_work.values() == [20.5, 21.5]
    assert at_work.devices.acknowledged == [1, 2]
    assert [commit.number for commit in at_work.published] == [1]
    assert at_work.published[0].frame.num.tolist() == [20.5, 21.5]
    assert at_work.history.position(DEVICES) == 2


def test_messages_that_come_again_are_acknowledged_and_not_recorded_again(at_work: Bench) -> None:
    batch = at_work.devices.send(at_work.update(1, 1e9), at_work.update(2, 1e9 + 1))
    until(lambda: at_work.devices.acknowledged)
    at_work.devices.repeat(batch)
    until(lambda: len(at_work.devices.acknowledged) == 4)
    assert at_work.uplink.skipped == 2
    mixed = Batch(
        DEVICES, [batch.messages[1], Message(*at_work.update(3, 1e9 + 2), 3, NOW, b"")], 1
    )
    at_work.devices.repeat(mixed)
    until(lambda: len(at_work.devices.acknowledged) == 6)
    assert at_work.values() == [1, 2, 3]
    assert at_work.uplink.skipped == 3


def test_what_a_device_repeats_itself_uses_no_commit_number(at_work: Bench) -> None:
    at_work.devices.send(at_work.update(1, 1e9))
    at_work.devices.send(at_work.update(1, 1e9))
    until(lambda: len(at_work.devices.acknowledged) == 2)
    assert at_work.history.last_commit() == 1
    assert len(at_work.published) == 1
    assert at_work.history.position(DEVICES) == 2


def test_a_message_that_the_decoder_trips_over_is_set_aside_alone(at_work: Bench) -> None:
    at_work.fault = ZeroDivisionError("a fault of ours")
    at_work.devices.send(at_work.update(1, 1e9), at_work.poison, at_work.update(2, 1e9 + 1))
    until(lambda: at_work.devices.acknowledged)
    assert at_work.devices.acknowledged == [1, 2, 3]
    assert at_work.values() == [1, 2]
    (aside,) = at_work.asides()
    assert (aside.sequence, aside.reason, aside.payload) == (2, "internal", b"poison")
    assert aside.detail == "ZeroDivisionError: a fault of ours"
    assert not at_work.failures


def test_a_registry_that_misses_something_is_a_fault_of_the_message(at_work: Bench) -> None:
    at_work.fault = Missing("no such thing")
    at_work.devices.send(at_work.poison, at_work.update(1, 1e9))
    until(lambda: at_work.devices.acknowledged)
    assert at_work.values() == [1]
    assert [aside.reason for aside in at_work.asides()] == ["internal"]


def test_a_registry_that_cannot_be_written_holds_the_batch_back(at_work: Bench) -> None:
    at_work.fault = RegistryError("the disk is full")
    at_work.devices.send(at_work.update(1, 1e9), at_work.poison)
    until(lambda: at_work.uplink.disk_full)
    assert at_work.devices.acknowledged == []
    at_work.fault = None
    until(lambda: at_work.devices.acknowledged)
    assert at_work.values() == [1]
    assert [aside.reason for aside in at_work.asides()] == ["malformed"]
    until(lambda: not at_work.uplink.disk_full)


def test_a_full_disk_holds_back_until_there_is_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DISK_FULL_WAIT_S", 0.02)
    hurdle = Hurdle(bench.history, DiskFull("full"))
    bench.over(hurdle)
    bench.uplink.start()
    bench.devices.send(bench.update(1, 1e9))
    bench.devices.send(bench.update(2, 1e9 + 1))
    until(lambda: hurdle.tries > 2)
    until(lambda: bench.uplink.disk_full)
    assert not bench.devices.acknowledged
    with pytest.raises(DiskFull, match="make room"):
        bench.uplink.write(bench.frame(3, 1))
    hurdle.closed = False
    until(lambda: len(bench.devices.acknowledged) == 2)
    assert bench.values() == [1, 2]
    until(lambda: not bench.uplink.disk_full)
    assert bench.uplink.write(bench.frame(3, 1)).result(10).number == 3


def test_apps_that_wait_when_the_disk_gets_full_are_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DISK_FULL_WAIT_S", 0.02)
    hurdle = Hurdle(bench.history, DiskFull("full"))
    bench.over(hurdle)
    waiting = [bench.uplink.write(bench.frame(n, n)) for n in range(5)]
    bench.devices.send(bench.update(1, 1e9))
    bench.uplink.start()
    for done in waiting:
        assert isinstance(done.exception(10), DiskFull)
    assert not bench.failures


def test_stopping_while_the_disk_is_full_leaves_the_batch_with_the_broker(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_DISK_FULL_WAIT_S", 60.0)
    hurdle = Hurdle(bench.history, DiskFull("full"))
    bench.over(hurdle)
    bench.uplink.start()
    bench.devices.send(bench.update(1, 1e9))
    until(lambda: hurdle.tries)
    bench.uplink.stop()
    assert not bench.devices.acknowledged
    assert not bench.failures


def test_a_history_that_fails_otherwise_ends_the_writer(bench: Bench) -> None:
    """Then the process ends and starts again; the batch was not acknowledged."""
    error = OSError("the disk is gone")
    bench.over(Hurdle(bench.history, error))
    bench.devices.send(bench.update(1, 1e9))
    with pytest.raises(OSError, match="the disk is gone"):
        bench.uplink._run()
    assert bench.failures == [error]
    assert not bench.devices.acknowledged


@pytest.mark.parametrize("interruptions", [INTERRUPTIONS_MAX, INTERRUPTIONS_MAX + 1])
def test_an_interrupted_history_is_asked_again_a_few_times(
    bench: Bench, interruptions: int
) -> None:
    hurdle = Hurdle(bench.history, Interrupted("reopened"))
    hurdle.opens_after = interruptions
    bench.over(hurdle)
    bench.devices.send(bench.update(1, 1e9))
    if interruptions > INTERRUPTIONS_MAX:
        with pytest.raises(Interrupted):
            bench.uplink._run()
        assert not bench.devices.acknowledged
    else:
        bench.uplink.start()
        until(lambda: bench.devices.acknowledged)
        assert bench.values() == [1]
        assert not bench.failures


def test_frames_of_roles_are_recorded_with_the_brokers_time(at_work: Bench) -> None:
    at_work.roles.send((b"uplink.field.0", encode(at_work.frame(7.5, NOW - 5))))
    (commit,) = until(lambda: at_work.published)
    assert commit.frame.num.tolist() == [7.5]
    assert commit.frame.received.tolist() == [NOW]
    assert at_work.history.position(ROLES) == 1
    assert not at_work.roles.acknowledged, "it is read by position"


def test_frames_that_come_again_are_not_recorded_again(at_work: Bench) -> None:
    batch = at_work.roles.send((b"uplink.field.0", encode(at_work.frame(1, 1))))
    until(lambda: at_work.published)
    at_work.roles.repeat(batch)
    at_work.roles.send((b"uplink.field.0", encode(at_work.frame(2, 2))))
    until(lambda: len(at_work.published) == 2)
    assert at_work.values() == [1, 2]
    assert at_work.history.counts()["repeats"] == 0


def test_what_is_no_frame_or_names_unknown_points_is_set_aside(at_work: Bench) -> None:
    at_work.roles.send(
        (b"uplink.field.0", b"no frame"),
        (b"uplink.field.0", encode(at_work.frame(1, 1, point=999))),
        (b"uplink.field.0", encode(at_work.frame(2, 2))),
    )
    until(lambda: at_work.published)
    assert at_work.values() == [2]
    first, second = at_work.asides()
    assert (first.sequence, first.reason, first.payload) == (1, "malformed", b"no frame")
    assert (second.sequence, second.detail) == (2, "a point of the frame is not registered")
    assert at_work.history.position(ROLES) == 3


def test_what_is_stored_is_purged_from_time_to_time(
    at_work: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_work.roles.send((b"uplink.field.0", encode(at_work.frame(0, 0))))
    until(lambda: at_work.roles.purged)
    for number in range(1, 5):
        at_work.roles.send((b"uplink.field.0", encode(at_work.frame(number, number))))
        at_work.wait_published(number + 1)
    assert at_work.roles.purged == [1], "once a second at most"
    monkeypatch.setattr(module, "_PURGE_EACH_S", 0.0)
    at_work.roles.send((b"uplink.field.0", encode(at_work.frame(5, 5))))
    until(lambda: at_work.roles.purged == [1, 6])


def test_qos_0_is_recorded_without_a_position(at_work: Bench) -> None:
    at_work.volatile.waiting = [Message(*at_work.update(4, 1e9), 0, NOW, b"")]
    at_work.doorbell.set()
    until(lambda: at_work.published)
    assert at_work.values() == [4]
    assert at_work.history.position(DEVICES) == 0


def test_an_app_gets_its_commit(at_work: Bench) -> None:
    commit = at_work.uplink.write(at_work.frame(5, 10)).result(10)
    assert (commit.number, len(commit.frame)) == (1, 1)
    until(lambda: at_work.published)
    assert at_work.values() == [5]


def test_an_app_that_repeats_its_key_gets_the_same_commit_and_writes_once(at_work: Bench) -> None:
    receipt = Receipt("1:key", "digest")
    first = at_work.uplink.write(at_work.frame(5, 10), receipt).result(10)
    again = at_work.uplink.write(at_work.frame(5, 10), receipt).result(10)
    assert (first.number, again.number) == (1, 1)
    with pytest.raises(KeyReused):
        at_work.uplink.write(at_work.frame(6, 11), Receipt("1:key", "other")).result(10)
    assert at_work.values() == [5]
    assert len(at_work.published) == 1


def test_an_app_is_told_what_went_wrong_and_the_writer_goes_on(at_work: Bench) -> None:
    def refuse(frame: Frame) -> Frame:
        raise ValueError("cannot be judged")

    at_work.judged = refuse
    with pytest.raises(ValueError, match="cannot be judged"):
        at_work.uplink.write(at_work.frame(5, 10)).result(10)
    at_work.judged = lambda frame: frame
    assert at_work.uplink.write(at_work.frame(5, 10)).result(10).number == 1


def test_beyond_the_bound_apps_are_sent_away(bench: Bench) -> None:
    waiting: list[Future[Commit]] = [
        bench.uplink.write(bench.frame(number, number)) for number in range(APP_WRITES_WAITING)
    ]
    with pytest.raises(Busy):
        bench.uplink.write(bench.frame(0, 0))
    bench.uplink.start()
    assert waiting[0].result(60).number == 1
    assert bench.uplink.write(bench.frame(0, 1))


def test_an_app_that_gave_up_is_passed_over_and_the_writer_goes_on(bench: Bench) -> None:
    assert bench.uplink.write(bench.frame(5, 10)).cancel()
    bench.uplink.start()
    assert bench.uplink.write(bench.frame(6, 11)).result(10).number == 1
    assert bench.values() == [6]
    assert not bench.failures


def test_an_app_whose_turn_does_not_come_before_the_end_is_told(bench: Bench) -> None:
    waiting = bench.uplink.write(bench.frame(5, 10))
    given_up = bench.uplink.write(bench.frame(6, 11))
    given_up.cancel()
    bench.uplink.stop()
    too_late = bench.uplink.write(bench.frame(7, 12))
    for write in (waiting, too_late):
        with pytest.raises(Busy, match="stopping"):
            write.result(10)
    assert bench.values() == []


def test_nobody_starves_the_others(bench: Bench) -> None:
    """Each turn takes at most one batch of each source."""
    for number in range(3):
        bench.devices.send(bench.update(number, 1e9 + number))
        bench.roles.send((b"uplink.field.0", encode(bench.frame(10 + number, number))))
        bench.uplink.write(bench.frame(20 + number, 100 + number))
    while bench.uplink._step():
        pass
    assert bench.values() == [20, 0, 10, 21, 1, 11, 22, 2, 12]
