"""What every backend of `ciaas.management.mashup.MashupStore` keeps."""

from __future__ import annotations

from typing import Any

import pytest

from ciaas.management.mashup import Mashup, MashupState
from ciaas.ports import Conflict, Missing
from ciaas.storage.registry import Registry
from ciaas.storage.registry.mashups import store as module
from security.aaa.levels import Level
from security.ports import Grant

DRAFT: dict[str, Any] = {"name": "Noise", "nodes": []}


@pytest.fixture
def ada(registry: Registry) -> int:
    return registry.accounts.add_user("ada", None, False).id


@pytest.fixture
def mashup(registry: Registry) -> Mashup:
    project = registry.resources.create_project("quarter")
    return registry.mashups.create(project.id, DRAFT)


def publish(registry: Registry, mashup: Mashup, ada: int, *points: str) -> int:
    rights: dict[tuple[str, ...], Level] = {("1", point): Level.READ for point in points}
    done = registry.mashups.publish(mashup.uuid, DRAFT, {"keys": []}, ada, "note", rights)
    return done.number


def test_a_draft_is_kept_changed_and_listed(registry: Registry, mashup: Mashup) -> None:
    store = registry.mashups
    assert (mashup.state, mashup.revision, mashup.version) == (MashupState.DRAFT, 1, None)
    changed = store.change_draft(mashup.uuid, {"name": "Loud"}, 1)
    assert (changed.name, changed.revision) == ("Loud", 2)
    assert store.change_draft(mashup.uuid, {"name": "Loud"}, None).revision == 2
    with pytest.raises(Conflict, match="revision 2 now"):
        store.change_draft(mashup.uuid, DRAFT, 1)
    assert store.mashups() == [store.mashup(mashup.uuid)]
    with pytest.raises(Missing):
        store.mashup("nothing")


def test_versions_are_numbered_and_never_change(
    registry: Registry, mashup: Mashup, ada: int
) -> None:
    store = registry.mashups
    assert store.in_force() == {}
    assert [publish(registry, mashup, ada), publish(registry, mashup, ada)] == [1, 2]
    assert [version.number for version in store.versions(mashup.uuid)] == [2, 1]
    assert store.version(mashup.uuid, 1).publisher == ada
    with pytest.raises(Missing, match="no version 3"):
        store.version(mashup.uuid, 3)
    assert store.in_force()[mashup.uuid].number == 2
    store.set_state(mashup.uuid, MashupState.PAUSED)
    assert store.in_force() == {}
    before = store.set_state(mashup.uuid, MashupState.RUNNING)
    assert before.version == 2 and set(store.in_force()) == {mashup.uuid}


def test_what_was_never_published_does_not_run(registry: Registry, mashup: Mashup) -> None:
    with pytest.raises(Conflict, match="publish it first"):
        registry.mashups.set_state(mashup.uuid, MashupState.RUNNING)


def test_its_identity_holds_just_the_rights_of_its_version(
    registry: Registry, mashup: Mashup, ada: int
) -> None:
    publish(registry, mashup, ada, "a", "b")
    identity = registry.accounts.user(f"mashup:{mashup.uuid}")
    assert identity is not None and identity.password_hash is None and not identity.admin

    def held() -> list[Grant]:
        return [grant for grant in registry.grants.grants() if grant.user == identity.id]

    assert [grant.path for grant in held()] == [("1", "a"), ("1", "b")]
    version = registry.version()
    publish(registry, mashup, ada, "b", "c")
    assert [grant.path for grant in held()] == [("1", "b"), ("1", "c")]
    _, put, removed = registry.grants.grants_changed(version)
    assert [grant.path for grant in put if grant.user == identity.id] == [("1", "c")]
    assert [grant.path for grant in removed] == [("1", "a")]
    registry.grants.remove_grant(identity.id, ("1", "c"))
    publish(registry, mashup, ada, "c")
    assert [grant.path for grant in held()] == [("1", "c")]
    registry.mashups.delete(mashup.uuid)
    assert held() == [] and registry.mashups.mashups() == []
    gone = registry.accounts.user_by_id(identity.id)
    assert gone is not None and gone.disabled
    with pytest.raises(Missing):
        registry.mashups.delete(mashup.uuid)


def test_every_bound_is_told(
    registry: Registry, mashup: Mashup, ada: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = registry.mashups
    with pytest.raises(Conflict, match="characters"):
        store.create(mashup.project, {"name": "x" * 101})
    with pytest.raises(Conflict, match="characters"):
        store.publish(mashup.uuid, DRAFT, {}, ada, "x" * 1_001, {})
    monkeypatch.setattr(module, "MASHUP_DOCUMENT_BYTES_MAX", 20)
    with pytest.raises(Conflict, match="bytes"):
        store.create(mashup.project, {"name": "a", "text": "x" * 20})
    monkeypatch.setattr(module, "MASHUP_DOCUMENT_BYTES_MAX", 1_000)
    monkeypatch.setattr(module, "MASHUPS_MAX", 1)
    with pytest.raises(Conflict, match="1 mashups already"):
        store.create(mashup.project, DRAFT)
    monkeypatch.setattr(module, "MASHUP_VERSIONS_MAX", 1)
    publish(registry, mashup, ada)
    with pytest.raises(Conflict, match="copy it into a new mashup"):
        publish(registry, mashup, ada)
    monkeypatch.setattr(module, "MASHUP_VERSIONS_MAX", 9)
    monkeypatch.setattr(module, "GRANTS_PER_USER_MAX", 1)
    with pytest.raises(Conflict, match="at most 1 grants"):
        publish(registry, mashup, ada, "a", "b")
    assert store.in_force()[mashup.uuid].number == 1
