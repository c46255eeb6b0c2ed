"""`security.aaa.people_ports.QuotaStore` in the registry, and what projects have there."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import sqlalchemy as sa

from ciaas.storage.registry.database import Database
from ciaas.storage.registry.people.tables import quota as table
from ciaas.storage.registry.people.tables import stored
from ciaas.storage.registry.schema import endpoint, point, project

_COMMIT = 0
"""In the place of a project: whose number begins at 1."""


class Quotas:
    """Quotas over one open registry; any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database
        database.bound = self._bound
        self.defaults: Callable[[str], Mapping[str, int]] = lambda project: {}
        """Returns the quotas of a project, by its name, for which nothing else was set."""

    def quotas(self) -> Mapping[int, Mapping[str, int]]:
        """Return by project the quotas that differ from the defaults."""
        found: dict[int, dict[str, int]] = {}
        with self._database.read() as connection:
            for row in connection.execute(sa.select(table.c.project, table.c.quota, table.c.bound)):
                found.setdefault(row.project, {})[row.quota] = row.bound
        return found

    def put_quota(self, project: int, quota: str, bound: int | None) -> None:
        """Set one; None returns to the default."""
        with self._database.change() as change:
            change.connection.execute(table.delete().filter_by(project=project, quota=quota))
            if bound is not None:
                row = {"project": project, "quota": quota, "bound": bound}
                change.connection.execute(table.insert().values(**row))

    def stored(self) -> tuple[int, Mapping[int, int]]:
        """Return the last commit that is counted, and each project's bytes up to it."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(stored.c.project, stored.c.amount))
            found = {project: amount for project, amount in rows}
        return found.pop(_COMMIT, 0), found

    def put_stored(self, commit: int, amounts: Mapping[int, int]) -> None:
        """Keep all projects' bytes up to a commit, in one transaction."""
        rows = [{"project": _COMMIT, "amount": commit}]
        rows += [{"project": project, "amount": amount} for project, amount in amounts.items()]
        with self._database.change() as change:
            change.connection.execute(stored.delete())
            change.connection.execute(stored.insert(), rows)

    def _bound(self, connection: sa.Connection, number: int, quota: str) -> int | None:
        own = sa.select(table.c.bound).filter_by(project=number, quota=quota)
        found = connection.execute(own).scalar_one_or_none()
        if found is None:
            name = connection.execute(sa.select(project.c.name).filter_by(id=number)).scalar_one()
            found = self.defaults(name).get(quota)
        return found

    def counts(self) -> Mapping[int, tuple[int, int]]:
        """Return how many endpoints and points each project has."""
        living = endpoint.c.deleted_at.is_(None)
        things = sa.select(endpoint.c.project, sa.func.count()).where(living)
        values = (
            sa.select(endpoint.c.project, sa.func.count())
            .select_from(point.join(endpoint, point.c.endpoint == endpoint.c.id))
            .where(living, point.c.removed.is_(False))
        )
        with self._database.read() as connection:
            endpoints = dict(connection.execute(things.group_by(endpoint.c.project)).all())
            points = dict(connection.execute(values.group_by(endpoint.c.project)).all())
        return {project: (n, points.get(project, 0)) for project, n in endpoints.items()}
