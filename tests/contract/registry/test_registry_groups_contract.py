"""What every backend of `security.ports.GroupStore` keeps."""

from __future__ import annotations

import pytest

from ciaas.ports import Conflict, Missing
from ciaas.storage.registry import Registry
from ciaas.storage.registry.security import groups as module
from security.aaa.levels import Level
from security.ports import GroupGrant, Membership, Taken


@pytest.fixture
def ada(registry: Registry) -> int:
    return registry.accounts.add_user("ada", None, False).id


def test_a_group_is_added_found_and_removed_and_its_name_is_free_again(registry: Registry) -> None:
    groups = registry.groups
    gardeners = groups.add_group("gardeners")
    assert groups.groups() == [gardeners]
    assert groups.group("gardeners") == gardeners
    assert groups.group("nobody") is None
    with pytest.raises(Taken, match="'gardeners' exists already"):
        groups.add_group("gardeners")
    groups.remove_group(gardeners.id)
    assert groups.groups() == []
    assert groups.add_group("gardeners").id != gardeners.id
    with pytest.raises(Missing, match=f"no group {gardeners.id}"):
        groups.remove_group(gardeners.id)


def test_members_join_and_leave(registry: Registry, ada: int) -> None:
    groups = registry.groups
    number = groups.add_group("gardeners").id
    version = groups.groups_changed(0).version
    groups.add_member(number, ada)
    groups.add_member(number, ada)
    assert groups.members() == [Membership(number, ada)]
    changes = groups.groups_changed(version)
    assert (changes.version, changes.members) == (version + 1, [Membership(number, ada)])
    assert groups.remove_member(number, ada) is True
    assert groups.remove_member(number, ada) is False
    assert groups.groups_changed(version + 1).members == [Membership(number, ada, present=False)]
    groups.add_member(number, ada)
    assert groups.members() == [Membership(number, ada)]
    with pytest.raises(Missing, match="no user 99"):
        groups.add_member(number, 99)
    with pytest.raises(Missing, match="no group 99"):
        groups.add_member(99, ada)


def test_grants_are_put_replaced_and_removed(registry: Registry) -> None:
    groups = registry.groups
    number = groups.add_group("gardeners").id
    version = groups.groups_changed(0).version
    everything = GroupGrant(number, (), Level.BROWSE)
    lamp = GroupGrant(number, ("1", "uuid", "n"), Level.READ)
    groups.put_group_grant(lamp)
    groups.put_group_grant(lamp)
    groups.put_group_grant(everything)
    assert groups.group_grants() == [everything, lamp]
    assert groups.groups_changed(version).put == [everything, lamp]
    written = GroupGrant(number, lamp.path, Level.WRITE)
    groups.put_group_grant(written)
    assert groups.remove_group_grant(number, ("1",)) is False
    assert groups.remove_group_grant(number, ()) is True
    changes = groups.groups_changed(version + 2)
    assert (changes.put, changes.removed) == ([written], [everything])
    with pytest.raises(Missing, match="no group 99"):
        groups.put_group_grant(GroupGrant(99, (), Level.READ))


def test_what_a_removed_group_had_is_told_as_removed(registry: Registry, ada: int) -> None:
    groups = registry.groups
    number = groups.add_group("gardeners").id
    grant = GroupGrant(number, ("1",), Level.READ)
    groups.put_group_grant(grant)
    groups.add_member(number, ada)
    version = groups.groups_changed(0).version
    groups.remove_group(number)
    changes = groups.groups_changed(version)
    assert changes.removed == [grant]
    assert changes.members == [Membership(number, ada, present=False)]
    assert groups.members() == []
    assert groups.group_grants() == []


def test_room_is_bounded(registry: Registry, ada: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for bound in ("GROUPS_MAX", "GRANTS_PER_GROUP_MAX"):
        monkeypatch.setattr(module, bound, 2)
    for bound in ("MEMBERS_PER_GROUP_MAX", "GROUPS_PER_USER_MAX"):
        monkeypatch.setattr(module, bound, 1)
    groups = registry.groups
    one, two = groups.add_group("one").id, groups.add_group("two").id
    with pytest.raises(Conflict, match="2 groups already"):
        groups.add_group("three")
    groups.add_member(one, ada)
    with pytest.raises(Conflict, match="user is in 1 groups"):
        groups.add_member(two, ada)
    bert = registry.accounts.add_user("bert", None, False).id
    with pytest.raises(Conflict, match="group has 1 members"):
        groups.add_member(one, bert)
    for name in "ab":
        groups.put_group_grant(GroupGrant(one, (name,), Level.READ))
    with pytest.raises(Conflict, match="group has 2 grants"):
        groups.put_group_grant(GroupGrant(one, ("c",), Level.READ))
    with pytest.raises(Conflict, match="at most 100 are kept"):
        groups.add_group("x" * 101)
