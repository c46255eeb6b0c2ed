"""Tables of groups and of the record's checkpoints."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, TypedColumns

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


class PermitColumns(TypedColumns):
    """Grants under conditions, of any subject on any extent; purpose is empty for none."""

    id = Column(Integer, primary_key=True)
    subject: Column[str]
    extent: Column[str] = Column(index=True)
    purpose: Column[str]
    level: Column[int]
    starts: Column[int | None] = Column(BigInteger)
    ends: Column[int | None] = Column(BigInteger)
    giver: Column[int | None] = Column(ForeignKey("account.id"))
    removed: Column[bool]
    version: Column[int] = Column(index=True)


class SelectionColumns(TypedColumns):
    """Saved filters; a removed one has given up its name."""

    id = Column(Integer, primary_key=True)
    project: Column[int] = Column(ForeignKey("project.id"))
    name: Column[str | None]
    revision: Column[int]
    version: Column[int] = Column(index=True)


class SelectionRevisionColumns(TypedColumns):
    """What a saved filter was, by number from 1."""

    selection: Column[int] = Column(ForeignKey("selection.id"), primary_key=True)
    number: Column[int] = Column(primary_key=True)
    filter: Column[str]
    author: Column[int] = Column(ForeignKey("account.id"))
    at: Column[int] = Column(BigInteger)


class EndpointGroupColumns(TypedColumns):
    """Named sets of endpoints; a removed one has given up its name."""

    id = Column(Integer, primary_key=True)
    project: Column[int] = Column(ForeignKey("project.id"))
    name: Column[str | None]
    version: Column[int] = Column(index=True)


class EndpointMemberColumns(TypedColumns):
    """Which endpoint is in which group."""

    endpoint_group: Column[int] = Column(ForeignKey("endpoint_group.id"), primary_key=True)
    endpoint: Column[str] = Column(ForeignKey("endpoint.uuid"), primary_key=True, index=True)
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
permit = Table("permit", metadata, PermitColumns, sqlite_autoincrement=True)
selection = Table("selection", metadata, SelectionColumns, sqlite_autoincrement=True)
selection_revision = Table("selection_revision", metadata, SelectionRevisionColumns)
endpoint_group = Table("endpoint_group", metadata, EndpointGroupColumns, sqlite_autoincrement=True)
endpoint_member = Table("endpoint_member", metadata, EndpointMemberColumns)
checkpoint = Table("record_checkpoint", metadata, CheckpointColumns)

Index("ix_permit_subject", permit.c.subject, permit.c.extent, permit.c.purpose, unique=True)
Index("ix_selection_project", selection.c.project, selection.c.name, unique=True)
Index("ix_endpoint_group_project", endpoint_group.c.project, endpoint_group.c.name, unique=True)
