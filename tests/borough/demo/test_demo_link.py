"""One device's connection at its bounds: outbox, messages under way, pauses, refusals."""

from __future__ import annotations

import gc
import json
import selectors
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from borough.demo.city.plan import quarter
from borough.demo.devices import link as link_module
from borough.demo.devices.backfill import Backfill
from borough.demo.devices.link import Identity, Link, State
from borough.demo.devices.sample import Outgoing, Reading, update
from borough.demo.limits import (
    BACKFILL_INFLIGHT_MAX,
    DELAYED_ENTRIES_MAX,
    INFLIGHT_MESSAGES_MAX,
    OUTBOX_SAMPLES_MAX,
    RECONNECT_S_MAX,
)
from borough.demo.recordings.library import Recordings
from borough.demo.recordings.replay import DAY_MS
from tests.borough.demo.quarter_broker import PATIENCE_S, Authority, City, TestBroker, free_port

UUID = "6a6c5d7e-1111-5222-8333-444455556666"


class Loop:
    """Turns a link as the device process does."""

    def __init__(self, identity: Identity) -> None:
        self.selector = selectors.DefaultSelector()
        self.acknowledged: list[Outgoing] = []
        self.link = Link(identity, {}, self.selector, self.acknowledged.append)

    def until(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not true():
            assert time.monotonic() < deadline, "did not come to pass"
            for key, events in self.selector.select(0.01):
                key.data.ready(events)
            self.link.turn(time.monotonic())

    @property
    def delivered(self) -> list[int]:
        return [r.time_ms for message in self.acknowledged for r in message.readings]


@pytest.fixture
def identity(broker: TestBroker, authority: Authority) -> Identity:
    certificate, key = authority.issue(UUID)
    return Identity(UUID, certificate, key, authority.pem, "127.0.0.1", broker.port)


@pytest.fixture
def loop(identity: Identity) -> Iterator[Loop]:
    loop = Loop(identity)
    yield loop
    loop.link.leave()
    loop.until(lambda: loop.link.gone)
    loop.selector.close()


def reading(number: int) -> Reading:
    return Reading(f"{UUID}/n/o/a", number, float(number))


def test_what_does_not_fit_under_way_follows_delayed_and_in_order(loop: Loop, city: City) -> None:
    loop.until(lambda: loop.link.state is State.UP and loop.link.outstanding == 0)
    count = INFLIGHT_MESSAGES_MAX + DELAYED_ENTRIES_MAX + 7
    for number in range(count):
        loop.link.offer(update(reading(number)))
    assert loop.link.room == 0
    assert loop.link.outstanding == count
    loop.until(lambda: loop.link.outstanding == 0)
    assert loop.delivered == list(range(count))
    assert loop.link.resent == DELAYED_ENTRIES_MAX + 7
    heard = city.until(lambda message: f'"value":{count - 1}.0'.encode() in message.payload)
    sizes = [
        len(json.loads(message.payload)["messages"])
        for message in heard
        if message.topic.startswith("@delayed")
    ]
    assert sizes == [DELAYED_ENTRIES_MAX, 7]


def test_the_past_leaves_room_for_live_values(
    loop: Loop, tmp_path: Path, recordings_here: Path
) -> None:
    del recordings_here
    lights = next(thing for thing in quarter() if thing.key == "lights-01")
    span = (1_790_000_000_000, 1_790_000_000_000 + 60 * DAY_MS)
    loop.until(lambda: loop.link.state is State.UP and loop.link.outstanding == 0)
    backfill = Backfill([lights], span, tmp_path / "done", Recordings(), lambda thing: loop.link)
    backfill.step()
    backfill.step()
    assert loop.link.outstanding == BACKFILL_INFLIGHT_MAX
    assert backfill.sent == BACKFILL_INFLIGHT_MAX * DELAYED_ENTRIES_MAX
    assert loop.link.room == INFLIGHT_MESSAGES_MAX - BACKFILL_INFLIGHT_MAX


def test_full_outbox_drops_the_oldest_and_counts_them(tmp_path: Path) -> None:
    nowhere = Identity(UUID, tmp_path, tmp_path, tmp_path, "127.0.0.1", 9)
    link = Link(nowhere, {}, selectors.DefaultSelector(), lambda message: None)
    for number in range(OUTBOX_SAMPLES_MAX + 3):
        link.offer(update(reading(number)))
    assert (link.outstanding, link.dropped) == (OUTBOX_SAMPLES_MAX, 3)


def test_pauses_between_attempts_grow_to_their_bound(identity: Identity) -> None:
    loop = Loop(replace(identity, port=free_port()))
    now, pauses = time.monotonic(), []
    for _ in range(12):
        loop.link.turn(now)
        assert loop.link.state is State.DOWN
        assert str(loop.link.identity.port) in loop.link.refused
        pauses.append(loop.link._due - time.monotonic())
        now = loop.link._due
    assert pauses[0] <= 0.1
    assert 0.5 * RECONNECT_S_MAX - 0.1 <= min(pauses[6:]) <= max(pauses) <= RECONNECT_S_MAX
    loop.selector.close()


# paho leaves the socket of a failed handshake to the collector.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_foreign_broker_is_not_trusted(identity: Identity, tmp_path: Path) -> None:
    (tmp_path / "foreign").mkdir()
    loop = Loop(replace(identity, authority=Authority(tmp_path / "foreign").pem))
    loop.until(lambda: "certificate" in loop.link.refused.lower())
    assert loop.link.state is State.DOWN
    loop.selector.close()
    gc.collect()


def test_broker_that_never_answers_is_given_up(
    identity: Identity, broker: TestBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "_ADMITTED_S_MAX", 0.0)
    loop = Loop(identity)
    loop.link.turn(time.monotonic())
    states = [loop.link.state]
    loop.link.turn(time.monotonic())
    assert [*states, loop.link.state] == [State.CONNECTING, State.DOWN]
    assert "no answer to CONNECT" in loop.link.refused
    assert not loop.selector.get_map()
    monkeypatch.undo()
    loop.until(lambda: loop.link.state is State.UP)
    loop.link.leave()
    loop.until(lambda: loop.link.gone)
    loop.selector.close()
