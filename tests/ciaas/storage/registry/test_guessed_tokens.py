"""A guessed token costs the process that writes no read of the registry."""

from __future__ import annotations

from pathlib import Path

import pytest

from ciaas.storage.registry import migrate, open_registry


def test_an_unknown_digest_is_refused_from_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "registry.sqlite"
    migrate(path)
    with open_registry(path) as registry:
        ada = registry.accounts.add_user("ada", None, False).id
        old = registry.accounts.add_token(ada, "old", "a", frozenset({"read"}), None)
    with open_registry(path) as registry, open_registry(path, read_only=True) as other:
        new = registry.accounts.add_token(ada, "new", "b", frozenset({"read"}), None)
        assert [registry.accounts.token(digest) for digest in ("old", "new")] == [old, new]
        assert other.accounts.token("new") == new
        monkeypatch.setattr(registry._database, "read", lambda: pytest.fail("it is looked up"))
        assert registry.accounts.token("guess") is None
        with pytest.raises(pytest.fail.Exception, match="looked up"):
            registry.accounts.token("new")
