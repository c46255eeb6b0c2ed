"""Tables of objects and jobs. None of their rows carries the registry's version.

No other role follows them, so a stored object or a run of a job makes nobody look.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, Table, TypedColumns

from ciaas.storage.registry.schema import metadata


class ObjectColumns(TypedColumns):
    """Keys of buckets."""

    id = Column(Integer, primary_key=True)
    project: Column[int] = Column(ForeignKey("project.id"))
    key: Column[str]
    digest: Column[str] = Column(index=True)
    bytes: Column[int] = Column(BigInteger)
    media_type: Column[str]
    changed_at: Column[int] = Column(BigInteger)
    account: Column[int] = Column(ForeignKey("account.id"))


class JobColumns(TypedColumns):
    """Scheduled jobs."""

    id = Column(Integer, primary_key=True)
    uuid: Column[str] = Column(unique=True)
    project: Column[int] = Column(ForeignKey("project.id"), index=True)
    account: Column[int] = Column(ForeignKey("account.id"))
    """Under whose identity it runs."""
    document: Column[str]
    due_at: Column[int | None] = Column(BigInteger)
    """None while it is paused, or when its schedule has no further time."""
    created_at: Column[int] = Column(BigInteger)


class RunColumns(TypedColumns):
    """Runs of jobs."""

    id = Column(Integer, primary_key=True)
    job: Column[int] = Column(ForeignKey("job.id"), index=True)
    cause: Column[str]
    started_at: Column[int] = Column(BigInteger)
    ended_at: Column[int | None] = Column(BigInteger)
    outcome: Column[str]
    detail: Column[str]
    key: Column[str | None]
    """Of the object that it stored."""
    bytes: Column[int] = Column(BigInteger)


object_key = Table("object_key", metadata, ObjectColumns, sqlite_autoincrement=True)
job = Table("job", metadata, JobColumns, sqlite_autoincrement=True)
run = Table("job_run", metadata, RunColumns, sqlite_autoincrement=True)

Index(None, object_key.c.project, object_key.c.key, unique=True)
