"""Tables of what a grant may say; levels as bits, so that WRITE and OBSERVE stand side by side."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

_LEVELS = {
    1: 0b1,
    2: 0b111,
    3: 0b1111,
    4: 0b11_1111,
    5: 0b111_1111,
    6: 0b1111_1111,
    7: 0b1_1111_1111,
}
"""The old number and what allows the same: BROWSE showed metadata, WRITE took readings too."""


def upgrade() -> None:
    """Make the tables, and write the levels of all grants anew."""
    cases = " ".join(f"WHEN {old} THEN {new}" for old, new in _LEVELS.items())
    for table in ("access_grant", "group_grant"):
        op.execute(f"UPDATE {table} SET level = CASE level {cases} ELSE level END")  # noqa: S608 - of this file
    for table in ("account", "token"):
        op.create_index(f"ix_{table}_version", table, ["version"])
    op.create_table(
        "permit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("subject", sa.String, nullable=False),
        sa.Column("extent", sa.String, nullable=False),
        sa.Column("purpose", sa.String, nullable=False),
        sa.Column("level", sa.Integer, nullable=False),
        sa.Column("starts", sa.BigInteger, nullable=True),
        sa.Column("ends", sa.BigInteger, nullable=True),
        sa.Column("giver", sa.Integer, sa.ForeignKey("account.id"), nullable=True),
        sa.Column("removed", sa.Boolean, nullable=False),
        _version(),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_permit_subject", "permit", ["subject", "extent", "purpose"], unique=True)
    op.create_index("ix_permit_extent", "permit", ["extent"])
    op.create_table(
        "selection",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project", sa.Integer, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("name", sa.String, nullable=True),
        sa.Column("revision", sa.Integer, nullable=False),
        _version(),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "selection_revision",
        sa.Column("selection", sa.Integer, sa.ForeignKey("selection.id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("filter", sa.String, nullable=False),
        sa.Column("author", sa.Integer, sa.ForeignKey("account.id"), nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
    )
    op.create_table(
        "endpoint_group",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("project", sa.Integer, sa.ForeignKey("project.id"), nullable=False),
        sa.Column("name", sa.String, nullable=True),
        _version(),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "endpoint_member",
        sa.Column(
            "endpoint_group", sa.Integer, sa.ForeignKey("endpoint_group.id"), primary_key=True
        ),
        sa.Column("endpoint", sa.String, sa.ForeignKey("endpoint.uuid"), primary_key=True),
        sa.Column("removed", sa.Boolean, nullable=False),
        _version(),
    )
    for table in ("selection", "endpoint_group"):
        op.create_index(f"ix_{table}_project", table, ["project", "name"], unique=True)
    op.create_index("ix_endpoint_member_endpoint", "endpoint_member", ["endpoint"])
    for table in ("permit", "selection", "endpoint_group", "endpoint_member"):
        op.create_index(f"ix_{table}_version", table, ["version"])


def _version() -> sa.Column[int]:
    return sa.Column("version", sa.Integer, nullable=False)
