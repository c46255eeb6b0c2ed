"""Alarms, subscriptions and dead letters in the registry: whole, in order, within bounds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import Constraint, ValueType
from ciaas.limits import (
    ALARM_STEPS_KEPT_MAX,
    DEAD_LETTERS_MAX,
    SUBSCRIPTION_FILTER_BYTES_MAX,
    SUBSCRIPTION_WHY_CHARS_MAX,
    SUBSCRIPTIONS_MAX,
    SUBSCRIPTIONS_PER_USER_MAX,
)
from ciaas.management.alarms.ports import Alarm, Harvest, State, Step
from ciaas.management.subscriptions.ports import DeadLetter, EventKind, Progress, Subscription
from ciaas.ports import Conflict, Missing, NewPoint
from ciaas.storage.registry import Registry, migrate, open_registry
from ciaas.storage.registry.events.alarms import Alarms
from ciaas.storage.registry.events.tables import subscription as table


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    migrate(tmp_path / "registry.db")
    with open_registry(tmp_path / "registry.db") as opened:
        project = opened.resources.create_project("city")
        endpoint = opened.resources.create_endpoint(project.id, "Boiler", {})
        uuid = EndpointId(endpoint.uuid)
        address = PointAddress(f"{uuid}/n/o/a")
        opened.resources.ensure_points([NewPoint(address, Constraint.MEASURE, ValueType.NUMBER)])
        opened.accounts.add_user("owner", None, admin=False)
        yield opened


def alarm(number: int, **more: object) -> Alarm:
    first = Alarm(f"a{number}", 1, "minor", "hot", State.RAISED, 50.0, 10, 1, 1, 5)
    return replace(first, **more)  # type: ignore[arg-type] # fields of an alarm


def step(of: Alarm, kind: str = "raised") -> Step:
    return Step(of, kind, 10, 1)


def subscription(number: int = 1, user: int = 1) -> Subscription:
    kind, url = EventKind.SAMPLES, "https://hook.example/"
    return Subscription(f"s{number}", user, kind, "t", url, {"tag": ["a"]}, 5, "sealed", True, 7, 3)


def test_a_harvest_is_stored_whole_and_read_back(registry: Registry) -> None:
    store = registry.alarms
    assert store.position() is None
    first, second = alarm(1), alarm(2, value="text", acknowledged_at=3, acknowledged_by="me")
    version = registry.version()
    numbered = store.store(Harvest(9, {1: 77}, {"a1": first, "a2": second}, [step(first)]))
    assert [one.number for one in numbered] == [store.last_step()]
    assert (store.position(), store.seen()) == (9, {1: 77})
    assert store.alarm("a1") == first
    assert store.open() == [second, first]
    assert store.history("a1") == numbered == store.steps(0, 10)
    over = replace(first, state=State.CLEARED, cleared_at=20, acknowledged_at=21)
    store.store(Harvest(10, {1: 78}, {"a1": over}, [step(over, "cleared")]))
    assert store.open() == [second]
    assert store.closed_since(19, 10) == [over]
    assert store.closed_since(20, 10) == []
    assert [one.kind for one in store.history("a1")] == ["raised", "cleared"]
    assert store.listed(True, None, 10).alarms == [second]
    page = store.listed(False, None, 1)
    assert page.alarms == [second]
    assert store.listed(False, page.before, 10) == ([over], None)
    assert registry.version() == version, "alarms are no change of points or rights"
    with pytest.raises(Missing):
        store.alarm("a9")


def test_nothing_of_a_harvest_is_stored_when_a_part_cannot_be(registry: Registry) -> None:
    store = registry.alarms
    store.store(Harvest(9))
    with pytest.raises(sa.exc.NoResultFound):
        store.store(Harvest(10, {1: 5}, {"a1": alarm(1)}, [step(alarm(2))]))
    assert (store.position(), store.seen(), store.open()) == (9, {}, [])


def test_the_oldest_closed_alarms_and_steps_make_way(registry: Registry) -> None:
    store = Alarms(registry.alarms._database, kept_max=2)
    closed = [
        alarm(n, state=State.CLEARED, cleared_at=n, acknowledged_at=n, commit=n) for n in range(5)
    ]
    for one in closed:
        store.store(Harvest(1, {}, {one.id: one}, [step(one)]))
    assert store.listed(False, None, 10).alarms == closed[:-3:-1]
    assert len(store.steps(0, 10)) == 2
    standing = alarm(9)
    surplus = 5
    for _ in range(ALARM_STEPS_KEPT_MAX + surplus):
        store.store(Harvest(1, {}, {standing.id: standing}, [step(standing)]))
    assert len(store.history("a9")) == ALARM_STEPS_KEPT_MAX


def test_a_subscription_is_kept_and_follows_its_progress(registry: Registry) -> None:
    store = registry.subscriptions
    made = subscription()
    store.add(made)
    assert store.subscription("s1") == made
    assert store.subscriptions() == store.subscriptions(1) == [made]
    assert store.subscriptions(2) == []
    store.fail("s1", 50, "x" * (SUBSCRIPTION_WHY_CHARS_MAX + 1))
    failed = store.subscription("s1")
    assert (failed.failures, failed.failed_at, failed.enabled) == (1, 50, True)
    assert failed.why == "x" * SUBSCRIPTION_WHY_CHARS_MAX
    store.advance("s1", Progress(8, 0, 60))
    assert (store.subscription("s1").position, store.subscription("s1").failures) == (8, 1)
    store.advance("s1", Progress(9, 4, 61))
    done = store.subscription("s1")
    assert (done.position, done.delivered, done.delivered_at) == (9, 4, 61)
    assert (done.failures, done.failed_at, done.why) == (0, None, "")
    store.fail("s1", 70, "gone", off=True)
    assert not store.subscription("s1").enabled
    store.change(replace(done, title="new", enabled=True))
    assert store.subscription("s1") == replace(done, title="new")
    store.remove("s1")
    store.advance("s1", Progress(10, 1, 62))
    for missing in (store.subscription, store.remove):
        with pytest.raises(Missing):
            missing("s1")
    with pytest.raises(Missing):
        store.change(done)


def test_users_and_the_platform_have_so_many_subscriptions(registry: Registry) -> None:
    store = registry.subscriptions
    for number in range(SUBSCRIPTIONS_PER_USER_MAX):
        store.add(subscription(number))
    with pytest.raises(Conflict, match=f"you have {SUBSCRIPTIONS_PER_USER_MAX}"):
        store.add(subscription(9_999))
    other = registry.accounts.add_user("other", None, admin=False).id
    filling = [
        {"uuid": f"f{n}", "account": 1, "kind": "samples", "title": "", "url": "", "wanted": "{}",
         "throttle_ms": 0, "secret": "", "enabled": False, "created_at": 0, "position": 0,
         "delivered": 0, "failures": 0, "why": ""}
        for n in range(SUBSCRIPTIONS_MAX - SUBSCRIPTIONS_PER_USER_MAX)
    ]  # fmt: skip
    with registry.subscriptions._database.change() as change:
        change.connection.execute(table.insert(), filling)
    with pytest.raises(Conflict, match=f"there are {SUBSCRIPTIONS_MAX}"):
        store.add(subscription(9_998, other))


def test_a_filter_has_so_many_bytes(registry: Registry) -> None:
    large = {"text": ["x" * SUBSCRIPTION_FILTER_BYTES_MAX]}
    with pytest.raises(Conflict, match="filter"):
        registry.subscriptions.add(replace(subscription(), wanted=large))


def test_dead_letters_join_are_bounded_and_marked(registry: Registry) -> None:
    store = registry.subscriptions
    store.add(subscription())
    assert store.bury("s1", DeadLetter(0, 3, 5, 10, "no"))
    assert store.bury("s1", DeadLetter(0, 5, 9, 11, "never"))
    [letter] = store.letters("s1")
    assert (letter.after, letter.last, letter.why) == (3, 9, "never")
    assert store.subscription("s1").position == 9
    for number in range(1, DEAD_LETTERS_MAX):
        assert store.bury("s1", DeadLetter(0, 10 * number, 10 * number + 5, 12, "no"))
    assert not store.bury("s1", DeadLetter(0, 99_990, 99_999, 12, "no"))
    assert len(store.letters("s1")) == DEAD_LETTERS_MAX
    store.mark("s1", letter.number, True)
    assert store.letters("s1", replay=True) == [replace(letter, replay=True)]
    store.mark("s1", letter.number, False, "again no")
    assert store.letters("s1")[0].why == "again no"
    store.drop("s1", letter.number)
    with pytest.raises(Missing):
        store.drop("s1", letter.number)
    with pytest.raises(Missing):
        store.mark("s1", letter.number, True)
    store.remove("s1")
    with pytest.raises(Missing):
        store.bury("s1", DeadLetter(0, 3, 5, 10, "no"))
