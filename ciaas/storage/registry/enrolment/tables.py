"""Tables of enrolment in bulk. Times are milliseconds since 1970 UTC.

None of their rows carries the registry's version: no other role follows them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, TypedColumns

from ciaas.storage.registry.schema import metadata


class ProfileColumns(TypedColumns):
    """What devices of one kind have in common."""

    id = Column(Integer, primary_key=True)
    project: Column[int] = Column(ForeignKey("project.id"))
    name: Column[str]
    revision: Column[int]
    document: Column[str]


class BatchColumns(TypedColumns):
    """Sheets of devices."""

    id = Column(Integer, primary_key=True)
    uuid: Column[str] = Column(unique=True)
    project: Column[int] = Column(ForeignKey("project.id"), index=True)
    account: Column[int] = Column(ForeignKey("account.id"))
    profile: Column[str]
    revision: Column[int]
    document: Column[str]
    rows: Column[int]
    created_at: Column[int] = Column(BigInteger)
    done: Column[int]
    progress: Column[str]
    detail: Column[str]
    sealed: Column[str | None]
    """What its tokens are derived from, see `security.encryption.envelope`."""
    ended_at: Column[int | None] = Column(BigInteger)


class RowColumns(TypedColumns):
    """Devices of batches."""

    batch: Column[int] = Column(ForeignKey("enrolment_batch.id"), primary_key=True)
    line: Column[int] = Column(primary_key=True)
    serial: Column[str]
    endpoint: Column[str]
    """Made when the row is done."""
    friendly_name: Column[str]
    kind: Column[str | None]
    metadata: Column[str]
    overlay: Column[str]
    done: Column[bool]


class DeviceColumns(TypedColumns):
    """Which device, by its serial number, is behind which endpoint, from when to when."""

    id = Column(Integer, primary_key=True)
    project: Column[int] = Column(ForeignKey("project.id"))
    serial: Column[str]
    endpoint: Column[str] = Column(index=True)
    since: Column[int] = Column(BigInteger)
    until: Column[int | None] = Column(BigInteger)
    """None while it is."""


profile = Table("enrolment_profile", metadata, ProfileColumns, sqlite_autoincrement=True)
batch = Table("enrolment_batch", metadata, BatchColumns, sqlite_autoincrement=True)
row = Table("enrolment_row", metadata, RowColumns)
device = Table("device", metadata, DeviceColumns, sqlite_autoincrement=True)

Index(None, profile.c.project, profile.c.name, unique=True)
Index(
    None,
    device.c.project,
    device.c.serial,
    unique=True,
    sqlite_where=device.c.until.is_(None),
)
