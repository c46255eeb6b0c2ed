"""Tables of named keys and data subjects. Times are milliseconds since 1970 UTC.

None of their rows carries the registry's version: no other role follows them.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, TypedColumns

from ciaas.storage.registry.schema import metadata


class NamedKeyColumns(TypedColumns):
    """Named keys of projects; none is ever deleted, since ciphertexts of it may lie anywhere."""

    id = Column(Integer, primary_key=True)
    project: Column[int] = Column(ForeignKey("project.id"))
    name: Column[str]
    use: Column[str]
    disabled: Column[bool]
    account: Column[int] = Column(ForeignKey("account.id"))
    """Who made it."""
    created_at: Column[int] = Column(BigInteger)


class KeyVersionColumns(TypedColumns):
    """Versions of named keys."""

    id = Column(Integer, primary_key=True)
    key: Column[int] = Column(ForeignKey("named_key.id"))
    number: Column[int]
    made_at: Column[int] = Column(BigInteger)
    sealed: Column[str]
    """The secret key, see `security.encryption.envelope`."""
    public: Column[str | None]
    """Base64 of the public half of a signing key."""


class DataSubjectColumns(TypedColumns):
    """Data subjects, the erased ones too; their keys lie elsewhere, out of backups."""

    id = Column(Integer, primary_key=True)
    uuid: Column[str] = Column(unique=True)
    """32 hexadecimal digits; names the key."""
    project: Column[int] = Column(ForeignKey("project.id"))
    name: Column[str]
    created_at: Column[int] = Column(BigInteger)
    erased_at: Column[int | None] = Column(BigInteger)


named_key = Table("named_key", metadata, NamedKeyColumns, sqlite_autoincrement=True)
key_version = Table("key_version", metadata, KeyVersionColumns, sqlite_autoincrement=True)

data_subject = Table("data_subject", metadata, DataSubjectColumns, sqlite_autoincrement=True)

Index(None, data_subject.c.project, data_subject.c.name, unique=True)
Index(None, named_key.c.project, named_key.c.name, unique=True)
Index(None, named_key.c.name)
Index(None, key_version.c.key, key_version.c.number, unique=True)
