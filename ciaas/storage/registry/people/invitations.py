"""`security.aaa.people_ports.InvitationStore` in the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ciaas.ports import Clock, Conflict
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.people.tables import invitation as table
from security.aaa.levels import Level
from security.aaa.people_ports import Invitation
from security.limits import INVITATIONS_PENDING_MAX

_ALL = sa.select(table).order_by(table.c.id)


class Invitations:
    """Invitations over one open registry; any thread may call."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    def invite(self, invitation: Invitation, digest: str) -> Invitation:
        """Keep an invitation; it returns with its number. Raises Conflict beyond the bound."""
        row = {
            "digest": digest,
            "note": invitation.note,
            "admin": invitation.admin,
            "project": invitation.project,
            "level": None if invitation.level is None else int(invitation.level),
            "inviter": invitation.inviter,
            "created_at": invitation.created_at,
            "expires_at": invitation.expires_at,
            "account": None,
            "withdrawn": False,
        }
        with self._database.change() as change:
            waiting = sa.select(sa.func.count()).select_from(table).where(*self._open())
            if change.connection.execute(waiting).scalar_one() >= INVITATIONS_PENDING_MAX:
                raise Conflict(
                    f"{INVITATIONS_PENDING_MAX:,} invitations are open already: take some back"
                )
            key = change.connection.execute(table.insert().values(**row)).inserted_primary_key
            assert key is not None
            rows = _ALL.filter_by(id=int(key[0]))
            return _to_invitation(change.connection.execute(rows).mappings().one())

    def invitations(self) -> Sequence[Invitation]:
        """Return those that can be accepted, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_ALL.where(*self._open())).mappings()
            return [_to_invitation(row) for row in rows]

    def by_token(self, digest: str) -> Invitation | None:
        """Return the invitation of a token, good or not."""
        with self._database.read() as connection:
            row = connection.execute(_ALL.filter_by(digest=digest)).mappings().one_or_none()
        return None if row is None else _to_invitation(row)

    def accept(self, number: int, user: int) -> bool:
        """Note who came of it; False when it was used or withdrawn meanwhile."""
        return self._end(number, account=user)

    def withdraw(self, number: int) -> bool:
        """Take it back; False when it was used or withdrawn already."""
        return self._end(number, withdrawn=True)

    def _end(self, number: int, **how: Any) -> bool:
        still = table.update().filter_by(id=number, account=None, withdrawn=False)
        with self._database.change() as change:
            return bool(change.connection.execute(still.values(**how)).rowcount)

    def _open(self) -> tuple[sa.ColumnElement[bool], ...]:
        return (
            table.c.account.is_(None),
            table.c.withdrawn.is_(False),
            table.c.expires_at > self._clock.now_ms(),
        )


def _to_invitation(row: sa.RowMapping) -> Invitation:
    return Invitation(
        id=row["id"],
        note=row["note"],
        admin=row["admin"],
        project=row["project"],
        level=None if row["level"] is None else Level(row["level"]),
        inviter=row["inviter"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        user=row["account"],
        withdrawn=row["withdrawn"],
    )
