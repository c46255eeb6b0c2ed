"""Grants of before levels had bits allow what they allowed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ciaas.storage.registry import migrate, open_registry
from ciaas.storage.registry.migration import SHIPPED, Lineage
from security.aaa.levels import Level

BEFORE = Lineage(SHIPPED.scripts, SHIPPED.revisions[: SHIPPED.revisions.index("0009") + 1])
WERE = ("DENY", "ACCESS", "BROWSE", "READ", "WRITE", "CONFIGURE", "GRANT", "OWN")
"""By their number then: BROWSE showed metadata, and WRITE took readings too."""
ARE = (
    Level.DENY, Level.ACCESS, Level.DESCRIBE, Level.READ, Level.OPERATE, Level.CONFIGURE,
    Level.GRANT, Level.OWN,
)  # fmt: skip


def test_each_level_allows_what_it_allowed(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    migrate(path, BEFORE)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            "INSERT INTO account (id, name, admin, disabled, version) VALUES (1, 'ada', 0, 0, 1)"
        )
        connection.execute("INSERT INTO people_group (id, name, version) VALUES (1, 'staff', 1)")
        for level, name in enumerate(WERE):
            row = {"path": f"1/{name}", "level": level}
            connection.execute(
                "INSERT INTO access_grant (account, path, level, removed, version)"
                " VALUES (1, :path, :level, 0, 1)", row,
            )  # fmt: skip
            connection.execute(
                "INSERT INTO group_grant (people_group, path, level, removed, version)"
                " VALUES (1, :path, :level, 0, 1)", row,
            )  # fmt: skip
    migrate(path)
    with open_registry(path) as registry:
        expected = {("1", name): level for name, level in zip(WERE, ARE, strict=True)}
        assert {grant.path: grant.level for grant in registry.grants.grants()} == expected
        assert {grant.path: grant.level for grant in registry.groups.group_grants()} == expected
