"""When certificates were issued and denied, and those that end next found at once."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Add the columns and the index."""
    for name in ("issued_at", "revoked_at"):
        op.add_column("certificate", sa.Column(name, sa.BigInteger, nullable=True))
    op.create_index("ix_certificate_not_after", "certificate", ["not_after"])
