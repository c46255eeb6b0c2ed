"""The tables of the history file and their version."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from string import Template

import duckdb

from ciaas.storage.history.refusal import NoHistory, SchemaTooNew, SchemaTooOld

CREATE_SAMPLES = Template(
    """CREATE TABLE sample_$number (
        point_id UINTEGER, observed_at TIMESTAMP_MS, received_at TIMESTAMP_MS, kind UTINYINT,
        num DOUBLE, txt VARCHAR, verdict UTINYINT, reason USMALLINT, raw VARCHAR, source UINTEGER,
        revision USMALLINT, commit_no UBIGINT)"""
)
"""One table per segment: dropping it gives the space back, which deleting its rows would not.
The number in its name is the column ``segment`` of the logical table ``sample``."""


def steps() -> Mapping[int, str]:
    """Return the SQL that leads to each version from the one before."""
    folder = resources.files("ciaas.storage.history") / "migrations"
    return {
        int(file.name.partition("_")[0]): file.read_text(encoding="utf-8")
        for file in folder.iterdir()
        if file.name.endswith(".sql")
    }


def version_of(connection: duckdb.DuckDBPyConnection, path: Path | None) -> int | None:
    """Return the version of an open file, None for one without a table.

    Raises:
        NoHistory: it holds tables, but not ours.
    """
    tables = {
        name for (name,) in connection.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    }
    if not tables:
        return None
    if "schema_version" not in tables:
        raise NoHistory(f"{path} is a DuckDB file, but no history; name another one")
    (version,) = connection.execute("SELECT max(version) FROM schema_version").fetchall()[0]
    return int(version)


def advance(connection: duckdb.DuckDBPyConnection, steps: Mapping[int, str], version: int) -> None:
    """Apply every step above ``version``, in one transaction."""
    connection.execute("BEGIN")
    connection.execute("CREATE TABLE IF NOT EXISTS schema_version (version UINTEGER)")
    for number in sorted(steps):
        if number > version:
            connection.execute(steps[number])
            connection.execute("INSERT INTO schema_version VALUES (?)", [number])
    connection.execute("COMMIT")


def require_current(connection: duckdb.DuckDBPyConnection, path: Path | None) -> None:
    """Make the tables of an empty file, and refuse another version's.

    Raises:
        SchemaTooOld, SchemaTooNew, NoHistory: as their names say.
    """
    known = steps()
    ours = max(known)
    version = version_of(connection, path)
    if version is None:
        advance(connection, known, 0)
    elif version < ours:
        raise SchemaTooOld(
            f"history {path} has schema {version}, this version needs {ours}: `borough up` "
            "migrates it"
        )
    elif version > ours:
        raise SchemaTooNew(
            f"history {path} has schema {version}, this version knows {ours}: start the newer "
            "version, or restore a backup taken before the upgrade"
        )
