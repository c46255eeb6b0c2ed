"""The first tables.

Written out, not taken from `schema`: a revision must go on making what it made when it was new.
"""

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables, and the one row of `state`."""
    state = op.create_table(
        "state", _number(), _integer("version"), _text("set_up_digest", nullable=True)
    )
    op.bulk_insert(state, [{"id": 1, "version": 0}])
    _make_resources()
    _make_adapters()
    _make_accounts()
    _make_certificates()


def _make_resources() -> None:
    _make("project", _number(), _text("name", unique=True), _integer("version"))
    _make(
        "endpoint",
        _number(),
        _text("uuid", unique=True),
        _owner("project.id", index=True),
        _text("friendly_name"),
        _text("metadata"),
        _text("feed", nullable=True),
        _flag("banned"),
        _text("model", nullable=True),
        _time("created_at"),
        _time("deleted_at", nullable=True),
        _integer("version", index=True),
    )
    _make(
        "point",
        _number(),
        _text("address", unique=True),
        _owner("endpoint.id"),
        _text("constraint"),
        _text("type"),
        _text("conforms", nullable=True),
        _flag("removed"),
        _integer("version", index=True),
    )
    op.create_table(
        "overlay",
        _text("scope", primary_key=True),
        _owner("endpoint.uuid", index=True, nullable=True),
        _text("document"),
        _integer("version", index=True),
    )


def _make_adapters() -> None:
    op.create_table(
        "connection",
        _text("name", primary_key=True),
        _owner("project.id"),
        _text("adapter"),
        _text("document"),
        _integer("revision"),
        _flag("enabled"),
        _flag("deleted"),
        _integer("version", index=True),
    )
    _make("source", _number(), _text("name", unique=True), _integer("version"))


def _make_accounts() -> None:
    _make(
        "account",
        _number(),
        _text("name", unique=True),
        _text("password_hash", nullable=True),
        _flag("admin"),
        _flag("disabled"),
        _integer("version"),
    )
    _make(
        "token",
        _number(),
        _owner("account.id", index=True),
        _text("digest", unique=True),
        _text("label"),
        _text("scopes"),
        _time("expires_at", nullable=True),
        _flag("revoked"),
        _integer("version"),
    )
    _make(
        "access_grant",
        _number(),
        _owner("account.id"),
        _text("path"),
        _integer("level"),
        _flag("removed"),
        _integer("version", index=True),
    )
    op.create_index(None, "access_grant", ["account", "path"], unique=True)


def _make_certificates() -> None:
    _make(
        "certificate",
        _number(),
        _text("serial", unique=True),
        _owner("endpoint.uuid", index=True),
        _text("fingerprint"),
        _time("not_after"),
        _flag("revoked"),
        _integer("version"),
    )
    op.create_table(
        "provision",
        _owner("endpoint.uuid", primary_key=True),
        _text("digest", unique=True),
        _time("expires_at"),
        _text("properties"),
        _integer("version"),
    )


def _make(name: str, *columns: sa.Column[Any]) -> None:
    op.create_table(name, *columns, sqlite_autoincrement=True)


def _number() -> sa.Column[int]:
    return sa.Column("id", sa.Integer, primary_key=True)


def _integer(name: str, *, index: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=False, index=index)


def _time(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _text(
    name: str, *, nullable: bool = False, unique: bool = False, primary_key: bool = False
) -> sa.Column[str]:
    return sa.Column(
        name, sa.String, nullable=nullable, unique=unique or None, primary_key=primary_key
    )


def _owner(
    key: str, *, index: bool = False, nullable: bool = False, primary_key: bool = False
) -> sa.Column[Any]:
    kind = sa.String if key.endswith(".uuid") else sa.Integer
    return sa.Column(
        key.split(".")[0],
        kind,
        sa.ForeignKey(key),
        index=index,
        nullable=nullable,
        primary_key=primary_key,
    )
