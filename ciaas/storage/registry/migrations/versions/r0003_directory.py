"""When endpoints and points came to be: what tells a new one from one that changed."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Add the version of their creation, 0 for those that are older than this note."""
    for table in ("endpoint", "point"):
        op.add_column(table, sa.Column("born", sa.Integer, nullable=False, server_default="0"))
