"""Tables of the key ring: named keys of projects, and data subjects."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "named_key",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project", sa.Integer, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("use", sa.String, nullable=False),
        sa.Column("disabled", sa.Boolean, nullable=False),
        sa.Column("account", sa.Integer, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_named_key_project_name", "named_key", ["project", "name"], unique=True)
    op.create_index("ix_named_key_name", "named_key", ["name"])
    op.create_table(
        "key_version",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("key", sa.Integer, sa.ForeignKey("named_key.id"), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("made_at", sa.BigInteger, nullable=False),
        sa.Column("sealed", sa.String, nullable=False),
        sa.Column("public", sa.String, nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_key_version_key_number", "key_version", ["key", "number"], unique=True)
    op.create_table(
        "data_subject",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uuid", sa.String, nullable=False, unique=True),
        sa.Column("project", sa.Integer, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("erased_at", sa.BigInteger, nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_data_subject_project_name", "data_subject", ["project", "name"], unique=True
    )
