"""Data subjects in the registry: who they are and whether their data was erased, without keys."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from ciaas.storage.registry.database import Database
from ciaas.storage.registry.keys.tables import data_subject as table
from ciaas.storage.registry.resources.projects import check_project
from security.limits import DATA_SUBJECTS_MAX


@dataclass(frozen=True, slots=True)
class DataSubject:
    """A person, household or other whose values are encrypted under a key of their own."""

    id: str
    """32 hexadecimal digits; names the key."""
    project: int
    name: str
    """As the overlay's key ``confidential`` says it."""
    created_at: int
    """Milliseconds since 1970 UTC."""
    erased_at: int | None


_ALL = sa.select(
    table.c.uuid, table.c.project, table.c.name, table.c.created_at, table.c.erased_at
).order_by(table.c.project, table.c.name)


class DataSubjects:
    """Data subjects over one open registry; any thread may call."""

    def __init__(self, database: Database, subjects_max: int = DATA_SUBJECTS_MAX) -> None:
        self._database, self._max = database, subjects_max

    def ensure(self, project: int, name: str, at: int) -> DataSubject:
        """Return the data subject of a name, made when there is none.

        Raises:
            Missing: the project is unknown.
            Conflict: there are DATA_SUBJECTS_MAX already.
        """
        own = _ALL.where(table.c.project == project, table.c.name == name)
        with self._database.change() as change:
            if (row := change.connection.execute(own).one_or_none()) is not None:
                return DataSubject(*row)
            check_project(change.connection, project)
            change.check_room(
                sa.select(sa.func.count()).select_from(table),
                self._max,
                f"there are {self._max:,} data subjects already",
            )
            change.connection.execute(
                table.insert().values(
                    uuid=uuid.uuid4().hex,
                    project=project,
                    name=name,
                    created_at=at,
                    erased_at=None,
                )
            )
            return DataSubject(*change.connection.execute(own).one())

    def all(self) -> Sequence[DataSubject]:
        """Return every data subject, by project and name."""
        with self._database.read() as connection:
            return [DataSubject(*row) for row in connection.execute(_ALL).all()]

    def erase(self, id_: str, at: int) -> None:
        """Note that a data subject's key is destroyed; an earlier note stays."""
        first = (table.c.uuid == id_) & table.c.erased_at.is_(None)
        with self._database.change() as change:
            change.connection.execute(sa.update(table).where(first).values(erased_at=at))
