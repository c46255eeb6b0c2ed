"""Users, bearer tokens and the set-up code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import sqlalchemy as sa

from ciaas.limits import (
    TOKEN_LABEL_CHARS_MAX,
    TOKEN_SCOPES_BYTES_MAX,
    TOKENS_PER_USER_MAX,
    USER_NAME_CHARS_MAX,
    USERS_MAX,
)
from ciaas.ports import Clock, Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import check_text, encode
from ciaas.storage.registry.people.sessions import is_there, note_creation
from ciaas.storage.registry.schema import account, state, token
from security.ports import Taken, Token, User

_USERS = sa.select(
    account.c.id, account.c.name, account.c.password_hash, account.c.admin, account.c.disabled
).order_by(account.c.id)

_TOKENS = sa.select(
    token.c.id,
    token.c.account,
    token.c.digest,
    token.c.label,
    token.c.scopes,
    token.c.expires_at,
    token.c.revoked,
).order_by(token.c.id)

_TokenRow: TypeAlias = sa.Row[int, int, str, str, str, int | None, bool]


class Accounts:
    """`security.ports.AccountStore` in the registry."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._digests = self._all_digests() if database.writes else None
        """Of every token that there may be; None where another process adds them. Those of tokens
        that made way stay until the end, and cost a read that finds nothing."""

    def add_user(self, name: str, password_hash: str | None, admin: bool) -> User:
        """Raises Taken when the name exists, Conflict when a bound is reached."""
        check_text(name, USER_NAME_CHARS_MAX, "the name of the user")
        with self._database.change() as change:
            if change.connection.execute(_USERS.filter_by(name=name)).first() is not None:
                raise Taken(f"a user named {name!r} exists already: choose another name")
            change.check_room(
                sa.select(sa.func.count()).select_from(account),
                USERS_MAX,
                f"there are {USERS_MAX:,} users already: reuse a disabled one",
            )
            user = {"name": name, "password_hash": password_hash, "admin": admin, "disabled": False}
            number = change.insert(account, user)
            note_creation(change, number, self._clock.now_ms())
            return User(number, name, password_hash, admin)

    def user(self, name: str) -> User | None:
        """Return the user of that name, None when there is none, or no longer."""
        with self._database.read() as connection:
            row = connection.execute(_USERS.filter_by(name=name).where(is_there())).one_or_none()
        return None if row is None else User(*row)

    def user_by_id(self, user: int) -> User | None:
        """Return the user of that id, a deleted one as disabled; None when there is none."""
        with self._database.read() as connection:
            row = connection.execute(_USERS.filter_by(id=user)).one_or_none()
        return None if row is None else User(*row)

    def users(self) -> Sequence[User]:
        """Return every user, oldest first, disabled ones included, deleted ones not."""
        with self._database.read() as connection:
            return [User(*row) for row in connection.execute(_USERS.where(is_there()))]

    def users_changed(self, after: int) -> Sequence[User]:
        """Return the users that were added or changed after a version, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_USERS.where(account.c.version > after))
            return [User(*row) for row in rows]

    def change_user(
        self, user: int, *, password_hash: str | None = None, disabled: bool | None = None
    ) -> User:
        """Change what is not None. Raises Missing for an unknown user."""
        given = {"password_hash": password_hash, "disabled": disabled}
        with self._database.change() as change:
            stored = _user(change.connection, user)
            changed = {
                key: value
                for key, value in given.items()
                if value is not None and value != getattr(stored, key)
            }
            if changed:
                change.connection.execute(
                    account.update().filter_by(id=user).values(**changed, version=change.stamp())
                )
            return _user(change.connection, user)

    def add_token(
        self, user: int, digest: str, label: str, scopes: frozenset[str], expires_at: int | None
    ) -> Token:
        """Add a token; when the user's room is full, the expired and revoked ones make way.

        Raises:
            Missing: the user is unknown.
            Taken: the digest is known.
            Conflict: the user has TOKENS_PER_USER_MAX tokens in force, or a text is too long.
        """
        check_text(label, TOKEN_LABEL_CHARS_MAX, "the label of the token")
        text = encode(sorted(scopes), TOKEN_SCOPES_BYTES_MAX, "the list of the token's scopes")
        with self._database.change() as change:
            _user(change.connection, user)
            if change.connection.execute(_TOKENS.filter_by(digest=digest)).first() is not None:
                raise Taken("this token exists already: draw another")
            self._make_room(change, user)
            row = {
                "account": user,
                "digest": digest,
                "label": label,
                "scopes": text,
                "expires_at": expires_at,
                "revoked": False,
            }
            number = change.insert(token, row)
        # After the commit, and before anybody can know the token.
        if self._digests is not None:
            self._digests.add(digest)
        return Token(number, user, digest, label, scopes, expires_at)

    def token(self, digest: str) -> Token | None:
        """Return the token, also a revoked or expired one; None when it is unknown.

        Guesses cost the writing process no read.
        """
        if self._digests is not None and digest not in self._digests:
            return None
        with self._database.read() as connection:
            row = connection.execute(_TOKENS.filter_by(digest=digest)).one_or_none()
        return None if row is None else _to_token(row)

    def tokens(self, user: int) -> Sequence[Token]:
        """Return the user's tokens, oldest first, revoked and expired ones included."""
        with self._database.read() as connection:
            return [_to_token(row) for row in connection.execute(_TOKENS.filter_by(account=user))]

    def revoke_token(self, token: int) -> None:
        """Revoke; a second time changes nothing. Raises Missing for an unknown token."""
        with self._database.change() as change:
            row = change.connection.execute(_TOKENS.filter_by(id=token)).one_or_none()
            if row is None:
                raise Missing(f"there is no token {token}")
            if not row.revoked:
                change.connection.execute(
                    _token_row(token).values(revoked=True, version=change.stamp())
                )

    def set_up_digest(self) -> str | None:
        """Return the digest of the set-up code, None once set-up is done or not yet begun."""
        with self._database.read() as connection:
            return connection.execute(sa.select(state.c.set_up_digest)).scalar_one()

    def put_set_up_digest(self, digest: str | None) -> None:
        """Keep the digest; None ends the set-up."""
        with self._database.change() as change:
            change.stamp()
            change.connection.execute(state.update().values(set_up_digest=digest))

    def _all_digests(self) -> set[str]:
        with self._database.read() as connection:
            return set(connection.execute(sa.select(token.c.digest)).scalars())

    def _make_room(self, change: Change, user: int) -> None:
        rows = sa.select(sa.func.count()).select_from(token).where(token.c.account == user)
        if change.connection.execute(rows).scalar_one() < TOKENS_PER_USER_MAX:
            return
        spent = sa.or_(token.c.revoked.is_(True), token.c.expires_at <= self._clock.now_ms())
        change.connection.execute(token.delete().where(token.c.account == user, spent))
        change.check_room(
            rows,
            TOKENS_PER_USER_MAX,
            f"user {user} has {TOKENS_PER_USER_MAX:,} tokens in force: revoke some",
        )


def _token_row(number: int) -> sa.Update:
    return token.update().filter_by(id=number)


def _user(connection: sa.Connection, number: int) -> User:
    row = connection.execute(_USERS.filter_by(id=number)).one_or_none()
    if row is None:
        raise Missing(f"there is no user {number}")
    return User(*row)


def _to_token(row: _TokenRow) -> Token:
    number, user, digest, label, scopes, expires_at, revoked = row
    named = frozenset(msgspec.json.decode(scopes, type=list[str]))
    return Token(number, user, digest, label, named, expires_at, revoked)
