"""Tables of subscriptions and alarms."""

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
