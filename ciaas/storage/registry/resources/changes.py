"""What changed after a version."""

from __future__ import annotations

import sqlalchemy as sa

from ciaas.ports import Changes
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.document import decode
from ciaas.storage.registry.resources.connections import CONNECTIONS, to_connection
from ciaas.storage.registry.resources.declaration import POINTS, to_point
from ciaas.storage.registry.resources.endpoints import ENDPOINTS, to_endpoint
from ciaas.storage.registry.schema import connection, endpoint, overlay, point, state


class ChangeLog:
    """The part of `RegistryStore` that other processes follow."""

    _database: Database

    def version(self) -> int:
        """Return the number of the last change."""
        return self._database.version()

    def changes(self, after: int) -> Changes:
        """Return everything changed after that version; ``after=0`` loads the whole registry.

        Deleted endpoints and connections and removed points are in it, marked as such, so that
        applying the answers one after another gives the same picture as loading the whole.
        """
        with self._database.read() as reader:
            version = reader.execute(sa.select(state.c.version)).scalar_one()
            endpoints = reader.execute(ENDPOINTS.where(endpoint.c.version > after)).all()
            points = reader.execute(POINTS.where(point.c.version > after)).all()
            overlays = reader.execute(
                sa.select(overlay.c.scope, overlay.c.document).where(overlay.c.version > after)
            ).all()
            connections = reader.execute(CONNECTIONS.where(connection.c.version > after)).all()
        return Changes(
            version,
            [to_endpoint(row) for row in endpoints],
            [to_point(row) for row in points],
            {scope: decode(document) for scope, document in overlays},
            [to_connection(row) for row in connections],
        )
