"""`security.aaa.oidc.ports.AuthorisationStore` in the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ciaas.limits import AUTHORISATIONS_PER_USER_MAX, CONSENTS_PER_USER_MAX, SIGN_INS_NOTED_MAX
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.oidc.applications import names_of, names_text
from ciaas.storage.registry.oidc.tables import application, consent, sign_in
from ciaas.storage.registry.oidc.tables import authorisation as table
from ciaas.storage.registry.schema import account, token
from security.aaa.oidc.ports import Authorisation, SignedIn

_ALL = sa.select(table).order_by(table.c.id)


class Authorisations:
    """Authorisations over one open registry; any thread may call.

    Ending one raises the registry's version, so that tokens remembered of it are forgotten.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def begin(self, authorisation: Authorisation) -> int:
        """Keep an authorisation; the user's oldest of this application makes way."""
        with self._database.change() as change:
            return self.begin_in(change, authorisation)

    def standing(self, application: int, account: int) -> Authorisation | None:
        """Return what an application has for itself, None when nothing is in force."""
        own = {"application": application, "account": account, "revoked": False}
        with self._database.read() as connection:
            row = connection.execute(_ALL.filter_by(**own)).mappings().first()
        return None if row is None else _to_authorisation(row)

    def in_force(self, number: int, now: int) -> Authorisation | None:
        """Return an authorisation unless it, its sign-in, its user or application has ended."""
        with self._database.read() as connection:
            chosen = _alive(now).where(table.c.id == number)
            row = connection.execute(chosen).mappings().one_or_none()
        return None if row is None else _to_authorisation(row)

    def by_handle(self, handle: str) -> Authorisation | None:
        """Return one by the lasting part of its refresh tokens, an ended one too."""
        with self._database.read() as connection:
            row = connection.execute(_ALL.filter_by(handle=handle)).mappings().one_or_none()
        return None if row is None else _to_authorisation(row)

    def turn(self, number: int, before: str, after: str) -> bool:
        """Put another refresh token in the place of the one before; False when it is another."""
        with self._database.change() as change:
            mine = {"id": number, "refresh": before, "revoked": False}
            done = change.connection.execute(table.update().filter_by(**mine).values(refresh=after))
            return bool(done.rowcount)

    def revoke(self, number: int) -> None:
        """End an authorisation; a second time changes nothing."""
        with self._database.change() as change:
            self.revoke_in(change, table.c.id == number)

    def of_user(self, account: int, now: int) -> Sequence[Authorisation]:
        """Return what a user authorised and is in force, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_alive(now).where(table.c.account == account))
            return [_to_authorisation(row) for row in rows.mappings()]

    def note_sign_in(self, token: int, signed_in: SignedIn) -> None:
        """Keep how the person of a sign-in proved who it is; the oldest make way."""
        row = {"token": token, "at": signed_in.at, "amr": names_text(signed_in.amr)}
        oldest = sa.select(sign_in.c.token).order_by(sign_in.c.token.desc())
        with self._database.change() as change:
            change.connection.execute(sign_in.insert().values(**row))
            beyond = oldest.offset(SIGN_INS_NOTED_MAX).limit(1)
            if (last := change.connection.execute(beyond).scalar_one_or_none()) is not None:
                change.connection.execute(sign_in.delete().where(sign_in.c.token <= last))

    def signed_in(self, token: int) -> SignedIn | None:
        """Return what was noted of a sign-in."""
        chosen = sa.select(sign_in.c.at, sign_in.c.amr).filter_by(token=token)
        with self._database.read() as connection:
            row = connection.execute(chosen).one_or_none()
        return None if row is None else SignedIn(row[0], names_of(row[1]))

    def hand_over(self, before: int, after: int) -> None:
        """Have what ends with one sign-in end with another instead."""
        with self._database.change() as change:
            change.connection.execute(
                table.update().where(table.c.session == before).values(session=after)
            )

    def consent(self, account: int, application: int) -> frozenset[str]:
        """Return the scopes that a user let an application have without being asked again."""
        chosen = sa.select(consent.c.scopes).filter_by(account=account, application=application)
        with self._database.read() as connection:
            found = connection.execute(chosen).scalar_one_or_none()
        return frozenset() if found is None else frozenset(names_of(found))

    def put_consent(self, account: int, application: int, scopes: frozenset[str]) -> None:
        """Keep it in the place of the one before.

        Raises:
            Conflict: the user consented to CONSENTS_PER_USER_MAX applications.
        """
        mine = {"account": account, "application": application}
        with self._database.change() as change:
            done = change.connection.execute(
                consent.update().filter_by(**mine).values(scopes=names_text(scopes))
            )
            if done.rowcount:
                return
            change.check_room(
                sa.select(sa.func.count()).where(consent.c.account == account),
                CONSENTS_PER_USER_MAX,
                f"you let {CONSENTS_PER_USER_MAX} applications act for you: withdraw one first",
            )
            change.connection.execute(consent.insert().values(**mine, scopes=names_text(scopes)))

    def withdraw(self, account: int, application: int) -> bool:
        """Take consent back and end the authorisations; False when there was neither."""
        with self._database.change() as change:
            gone = change.connection.execute(
                consent.delete().where(
                    consent.c.account == account, consent.c.application == application
                )
            )
            ended = self.revoke_in(
                change, table.c.account == account, table.c.application == application
            )
            return bool(gone.rowcount or ended)

    def begin_in(self, change: Change, authorisation: Authorisation) -> int:
        """Begin one within a transaction; as `begin`."""
        connection = change.connection
        mine = (
            table.c.account == authorisation.account,
            table.c.application == authorisation.application,
        )
        ended = sa.or_(table.c.revoked.is_(True), table.c.expires_at <= authorisation.started_at)
        connection.execute(table.delete().where(*mine, ended))
        newest = sa.select(table.c.id).where(*mine).order_by(table.c.id.desc())
        beyond = newest.offset(AUTHORISATIONS_PER_USER_MAX - 1).limit(1)
        if (last := connection.execute(beyond).scalar_one_or_none()) is not None:
            self.revoke_in(change, *mine, table.c.id <= last)
        done = connection.execute(table.insert().values(**_values(authorisation)))
        key = done.inserted_primary_key
        assert key is not None
        return int(key[0])

    def revoke_in(self, change: Change, *which: sa.ColumnElement[bool]) -> bool:
        """End some within a transaction; False when none of them was in force."""
        done = change.connection.execute(
            table.update().where(*which, table.c.revoked.is_(False)).values(revoked=True)
        )
        if done.rowcount:
            change.stamp()
        return bool(done.rowcount)


def _alive(now: int) -> sa.Select[Any]:
    person, app = account.alias("person"), account.alias("app")
    session_holds = sa.or_(
        table.c.session.is_(None),
        sa.exists().where(
            token.c.id == table.c.session,
            token.c.revoked.is_(False),
            sa.or_(token.c.expires_at.is_(None), token.c.expires_at > now),
        ),
    )
    return (
        sa.select(table)
        .join_from(table, application, table.c.application == application.c.id)
        .join(person, person.c.id == table.c.account)
        .join(app, app.c.id == application.c.account)
        .where(
            table.c.revoked.is_(False),
            sa.or_(table.c.expires_at.is_(None), table.c.expires_at > now),
            application.c.removed.is_(False),
            person.c.disabled.is_(False),
            app.c.disabled.is_(False),
            session_holds,
        )
        .order_by(table.c.id)
    )


def _values(one: Authorisation) -> dict[str, Any]:
    return {name: getattr(one, name) for name in _PLAIN} | {
        "scopes": names_text(one.scopes),
        "amr": names_text(one.amr),
        "handle": one.handle or None,
    }


def _to_authorisation(row: Any) -> Authorisation:
    return Authorisation(
        id=row["id"],
        scopes=frozenset(names_of(row["scopes"])),
        amr=names_of(row["amr"]),
        handle=row["handle"] or "",
        **{name: row[name] for name in _PLAIN},
    )


_PLAIN = (
    "application", "account", "started_at", "expires_at", "session", "authenticated_at",
    "refresh", "revoked",
)  # fmt: skip
