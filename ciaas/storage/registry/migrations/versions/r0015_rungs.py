"""A number for each rung of a command, what live feeds resume by; who reads the record."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Number the rungs there are by their time, those of one time by command and place."""
    op.add_column(
        "command_step", sa.Column("number", sa.BigInteger, nullable=False, server_default="0")
    )
    op.execute(
        """UPDATE command_step SET number = ranked.number FROM (
            SELECT command, place, row_number() OVER (ORDER BY at, command, place) AS number
            FROM command_step
        ) AS ranked
        WHERE ranked.command = command_step.command AND ranked.place = command_step.place"""
    )
    op.create_index(None, "command_step", ["number"], unique=True)
    # Reading the record was for administrators, and is a scope of its own now.
    op.execute(
        """UPDATE token SET scopes = replace(scopes, '"admin"', '"admin","audit"')
        WHERE scopes LIKE '%"admin"%'"""
    )
