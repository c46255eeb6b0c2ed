"""Tables of alarms and subscriptions. Times are milliseconds since 1970 UTC."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, TypedColumns

from ciaas.storage.registry.schema import metadata


class AlarmColumns(TypedColumns):
    """Alarms; an open one is raised, or cleared and not yet acknowledged."""

    id = Column(Integer, primary_key=True)
    uuid: Column[str] = Column(unique=True)
    point: Column[int] = Column(ForeignKey("point.id"), index=True)
    severity: Column[str]
    text: Column[str]
    state: Column[str]
    open: Column[bool] = Column(index=True)
    value: Column[str]
    raised_at: Column[int] = Column(BigInteger)
    commit_no: Column[int] = Column(BigInteger)
    count: Column[int]
    cleared_at: Column[int | None] = Column(BigInteger)
    acknowledged_at: Column[int | None] = Column(BigInteger)
    acknowledged_by: Column[str]
    told_at: Column[int] = Column(BigInteger)
    untold: Column[bool]


class AlarmStepColumns(TypedColumns):
    """What became of an alarm; ``document`` is the alarm as it was after the step."""

    id = Column(Integer, primary_key=True)
    alarm: Column[int] = Column(ForeignKey("alarm.id"), index=True)
    kind: Column[str]
    at: Column[int] = Column(BigInteger)
    commit_no: Column[int] = Column(BigInteger)
    who: Column[str]
    why: Column[str]
    document: Column[str]


class AlarmSeenColumns(TypedColumns):
    """The newest sample of each watched point that was looked at."""

    point: Column[int] = Column(ForeignKey("point.id"), primary_key=True)
    observed: Column[int] = Column(BigInteger)


class FollowerColumns(TypedColumns):
    """How far a part of core has followed the commits."""

    name: Column[str] = Column(primary_key=True)
    commit_no: Column[int] = Column(BigInteger)


class SubscriptionColumns(TypedColumns):
    """Webhooks; a removed one leaves nothing."""

    id = Column(Integer, primary_key=True)
    uuid: Column[str] = Column(unique=True)
    account: Column[int] = Column(ForeignKey("account.id"), index=True)
    kind: Column[str]
    title: Column[str]
    url: Column[str]
    wanted: Column[str]
    throttle_ms: Column[int] = Column(BigInteger)
    secret: Column[str]
    enabled: Column[bool]
    created_at: Column[int] = Column(BigInteger)
    position: Column[int] = Column(BigInteger)
    delivered: Column[int] = Column(BigInteger)
    delivered_at: Column[int | None] = Column(BigInteger)
    failures: Column[int]
    failed_at: Column[int | None] = Column(BigInteger)
    why: Column[str]


class DeadLetterColumns(TypedColumns):
    """What a receiver would not take: the events after ``after``, up to ``last``."""

    id = Column(Integer, primary_key=True)
    subscription: Column[int] = Column(ForeignKey("subscription.id"), index=True)
    after: Column[int] = Column(BigInteger)
    last: Column[int] = Column(BigInteger)
    at: Column[int] = Column(BigInteger)
    why: Column[str]
    replay: Column[bool]


alarm = Table("alarm", metadata, AlarmColumns, sqlite_autoincrement=True)
alarm_step = Table("alarm_step", metadata, AlarmStepColumns, sqlite_autoincrement=True)
alarm_seen = Table("alarm_seen", metadata, AlarmSeenColumns)
follower = Table("follower", metadata, FollowerColumns)
subscription = Table("subscription", metadata, SubscriptionColumns, sqlite_autoincrement=True)
dead_letter = Table("dead_letter", metadata, DeadLetterColumns, sqlite_autoincrement=True)

Index(None, alarm.c.point, alarm.c.open)
