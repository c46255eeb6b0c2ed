"""The port `StateStore`: intervals without gaps or overlaps, each journal line once."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ciaas.storage.registry import migrate, open_registry
from security.dependability.states import Interval, Resource, State, Transition
from security.limits import STATE_CAUSE_CHARS_MAX
from security.ports import StateStore

CORE, PUMP = Resource.of("role:core"), Resource.of("device:pump", "uuid-of-pump")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "registry.sqlite"
    migrate(path)
    return path


@pytest.fixture
def store(path: Path) -> Iterator[StateStore]:
    with open_registry(path) as registry:
        yield registry.states


def told(*steps: tuple[Resource, State, int]) -> list[Transition]:
    return [Transition(resource, state, at, "why") for resource, state, at in steps]


def test_a_transition_ends_an_interval_and_begins_the_next(store: StateStore) -> None:
    store.note(told((CORE, State.UP, 10), (PUMP, State.UP, 15), (CORE, State.DOWN, 20)))
    assert store.intervals(0, 100) == [
        Interval(PUMP, State.UP, 15, None, "why"),
        Interval(CORE, State.UP, 10, 20, "why"),
        Interval(CORE, State.DOWN, 20, None, "why"),
    ]
    assert [last.state for last in store.current()] == [State.UP, State.DOWN]


def test_a_state_told_again_changes_nothing(store: StateStore) -> None:
    store.note(told((CORE, State.UP, 10)))
    store.note(told((CORE, State.UP, 30)))
    assert store.intervals(0, 100) == [Interval(CORE, State.UP, 10, None, "why")]


def test_a_late_transition_begins_with_what_lasts(store: StateStore) -> None:
    store.note(told((CORE, State.UP, 50)))
    store.note(told((CORE, State.DOWN, 40)))
    assert [(i.since, i.until) for i in store.intervals(0, 100)] == [(50, 50), (50, None)]


def test_a_span_gives_what_touches_it(store: StateStore) -> None:
    store.note(told((CORE, State.UP, 10), (CORE, State.DOWN, 20), (CORE, State.UP, 30)))
    assert [i.since for i in store.intervals(20, 30)] == [20]
    assert [i.since for i in store.intervals(15, 31, CORE.name)] == [10, 20, 30]
    assert store.intervals(0, 100, "role:nobody") == []


def test_who_resumes_knows_nothing_of_the_time_between(store: StateStore) -> None:
    store.note(told((CORE, State.UP, 10), (PUMP, State.UP, 10)))
    store.seen(25)
    store.resume(90, ["device"])
    assert store.current() == [
        Interval(PUMP, State.UNKNOWN, 25, None, "not observed"),
        Interval(CORE, State.UP, 10, None, "why"),
    ]


def test_what_was_read_of_a_journal_is_kept_with_what_was_told(path: Path) -> None:
    with open_registry(path) as registry:
        assert registry.states.read_to() == ("", 0)
        registry.states.note(told((CORE, State.UP, 10)), ("watch-1", 120))
        registry.states.note([], ("watch-1", 180))
    with open_registry(path) as registry:
        assert registry.states.read_to() == ("watch-1", 180)
        assert [last.state for last in registry.states.current()] == [State.UP]


def test_a_long_cause_is_cut(store: StateStore) -> None:
    store.note([Transition(CORE, State.DOWN, 1, "x" * (STATE_CAUSE_CHARS_MAX + 1))])
    assert len(store.current()[0].cause) == STATE_CAUSE_CHARS_MAX


def test_states_are_no_change_of_the_registry(path: Path) -> None:
    with open_registry(path) as registry:
        before = registry.version()
        registry.states.note(told((CORE, State.UP, 10)))
        registry.states.seen(20)
        assert registry.version() == before


steps = st.lists(
    st.tuples(st.sampled_from([CORE, PUMP]), st.sampled_from(list(State)), st.integers(0, 50)),
    max_size=20,
)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25, deadline=None
)
@given(st.lists(steps, max_size=4))
def test_intervals_of_a_resource_follow_each_other(
    tmp_path_factory: pytest.TempPathFactory, batches: list[list[tuple[Resource, State, int]]]
) -> None:
    path = tmp_path_factory.mktemp("states") / "registry.sqlite"
    migrate(path)
    with open_registry(path) as registry:
        for batch in batches:
            registry.states.note(told(*batch))
        for resource in (CORE, PUMP):
            found = registry.states.intervals(-1, 1_000, resource.name)
            assert all(i.until == j.since for i, j in itertools.pairwise(found))
            assert all(i.state is not j.state for i, j in itertools.pairwise(found))
            assert sum(i.until is None for i in found) == bool(found)
