"""Tables of applications, what was issued to them, signing keys and services.

Lists of names are JSON text. What ends by time alone raises no version, since nobody remembers it
beyond that time; what is taken away before does.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, TypedColumns

from ciaas.storage.registry.schema import metadata


class ApplicationColumns(TypedColumns):
    """Applications, the removed ones too."""

    id = Column(Integer, primary_key=True)
    uuid: Column[str] = Column(unique=True)
    account: Column[int] = Column(ForeignKey("account.id"))
    owner: Column[int] = Column(ForeignKey("account.id"))
    project: Column[int] = Column(ForeignKey("project.id"))
    name: Column[str]
    confidential: Column[bool]
    redirect_uris: Column[str]
    logout_uris: Column[str]
    grants: Column[str]
    scopes: Column[str]
    id_token_alg: Column[str]
    created_at: Column[int] = Column(BigInteger)
    last_used_at: Column[int | None] = Column(BigInteger)
    removed: Column[bool]
    version: Column[int]


class SecretColumns(TypedColumns):
    """Client secrets."""

    id = Column(Integer, primary_key=True)
    application: Column[int] = Column(ForeignKey("application.id"), index=True)
    digest: Column[str] = Column(unique=True)
    created_at: Column[int] = Column(BigInteger)
    expires_at: Column[int | None] = Column(BigInteger)
    last_used_at: Column[int | None] = Column(BigInteger)


class AuthorisationColumns(TypedColumns):
    """What applications may do for users."""

    id = Column(Integer, primary_key=True)
    application: Column[int] = Column(ForeignKey("application.id"))
    account: Column[int] = Column(ForeignKey("account.id"), index=True)
    scopes: Column[str]
    started_at: Column[int] = Column(BigInteger)
    expires_at: Column[int | None] = Column(BigInteger)
    session: Column[int | None]
    """Number of a token; no foreign key, since spent tokens make way for others."""
    authenticated_at: Column[int | None] = Column(BigInteger)
    amr: Column[str]
    handle: Column[str | None] = Column(unique=True)
    refresh: Column[str]
    revoked: Column[bool]


class CodeColumns(TypedColumns):
    """Authorization codes."""

    digest: Column[str] = Column(primary_key=True)
    application: Column[int] = Column(ForeignKey("application.id"))
    account: Column[int] = Column(ForeignKey("account.id"))
    session: Column[int]
    redirect_uri: Column[str]
    scopes: Column[str]
    nonce: Column[str]
    challenge: Column[str]
    authenticated_at: Column[int] = Column(BigInteger)
    amr: Column[str]
    expires_at: Column[int] = Column(BigInteger, index=True)
    authorisation: Column[int | None]


class DeviceColumns(TypedColumns):
    """Devices that wait for a person."""

    digest: Column[str] = Column(primary_key=True)
    user_code: Column[str] = Column(unique=True)
    application: Column[int] = Column(ForeignKey("application.id"))
    scopes: Column[str]
    expires_at: Column[int] = Column(BigInteger, index=True)
    interval_s: Column[int]
    polled_at: Column[int] = Column(BigInteger)
    account: Column[int | None] = Column(ForeignKey("account.id"))
    allowed: Column[bool]
    authenticated_at: Column[int | None] = Column(BigInteger)
    amr: Column[str]
    authorisation: Column[int | None]


class SignInColumns(TypedColumns):
    """When and how the persons of sign-ins proved who they are."""

    token = Column(Integer, primary_key=True, autoincrement=False)
    at: Column[int] = Column(BigInteger)
    amr: Column[str]


class ConsentColumns(TypedColumns):
    """What people let applications do without being asked again."""

    account: Column[int] = Column(ForeignKey("account.id"), primary_key=True)
    application: Column[int] = Column(ForeignKey("application.id"), primary_key=True)
    scopes: Column[str]


class SigningKeyColumns(TypedColumns):
    """Keys that tokens are signed with, sealed."""

    id = Column(Integer, primary_key=True)
    kid: Column[str] = Column(unique=True)
    alg: Column[str]
    sealed: Column[str]
    created_at: Column[int] = Column(BigInteger)


class ServiceColumns(TypedColumns):
    """Services of applications, the removed ones too."""

    id = Column(Integer, primary_key=True)
    uuid: Column[str] = Column(unique=True)
    application: Column[int] = Column(ForeignKey("application.id"))
    project: Column[int] = Column(ForeignKey("project.id"))
    name: Column[str]
    description: Column[str]
    base_url: Column[str]
    health_url: Column[str]
    scopes: Column[str]
    release: Column[str]
    published_at: Column[int] = Column(BigInteger)
    removed: Column[bool]
    version: Column[int]


class ServiceReleaseColumns(TypedColumns):
    """What was published of a service; rows never change."""

    service: Column[int] = Column(ForeignKey("service.id"), primary_key=True)
    release: Column[str] = Column(primary_key=True)
    openapi: Column[str]
    scopes: Column[str]
    base_url: Column[str]
    published_at: Column[int] = Column(BigInteger)


application = Table("application", metadata, ApplicationColumns, sqlite_autoincrement=True)
secret = Table("application_secret", metadata, SecretColumns, sqlite_autoincrement=True)
authorisation = Table("authorisation", metadata, AuthorisationColumns, sqlite_autoincrement=True)
code = Table("authorization_code", metadata, CodeColumns)
device = Table("device_request", metadata, DeviceColumns)
sign_in = Table("sign_in", metadata, SignInColumns)
consent = Table("consent", metadata, ConsentColumns)
signing_key = Table("signing_key", metadata, SigningKeyColumns)
service = Table("service", metadata, ServiceColumns, sqlite_autoincrement=True)
service_release = Table("service_release", metadata, ServiceReleaseColumns)
