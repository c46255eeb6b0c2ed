"""Tables of state intervals. They carry no version: nobody follows their changes."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, Table, TypedColumns

from ciaas.storage.registry.schema import metadata


class StateIntervalColumns(TypedColumns):
    """Intervals; ``until`` is null while one lasts."""

    id = Column(Integer, primary_key=True)
    resource: Column[str]
    endpoint: Column[str]
    state: Column[str]
    since: Column[int] = Column(BigInteger)
    until: Column[int | None] = Column(BigInteger)
    cause: Column[str]


class ObserverColumns(TypedColumns):
    """The one row that says until when core observed, and how far it has read watch's journal."""

    id = Column(Integer, primary_key=True)
    seen: Column[int | None] = Column(BigInteger)
    journal: Column[str]
    bytes_read: Column[int] = Column(BigInteger)


state_interval = Table("state_interval", metadata, StateIntervalColumns)
observer = Table("observer", metadata, ObserverColumns)

Index(None, state_interval.c.resource, state_interval.c.since)
Index(None, state_interval.c.until)
