"""Tables of people's credentials and sessions, and of projects' quotas."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "second_factor",
        _account(primary_key=True),
        sa.Column("sealed", sa.String, nullable=False),
        sa.Column("confirmed", sa.Boolean, nullable=False),
        _moment("last_step"),
    )
    op.create_table(
        "recovery_code", sa.Column("digest", sa.String, primary_key=True), _account(nullable=False)
    )
    op.create_index("ix_recovery_code_account", "recovery_code", ["account"])
    op.create_table("second_factor_demand", sa.Column("subject", sa.String, primary_key=True))
    op.create_table(
        "session_note",
        sa.Column("session", sa.String, primary_key=True),
        sa.Column("kind", sa.String, nullable=False),
        _moment("began_at"),
        sa.Column("began_from", sa.String, nullable=False),
        _moment("last_at", nullable=True),
        sa.Column("last_from", sa.String, nullable=False),
    )
    op.create_table(
        "account_life",
        _account(primary_key=True),
        *(_moment(name, nullable=True) for name in ("created_at", "last_used_at", "deleted_at")),
    )
    op.create_table(
        "invitation",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("digest", sa.String, nullable=False, unique=True),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("admin", sa.Boolean, nullable=False),
        sa.Column("project", sa.Integer, sa.ForeignKey("project.id"), nullable=True),
        sa.Column("level", sa.Integer, nullable=True),
        sa.Column("inviter", sa.Integer, sa.ForeignKey("account.id"), nullable=False),
        _moment("created_at"),
        _moment("expires_at"),
        _account(nullable=True),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "project_quota",
        sa.Column("project", sa.Integer, sa.ForeignKey("project.id"), primary_key=True),
        sa.Column("quota", sa.String, primary_key=True),
        _moment("bound"),
    )
    op.create_table(
        "project_stored",
        sa.Column("project", sa.Integer, primary_key=True, autoincrement=False),
        _moment("amount"),
    )


def _account(*, primary_key: bool = False, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(
        "account",
        sa.Integer,
        sa.ForeignKey("account.id"),
        primary_key=primary_key,
        autoincrement=False if primary_key else "auto",
        nullable=nullable,
    )


def _moment(name: str, *, nullable: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=nullable)
