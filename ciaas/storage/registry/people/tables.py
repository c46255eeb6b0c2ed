"""Tables of what is kept of people beside their accounts, and of projects' quotas.

None of it is followed by other processes, so rows carry no version of the registry.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Integer, Table, TypedColumns

from ciaas.storage.registry.schema import metadata


class FactorColumns(TypedColumns):
    """Second factors."""

    account: Column[int] = Column(ForeignKey("account.id"), primary_key=True, autoincrement=False)
    sealed: Column[str]
    confirmed: Column[bool]
    last_step: Column[int] = Column(BigInteger)


class RecoveryCodeColumns(TypedColumns):
    """Recovery codes that are left."""

    digest: Column[str] = Column(primary_key=True)
    account: Column[int] = Column(ForeignKey("account.id"), index=True)


class DemandColumns(TypedColumns):
    """Of whom a second factor is asked."""

    subject: Column[str] = Column(primary_key=True)


class SessionColumns(TypedColumns):
    """Where sessions came from, and their last use; no foreign key, since tokens make way."""

    session: Column[str] = Column(primary_key=True)
    kind: Column[str]
    began_at: Column[int] = Column(BigInteger)
    began_from: Column[str]
    last_at: Column[int | None] = Column(BigInteger)
    last_from: Column[str]


class LifeColumns(TypedColumns):
    """Since when accounts are there, and when they were deleted."""

    account: Column[int] = Column(ForeignKey("account.id"), primary_key=True, autoincrement=False)
    created_at: Column[int | None] = Column(BigInteger)
    last_used_at: Column[int | None] = Column(BigInteger)
    deleted_at: Column[int | None] = Column(BigInteger)


class InvitationColumns(TypedColumns):
    """Invitations, the used ones too."""

    id = Column(Integer, primary_key=True)
    digest: Column[str] = Column(unique=True)
    note: Column[str]
    admin: Column[bool]
    project: Column[int | None] = Column(ForeignKey("project.id"))
    level: Column[int | None]
    inviter: Column[int] = Column(ForeignKey("account.id"))
    created_at: Column[int] = Column(BigInteger)
    expires_at: Column[int] = Column(BigInteger)
    account: Column[int | None] = Column(ForeignKey("account.id"))
    withdrawn: Column[bool]


class QuotaColumns(TypedColumns):
    """Quotas that operators set for single projects."""

    project: Column[int] = Column(ForeignKey("project.id"), primary_key=True)
    quota: Column[str] = Column(primary_key=True)
    bound: Column[int] = Column(BigInteger)


class StoredColumns(TypedColumns):
    """Bytes of samples that each project has stored; project 0 holds the last commit counted."""

    project: Column[int] = Column(primary_key=True, autoincrement=False)
    amount: Column[int] = Column(BigInteger)


factor = Table("second_factor", metadata, FactorColumns)
recovery_code = Table("recovery_code", metadata, RecoveryCodeColumns)
demand = Table("second_factor_demand", metadata, DemandColumns)
session = Table("session_note", metadata, SessionColumns)
life = Table("account_life", metadata, LifeColumns)
invitation = Table("invitation", metadata, InvitationColumns, sqlite_autoincrement=True)
quota = Table("project_quota", metadata, QuotaColumns)
stored = Table("project_stored", metadata, StoredColumns)
