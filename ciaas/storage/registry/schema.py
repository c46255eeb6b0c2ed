"""The registry's tables as they are now; `migrations` holds how they came to be.

Every row that changes carries the registry's version at its last change, so that "what changed
after" is one indexed comparison; what is taken away stays as a row that says so. Documents are
JSON text. Times are milliseconds since 1970 UTC.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, MetaData, Table, TypedColumns

REVISIONS = (
    "0001",
    "0002",
    "0003",
    "0004",
    "0005",
    "0006",
    "0007",
    "0008",
    "0009",
    "0010",
    "0011",
    "0012",
    "0013",
    "0014",
    "0015",
)
"""Every revision of these tables, oldest first; the last one is what this version works with."""

metadata = MetaData(
    # Names that a later migration can drop a constraint by.
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class StateColumns(TypedColumns):
    """One row."""

    id = Column(Integer, primary_key=True)
    version: Column[int]
    """Number of the last change."""
    set_up_digest: Column[str | None]


class ProjectColumns(TypedColumns):
    """Tenants."""

    id = Column(Integer, primary_key=True)
    name: Column[str] = Column(unique=True)
    version: Column[int]


class EndpointColumns(TypedColumns):
    """Endpoints, the deleted ones too: their history stays and their UUID is never reused."""

    id = Column(Integer, primary_key=True)
    uuid: Column[str] = Column(unique=True)
    project: Column[int] = Column(ForeignKey("project.id"), index=True)
    friendly_name: Column[str]
    metadata: Column[str]
    feed: Column[str | None]
    banned: Column[bool]
    model: Column[str | None]
    created_at: Column[int] = Column(BigInteger)
    deleted_at: Column[int | None] = Column(BigInteger)
    version: Column[int] = Column(index=True)
    born: Column[int] = Column(server_default="0")
    """Version of its creation; 0 for those older than this column."""


class PointColumns(TypedColumns):
    """Data points; never deleted, so that an id is never given twice."""

    id = Column(Integer, primary_key=True)
    address: Column[str] = Column(unique=True)
    endpoint: Column[int] = Column(ForeignKey("endpoint.id"))
    constraint: Column[str]
    type: Column[str]
    conforms: Column[str | None]
    removed: Column[bool]
    version: Column[int] = Column(index=True)
    born: Column[int] = Column(server_default="0")
    """As that of an endpoint."""


class OverlayColumns(TypedColumns):
    """Metadata by scope; an empty document says that it was removed."""

    scope: Column[str] = Column(primary_key=True)
    endpoint: Column[str | None] = Column(ForeignKey("endpoint.uuid"), index=True)
    """None for a class."""
    document: Column[str]
    version: Column[int] = Column(index=True)


class ConnectionColumns(TypedColumns):
    """Links of adapters."""

    name: Column[str] = Column(primary_key=True)
    project: Column[int] = Column(ForeignKey("project.id"))
    adapter: Column[str]
    document: Column[str]
    revision: Column[int]
    enabled: Column[bool]
    deleted: Column[bool]
    version: Column[int] = Column(index=True)


class SourceColumns(TypedColumns):
    """Numbers of what delivers samples."""

    id = Column(Integer, primary_key=True)
    name: Column[str] = Column(unique=True)
    version: Column[int]


class AccountColumns(TypedColumns):
    """Users."""

    id = Column(Integer, primary_key=True)
    name: Column[str] = Column(unique=True)
    password_hash: Column[str | None]
    admin: Column[bool]
    disabled: Column[bool]
    version: Column[int] = Column(index=True)


class TokenColumns(TypedColumns):
    """Bearer tokens."""

    id = Column(Integer, primary_key=True)
    account: Column[int] = Column(ForeignKey("account.id"), index=True)
    digest: Column[str] = Column(unique=True)
    label: Column[str]
    scopes: Column[str]
    expires_at: Column[int | None] = Column(BigInteger)
    revoked: Column[bool]
    version: Column[int] = Column(index=True)


class GrantColumns(TypedColumns):
    """Grants; ``path`` is the levels joined by ``/``, which no level may hold."""

    id = Column(Integer, primary_key=True)
    account: Column[int] = Column(ForeignKey("account.id"))
    path: Column[str]
    level: Column[int]
    removed: Column[bool]
    version: Column[int] = Column(index=True)


class CertificateColumns(TypedColumns):
    """Certificates issued to endpoints."""

    id = Column(Integer, primary_key=True)
    serial: Column[str] = Column(unique=True)
    endpoint: Column[str] = Column(ForeignKey("endpoint.uuid"), index=True)
    fingerprint: Column[str]
    not_after: Column[int] = Column(BigInteger, index=True)
    revoked: Column[bool]
    version: Column[int]
    issued_at: Column[int | None] = Column(BigInteger)
    """None for those older than this column."""
    revoked_at: Column[int | None] = Column(BigInteger)


class ProvisionColumns(TypedColumns):
    """The pending provision token of an endpoint."""

    endpoint: Column[str] = Column(ForeignKey("endpoint.uuid"), primary_key=True)
    digest: Column[str] = Column(unique=True)
    expires_at: Column[int] = Column(BigInteger)
    properties: Column[str]
    version: Column[int]


state = Table("state", metadata, StateColumns)
project = Table("project", metadata, ProjectColumns, sqlite_autoincrement=True)
endpoint = Table("endpoint", metadata, EndpointColumns, sqlite_autoincrement=True)
point = Table("point", metadata, PointColumns, sqlite_autoincrement=True)
overlay = Table("overlay", metadata, OverlayColumns)
connection = Table("connection", metadata, ConnectionColumns)
source = Table("source", metadata, SourceColumns, sqlite_autoincrement=True)
account = Table("account", metadata, AccountColumns, sqlite_autoincrement=True)
token = Table("token", metadata, TokenColumns, sqlite_autoincrement=True)
grant = Table("access_grant", metadata, GrantColumns, sqlite_autoincrement=True)
certificate = Table("certificate", metadata, CertificateColumns, sqlite_autoincrement=True)
provision = Table("provision", metadata, ProvisionColumns)

Index(None, grant.c.account, grant.c.path, unique=True)
