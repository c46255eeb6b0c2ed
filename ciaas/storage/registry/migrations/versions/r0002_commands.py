"""Tables of commands to devices."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "command",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("uuid", sa.String, nullable=False),
        sa.Column("project", sa.Integer, nullable=False),
        sa.Column("point", sa.Integer, nullable=False),
        sa.Column("address", sa.String, nullable=False),
        sa.Column("account", sa.Integer, nullable=False),
        sa.Column("value", sa.String, nullable=False),
        sa.Column("stamp", sa.BigInteger, nullable=False),
        sa.Column("expires_at", sa.BigInteger, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("ended", sa.Boolean, nullable=False),
        sa.Column("sent_at", sa.BigInteger, nullable=True),
        sa.Column("key", sa.String, nullable=True),
        sa.Column("digest", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_command"),
        sa.UniqueConstraint("uuid", name="uq_command_uuid"),
        sa.ForeignKeyConstraint(["project"], ["project.id"], name="fk_command_project_project"),
        sa.ForeignKeyConstraint(["point"], ["point.id"], name="fk_command_point_point"),
        sa.ForeignKeyConstraint(["account"], ["account.id"], name="fk_command_account_account"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_command_point", "command", ["point"])
    op.create_index("ix_command_address", "command", ["address"])
    op.create_index("ix_command_ended", "command", ["ended"])
    op.create_index("ix_command_account_key", "command", ["account", "key"], unique=True)
    op.create_table(
        "command_step",
        sa.Column("command", sa.Integer, nullable=False),
        sa.Column("place", sa.Integer, nullable=False),
        sa.Column("rung", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("command", "place", name="pk_command_step"),
        sa.ForeignKeyConstraint(
            ["command"], ["command.id"], name="fk_command_step_command_command"
        ),
    )
