"""`security.encryption.named.ports.NamedKeyStore` in the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ciaas.ports import Conflict, Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.keys.tables import key_version, named_key
from ciaas.storage.registry.resources.projects import check_project
from security.encryption.named.ports import KeyVersion, Make, NamedKey, Use
from security.limits import KEY_VERSIONS_MAX, KEYS_PER_PROJECT_MAX


class NamedKeys:
    """Named keys over one open registry; any thread may call."""

    def __init__(self, database: Database, per_project_max: int = KEYS_PER_PROJECT_MAX) -> None:
        self._database, self._per_project_max = database, per_project_max

    def add(self, project: int, name: str, use: Use, user: int, at: int, make: Make) -> NamedKey:
        """Add a key with its first version.

        Raises:
            Missing: the project is unknown.
            Conflict: the name is taken, or the project has KEYS_PER_PROJECT_MAX keys.
        """
        count = sa.select(sa.func.count()).select_from(named_key)
        with self._database.change() as change:
            check_project(change.connection, project)
            own = count.where(named_key.c.project == project)
            change.check_room(
                own.where(named_key.c.name == name),
                1,
                f"the project has a key {name!r} already; rotate it, or take another name",
            )
            change.check_room(
                own,
                self._per_project_max,
                f"the project has {self._per_project_max:,} keys already; use one of them",
            )
            row = named_key.insert().values(
                project=project,
                name=name,
                use=use.value,
                disabled=False,
                account=user,
                created_at=at,
            )
            inserted = change.connection.execute(row).inserted_primary_key
            assert inserted is not None
            key = int(inserted[0])
            _add_version(change, key, 1, at, make)
            return _one(change.connection, key)

    def add_version(self, key: int, at: int, make: Make) -> NamedKey:
        """Add a version.

        Raises:
            Missing: there is no such key.
            Conflict: it has KEY_VERSIONS_MAX versions.
        """
        with self._database.change() as change:
            found = _one(change.connection, key)
            if len(found.versions) >= KEY_VERSIONS_MAX:
                raise Conflict(
                    f"the key {found.name!r} has {KEY_VERSIONS_MAX} versions already; make another"
                )
            _add_version(change, key, found.current.number + 1, at, make)
            return _one(change.connection, key)

    def disable(self, key: int, disabled: bool) -> NamedKey:
        """Have a key refuse every use, or serve again; raises Missing."""
        with self._database.change() as change:
            values = sa.update(named_key).where(named_key.c.id == key).values(disabled=disabled)
            change.connection.execute(values)
            return _one(change.connection, key)

    def named(self, name: str) -> Sequence[NamedKey]:
        """Return the keys of that name, of all projects, the oldest first."""
        with self._database.read() as connection:
            return _all(connection, named_key.c.name == name, (named_key.c.id,))

    def keys(self, projects: Sequence[int]) -> Sequence[NamedKey]:
        """Return all keys of some projects, ordered by project and name."""
        order = (named_key.c.project, named_key.c.name)
        with self._database.read() as connection:
            return _all(connection, named_key.c.project.in_(projects), order)


def _add_version(change: Change, key: int, number: int, at: int, make: Make) -> None:
    secret = make(f"{key}:{number}")
    change.connection.execute(
        key_version.insert().values(
            key=key, number=number, made_at=at, sealed=secret.sealed, public=secret.public
        )
    )


def _one(connection: sa.Connection, key: int) -> NamedKey:
    found = _all(connection, named_key.c.id == key, ())
    if not found:
        raise Missing(f"there is no key {key}")
    return found[0]


def _all(
    connection: sa.Connection,
    which: sa.ColumnElement[bool],
    order: tuple[sa.ColumnElement[Any], ...],
) -> list[NamedKey]:
    rows = connection.execute(
        sa.select(
            named_key.c.id,
            named_key.c.project,
            named_key.c.name,
            named_key.c.use,
            named_key.c.disabled,
            named_key.c.created_at,
        )
        .where(which)
        .order_by(*order)
    ).all()
    versions: dict[int, list[KeyVersion]] = {}
    columns = (
        key_version.c.key,
        key_version.c.number,
        key_version.c.made_at,
        key_version.c.sealed,
        key_version.c.public,
    )
    theirs = (
        sa.select(*columns)
        .join(named_key, named_key.c.id == key_version.c.key)
        .where(which)
        .order_by(key_version.c.number)
    )
    for key, number, made_at, sealed, public in connection.execute(theirs).all():
        versions.setdefault(key, []).append(KeyVersion(number, made_at, sealed, public))
    return [
        NamedKey(id_, project, name, Use(use), disabled, created_at, tuple(versions[id_]))
        for id_, project, name, use, disabled, created_at in rows
    ]
