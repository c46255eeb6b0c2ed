"""`security.aaa.oidc.ports.ApplicationStore` in the registry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa

from ciaas.limits import (
    APPLICATION_LIST_BYTES_MAX,
    APPLICATIONS_MAX,
    APPLICATIONS_PER_PROJECT_MAX,
    SECRETS_IN_FORCE_MAX,
    USERS_MAX,
)
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import encode
from ciaas.storage.registry.oidc.tables import application as table
from ciaas.storage.registry.oidc.tables import authorisation, consent, secret
from ciaas.storage.registry.schema import account, grant
from ciaas.storage.registry.security.permits import end_permits
from security.aaa.oidc.ports import Application, Secret
from security.aaa.subjects import app_subject, user_subject

_APPLICATIONS = (
    sa.select(table, account.c.disabled)
    .join_from(table, account, table.c.account == account.c.id)
    .where(table.c.removed.is_(False))
    .order_by(table.c.id)
)
_SECRETS = sa.select(
    secret.c.id,
    secret.c.digest,
    secret.c.created_at,
    secret.c.expires_at,
    secret.c.last_used_at,
).order_by(secret.c.id)


class Applications:
    """Applications over one open registry; any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(self, application: Application, digest: str | None) -> Application:
        """Raises Conflict when the project, or the platform, has as many as it may have."""
        values = _changeable(application)
        count = sa.select(sa.func.count()).select_from(table)
        with self._database.change() as change:
            change.check_room(
                count.where(table.c.project == application.project, table.c.removed.is_(False)),
                APPLICATIONS_PER_PROJECT_MAX,
                f"the project has {APPLICATIONS_PER_PROJECT_MAX:,} applications already: "
                "delete one that is not used",
            )
            change.check_room(
                count,
                APPLICATIONS_MAX,
                f"there were {APPLICATIONS_MAX:,} applications already: change one that is there",
            )
            identity = _add_identity(change, application.uuid)
            fixed = {
                "uuid": application.uuid,
                "account": identity,
                "owner": application.owner,
                "project": application.project,
                "confidential": application.confidential,
                "created_at": application.created_at,
                "removed": False,
            }
            number = change.insert(table, values | fixed)
            if digest is not None:
                _add_secret(change, number, digest, application.created_at)
            return replace(application, id=number, account=identity)

    def application(self, uuid: str) -> Application | None:
        """Return one that was not removed."""
        return self._one(table.c.uuid == uuid)

    def by_number(self, number: int) -> Application | None:
        """Return one that was not removed."""
        return self._one(table.c.id == number)

    def applications(self) -> Sequence[Application]:
        """Return all that were not removed, oldest first."""
        with self._database.read() as connection:
            return [_to_application(row) for row in connection.execute(_APPLICATIONS).mappings()]

    def change(self, application: Application) -> None:
        """Store what may be changed of it."""
        values = _changeable(application)
        with self._database.change() as change:
            version = change.stamp()
            change.connection.execute(
                table.update().filter_by(id=application.id).values(**values, version=version)
            )
            change.connection.execute(
                account.update()
                .filter_by(id=application.account)
                .values(disabled=application.disabled, version=version)
            )

    def remove(self, application: Application) -> None:
        """Remove it with all that it had; its identity stays, disabled, for the record's sake."""
        with self._database.change() as change:
            version, connection = change.stamp(), change.connection
            mine = {"application": application.id}
            connection.execute(
                table.update().filter_by(id=application.id).values(removed=True, version=version)
            )
            connection.execute(
                account.update()
                .filter_by(id=application.account)
                .values(disabled=True, version=version)
            )
            connection.execute(
                grant.update()
                .where(grant.c.account == application.account, grant.c.removed.is_(False))
                .values(removed=True, version=version)
            )
            for subject in (user_subject(application.account), app_subject(application.uuid)):
                end_permits(change, subject=subject)
            connection.execute(secret.delete().where(secret.c.application == application.id))
            connection.execute(consent.delete().where(consent.c.application == application.id))
            connection.execute(authorisation.update().filter_by(**mine).values(revoked=True))

    def secrets(self, application: int, now: int) -> Sequence[Secret]:
        """Return those in force, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_SECRETS.where(*_in_force(application, now)))
            return [Secret(*row) for row in rows]

    def rotate(self, application: int, digest: str, now: int, overlap_until: int) -> None:
        """Add a secret; the newest before it ends at ``overlap_until``, older ones now."""
        with self._database.change() as change:
            connection = change.connection
            found = connection.execute(_SECRETS.where(*_in_force(application, now))).all()
            kept = [row[0] for row in found[-(SECRETS_IN_FORCE_MAX - 1) :]]
            mine = secret.c.application == application
            connection.execute(secret.delete().where(mine, secret.c.id.not_in(kept)))
            ends = sa.func.min(sa.func.coalesce(secret.c.expires_at, overlap_until), overlap_until)
            connection.execute(secret.update().where(mine).values(expires_at=ends))
            _add_secret(change, application, digest, now)

    def used(self, application: int, secret_: int | None, at: int) -> None:
        """Note the time of its last use."""
        with self._database.change() as change:
            change.connection.execute(
                table.update().filter_by(id=application).values(last_used_at=at)
            )
            if secret_ is not None:
                change.connection.execute(
                    secret.update().filter_by(id=secret_).values(last_used_at=at)
                )

    def _one(self, which: sa.ColumnElement[bool]) -> Application | None:
        with self._database.read() as connection:
            row = connection.execute(_APPLICATIONS.where(which)).mappings().one_or_none()
        return None if row is None else _to_application(row)


def names_text(names: Collection[str]) -> str:
    """Return names as they are kept: as JSON, those of a set in order."""
    listed = sorted(names) if isinstance(names, frozenset) else list(names)
    return encode(listed, APPLICATION_LIST_BYTES_MAX, "the list")


def names_of(text: str) -> tuple[str, ...]:
    """Return the names of which `names_text` made this text."""
    return msgspec.json.decode(text, type=tuple[str, ...])


def _in_force(application: int, now: int) -> tuple[sa.ColumnElement[bool], ...]:
    ends = secret.c.expires_at
    return secret.c.application == application, sa.or_(ends.is_(None), ends > now)


def _add_secret(change: Change, application: int, digest: str, now: int) -> None:
    row = {"application": application, "digest": digest, "created_at": now}
    change.connection.execute(secret.insert().values(**row))


def _add_identity(change: Change, uuid: str) -> int:
    """Return a user without a password, under a name that no person can have."""
    change.check_room(
        sa.select(sa.func.count()).select_from(account),
        USERS_MAX,
        f"there are {USERS_MAX:,} users already: there is no room for another identity",
    )
    row = {"name": f"app:{uuid}", "password_hash": None, "admin": False, "disabled": False}
    return change.insert(account, row)


def _changeable(application: Application) -> dict[str, Any]:
    return {
        "name": application.name,
        "redirect_uris": names_text(application.redirect_uris),
        "logout_uris": names_text(application.logout_uris),
        "grants": names_text(application.grants),
        "scopes": names_text(application.scopes),
        "id_token_alg": application.id_token_alg,
    }


def _to_application(row: Any) -> Application:
    return Application(
        redirect_uris=names_of(row["redirect_uris"]),
        logout_uris=names_of(row["logout_uris"]),
        grants=frozenset(names_of(row["grants"])),
        scopes=frozenset(names_of(row["scopes"])),
        **{name: row[name] for name in _PLAIN},
    )


_PLAIN = (
    "id", "uuid", "account", "owner", "project", "name", "confidential", "id_token_alg",
    "created_at", "last_used_at", "disabled",
)  # fmt: skip
