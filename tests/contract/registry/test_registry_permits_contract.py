"""Permits, selections and endpoint groups as the registry keeps them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ciaas.limits import SELECTION_FILTER_BYTES_MAX, SET_NAME_CHARS_MAX
from ciaas.management.sets.ports import EndpointMember
from ciaas.ports import Conflict, Missing
from ciaas.storage.registry import Registry
from ciaas.storage.registry.security import permits as permits_module
from ciaas.storage.registry.security import sets as sets_module
from security.aaa.extents import SetExtent, SetKind
from security.aaa.levels import Level
from security.aaa.subjects import group_subject, user_subject
from security.ports import Grant, GroupGrant, Permit

LAMP = ("1", "uuid", "n")
CLASS = SetExtent(SetKind.CLASS, "1", "Lamp")


@pytest.fixture
def ada(registry: Registry) -> int:
    return registry.accounts.add_user("ada", None, False).id


def test_a_permit_is_one_for_subject_extent_and_purpose(registry: Registry, ada: int) -> None:
    store, subject = registry.permits, user_subject(ada)
    version = store.permits_changed(0).version
    first = store.put_permit(Permit(0, subject, LAMP, Level.READ, 5, 9, None, ada))
    other = store.put_permit(Permit(0, subject, LAMP, Level.WRITE, purpose="works"))
    of_class = store.put_permit(Permit(0, "robot:x", CLASS, Level.DENY))
    assert store.permits() == [first, other, of_class]
    assert store.permits_changed(version).put == [first, other, of_class]
    before = registry.version()
    assert store.put_permit(replace(first, id=0)) == first
    assert registry.version() == before
    changed = store.put_permit(replace(first, level=Level.OBSERVE, ends=None))
    assert (changed.id, registry.version()) == (first.id, before + 1)
    assert store.remove_permit(subject, LAMP, "other") is False
    assert store.remove_permit(subject, LAMP, "works") is True
    assert store.remove_permit(subject, LAMP, "works") is False
    assert store.permits_changed(before + 1).removed == [other]
    again = store.put_permit(replace(other, id=0))
    assert again == other
    assert store.permits() == [changed, other, of_class]


def test_a_permit_and_a_grant_on_the_same_prefix_take_each_others_place(
    registry: Registry, ada: int
) -> None:
    staff = registry.groups.add_group("staff").id
    plain, shared = Grant(ada, LAMP, Level.READ), GroupGrant(staff, LAMP, Level.READ)
    bound = registry.permits.put_permit(Permit(0, user_subject(ada), LAMP, Level.READ, purpose="p"))
    registry.grants.put_grant(plain)
    registry.groups.put_group_grant(shared)
    timed = [
        registry.permits.put_permit(Permit(0, subject, LAMP, Level.WRITE, ends=9))
        for subject in (user_subject(ada), group_subject(staff))
    ]
    assert (registry.grants.grants(), registry.groups.group_grants()) == ([], [])
    assert registry.permits.permits() == [bound, *timed]
    registry.grants.put_grant(plain)
    registry.groups.put_group_grant(shared)
    assert registry.permits.permits() == [bound]
    assert registry.grants.grants() == [plain]
    assert registry.groups.group_grants() == [shared]
    registry.permits.put_permit(Permit(0, group_subject(staff), CLASS, Level.READ))
    registry.groups.remove_group(staff)
    assert registry.permits.permits() == [bound]


def test_a_subject_has_so_many_permits(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(permits_module, "PERMITS_PER_SUBJECT_MAX", 3)
    monkeypatch.setattr(permits_module, "SET_PERMITS_PER_SUBJECT_MAX", 1)
    put = registry.permits.put_permit
    put(Permit(0, "robot:x", CLASS, Level.READ))
    put(Permit(0, "robot:x", CLASS, Level.DENY))  # the same one
    with pytest.raises(Conflict, match="one selection of several"):
        put(Permit(0, "robot:x", CLASS._replace(name="Pole"), Level.READ))
    for name in ("a", "b"):
        put(Permit(0, "robot:x", ("1", name), Level.READ))
    with pytest.raises(Conflict, match="higher prefix"):
        put(Permit(0, "robot:x", ("1", "c"), Level.READ))
    registry.permits.remove_permit("robot:x", ("1", "a"), None)
    put(Permit(0, "robot:x", ("1", "c"), Level.READ))


def test_a_selection_keeps_what_it_was(
    registry: Registry, ada: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sets_module, "SELECTION_REVISIONS_MAX", 2)
    sets, project = registry.sets, registry.resources.create_project("city").id
    version = sets.sets_changed(0).version
    made = sets.put_selection(project, "s", {"tag": ["a"]}, ada, 0)
    assert sets.put_selection(project, "s", {"tag": ["a"]}, ada, None) == made
    with pytest.raises(Conflict, match="revision 1 now"):
        sets.put_selection(project, "s", {}, ada, 0)
    for tag in "bc":
        made = sets.put_selection(project, "s", {"tag": [tag]}, ada, made.revision)
    assert sets.selection(project, "s") == made
    assert sets.selections(project) == [made]
    assert [(r.number, r.filter, r.author) for r in sets.revisions(made.id)] == [
        (3, {"tag": ["c"]}, ada), (2, {"tag": ["b"]}, ada),
    ]  # fmt: skip
    assert sets.sets_changed(version).selections == [made]
    extent = SetExtent(SetKind.SELECTION, str(project), str(made.id))
    registry.permits.put_permit(Permit(0, "robot:x", extent, Level.READ))
    version = registry.version()
    sets.remove_selection(made.id)
    assert sets.sets_changed(version).selections_removed == [made.id]
    assert (registry.permits.permits(), registry.version()) == ([], version + 1)
    for gone in (
        lambda: sets.selection(project, "s"), lambda: sets.remove_selection(made.id),
        lambda: sets.put_selection(99, "s", {}, ada, None),
    ):  # fmt: skip
        with pytest.raises(Missing):
            gone()
    assert sets.put_selection(project, "s", {}, ada, 0).id != made.id


def test_an_endpoint_group_holds_endpoints_of_its_project(registry: Registry) -> None:
    resources, sets = registry.resources, registry.sets
    project, other = (resources.create_project(name).id for name in ("city", "parks"))
    lamp, bench = (resources.create_endpoint(p, "x", {}).uuid for p in (project, other))
    group = sets.add_endpoint_group(project, "g")
    assert sets.add_endpoint_group(project, "g") == group
    assert sets.endpoint_groups(project) == [group]
    version = registry.version()
    sets.add_endpoint(group.id, lamp)
    sets.add_endpoint(group.id, lamp)
    assert registry.version() == version + 1
    assert sets.sets_changed(version).members == [EndpointMember(group.id, lamp)]
    assert (sets.endpoints_of(group.id), sets.groups_of(lamp)) == ([lamp], [group])
    for wrong in ((group.id, bench), (group.id, "no such"), (99, lamp)):
        with pytest.raises(Missing):
            sets.add_endpoint(*wrong)
    assert sets.remove_endpoint(group.id, lamp) is True
    assert sets.remove_endpoint(group.id, lamp) is False
    assert sets.sets_changed(version).members == [EndpointMember(group.id, lamp, present=False)]
    extent = SetExtent(SetKind.ENDPOINTS, str(project), str(group.id))
    registry.permits.put_permit(Permit(0, "robot:x", extent, Level.READ))
    sets.remove_endpoint_group(group.id)
    assert registry.permits.permits() == []
    with pytest.raises(Missing):
        sets.endpoint_group(project, "g")


def test_sets_have_bounds(registry: Registry, ada: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SELECTIONS_PER_PROJECT_MAX", "ENDPOINT_GROUPS_PER_PROJECT_MAX",
                 "ENDPOINTS_PER_GROUP_MAX"):  # fmt: skip
        monkeypatch.setattr(sets_module, name, 1)
    sets, project = registry.sets, registry.resources.create_project("city").id
    group = sets.add_endpoint_group(project, "n" * SET_NAME_CHARS_MAX).id
    uuids = [registry.resources.create_endpoint(project, "x", {}).uuid for _ in range(2)]
    sets.add_endpoint(group, uuids[0])
    sets.put_selection(project, "a", {}, ada, None)
    long = {"text": ["x" * SELECTION_FILTER_BYTES_MAX]}
    for refused in (
        lambda: sets.add_endpoint(group, uuids[1]),
        lambda: sets.add_endpoint_group(project, "b"),
        lambda: sets.add_endpoint_group(project, "n" * (SET_NAME_CHARS_MAX + 1)),
        lambda: sets.put_selection(project, "b", {}, ada, None),
        lambda: sets.put_selection(project, "a", long, ada, None),
    ):
        with pytest.raises(Conflict):
            refused()
