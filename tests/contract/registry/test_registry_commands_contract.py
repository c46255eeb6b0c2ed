"""Commands in the registry: one end each, all or nothing, pages, keys, and the bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from uuid import uuid4

import pytest

from ciaas.kernel.address import PointAddress
from ciaas.kernel.downlink.command import FOLLOWS, Command, Rung, Step
from ciaas.kernel.downlink.ports import Climb, NewCommand
from ciaas.kernel.model import Constraint, Value, ValueType
from ciaas.limits import COMMAND_STEPS_MAX, COMMAND_WHY_CHARS_MAX
from ciaas.ports import Conflict, Endpoint, Missing, NewPoint
from ciaas.storage.registry import Registry
from ciaas.storage.registry.commands.store import Commands

BORN = (Rung.REQUESTED, Rung.AUTHORISED, Rung.QUEUED)
Add = Callable[..., Command]


@pytest.fixture
def add(registry: Registry, endpoint: Endpoint) -> Add:
    """Adds commands of a lamp: by their rungs, value and key."""
    user = registry.accounts.add_user("ada", None, admin=False)
    points = {
        name: registry.resources.ensure_points(
            [
                NewPoint(
                    PointAddress(f"{endpoint.uuid}/Lamp/light/{name}"),
                    Constraint.SET_POINT,
                    ValueType.NUMBER,
                )
            ]
        )[0]
        for name in ("level", "levels")
    }

    def added(
        rungs: Sequence[Rung] = BORN,
        value: Value = 1.0,
        key: str | None = None,
        name: str = "level",
        others: Sequence[Climb] = (),
    ) -> Command:
        point = points[name]
        steps = [Step(rung, at, "ada", f"why {at}") for at, rung in enumerate(rungs)]
        new = NewCommand(
            id=str(uuid4()),
            project=endpoint.project,
            point=point.id,
            address=point.address,
            user=user.id,
            value=value,
            stamp=1_000,
            expires_at=2_000,
            steps=steps,
            key=key,
            digest="d",
        )
        return registry.commands.add(new, others)

    return added


def climb(registry: Registry, command: Command, *rungs: Rung) -> Command:
    for rung in rungs:
        registry.commands.climb([Climb(command.number, Step(rung, 50, "core"))])
    return registry.commands.command(command.id)


@pytest.mark.parametrize("value", [True, False, 7, -1.5, "grün", ""])
def test_a_command_is_read_back_as_it_was_added(registry: Registry, add: Add, value: Value) -> None:
    command = add(value=value)
    assert registry.commands.command(command.id) == command
    assert type(command.value) is type(value)
    assert [step.rung for step in command.steps] == list(BORN)
    assert command.steps[1] == Step(Rung.AUTHORISED, 1, "ada", "why 1")


def test_it_survives_the_end_of_the_process(
    registry: Registry, backend: Callable[[bool], Registry], add: Add
) -> None:
    command = climb(registry, add(), Rung.SENT)
    registry.close()
    with backend(False) as again:
        assert again.commands.open() == [command]
        assert again.commands.latest(command.point).sent_at == 50


def test_a_command_changes_nothing_of_the_registry(registry: Registry, add: Add) -> None:
    add()
    before = registry.version()
    climb(registry, add(), Rung.SENT, Rung.VERIFIED)
    assert registry.version() == before


@pytest.mark.parametrize("rung", [rung for rung in Rung if not FOLLOWS.get(rung)])
def test_nothing_follows_on_an_end(registry: Registry, add: Add, rung: Rung) -> None:
    way = (Rung.SENT,) if rung in (Rung.VERIFIED, Rung.UNKNOWN) else ()
    command = climb(registry, add(), *way, rung)
    assert rung.terminal and command.state is rung
    for other in Rung:
        with pytest.raises(Conflict, match="does not follow"):
            climb(registry, command, other)
    assert registry.commands.command(command.id) == command
    assert registry.commands.open() == []


@pytest.mark.parametrize("rung", list(FOLLOWS))
def test_only_what_may_follow_does(registry: Registry, add: Add, rung: Rung) -> None:
    for other in Rung:
        command = add([*[r for r in BORN if r is not rung], rung])
        if other in FOLLOWS[rung]:
            assert climb(registry, command, other).state is other
        else:
            with pytest.raises(Conflict, match=f"is {rung.value}: {other.value} does not"):
                climb(registry, command, other)


def test_steps_of_one_call_hold_together_or_not_at_all(registry: Registry, add: Add) -> None:
    one, two = add(), climb(registry, add(), Rung.EXPIRED)
    both = [Climb(number, Step(Rung.SENT, 9, "core")) for number in (one.number, two.number)]
    with pytest.raises(Conflict):
        registry.commands.climb(both)
    assert registry.commands.command(one.id) == one
    with pytest.raises(Conflict, match="there is no command 999"):
        registry.commands.climb([Climb(999, Step(Rung.SENT, 9, "core"))])


def test_a_new_command_ends_older_ones_in_one_transaction(registry: Registry, add: Add) -> None:
    old = add()
    add(others=[Climb(old.number, Step(Rung.SUPERSEDED, 7, "ada"))])
    assert registry.commands.command(old.id).state is Rung.SUPERSEDED
    count = len(registry.commands.listed(limit=10))
    with pytest.raises(Conflict):
        add(others=[Climb(old.number, Step(Rung.SUPERSEDED, 7, "ada"))])
    assert len(registry.commands.listed(limit=10)) == count


def test_a_key_is_one_users_and_names_one_command(registry: Registry, add: Add) -> None:
    command = add(key="evening")
    assert registry.commands.by_key(command.user, "evening") == (command, "d")
    assert registry.commands.by_key(command.user + 1, "evening") is None
    with pytest.raises(Conflict, match="is taken"):
        add(key="evening")
    assert registry.commands.by_key(command.user, "morning") is None


def test_an_unknown_command_is_missing(registry: Registry) -> None:
    with pytest.raises(Missing):
        registry.commands.command("nothing")


def test_lists_are_chosen_by_address_and_state_and_paged(registry: Registry, add: Add) -> None:
    one, other = add(), add(name="levels")
    ended = climb(registry, add(), Rung.EXPIRED)
    listed = registry.commands.listed
    assert listed(limit=10) == [ended, other, one]
    assert listed(limit=1) == [ended]
    assert listed(limit=1, before=ended.number) == [other]
    assert listed(limit=9, states=[Rung.EXPIRED, Rung.VERIFIED]) == [ended]
    levels = one.address.split("/")
    assert listed(limit=9, prefix=levels) == [ended, one]
    assert listed(limit=9, prefix=levels[:1]) == [ended, other, one]
    assert listed(limit=9, project=one.project + 1) == []


def test_the_latest_of_a_point_tells_stamp_and_sending(registry: Registry, add: Add) -> None:
    assert registry.commands.latest(1).stamp is None
    command = climb(registry, add(), Rung.SENT, Rung.QUEUED)
    latest = registry.commands.latest(command.point)
    assert (latest.stamp, latest.sent_at) == (1_000, 50)


def test_a_reason_is_cut_and_steps_have_a_bound(registry: Registry, add: Add) -> None:
    command = add()
    long = Step(Rung.SENT, 1, "core", "x" * (COMMAND_WHY_CHARS_MAX + 9))
    registry.commands.climb([Climb(command.number, long)])
    for rung in [Rung.QUEUED, Rung.SENT] * (COMMAND_STEPS_MAX // 2 - 2):
        registry.commands.climb([Climb(command.number, Step(rung, 1, "core"))])
    stored = registry.commands.command(command.id)
    assert len(stored.steps) == COMMAND_STEPS_MAX
    assert len(stored.steps[3].why) == COMMAND_WHY_CHARS_MAX
    with pytest.raises(Conflict, match="only an end may follow"):
        climb(registry, command, Rung.QUEUED)
    assert climb(registry, command, Rung.UNKNOWN).state is Rung.UNKNOWN


def test_the_oldest_that_have_ended_make_way(registry: Registry, add: Add) -> None:
    kept = add()
    ended = [climb(registry, add(), Rung.EXPIRED) for _ in range(5)]
    small = Commands(registry.commands._database, kept_max=3, removed_each=1)
    registry.commands = small
    newest = add()
    ids = [command.id for command in small.listed(limit=10)]
    assert ids == [newest.id, ended[-1].id, ended[-2].id, kept.id]
