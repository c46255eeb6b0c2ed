"""Tables of certificate authorities and the deny list."""

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Make the tables."""
