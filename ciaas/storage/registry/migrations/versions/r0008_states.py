"""Tables of state intervals."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "state_interval",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("resource", sa.String, nullable=False),
        sa.Column("endpoint", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("since", sa.BigInteger, nullable=False),
        sa.Column("until", sa.BigInteger, nullable=True),
        sa.Column("cause", sa.String, nullable=False),
    )
    op.create_index(None, "state_interval", ["resource", "since"])
    op.create_index(None, "state_interval", ["until"])
    observer = op.create_table(
        "observer",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("seen", sa.BigInteger, nullable=True),
        sa.Column("journal", sa.String, nullable=False),
        sa.Column("bytes_read", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(observer, [{"id": 1, "seen": None, "journal": "", "bytes_read": 0}])
