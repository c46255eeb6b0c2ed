"""Changes of endpoints, points and overlays in the order in which they were made, in pages."""

from __future__ import annotations

from collections.abc import Sequence
from heapq import merge
from itertools import islice
from operator import attrgetter
from typing import cast

import sqlalchemy as sa

from ciaas.management.directory.ports import Entry, EntryKind, Overlay, Position
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.document import decode
from ciaas.storage.registry.resources.declaration import POINTS, PointRow, to_point
from ciaas.storage.registry.resources.endpoints import ENDPOINTS, EndpointRow, to_endpoint
from ciaas.storage.registry.schema import endpoint, overlay, point

_OVERLAY_ROW: sa.ColumnElement[int] = sa.literal_column("rowid", sa.Integer)
"""Number of an overlay: its scope is a name, which a position shall not tell."""


class Journal:
    """`ChangeLog` over the registry's own tables."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def version(self) -> int:
        """Return the number of the last change."""
        return self._database.version()

    def after(self, position: Position, limit: int) -> Sequence[Entry]:
        """Return the next entries behind a position in order."""
        endpoints = _behind(
            position, EntryKind.ENDPOINT, endpoint.c.version, endpoint.c.id, limit
        ).add_columns(endpoint.c.born, *ENDPOINTS.selected_columns)
        points = _behind(position, EntryKind.POINT, point.c.version, point.c.id, limit).add_columns(
            point.c.born, *POINTS.selected_columns
        )
        overlays = _behind(
            position, EntryKind.OVERLAY, overlay.c.version, _OVERLAY_ROW, limit
        ).add_columns(overlay.c.scope, overlay.c.document)
        with self._database.read() as reader:
            found = [
                [
                    Entry(
                        Position(version, EntryKind.ENDPOINT, row),
                        born,
                        to_endpoint(cast(EndpointRow, rest)),
                    )
                    for version, row, born, *rest in reader.execute(endpoints)
                ],
                [
                    Entry(
                        Position(version, EntryKind.POINT, row),
                        born,
                        to_point(cast(PointRow, rest)),
                    )
                    for version, row, born, *rest in reader.execute(points)
                ],
                [
                    Entry(
                        Position(version, EntryKind.OVERLAY, row), 0, Overlay(scope, decode(text))
                    )
                    for version, row, scope, text in reader.execute(overlays)
                ],
            ]
        return list(islice(merge(*found, key=attrgetter("position")), limit))


def _behind(
    position: Position,
    kind: EntryKind,
    version: sa.ColumnElement[int],
    row: sa.ColumnElement[int],
    limit: int,
) -> sa.Select[int, int]:
    """Return the numbers of one table's rows behind a position, the oldest changes first."""
    last = position.row if position.kind == kind else (0 if position.kind < kind else None)
    behind: sa.ColumnElement[bool] = version > position.version
    if last is not None:
        behind = sa.or_(behind, sa.and_(version == position.version, row > last))
    return sa.select(version, row).where(behind).order_by(version, row).limit(limit)
