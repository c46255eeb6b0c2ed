"""Tables of mashups."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, TypedColumns

from ciaas.storage.registry.schema import metadata


class MashupColumns(TypedColumns):
    """Mashups, the deleted ones too."""

    id = Column(Integer, primary_key=True)
    uuid: Column[str] = Column(unique=True)
    project: Column[int] = Column(ForeignKey("project.id"), index=True)
    name: Column[str]
    state: Column[str]
    draft: Column[str]
    revision: Column[int]
    published: Column[int | None]
    """Number of the version in force."""
    account: Column[int | None] = Column(ForeignKey("account.id"))
    """The user that it acts as."""
    since: Column[int] = Column(BigInteger)
    """When it was created, published, paused or resumed last."""
    created_at: Column[int] = Column(BigInteger)
    deleted: Column[bool]
    version: Column[int] = Column(index=True)


class MashupVersionColumns(TypedColumns):
    """What was published; rows never change."""

    mashup: Column[int] = Column(ForeignKey("mashup.id"), primary_key=True)
    number = Column(Integer, primary_key=True)
    document: Column[str]
    plan: Column[str]
    note: Column[str]
    publisher: Column[int] = Column(ForeignKey("account.id"))
    published_at: Column[int] = Column(BigInteger)


mashup = Table("mashup", metadata, MashupColumns, sqlite_autoincrement=True)
mashup_version = Table("mashup_version", metadata, MashupVersionColumns)
