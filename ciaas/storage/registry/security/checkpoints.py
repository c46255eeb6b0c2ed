"""The newest checkpoints of the record."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ciaas.limits import CHECKPOINTS_KEPT
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.security.tables import checkpoint as table
from security.ports import Checkpoint

_ROWS = sa.select(table.c.size, table.c.head, table.c.at, table.c.signature)


class Checkpoints:
    """`security.ports.CheckpointStore` in the registry; they change nothing of its version."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_checkpoint(self, checkpoint: Checkpoint) -> None:
        """Keep it, durably; the oldest beyond CHECKPOINTS_KEPT go."""
        row = {
            "size": checkpoint.size,
            "head": checkpoint.head,
            "at": checkpoint.at,
            "signature": checkpoint.signature,
        }
        newest = sa.select(table.c.size).order_by(table.c.size.desc()).limit(CHECKPOINTS_KEPT)
        with self._database.change() as change:
            change.connection.execute(table.delete().filter_by(size=checkpoint.size))
            change.connection.execute(table.insert().values(**row))
            change.connection.execute(table.delete().where(table.c.size.not_in(newest)))

    def checkpoints(self) -> Sequence[Checkpoint]:
        """Return those kept, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_ROWS.order_by(table.c.size)).all()
        return [Checkpoint(*row) for row in rows]
