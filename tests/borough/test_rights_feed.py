"""Rights in a process that reads another's registry."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from borough.roles import rights_feed as module
from borough.roles.rights_feed import STALE_AFTER_MS, RightsFeed
from ciaas.storage.registry import migrate, open_registry
from security.aaa import rights as engine
from security.aaa.levels import Level
from security.ports import Grant, GroupGrant, User


def test_what_another_process_changes_holds_after_the_next_look_and_silence_denies(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [5_000]
    monkeypatch.setattr(module, "monotonic_ms", lambda: now[0])
    monkeypatch.setattr(engine.Rights.__init__, "__kwdefaults__", {
        "stale_after_ms": None, "clock_ms": lambda: now[0], "now_ms": engine.wall_ms,
    })  # fmt: skip
    path = tmp_path / "registry.sqlite"
    migrate(path)
    with open_registry(path) as writer, open_registry(path, read_only=True) as reader:
        feed = RightsFeed(reader, STALE_AFTER_MS)
        ada = writer.accounts.add_user("ada", None, False).id
        writer.grants.put_grant(Grant(ada, ("1",), Level.READ))
        assert feed.rights.level(ada, ("1", "e")) is Level.DENY
        feed.refresh()
        assert feed.rights.level(ada, ("1", "e")) is Level.READ
        now[0] += STALE_AFTER_MS
        feed.refresh()  # nothing changed, which is news too
        now[0] += STALE_AFTER_MS
        assert feed.rights.level(ada, ("1", "e")) is Level.READ
        now[0] += 1
        assert feed.rights.level(ada, ("1", "e")) is Level.DENY
        staff = writer.groups.add_group("staff").id
        writer.groups.add_member(staff, ada)
        writer.groups.put_group_grant(GroupGrant(staff, ("1", "e"), Level.WRITE))
        feed.refresh()
        assert feed.rights.level(ada, ("1", "e")) is Level.WRITE
        writer.groups.remove_group(staff)
        writer.accounts.change_user(ada, disabled=True)
        feed.refresh()
        assert feed.rights.level(ada, ("1", "e")) is Level.READ


def test_only_what_changed_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "registry.sqlite"
    migrate(path)
    with open_registry(path) as registry:
        ada = registry.accounts.add_user("ada", None, True).id
        bert = registry.accounts.add_user("bert", None, False).id
        feed = RightsFeed(registry)
        assert feed.rights.level(ada, ("1",)) is Level.OWN
        asked: list[int] = []
        changed = registry.accounts.users_changed

        def noted(after: int) -> Sequence[User]:
            found = changed(after)
            asked.extend(user.id for user in found)
            return found

        monkeypatch.setattr(registry.accounts, "users_changed", noted)
        monkeypatch.setattr(registry.accounts, "users", lambda: pytest.fail("all users are read"))
        registry.resources.create_project("city")
        feed.refresh()
        assert asked == []
        registry.accounts.change_user(ada, disabled=True)
        feed.refresh()
        assert (asked, feed.rights.level(ada, ("1",))) == ([ada], Level.DENY)
        registry.accounts.change_user(ada, disabled=False)
        registry.accounts.change_user(bert, password_hash="x")
        feed.refresh()
        assert (asked, feed.rights.level(ada, ("1",))) == ([ada, ada, bert], Level.OWN)
        assert feed.rights.level(bert, ("1",)) is Level.DENY
