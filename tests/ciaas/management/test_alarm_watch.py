"""The watch over alarms when stores refuse, when all places are taken, and after a kill."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from borough.clock import MachineClock
from ciaas.interoperability.alarm import SEVERITIES, Declaration, _formula
from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.model import Constraint, ValueType
from ciaas.kernel.sample import DTYPES, Frame, Kind
from ciaas.limits import (
    ALARM_FLAP_MS,
    ALARM_FLAPS_TOLD,
    ALARM_FORMULAS_CACHED,
    ALARM_STEPS_PAGE,
    ALARM_TELL_MS,
    ALARMS_OPEN_MAX,
)
from ciaas.management.alarms.ladder import Cause, cleared, raised, settled
from ciaas.management.alarms.ports import Harvest, State, Step
from ciaas.management.alarms.steps import Steps
from ciaas.management.alarms.watch import AlarmWatch
from ciaas.management.events.hub import Hub
from ciaas.ports import NewPoint
from ciaas.storage.history import DuckHistory, open_history
from ciaas.storage.registry import Registry, Unavailable, migrate, open_registry
from ciaas.storage.registry.events.alarms import Alarms

HOT = Declaration("major", "hot", "value > 40")
POINTS = 5


class City:
    """A registry with declared points, a history, and what follows it."""

    def __init__(self, registry: Registry, history: DuckHistory) -> None:
        self.registry, self.history = registry, history
        project = registry.resources.create_project("city")
        uuid = EndpointId(registry.resources.create_endpoint(project.id, "Boiler", {}).uuid)
        new = [
            NewPoint(PointAddress(f"{uuid}/n/o/p{n}"), Constraint.MEASURE, ValueType.NUMBER)
            for n in range(POINTS)
        ]
        self.points = [point.id for point in registry.resources.ensure_points(new)]
        alarm = {"severity": HOT.severity, "text": HOT.text, "raised_when": HOT.raised_when}
        registry.resources.change_overlay(uuid, {"alarm": alarm})
        self.catalogue = Catalogue(registry.resources)
        self.hub = Hub(history, lambda frame: [])
        self.failures: list[BaseException] = []
        self.watch = self.watching(registry.alarms)

    def watching(self, store: Alarms) -> AlarmWatch:
        watch = AlarmWatch(
            self.hub, store, self.catalogue.overlay, MachineClock(), self.failures.append
        )
        self.catalogue.on_points(watch.learn)
        return watch

    def record(self, *values: float, at: int = 1) -> int:
        """Record a value of each of the first points; returns the commit."""
        rows = len(values)
        columns = {name: np.zeros(rows, kind) for name, kind in DTYPES.items()}
        columns["point"] = np.array(self.points[:rows], np.uint32)
        columns["observed"] = np.full(rows, at, np.int64)
        columns["kind"] = np.full(rows, Kind.NUMBER, np.uint8)
        columns["num"] = np.array(values)
        columns["txt"] = columns["raw"] = np.full(rows, None, np.object_)
        commit = self.history.record(Frame(**columns))
        self.hub.offer(commit)
        return commit.number

    def open(self) -> list[tuple[int, int]]:
        return [(alarm.point, alarm.count) for alarm in self.registry.alarms.open()]


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    migrate(tmp_path / "registry.db")
    clock = MachineClock()
    with open_registry(tmp_path / "registry.db") as registry, open_history(None, clock=clock) as h:
        found = City(registry, h)
        yield found
        found.hub.close()
        found.watch.stop()
        assert not found.failures


def soon(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)  # another thread has to come to it


class Refusing(Alarms):
    """A store whose disk is full for a while."""

    full = True

    def store(self, harvest: Harvest) -> Sequence[Step]:
        if self.full and harvest.alarms:
            raise Unavailable("the disk is full")
        return super().store(harvest)


def test_what_the_store_refused_is_looked_at_again_and_raised_once(city: City) -> None:
    store = Refusing(city.registry.alarms._database)
    city.watch = city.watching(store)
    city.watch.start()
    city.record(50.0, 20.0, 60.0)
    soon(lambda: city.watch._astray)
    assert city.open() == []
    store.full = False
    soon(lambda: len(city.open()) == 2)
    assert city.open() == [(city.points[2], 1), (city.points[0], 1)]
    assert [step.kind for step in store.steps(0, 10)] == ["raised", "raised"]


def test_a_watch_that_is_begun_again_goes_on_where_the_other_ended(city: City) -> None:
    city.watch._round()
    city.record(50.0)
    city.watch._round()
    after_kill = city.watching(city.registry.alarms)
    city.record(55.0, 70.0, at=2)
    for _ in range(2):
        after_kill._round()
    assert sorted(city.open()) == [(city.points[0], 1), (city.points[1], 1)]
    third = city.watching(city.registry.alarms)
    city.record(20.0, 20.0, at=1)
    third._round()
    assert [alarm.state for alarm in city.registry.alarms.open()] == [State.RAISED] * 2
    city.record(20.0, 20.0, at=3)
    third._round()
    assert [alarm.state for alarm in city.registry.alarms.open()] == [State.CLEARED] * 2


def test_a_further_alarm_waits_for_room(city: City, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ALARMS_OPEN_MAX > 2
    monkeypatch.setattr("ciaas.management.alarms.watch.ALARMS_OPEN_MAX", 2)
    city.watch._round()
    city.record(50.0, 50.0, 50.0)
    city.watch._round()
    assert len(city.open()) == 2
    seen = city.registry.alarms.open()[0]
    city.watch.acknowledge(seen.id, "me", "")
    city.record(*(20.0 if seen.point == point else 50.0 for point in city.points[:3]), at=2)
    city.watch._round()
    city.record(*(20.0 if seen.point == point else 51.0 for point in city.points[:3]), at=3)
    city.watch._round()
    assert len(city.open()) == 2
    assert city.points[2] in {point for point, _ in city.open()}


def test_an_acknowledgement_between_commits_moves_no_position(city: City) -> None:
    """It is stored with what was looked at, not with what was only taken."""
    city.watch._round()
    city.record(50.0)
    city.watch._round()
    looked = city.registry.alarms.position()
    city.record(50.0, 50.0, at=2)
    city.watch._follower.next_blocking(0.0)
    [alarm] = city.registry.alarms.open()
    city.watch.acknowledge(alarm.id, "me", "")
    assert city.registry.alarms.position() == looked
    again = city.watching(city.registry.alarms)
    for _ in range(2):
        again._round()
    assert len(city.open()) == 2


def test_a_fast_change_is_told_once_the_alarm_has_rested() -> None:
    cause = Cause(1, 0, 1, 50.0)
    alarm = raised(None, HOT, cause, 0, "a").alarm
    told = 1
    for n in range(1, 2 * ALARM_FLAPS_TOLD + 4):
        outcome = (
            cleared(alarm, n, n, n)
            if n % 2
            else raised(alarm, HOT, cause._replace(commit=n), n, "")
        )
        alarm, told = outcome.alarm, told + (outcome.step is not None)
    assert alarm.untold and told == 2 * ALARM_FLAPS_TOLD
    assert settled(alarm, alarm.told_at + ALARM_TELL_MS - 1) is None
    rested = settled(alarm, alarm.told_at + ALARM_TELL_MS)
    assert rested is not None and rested.step is not None
    assert (rested.step.kind, rested.step.why) == ("cleared", "it went on and off")
    assert settled(rested.alarm, 10**9) is None


def test_an_alarm_that_comes_back_soon_after_its_end_is_the_same() -> None:
    first = raised(None, HOT, Cause(1, 0, 1, 50.0), 0, "a").alarm
    over = cleared(first, 100, 2, 0).alarm
    closed = replace(over, acknowledged_at=3, acknowledged_by="me")
    soon_again = raised(closed, HOT, Cause(1, 100 + ALARM_FLAP_MS, 3, 51.0), 0, "b").alarm
    assert (soon_again.id, soon_again.count) == ("a", 2)
    assert soon_again.state is State.ACKNOWLEDGED
    later = raised(closed, HOT, Cause(1, 101 + ALARM_FLAP_MS, 3, 51.0), 0, "b").alarm
    assert (later.id, later.count, later.state) == ("b", 1, State.RAISED)


def test_steps_are_read_from_memory_and_then_from_the_store_in_pages(city: City) -> None:
    city.watch._round()
    city.record(50.0)
    city.watch._round()
    [alarm] = city.registry.alarms.open()
    store = city.registry.alarms
    many = [replace(alarm, id=f"a{n}") for n in range(ALARM_STEPS_PAGE + 10)]
    made = [Step(one, "raised", 1, 1) for one in many]
    store.store(Harvest(1, {}, {one.id: one for one in many}, made))
    steps = Steps(store)
    assert asyncio.run(steps.after(steps.newest)) == ()
    found = asyncio.run(steps.after(0))
    assert len(found) == ALARM_STEPS_PAGE
    steps.add([Step(alarm, "raised", 1, 1, number=steps.newest + 1)])
    assert [one.number for one in asyncio.run(steps.after(steps.newest - 1))] == [steps.newest]


def test_formulas_are_parsed_once_and_remembered_within_a_bound() -> None:
    for n in range(ALARM_FORMULAS_CACHED + 10):
        _formula(f"value > {n}")
    assert _formula.cache_info().currsize == ALARM_FORMULAS_CACHED


@pytest.mark.parametrize("severity", SEVERITIES)
def test_a_declaration_reads_as_it_was_written(severity: str) -> None:
    document: Mapping[str, Any] = {"severity": severity, "text": "x", "raised_when": "value < 3"}
    declared = Declaration.parse(document)
    assert (declared.severity, declared.text, declared.raised_when) == (severity, "x", "value < 3")
    outcome = declared.raised(np.array([2.0, 3.0, np.nan])).tolist()
    assert outcome[:2] == [1.0, 0.0] and np.isnan(outcome[2])
