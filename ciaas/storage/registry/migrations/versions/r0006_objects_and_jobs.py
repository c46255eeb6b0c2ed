"""Tables of objects and jobs."""

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Make the tables."""
