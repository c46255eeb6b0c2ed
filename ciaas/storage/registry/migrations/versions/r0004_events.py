"""Tables of subscriptions and alarms."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the tables."""
    _alarms()
    _subscriptions()


def _alarms() -> None:
    op.create_table(
        "alarm",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("uuid", sa.String, nullable=False),
        sa.Column("point", sa.Integer, nullable=False),
        sa.Column("severity", sa.String, nullable=False),
        sa.Column("text", sa.String, nullable=False),
        sa.Column("state", sa.String, nullable=False),
        sa.Column("open", sa.Boolean, nullable=False),
        sa.Column("value", sa.String, nullable=False),
        sa.Column("raised_at", sa.BigInteger, nullable=False),
        sa.Column("commit_no", sa.BigInteger, nullable=False),
        sa.Column("count", sa.Integer, nullable=False),
        sa.Column("cleared_at", sa.BigInteger, nullable=True),
        sa.Column("acknowledged_at", sa.BigInteger, nullable=True),
        sa.Column("acknowledged_by", sa.String, nullable=False),
        sa.Column("told_at", sa.BigInteger, nullable=False),
        sa.Column("untold", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarm"),
        sa.UniqueConstraint("uuid", name="uq_alarm_uuid"),
        sa.ForeignKeyConstraint(["point"], ["point.id"], name="fk_alarm_point_point"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alarm_point", "alarm", ["point"])
    op.create_index("ix_alarm_open", "alarm", ["open"])
    op.create_index("ix_alarm_point_open", "alarm", ["point", "open"])
    op.create_table(
        "alarm_step",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("alarm", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("commit_no", sa.BigInteger, nullable=False),
        sa.Column("who", sa.String, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("document", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_alarm_step"),
        sa.ForeignKeyConstraint(["alarm"], ["alarm.id"], name="fk_alarm_step_alarm_alarm"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_alarm_step_alarm", "alarm_step", ["alarm"])
    op.create_table(
        "alarm_seen",
        sa.Column("point", sa.Integer, nullable=False),
        sa.Column("observed", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("point", name="pk_alarm_seen"),
        sa.ForeignKeyConstraint(["point"], ["point.id"], name="fk_alarm_seen_point_point"),
    )
    op.create_table(
        "follower",
        sa.Column("name", sa.String, nullable=False),
        sa.Column("commit_no", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_follower"),
    )


def _subscriptions() -> None:
    op.create_table(
        "subscription",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("uuid", sa.String, nullable=False),
        sa.Column("account", sa.Integer, nullable=False),
        sa.Column("kind", sa.String, nullable=False),
        sa.Column("title", sa.String, nullable=False),
        sa.Column("url", sa.String, nullable=False),
        sa.Column("wanted", sa.String, nullable=False),
        sa.Column("throttle_ms", sa.BigInteger, nullable=False),
        sa.Column("secret", sa.String, nullable=False),
        sa.Column("enabled", sa.Boolean, nullable=False),
        sa.Column("created_at", sa.BigInteger, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.Column("delivered", sa.BigInteger, nullable=False),
        sa.Column("delivered_at", sa.BigInteger, nullable=True),
        sa.Column("failures", sa.Integer, nullable=False),
        sa.Column("failed_at", sa.BigInteger, nullable=True),
        sa.Column("why", sa.String, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_subscription"),
        sa.UniqueConstraint("uuid", name="uq_subscription_uuid"),
        sa.ForeignKeyConstraint(
            ["account"], ["account.id"], name="fk_subscription_account_account"
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_subscription_account", "subscription", ["account"])
    op.create_table(
        "dead_letter",
        sa.Column("id", sa.Integer, nullable=False),
        sa.Column("subscription", sa.Integer, nullable=False),
        sa.Column("after", sa.BigInteger, nullable=False),
        sa.Column("last", sa.BigInteger, nullable=False),
        sa.Column("at", sa.BigInteger, nullable=False),
        sa.Column("why", sa.String, nullable=False),
        sa.Column("replay", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_dead_letter"),
        sa.ForeignKeyConstraint(
            ["subscription"],
            ["subscription.id"],
            name="fk_dead_letter_subscription_subscription",
        ),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_dead_letter_subscription", "dead_letter", ["subscription"])
