"""Tables of enrolment in bulk."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "enrolment_profile",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project", sa.Integer, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("name", sa.String, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("document", sa.String, nullable=False),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_enrolment_profile_project_name", "enrolment_profile", ["project", "name"], unique=True
    )
    op.create_table(
        "enrolment_batch",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("uuid", sa.String, nullable=False, unique=True),
        sa.Column("project", sa.Integer, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("account", sa.Integer, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("profile", sa.String, nullable=False),
        sa.Column("revision", sa.Integer, nullable=False),
        sa.Column("document", sa.String, nullable=False),
        sa.Column("rows", sa.Integer, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("done", sa.Integer, nullable=False),
        sa.Column("progress", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("sealed", sa.String, nullable=True),
        sa.Column("ended_at", sa.BigInteger, nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_enrolment_batch_project", "enrolment_batch", ["project"])
    op.create_table(
        "enrolment_row",
        sa.Column("batch", sa.Integer, sa.ForeignKey("enrolment_batch.id"), primary_key=True),
        sa.Column("line", sa.Integer, primary_key=True),
        sa.Column("serial", sa.String, nullable=False),
        sa.Column("endpoint", sa.String, nullable=False),
        sa.Column("friendly_name", sa.String, nullable=False),
        sa.Column("kind", sa.String, nullable=True),
        sa.Column("metadata", sa.String, nullable=False),
        sa.Column("overlay", sa.String, nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
    )
    op.create_table(
        "device",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project", sa.Integer, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("serial", sa.String, nullable=False),
        sa.Column("endpoint", sa.String, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=True),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_device_project_serial",
        "device",
        ["project", "serial"],
        unique=True,
        sqlite_where=sa.text("until IS NULL"),
    )
    op.create_index("ix_device_endpoint", "device", ["endpoint"])
