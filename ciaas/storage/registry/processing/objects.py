"""`ciaas.storage.objects.ObjectKeys` in the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import sqlalchemy as sa

from ciaas.limits import OBJECT_KEY_CHARS_MAX, OBJECTS_PER_PROJECT_MAX
from ciaas.ports import Conflict
from ciaas.storage.objects.ports import (
    ALWAYS,
    Condition,
    ObjectEntry,
    PreconditionFailed,
    QuotaExceeded,
)
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.document import check_text
from ciaas.storage.registry.processing.tables import object_key as table
from ciaas.storage.registry.resources.projects import check_project

_ENTRIES = sa.select(
    table.c.project,
    table.c.key,
    table.c.digest,
    table.c.bytes,
    table.c.media_type,
    table.c.changed_at,
    table.c.account,
)
_Entries: TypeAlias = sa.Select[int, str, str, int, str, int, int]


class Objects:
    """Keys of all buckets over one open registry; any thread may call."""

    def __init__(self, database: Database, keys_max: int = OBJECTS_PER_PROJECT_MAX) -> None:
        self._database = database
        self._keys_max = keys_max

    def put(
        self, entry: ObjectEntry, *, quota: int, condition: Condition = ALWAYS
    ) -> ObjectEntry | None:
        """Create or replace a key; returns what it held before, None when it was new.

        Raises:
            PreconditionFailed: the condition does not hold.
            QuotaExceeded: nothing was changed.
            Missing: the project is unknown.
            Conflict: the project has too many keys, or the key is no text that can be kept.
        """
        check_text(entry.key, OBJECT_KEY_CHARS_MAX, "the key of the object")
        with self._database.change() as change:
            connection = change.connection
            check_project(connection, entry.project)
            before = _entry(connection, _of(entry.project, entry.key))
            _check(entry.key, before, condition)
            keys, used = _used(connection, entry.project)
            if before is None and keys >= self._keys_max:
                raise Conflict(
                    f"the project has {self._keys_max:,} objects already: remove some first"
                )
            would = used + entry.bytes - (0 if before is None else before.bytes)
            if would > quota:
                raise QuotaExceeded(
                    f"the project's objects would take {would:,} bytes of {quota:,}: remove some, "
                    "or ask an administrator for more room"
                )
            if before is not None:
                connection.execute(table.delete().where(*_where(entry.project, entry.key)))
            connection.execute(
                table.insert().values(
                    project=entry.project,
                    key=entry.key,
                    digest=entry.digest,
                    bytes=entry.bytes,
                    media_type=entry.media_type,
                    changed_at=entry.changed_at,
                    account=entry.changed_by,
                )
            )
        return before

    def get(self, project: int, key: str) -> ObjectEntry | None:
        """Return what a key holds, None when there is no such key."""
        with self._database.read() as connection:
            return _entry(connection, _of(project, key))

    def remove(self, project: int, key: str, condition: Condition = ALWAYS) -> ObjectEntry | None:
        """Remove a key; returns what it held, None when there was none.

        Raises:
            PreconditionFailed: the condition does not hold.
        """
        with self._database.change() as change:
            before = _entry(change.connection, _of(project, key))
            _check(key, before, condition)
            if before is not None:
                change.connection.execute(table.delete().where(*_where(project, key)))
        return before

    def listed(self, project: int, prefix: str, after: str, limit: int) -> Sequence[ObjectEntry]:
        """Return entries by key: those with the prefix, above ``after``."""
        chosen = _ENTRIES.where(
            table.c.project == project,
            table.c.key.startswith(prefix, autoescape=True),
            table.c.key > after,
        )
        with self._database.read() as connection:
            rows = connection.execute(chosen.order_by(table.c.key).limit(limit)).all()
        return [ObjectEntry(*row) for row in rows]

    def used(self, project: int) -> tuple[int, int]:
        """Return how many keys a project has, and how many bytes they hold together."""
        with self._database.read() as connection:
            return _used(connection, project)

    def usage(self) -> Mapping[int, tuple[int, int]]:
        """Return keys and bytes as `used`, by project; without those that have none."""
        figures = sa.select(table.c.project, sa.func.count(), sa.func.sum(table.c.bytes))
        with self._database.read() as connection:
            rows = connection.execute(figures.group_by(table.c.project)).all()
        return {project: (int(keys), int(used)) for project, keys, used in rows}

    def holds(self, digest: str) -> bool:
        """Tell whether any key of any project holds this content."""
        with self._database.read() as connection:
            found = connection.execute(sa.select(table.c.id).filter_by(digest=digest).limit(1))
            return found.first() is not None


def _of(project: int, key: str) -> _Entries:
    return _ENTRIES.where(*_where(project, key))


def _where(project: int, key: str) -> tuple[sa.ColumnElement[bool], sa.ColumnElement[bool]]:
    return table.c.project == project, table.c.key == key


def _entry(connection: sa.Connection, chosen: _Entries) -> ObjectEntry | None:
    row = connection.execute(chosen).one_or_none()
    return None if row is None else ObjectEntry(*row)


def _check(key: str, before: ObjectEntry | None, condition: Condition) -> None:
    if not condition.holds(None if before is None else before.digest):
        there = "there is none" if before is None else f"it holds {before.digest}"
        raise PreconditionFailed(
            f"the object {key!r} is not what the request supposes: {there}; fetch it anew"
        )


def _used(connection: sa.Connection, project: int) -> tuple[int, int]:
    figures = sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(table.c.bytes), 0))
    keys, used = connection.execute(figures.where(table.c.project == project)).one()
    return int(keys), int(used)
