"""Bring a history file of an older version up to date, on a copy."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import duckdb

from ciaas.ports import DiskFull
from ciaas.storage.history import schema
from ciaas.storage.history.refusal import SchemaTooNew, refusal_to_open


def migrate(path: Path, steps: Mapping[int, str] | None = None) -> int:
    """Migrate the file and return the version that an opening will find.

    A file that is absent, empty or current stays untouched.

    The steps run on a copy beside the file, which takes its place only when all have succeeded:
    whatever stops the migration, the old file is still whole. Nobody else may have it open.

    Args:
        path: The DuckDB file.
        steps: SQL by version; None means those of this package.

    Raises:
        SchemaTooNew: a newer version wrote the file.
        HistoryBusy: another process has it open.
        DiskFull: there is no room for the copy.
    """
    known = schema.steps() if steps is None else steps
    ours = max(known)
    if not path.exists():
        return ours
    version = _settle(path)
    if version is None:
        return ours
    if version > ours:
        raise SchemaTooNew(
            f"history {path} has schema {version}, this version knows {ours}: start the newer one"
        )
    if version == ours:
        return version
    copy = path.with_name(path.name + ".migrating")
    try:
        shutil.copyfile(path, copy)
        with _connect(copy) as connection:
            schema.advance(connection, known, version)
        _sync(copy)
        copy.replace(path)
        _sync(path.parent)
    except OSError as error:
        raise DiskFull(f"history {path} can't be copied to be migrated: {error}") from error
    finally:
        copy.unlink(missing_ok=True)
        copy.with_name(copy.name + ".wal").unlink(missing_ok=True)
    return ours


def _settle(path: Path) -> int | None:
    """Return the version, None for an empty file; closing writes the log back into the file."""
    with _connect(path) as connection:
        return schema.version_of(connection, path)


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    try:
        return duckdb.connect(str(path))
    except duckdb.Error as error:
        raise refusal_to_open(error, path) from error


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
