"""Connections of adapters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from ciaas.limits import CONNECTION_BYTES_MAX, CONNECTION_NAME_CHARS_MAX, CONNECTIONS_MAX
from ciaas.ports import Conflict, Connection, Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import check_text, decode, encode
from ciaas.storage.registry.resources.projects import check_project
from ciaas.storage.registry.schema import connection as table

CONNECTIONS = sa.select(
    table.c.name,
    table.c.project,
    table.c.adapter,
    table.c.document,
    table.c.revision,
    table.c.enabled,
    table.c.deleted,
).order_by(table.c.name)
"""The columns of a `Connection`."""

ConnectionRow: TypeAlias = sa.Row[str, int, str, str, int, bool, bool]


class Connections:
    """The part of `RegistryStore` about links of adapters."""

    _database: Database

    def put_connection(
        self, name: str, project: int, adapter: str, document: Mapping[str, Any], enabled: bool
    ) -> Connection:
        """Create or replace; the same document again changes nothing, not even the revision.

        Raises:
            Missing: the project is unknown.
            Conflict: another project's connection has this name, or a bound is reached.
        """
        check_text(name, CONNECTION_NAME_CHARS_MAX, "the name of the connection")
        check_text(adapter, CONNECTION_NAME_CHARS_MAX, "the name of the adapter")
        text = encode(document, CONNECTION_BYTES_MAX, f"the document of connection {name}")
        with self._database.change() as change:
            check_project(change.connection, project)
            row = change.connection.execute(CONNECTIONS.filter_by(name=name)).one_or_none()
            if row is None:
                _insert(change, name, project, adapter, text, enabled)
            else:
                _replace(change, row, project, adapter, text, enabled)
            return to_connection(change.connection.execute(CONNECTIONS.filter_by(name=name)).one())

    def connections(self) -> Sequence[Connection]:
        """Return every connection, ordered by name; deleted ones never."""
        with self._database.read() as reader:
            rows = reader.execute(CONNECTIONS.where(table.c.deleted.is_(False)))
            return [to_connection(row) for row in rows]

    def delete_connection(self, name: str) -> None:
        """Raises Missing when it is unknown or already deleted."""
        with self._database.change() as change:
            present = table.c.name == name, table.c.deleted.is_(False)
            if change.connection.execute(sa.select(table.c.name).where(*present)).first() is None:
                raise Missing(f"there is no connection {name!r}")
            change.connection.execute(
                table.update().where(*present).values(deleted=True, version=change.stamp())
            )


def to_connection(row: ConnectionRow) -> Connection:
    """Return the connection of a row of `CONNECTIONS`."""
    name, project, adapter, document, revision, enabled, deleted = row
    return Connection(name, project, adapter, decode(document), revision, enabled, deleted)


def _insert(
    change: Change, name: str, project: int, adapter: str, text: str, enabled: bool
) -> None:
    change.check_room(
        sa.select(sa.func.count()).select_from(table),
        CONNECTIONS_MAX,
        f"there are {CONNECTIONS_MAX:,} names of connections already: reuse one",
    )
    change.connection.execute(
        table.insert().values(
            name=name,
            project=project,
            adapter=adapter,
            document=text,
            revision=1,
            enabled=enabled,
            deleted=False,
            version=change.stamp(),
        )
    )


def _replace(
    change: Change, row: ConnectionRow, project: int, adapter: str, text: str, enabled: bool
) -> None:
    if not row.deleted and row.project != project:
        raise Conflict(f"another project has a connection {row.name!r}: choose another name")
    new_document = row.deleted or (row.adapter, row.document) != (adapter, text)
    if new_document or row.enabled != enabled:
        change.connection.execute(
            table.update()
            .filter_by(name=row.name)
            .values(
                project=project,
                adapter=adapter,
                document=text,
                revision=row.revision + new_document,
                enabled=enabled,
                deleted=False,
                version=change.stamp(),
            )
        )
