"""Tables of objects and jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "object_key",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("project", sa.Integer, nullable=False),
        sa.Column("key", sa.String, nullable=False),
        sa.Column("digest", sa.String, nullable=False),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.Column("media_type", sa.String, nullable=False),
        sa.Column("changed_at", sa.BigInteger, nullable=False),
        sa.Column("account", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_object_key"),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name="fk_object_key_project_project"),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name="fk_object_key_account_account"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_object_key_digest", "object_key", ["digest"])
    op.create_index("ix_object_key_project_key", "object_key", ["project", "key"], unique=True)
    op.create_table(
        "job",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("uuid", sa.String, nullable=False),
        sa.Column("project", sa.Integer, nullable=False),
        sa.Column("account", sa.Integer, nullable=False),
        sa.Column("document", sa.String, nullable=False),
        sa.Column("due_at", sa.BigInteger, nullable=True),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job"),
        sa.UniqueConstraint("uuid", name="uq_job_uuid"),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name="fk_job_project_project"),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name="fk_job_account_account"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_project", "job", ["project"])
    op.create_table(
        "job_run",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("job", sa.Integer, nullable=False),
        sa.Column("cause", sa.String, nullable=False),
        sa.Column("started_at", sa.BigInteger, nullable=False),
        sa.Column("ended_at", sa.BigInteger, nullable=True),
        sa.Column("outcome", sa.String, nullable=False),
        sa.Column("detail", sa.String, nullable=False),
        sa.Column("key", sa.String, nullable=True),
        sa.Column("bytes", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_job_run"),
        sa.ForeignKeyConstraint(["job"], ["job.id"], name="fk_job_run_job_job"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_job_run_job", "job_run", ["job"])
