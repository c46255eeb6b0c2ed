"""Projects."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ciaas.limits import PROJECT_NAME_CHARS_MAX, PROJECTS_MAX
from ciaas.ports import Conflict, Missing, Project
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.document import check_text
from ciaas.storage.registry.schema import project


class Projects:
    """The part of `RegistryStore` about tenants."""

    _database: Database

    def create_project(self, name: str) -> Project:
        """Raises Conflict when the name is taken."""
        check_text(name, PROJECT_NAME_CHARS_MAX, "the name of the project")
        with self._database.change() as change:
            if change.connection.execute(sa.select(project.c.id).filter_by(name=name)).first():
                raise Conflict(f"a project named {name!r} exists already: choose another name")
            change.check_room(
                sa.select(sa.func.count()).select_from(project),
                PROJECTS_MAX,
                f"there are {PROJECTS_MAX:,} projects already: use one of them",
            )
            return Project(change.insert(project, {"name": name}), name)

    def projects(self) -> Sequence[Project]:
        """Return every project, oldest first."""
        rows = sa.select(project.c.id, project.c.name).order_by(project.c.id)
        with self._database.read() as connection:
            return [Project(number, name) for number, name in connection.execute(rows)]


def check_project(connection: sa.Connection, number: int) -> None:
    """Raise Missing when there is no such project."""
    if connection.execute(sa.select(project.c.id).filter_by(id=number)).first() is None:
        raise Missing(f"there is no project {number}: create it first")
