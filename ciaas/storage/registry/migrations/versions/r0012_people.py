"""Tables of people's credentials and quotas."""

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Make the tables."""
