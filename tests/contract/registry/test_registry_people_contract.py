"""What every backend keeps of people: factors, sessions, invitations, deletions, quotas."""

from __future__ import annotations

import pytest

from ciaas.ports import Conflict, Missing
from ciaas.storage.registry import Registry
from ciaas.storage.registry.errors import QuotaReached
from ciaas.storage.registry.people import invitations as invitations_module
from ciaas.storage.registry.people import sessions as sessions_module
from security.aaa.levels import Level
from security.aaa.people_ports import Factor, Invitation, Note, Use
from security.ports import Grant

FAR = 4_000_000_000_000


@pytest.fixture
def ada(registry: Registry) -> int:
    return registry.accounts.add_user("ada", "hash", False).id


def test_a_factor_counts_once_confirmed_and_goes_with_its_codes(
    registry: Registry, ada: int
) -> None:
    factors = registry.factors
    assert factors.factor(ada) is None
    factors.put_factor(ada, "one")
    factors.put_factor(ada, "two")
    assert factors.factor(ada) == Factor(ada, "two", confirmed=False, last_step=0)
    factors.confirm_factor(ada, 7, ["a", "b"])
    assert factors.factor(ada) == Factor(ada, "two", confirmed=True, last_step=7)
    assert factors.recovery_codes(ada) == 2
    assert [factors.take_recovery_code(ada, "a") for _ in range(2)] == [True, False]
    assert [factors.take_step(ada, step) for step in (7, 8, 8, 6)] == [False, True, False, False]
    assert [factors.remove_factor(ada) for _ in range(2)] == [True, False]
    assert factors.recovery_codes(ada) == 0


def test_demands_are_a_set(registry: Registry) -> None:
    for _ in range(2):
        registry.factors.put_demand("project:1", asked=True)
    registry.factors.put_demand("administrators", asked=True)
    assert registry.factors.demands() == {"project:1", "administrators"}
    registry.factors.put_demand("project:1", asked=False)
    assert registry.factors.demands() == {"administrators"}


def test_a_session_keeps_its_beginning_and_its_last_use(registry: Registry, ada: int) -> None:
    sessions = registry.sessions
    sessions.began("token:1", "browser", Use(5, "192.0.2.1"))
    sessions.used({"token:1": Use(9, "192.0.2.2"), "token:2": Use(9, "x" * 99)}, {ada: 9})
    found = sessions.notes(["token:1", "token:2", "token:3"])
    assert found["token:1"] == Note("browser", Use(5, "192.0.2.1"), Use(9, "192.0.2.2"))
    assert found["token:2"].last == Use(9, "x" * 64)
    assert "token:3" not in found
    assert sessions.lives()[ada].last_used_at == 9
    assert sessions.lives()[ada].created_at is not None


def test_the_notes_that_were_not_used_for_longest_make_way(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions_module, "SESSIONS_NOTED_MAX", 3)
    names = [f"token:{number}" for number in range(6)]
    for at, name in enumerate(names):
        registry.sessions.began(name, "token", Use(at, ""))
    assert sorted(registry.sessions.notes(names)) == names[3:]


def test_a_deleted_user_has_nothing_left_but_the_name(registry: Registry, ada: int) -> None:
    accounts = registry.accounts
    accounts.add_token(ada, "digest", "a", frozenset({"read"}), None)
    registry.grants.put_grant(Grant(ada, ("1",), Level.READ))
    group = registry.groups.add_group("gardeners")
    registry.groups.add_member(group.id, ada)
    registry.factors.put_factor(ada, "sealed")
    registry.sessions.delete_user(ada, 99)
    assert accounts.users() == []
    assert accounts.user("ada") is None
    kept = accounts.user_by_id(ada)
    assert kept is not None and kept.disabled and kept.password_hash is None
    assert [token.revoked for token in accounts.tokens(ada)] == [True]
    assert registry.grants.grants() == [] and registry.groups.members() == []
    assert registry.factors.factor(ada) is None
    assert [user.id for user in accounts.users_changed(0)] == [ada]
    with pytest.raises(Missing):
        registry.sessions.delete_user(ada, 100)


def invitation(inviter: int, expires_at: int = FAR) -> Invitation:
    return Invitation(0, "Bob", False, None, None, inviter, 1, expires_at)


def test_an_invitation_is_used_or_withdrawn_once(registry: Registry, ada: int) -> None:
    store = registry.invitations
    first, second = (store.invite(invitation(ada), digest) for digest in ("a", "b"))
    store.invite(invitation(ada, expires_at=1), "over")
    assert [one.id for one in store.invitations()] == [first.id, second.id]
    assert store.by_token("a") == first and store.by_token("x") is None
    assert [store.accept(first.id, ada), store.accept(first.id, ada)] == [True, False]
    assert [store.withdraw(second.id), store.withdraw(second.id)] == [True, False]
    assert not store.withdraw(first.id) and not store.accept(second.id, ada)
    assert store.invitations() == []
    used = store.by_token("a")
    assert used is not None and used.user == ada


def test_there_is_room_for_so_many_open_invitations(
    registry: Registry, ada: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(invitations_module, "INVITATIONS_PENDING_MAX", 2)
    made = [registry.invitations.invite(invitation(ada), str(n)) for n in range(2)]
    with pytest.raises(Conflict, match="2 invitations are open"):
        registry.invitations.invite(invitation(ada), "third")
    registry.invitations.withdraw(made[0].id)
    assert registry.invitations.invite(invitation(ada), "third")


def test_quotas_are_set_replaced_and_taken_back(registry: Registry) -> None:
    project = registry.resources.create_project("city").id
    quotas = registry.quotas
    quotas.put_quota(project, "points", 5)
    quotas.put_quota(project, "points", 7)
    quotas.put_quota(project, "endpoints", 0)
    assert quotas.quotas() == {project: {"points": 7, "endpoints": 0}}
    quotas.put_quota(project, "points", None)
    assert quotas.quotas() == {project: {"endpoints": 0}}


def test_what_is_stored_is_kept_with_its_commit(registry: Registry) -> None:
    assert registry.quotas.stored() == (0, {})
    registry.quotas.put_stored(7, {1: 100, 2: 50})
    registry.quotas.put_stored(9, {1: 120})
    assert registry.quotas.stored() == (9, {1: 120})


def test_the_registry_itself_refuses_what_is_beyond_a_quota(registry: Registry) -> None:
    resources = registry.resources
    project = resources.create_project("city").id
    registry.quotas.defaults = lambda name: {"endpoints": 1} if name == "city" else {}
    resources.create_endpoint(project, "one", {})
    with pytest.raises(QuotaReached, match="quota of endpoints is 1 and 2") as refused:
        resources.create_endpoint(project, "two", {})
    assert (refused.value.quota, refused.value.bound, refused.value.used) == ("endpoints", 1, 2)
    registry.quotas.put_quota(project, "endpoints", 2)
    resources.create_endpoint(project, "two", {})
    assert registry.quotas.counts() == {project: (2, 0)}
    other = resources.create_project("harbour").id
    for name in "abc":
        resources.create_endpoint(other, name, {})
