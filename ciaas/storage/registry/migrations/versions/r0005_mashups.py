"""Tables of mashups."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "mashup",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("uuid", sa.String, nullable=False),
        sa.Column("project", sa.Integer, nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("draft", sa.String, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("published", sa.Integer, nullable=True),
        sa.Column("account", sa.Integer, nullable=True),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("deleted", sa.Boolean, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_mashup"),
        sa.UniqueConstraint("uuid", name="uq_mashup_uuid"),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name="fk_mashup_project_project"),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name="fk_mashup_account_account"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_mashup_project", "mashup", ["project"])
    op.create_index("ix_mashup_version", "mashup", ["version"])
    op.create_table(
        "mashup_version",
        sa.Column("mashup", sa.Integer, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("document", sa.String, nullable=False),
        sa.Column("plan", sa.String, nullable=False),
        sa.Column("note", sa.String, nullable=False),
        sa.Column("publisher", sa.Integer, nullable=False),
        sa.Column("published_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("mashup", "number", name="pk_mashup_version"),
        sa.ForeignKeyConstraint(["mashup"], ["mashup.id"], name="fk_mashup_version_mashup_mashup"),
        sa.ForeignKeyConstraint(
            ["publisher"], ["account.id"], name="fk_mashup_version_publisher_account"
        ),
    )
