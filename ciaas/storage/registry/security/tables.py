"""Tables of groups and of the record's checkpoints."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, TypedColumns

from ciaas.storage.registry.schema import metadata


class GroupColumns(TypedColumns):
    """Groups; a removed one has given up its name, and its number is never given again."""

    id = Column(Integer, primary_key=True)
    name: Column[str | None] = Column(unique=True)
    version: Column[int]


class MembershipColumns(TypedColumns):
    """Who is in which group."""

    people_group: Column[int] = Column(ForeignKey("people_group.id"), primary_key=True)
    account: Column[int] = Column(ForeignKey("account.id"), primary_key=True, index=True)
    removed: Column[bool]
    version: Column[int] = Column(index=True)


class GroupGrantColumns(TypedColumns):
    """Grants of groups; ``path`` is written as in `access_grant`."""

    people_group: Column[int] = Column(ForeignKey("people_group.id"), primary_key=True)
    path: Column[str] = Column(primary_key=True)
    level: Column[int]
    removed: Column[bool]
    version: Column[int] = Column(index=True)


class CheckpointColumns(TypedColumns):
    """The newest checkpoints of the record, so that a shortened record shows."""

    size: Column[int] = Column(BigInteger, primary_key=True, autoincrement=False)
    head: Column[str]
    at: Column[int] = Column(BigInteger)
    signature: Column[str]


group = Table("people_group", metadata, GroupColumns, sqlite_autoincrement=True)
membership = Table("membership", metadata, MembershipColumns)
group_grant = Table("group_grant", metadata, GroupGrantColumns)
checkpoint = Table("record_checkpoint", metadata, CheckpointColumns)
