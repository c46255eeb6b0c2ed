"""Tables of groups, and the newest checkpoints of the record."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "people_group",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("name", sa.String, nullable=True, unique=True),
        _version(),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "membership",
        _owner("people_group"),
        _owner("account"),
        sa.Column("removed", sa.Boolean, nullable=False),
        _version(),
    )
    op.create_index("ix_membership_account", "membership", ["account"])
    op.create_table(
        "group_grant",
        _owner("people_group"),
        sa.Column("path", sa.String, primary_key=True),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("removed", sa.Boolean, nullable=False),
        _version(),
    )
    for table in ("membership", "group_grant"):
        op.create_index(f"ix_{table}_version", table, ["version"])
    op.create_table(
        "record_checkpoint",
        sa.Column("size", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("head", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("signature", sa.String, nullable=False),
    )


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.Integer, nullable=False)


def _owner(table: str) -> sa.Column[int]:
    return sa.Column(table, sa.Integer, sa.ForeignKey(f"{table}.id"), primary_key=True)
