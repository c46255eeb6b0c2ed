"""Bringing the file to this version's schema: on a copy, exchanged only when it is sound.

::

    registry.db ──copy──> registry.db.migrating ──upgrade, check──> renamed to registry.db
         └──────copy──> registry.db.before-<revision>               (what it was, kept)

A crash at any point leaves the old file in its place, untouched, and the next start begins anew.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from ciaas.storage.registry.database import connect
from ciaas.storage.registry.errors import (
    SchemaTooNew,
    SchemaTooOld,
    Unavailable,
    Unusable,
    explained,
)
from ciaas.storage.registry.schema import REVISIONS


@dataclass(frozen=True, slots=True)
class Lineage:
    """The revisions that a version of the platform knows, and where their scripts are."""

    scripts: str
    """Location for Alembic: a directory, or ``package:directory``."""
    revisions: tuple[str, ...]
    """Oldest first; the last one is what the version works with."""


SHIPPED = Lineage("ciaas.storage.registry:migrations", REVISIONS)


def check(path: Path, lineage: Lineage = SHIPPED) -> None:
    """Refuse a file that this version cannot work with; changes nothing.

    Raises:
        SchemaTooOld: `migrate` has to run first.
        SchemaTooNew: a newer version has written it.
        Unusable: it is missing, damaged or no registry.
    """
    if not path.exists():
        raise Unusable(f"there is no registry at {path}: `borough up` makes one")
    if (found := _revision(path, lineage)) != (target := lineage.revisions[-1]):
        raise SchemaTooOld(
            f"{path} has revision {found}, this version works with {target}: "
            "`borough up` migrates it"
        )


def migrate(path: Path, lineage: Lineage = SHIPPED) -> None:
    """Make the registry, or bring an older one up to date; one that is up to date is left alone.

    The file as it was is kept beside it as ``<name>.before-<revision>``, named for the revision
    that this call brought.

    Raises:
        SchemaTooNew: a newer version has written it.
        Unusable: it is damaged or no registry, or what the migration made is not sound.
        Unavailable: another process has it open, or the disk is full.
    """
    exists, target = path.exists(), lineage.revisions[-1]
    if exists and _revision(path, lineage) == target:
        return
    draft = path.with_name(f"{path.name}.migrating")
    try:
        if exists:
            _settle(path)
            _copy(path, draft)
        else:
            _discard(path)
            _create(draft)
        _upgrade(draft, lineage)
        _examine(draft)
        if exists:
            part = path.with_name(f"{path.name}.before-{target}.part")
            _copy(path, part)
            part.replace(path.with_name(f"{path.name}.before-{target}"))
        draft.replace(path)
        _sync(path.parent)
    finally:
        _discard(draft)


def _revision(path: Path, lineage: Lineage) -> str:
    with explained(path), closing(connect(path, query_only=True)) as connection:
        named = "SELECT count(*) FROM sqlite_master WHERE name IN ('alembic_version', 'state')"
        if connection.execute(named).fetchone() != (2,):
            raise Unusable(f"{path} is no registry: move it away, or name another path")
        (found,) = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    if found not in lineage.revisions:
        raise SchemaTooNew(
            f"{path} has revision {found}, which a newer version has written: start that version, "
            f"or put back the file that it kept as {path.name}.before-{found}"
        )
    return str(found)


def _settle(path: Path) -> None:
    """Empty the write-ahead log into the file, so that no log is left for a file to come."""
    with explained(path), closing(sqlite3.connect(path)) as connection:
        try:
            connection.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_BUSY":
                raise
            raise Unavailable(
                f"{path} has to be migrated but another process has it open: stop that one first"
            ) from error


def _discard(path: Path) -> None:
    """Remove a file with its logs: a log left beside it would be played into the next one."""
    for suffix in ("", "-journal", "-wal", "-shm"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _create(path: Path) -> None:
    _discard(path)
    path.touch(mode=0o600)


def _copy(source: Path, target: Path) -> None:
    _create(target)
    with (
        explained(target),
        closing(sqlite3.connect(source)) as old,
        closing(sqlite3.connect(target)) as new,
    ):
        old.backup(new)
    _sync(target)


def _upgrade(draft: Path, lineage: Lineage) -> None:
    """Run the revisions that the draft lacks. Unsynced: a draft is worth nothing before its end."""
    # Alembic takes 0.4 s to import, which a start with nothing to migrate need not wait for.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", lineage.scripts)
    config.set_main_option("path_separator", "os")
    engine = sa.create_engine(
        "sqlite+pysqlite://", creator=lambda: _open_draft(draft), poolclass=NullPool
    )
    sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    with explained(draft):
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, lineage.revisions[-1])
        with closing(_open_draft(draft)) as finished:
            finished.execute("PRAGMA journal_mode = WAL")
    _sync(draft)


def _open_draft(draft: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(draft, isolation_level=None)
    connection.execute("PRAGMA synchronous = OFF")
    return connection


def _examine(draft: Path) -> None:
    with explained(draft), closing(sqlite3.connect(draft)) as connection:
        faults = [
            str(row)
            for statement in ("PRAGMA integrity_check", "PRAGMA foreign_key_check")
            for row in connection.execute(statement)
            if row != ("ok",)
        ]
    if faults:
        raise Unusable(
            f"the copy {draft} was not sound after its migration ({faults[0]}); the registry was "
            "left as it is: restore a backup and migrate that"
        )


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
