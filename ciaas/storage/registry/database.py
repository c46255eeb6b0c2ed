"""The registry's file: short reading transactions, serialised changes, and one version counter."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.pool import QueuePool

from ciaas.limits import REGISTRY_BUSY_S, REGISTRY_READERS_MAX, REGISTRY_WAL_BYTES_MAX
from ciaas.ports import Conflict
from ciaas.storage.registry import schema
from ciaas.storage.registry.errors import QuotaReached, Unavailable, explained

Bound: TypeAlias = Callable[[sa.Connection, int, str], int | None]
"""Returns how much a project may have of something, None for as much as it likes."""


class Change:
    """One transaction that writes. Leaving it without `stamp` means that nothing changed."""

    def __init__(self, connection: sa.Connection, bound: Bound | None = None) -> None:
        self.connection = connection
        self._bound = bound
        self.version: int | None = None

    def stamp(self) -> int:
        """Return the version that this transaction's rows carry, raising the counter once."""
        if self.version is None:
            counter = schema.state.c.version
            self.connection.execute(schema.state.update().values(version=counter + 1))
            self.version = self.connection.execute(sa.select(counter)).scalar_one()
        return self.version

    def insert(self, table: sa.Table[Any], values: Mapping[str, Any]) -> int:
        """Insert one stamped row of a table with numbers; returns the row's number."""
        row = table.insert().values(**values, version=self.stamp())
        key = self.connection.execute(row).inserted_primary_key
        assert key is not None
        return int(key[0])

    def check_room(self, rows: sa.Select[int], room: int, message: str) -> None:
        """Raise Conflict with this message when a count already fills its room."""
        if self.connection.execute(rows).scalar_one() >= room:
            raise Conflict(message)

    def check_quota(self, project: int, quota: str, rows: sa.Select[int], more: int) -> None:
        """Raise QuotaReached when a project would have more than its quota allows.

        What is there is counted only where there is a quota.
        """
        bound = self._bound(self.connection, project, quota) if self._bound else None
        if bound is not None:
            used = self.connection.execute(rows).scalar_one() + more
            if used > bound:
                raise QuotaReached(quota, bound, used)


class Database:
    """Connections to one SQLite file in WAL mode; every method may be called from any thread.

    Readers never wait for a writer nor the other way round. A change is durable when its block is
    left: the log is synced at each commit. Readers are short, since an open reading transaction
    keeps the log from being cut back.
    """

    def __init__(self, path: Path, *, read_only: bool) -> None:
        self.path = path
        self._readers = _engine(path, REGISTRY_READERS_MAX, "BEGIN", query_only=True)
        self._writer = None if read_only else _engine(path, 1, "BEGIN IMMEDIATE", query_only=False)
        self.writes = not read_only
        """True in the one process that changes the file."""
        self._turn = threading.Lock()
        self._listeners: list[Callable[[int], None]] = []
        self.bound: Bound | None = None
        """Of projects; set by who keeps the quotas."""

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """Give one consistent picture for the length of the block."""
        with explained(self.path), self._readers.begin() as connection:
            yield connection

    @contextmanager
    def change(self) -> Iterator[Change]:
        """Give the only writing transaction; it is undone when the block raises.

        Raises:
            Unavailable: the file is open for reading only, another change took too long, or the
                disk is full; nothing was changed.
        """
        if self._writer is None:
            raise Unavailable(f"{self.path} is open for reading only: ask the core role to change")
        if not self._turn.acquire(timeout=REGISTRY_BUSY_S):
            raise Unavailable(f"another change of {self.path} took too long; try again")
        try:
            with explained(self.path), self._writer.begin() as connection:
                change = Change(connection, self.bound)
                yield change
        finally:
            self._turn.release()
        if change.version is not None:
            for listener in self._listeners:
                listener(change.version)

    def on_change(self, listener: Callable[[int], None]) -> None:
        """Have each new version announced after its commit, by the thread that changed.

        Two threads may announce out of order. A listener that raises does so in the face of a
        caller whose change is already durable, so it should not.
        """
        self._listeners.append(listener)

    def version(self) -> int:
        """Return the number of the last change."""
        with self.read() as connection:
            return connection.execute(sa.select(schema.state.c.version)).scalar_one()

    def close(self) -> None:
        """Close all connections; the last process to do so empties the log into the file."""
        self._readers.dispose()
        if self._writer is not None:
            self._writer.dispose()


def connect(path: Path, *, query_only: bool) -> sqlite3.Connection:
    """Open an existing file with the settings that every connection to a registry has.

    SQLAlchemy begins the transactions: the driver would begin none before a SELECT, and a deferred
    one before a change, which fails instead of waiting when another process writes in between.
    """
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw",
        uri=True,
        timeout=REGISTRY_BUSY_S,
        isolation_level=None,
        check_same_thread=False,
    )
    for setting in (
        "synchronous = FULL",
        "foreign_keys = ON",
        f"journal_size_limit = {REGISTRY_WAL_BYTES_MAX}",
        f"query_only = {query_only}",
    ):
        connection.execute(f"PRAGMA {setting}")
    if not query_only:
        connection.execute("PRAGMA journal_mode = WAL")
    return connection


def _engine(path: Path, connections: int, begin: str, *, query_only: bool) -> sa.Engine:
    engine = sa.create_engine(
        "sqlite+pysqlite://",
        creator=lambda: connect(path, query_only=query_only),
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_timeout=REGISTRY_BUSY_S,
    )

    @sa.event.listens_for(engine, "begin")
    def _(connection: sa.Connection) -> None:
        connection.exec_driver_sql(begin)

    return engine
