"""Tables of applications and what was issued to them."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Make the tables."""
    _applications()
    _authorisations()
    _requests()
    op.create_table(
        "signing_key",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("kid", sa.String, nullable=False, unique=True),
        _text("alg"),
        _text("sealed"),
        _moment("created_at"),
    )
    _services()


def _applications() -> None:
    op.create_table(
        "application",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uuid", sa.String, nullable=False, unique=True),
        _of("account"),
        _of("account", "owner"),
        _of("project"),
        _text("name"),
        _flag("confidential"),
        *map(_text, ("redirect_uris", "logout_uris", "grants", "scopes", "id_token_alg")),
        _moment("created_at"),
        _moment("last_used_at", nullable=True),
        _flag("removed"),
        _number("version"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "application_secret",
        sa.Column("id", sa.Integer, primary_key=True),
        _of("application"),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        _moment("created_at"),
        _moment("expires_at", nullable=True),
        _moment("last_used_at", nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_application_secret_application", "application_secret", ["application"])


def _authorisations() -> None:
    op.create_table(
        "authorisation",
        sa.Column("id", sa.Integer, primary_key=True),
        _of("application"),
        _of("account"),
        _text("scopes"),
        _moment("started_at"),
        _moment("expires_at", nullable=True),
        _number("session", nullable=True),
        _moment("authenticated_at", nullable=True),
        _text("amr"),
        sa.Column("handle", sa.String, nullable=True, unique=True),
        _text("refresh"),
        _flag("revoked"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_authorisation_account", "authorisation", ["account"])
    op.create_table(
        "sign_in",
        sa.Column("token", sa.Integer, primary_key=True, autoincrement=False),
        _moment("at"),
        _text("amr"),
    )
    op.create_table(
        "consent",
        sa.Column("account", sa.Integer, sa.ForeignKey("account.id"), primary_key=True),
        sa.Column("application", sa.Integer, sa.ForeignKey("application.id"), primary_key=True),
        _text("scopes"),
    )


def _requests() -> None:
    op.create_table(
        "authorization_code",
        sa.Column("digest", sa.String, primary_key=True),
        _of("application"),
        _of("account"),
        _number("session"),
        *map(_text, ("redirect_uri", "scopes", "nonce", "challenge")),
        _moment("authenticated_at"),
        _text("amr"),
        _moment("expires_at"),
        _number("authorisation", nullable=True),
    )
    op.create_table(
        "device_request",
        sa.Column("digest", sa.String, primary_key=True),
        sa.Column("user_code", sa.String, nullable=False, unique=True),
        _of("application"),
        _text("scopes"),
        _moment("expires_at"),
        _number("interval_s"),
        _moment("polled_at"),
        _of("account", nullable=True),
        _flag("allowed"),
        _moment("authenticated_at", nullable=True),
        _text("amr"),
        _number("authorisation", nullable=True),
    )
    for table in ("authorization_code", "device_request"):
        op.create_index(f"ix_{table}_expires_at", table, ["expires_at"])


def _services() -> None:
    op.create_table(
        "service",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uuid", sa.String, nullable=False, unique=True),
        _of("application"),
        _of("project"),
        *map(_text, ("name", "description", "base_url", "health_url", "scopes", "release")),
        _moment("published_at"),
        _flag("removed"),
        _number("version"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "service_release",
        sa.Column("service", sa.Integer, sa.ForeignKey("service.id"), primary_key=True),
        sa.Column("release", sa.String, primary_key=True),
        *map(_text, ("openapi", "scopes", "base_url")),
        _moment("published_at"),
    )


def _of(table: str, name: str | None = None, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name or table, sa.Integer, sa.ForeignKey(f"{table}.id"), nullable=nullable)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.String, nullable=False)


def _flag(name: str) -> sa.Column[bool]:
    return sa.Column(name, sa.Boolean, nullable=False)


def _number(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.Integer, nullable=nullable)


def _moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)
