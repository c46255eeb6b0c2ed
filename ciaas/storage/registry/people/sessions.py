"""`security.aaa.people_ports.SessionStore` and `LifeStore` in the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from ciaas.limits import SESSIONS_NOTED_MAX
from ciaas.ports import Clock, Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.people.factors import remove_factor_in
from ciaas.storage.registry.people.tables import life
from ciaas.storage.registry.people.tables import session as table
from ciaas.storage.registry.schema import account, grant, token
from ciaas.storage.registry.security.permits import end_permits
from ciaas.storage.registry.security.tables import membership
from security.aaa.people_ports import Life, Note, Use
from security.aaa.subjects import user_subject

_SOURCE_CHARS_MAX = 64


class Sessions:
    """Sessions and lives of accounts over one open registry; any thread may call."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def began(self, session: str, kind: str, use: Use) -> None:
        """Keep the beginning of a session; the oldest notes make way beyond the bound."""
        row = {
            "session": session,
            "kind": kind,
            "began_at": use.at,
            "began_from": use.source[:_SOURCE_CHARS_MAX],
            "last_at": use.at,
            "last_from": use.source[:_SOURCE_CHARS_MAX],
        }
        oldest = sa.select(table.c.last_at).order_by(table.c.last_at.desc())
        with self._database.change() as change:
            change.connection.execute(_upsert(table, row, "session"))
            beyond = oldest.offset(SESSIONS_NOTED_MAX).limit(1)
            if (last := change.connection.execute(beyond).scalar_one_or_none()) is not None:
                change.connection.execute(table.delete().where(table.c.last_at <= last))

    def used(self, sessions: Mapping[str, Use], users: Mapping[int, int]) -> None:
        """Keep last uses of sessions, and when users were there last."""
        with self._database.change() as change:
            for session, use in sessions.items():
                source = use.source[:_SOURCE_CHARS_MAX]
                row = {
                    "session": session,
                    "kind": session.partition(":")[0],
                    "began_at": use.at,
                    "began_from": source,
                    "last_at": use.at,
                    "last_from": source,
                }
                statement = insert(table).values(**row)
                late = {"last_at": use.at, "last_from": source}
                change.connection.execute(
                    statement.on_conflict_do_update(index_elements=["session"], set_=late)
                )
            for user, at in users.items():
                change.connection.execute(
                    _upsert(life, {"account": user, "last_used_at": at}, "account")
                )

    def notes(self, sessions: Sequence[str]) -> Mapping[str, Note]:
        """Return what is known of these, by their names."""
        with self._database.read() as connection:
            rows = connection.execute(
                sa.select(table).where(table.c.session.in_(sessions))
            ).mappings()
            return {row["session"]: _to_note(row) for row in rows}

    def lives(self) -> Mapping[int, Life]:
        """Return by number the users of whom something is known."""
        rows = sa.select(life.c.account, life.c.created_at, life.c.last_used_at)
        with self._database.read() as connection:
            return {user: Life(*known) for user, *known in connection.execute(rows)}

    def delete_user(self, user: int, at: int) -> None:
        """Shut a user out for ever: password, tokens, factor, grants and memberships go.

        The number and the name stay taken, since the record names them.

        Raises:
            Missing: there is no such user, or no longer.
        """
        with self._database.change() as change:
            if not change.connection.execute(_present(user)).first():
                raise Missing(f"there is no user {user}")
            stamp = change.stamp()
            gone = {"removed": True, "version": stamp}
            end_permits(change, subject=user_subject(user))
            for statement in (
                account.update()
                .filter_by(id=user)
                .values(password_hash=None, admin=False, disabled=True, version=stamp),
                token.update()
                .filter_by(account=user, revoked=False)
                .values(revoked=True, version=stamp),
                grant.update().filter_by(account=user, removed=False).values(**gone),
                membership.update().filter_by(account=user, removed=False).values(**gone),
                _upsert(life, {"account": user, "deleted_at": at}, "account"),
            ):
                change.connection.execute(statement)
            remove_factor_in(change, user)


def note_creation(change: Change, user: int, at: int) -> None:
    """Keep when an account was made, within the change that makes it."""
    change.connection.execute(_upsert(life, {"account": user, "created_at": at}, "account"))


def is_there() -> sa.ColumnElement[bool]:
    """Return the condition for accounts that were not deleted."""
    deleted = sa.select(life.c.account).where(life.c.deleted_at.is_not(None))
    return account.c.id.not_in(deleted)


def _present(user: int) -> sa.Select[int]:
    return sa.select(account.c.id).where(account.c.id == user, is_there())


def _upsert(into: sa.Table[Any], row: Mapping[str, Any], key: str) -> sa.Executable:
    values = {name: value for name, value in row.items() if name != key}
    return insert(into).values(**row).on_conflict_do_update(index_elements=[key], set_=values)


def _to_note(row: sa.RowMapping) -> Note:
    last = None if row["last_at"] is None else Use(row["last_at"], row["last_from"])
    return Note(row["kind"], Use(row["began_at"], row["began_from"]), last)
