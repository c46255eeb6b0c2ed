"""Rungs of before they had numbers keep their order; who read the record may still read it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from ciaas.storage.registry import migrate, open_registry
from ciaas.storage.registry.migration import SHIPPED, Lineage

BEFORE = Lineage(SHIPPED.scripts, SHIPPED.revisions[: SHIPPED.revisions.index("0014") + 1])


def test_rungs_are_numbered_by_their_time_and_administrators_may_audit(tmp_path: Path) -> None:
    path = tmp_path / "registry.sqlite"
    migrate(path, BEFORE)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            """INSERT INTO project (id, name, version) VALUES (1, 'city', 1);
            INSERT INTO account (id, name, admin, disabled, version) VALUES (1, 'ada', 1, 0, 1);
            INSERT INTO endpoint (id, uuid, project, friendly_name, metadata, banned, created_at,
                version) VALUES (1, 'u', 1, 'Lamp', '{}', 0, 1, 1);
            INSERT INTO point (id, address, endpoint, "constraint", type, removed, version)
                VALUES (1, 'u/n/o/a', 1, 'SetPoint', 'Number', 0, 1);
            INSERT INTO command (id, uuid, project, point, address, account, value, stamp,
                expires_at, state, ended, digest) VALUES
                (1, 'a', 1, 1, 'u/n/o/a', 1, '1', 1, 1, 'queued', 0, ''),
                (2, 'b', 1, 1, 'u/n/o/a', 1, '1', 1, 1, 'queued', 0, '');"""
        )
        steps = [(1, 0, 10), (1, 1, 30), (2, 0, 20), (2, 1, 30)]
        connection.executemany(
            "INSERT INTO command_step (command, place, rung, at, who, why)"
            " VALUES (?, ?, 'queued', ?, 'core', '')",
            steps,
        )
        for scopes in ('["admin","read"]', '["read"]'):
            connection.execute(
                "INSERT INTO token (account, digest, label, scopes, revoked, version)"
                " VALUES (1, :scopes, '', :scopes, 0, 1)",
                {"scopes": scopes},
            )
    migrate(path)
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT command, place FROM command_step ORDER BY number")
        assert rows.fetchall() == [(1, 0), (2, 0), (1, 1), (2, 1)]
    with open_registry(path) as registry:
        found = [set(token.scopes) for token in registry.accounts.tokens(1)]
        assert sorted(found, key=len) == [{"read"}, {"admin", "audit", "read"}]
        assert registry.commands.last_rung() == 4
