"""Grants."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from ciaas.limits import GRANTS_PER_USER_MAX
from ciaas.ports import Missing
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.schema import account, state
from ciaas.storage.registry.schema import grant as table
from ciaas.storage.registry.security.permits import end_plain_permit
from security.aaa.extents import extent_text
from security.aaa.levels import Level
from security.aaa.subjects import user_subject
from security.ports import Grant

_GRANTS = sa.select(table.c.account, table.c.path, table.c.level, table.c.removed)

_GrantRow: TypeAlias = sa.Row[int, str, int, bool]


class Grants:
    """`security.ports.GrantStore` in the registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_grant(self, grant: Grant) -> None:
        """Create or replace the user's grant on exactly that path, and what conditions it had.

        Raises:
            Missing: the user is unknown.
            Conflict: the user has GRANTS_PER_USER_MAX grants.
        """
        exactly: dict[str, Any] = {"account": grant.user, "path": text_of(grant.path)}
        with self._database.change() as change:
            _check_user(change.connection, grant.user)
            row = change.connection.execute(_GRANTS.filter_by(**exactly)).one_or_none()
            if row is not None and not row.removed and row.level == grant.level:
                return  # then no permit has taken its place
            if row is None or row.removed:
                change.check_room(
                    _present_of(grant.user),
                    GRANTS_PER_USER_MAX,
                    f"user {grant.user} has {GRANTS_PER_USER_MAX:,} grants: "
                    "grant a higher prefix instead of each point",
                )
            end_plain_permit(change, user_subject(grant.user), exactly["path"])
            values = {"level": int(grant.level), "removed": False, "version": change.stamp()}
            change.connection.execute(
                table.insert().values(**exactly, **values)
                if row is None
                else table.update().filter_by(**exactly).values(**values)
            )

    def remove_grant(self, user: int, path: tuple[str, ...]) -> bool:
        """Return False when there was none."""
        exactly = {"account": user, "path": text_of(path), "removed": False}
        with self._database.change() as change:
            if change.connection.execute(_GRANTS.filter_by(**exactly)).first() is None:
                return False
            change.connection.execute(
                table.update().filter_by(**exactly).values(removed=True, version=change.stamp())
            )
            return True

    def grants(self) -> Sequence[Grant]:
        """Return every grant in force, ordered by user and path."""
        rows = _GRANTS.where(table.c.removed.is_(False)).order_by(table.c.account, table.c.path)
        with self._database.read() as connection:
            return [_to_grant(row) for row in connection.execute(rows)]

    def grants_changed(self, after: int) -> tuple[int, Sequence[Grant], Sequence[Grant]]:
        """Return the version now, the grants put and the grants removed since ``after``.

        The level of a removed grant is the one it had.
        """
        with self._database.read() as connection:
            version = connection.execute(sa.select(state.c.version)).scalar_one()
            rows = connection.execute(_GRANTS.where(table.c.version > after)).all()
        put = [_to_grant(row) for row in rows if not row.removed]
        return version, put, [_to_grant(row) for row in rows if row.removed]


def _present_of(user: int) -> sa.Select[int]:
    present = table.c.account == user, table.c.removed.is_(False)
    return sa.select(sa.func.count()).select_from(table).where(*present)


def _check_user(connection: sa.Connection, number: int) -> None:
    if connection.execute(sa.select(account.c.id).filter_by(id=number)).first() is None:
        raise Missing(f"there is no user {number}")


text_of = extent_text
"""Returns a path as it is kept: levels joined by a slash."""


def path_of(text: str) -> tuple[str, ...]:
    """Return the path of which `text_of` made this text."""
    return tuple(text.split("/")) if text else ()


def _to_grant(row: _GrantRow) -> Grant:
    user, path, level, _ = row
    return Grant(user, path_of(path), Level(level))
