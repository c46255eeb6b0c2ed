"""Selections and endpoint groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa

from ciaas.limits import (
    ENDPOINT_GROUPS_PER_PROJECT_MAX,
    ENDPOINTS_PER_GROUP_MAX,
    SELECTION_FILTER_BYTES_MAX,
    SELECTION_REVISIONS_MAX,
    SELECTIONS_PER_PROJECT_MAX,
    SET_NAME_CHARS_MAX,
)
from ciaas.management.sets.ports import (
    EndpointGroup,
    EndpointMember,
    SavedSelection,
    SelectionRevision,
    SetChanges,
)
from ciaas.ports import Clock, Conflict, Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import check_text, encode
from ciaas.storage.registry.resources.projects import check_project
from ciaas.storage.registry.schema import endpoint, state
from ciaas.storage.registry.security.permits import end_permits
from ciaas.storage.registry.security.tables import endpoint_group as groups
from ciaas.storage.registry.security.tables import endpoint_member as members
from ciaas.storage.registry.security.tables import selection as table
from ciaas.storage.registry.security.tables import selection_revision as revisions
from security.aaa.extents import SetExtent, SetKind

_SELECTIONS = (
    sa.select(table.c.id, table.c.project, table.c.name, table.c.revision, revisions.c.filter)
    .join_from(
        table,
        revisions,
        sa.and_(revisions.c.selection == table.c.id, revisions.c.number == table.c.revision),
    )
    .where(table.c.name.is_not(None))
    .order_by(table.c.id)
)
_GROUPS = (
    sa.select(groups.c.id, groups.c.project, groups.c.name)
    .where(groups.c.name.is_not(None))
    .order_by(groups.c.id)
)
_SelectionRow: TypeAlias = sa.Row[int, int, str | None, int, str]


class Sets:
    """`ciaas.management.sets.ports.SetStore` in the registry."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock

    # -- selections

    def put_selection(
        self, project: int, name: str, filter: Mapping[str, Any], author: int, revision: int | None
    ) -> SavedSelection:
        """Create or change; the same filter again changes nothing.

        Raises:
            Missing: the project is unknown.
            Conflict: ``revision`` is given and another one is there, or a bound is reached.
        """
        check_text(name, SET_NAME_CHARS_MAX, "the name of the selection")
        text = encode(filter, SELECTION_FILTER_BYTES_MAX, "the filter")
        with self._database.change() as change:
            check_project(change.connection, project)
            known = _named(change.connection, project, name)
            if revision is not None and revision != (known.revision if known else 0):
                raise Conflict(
                    f"the selection has revision {known.revision if known else 0} now: read it, "
                    "and put your change on top of it"
                )
            if known is not None and known.filter == filter:
                return known
            if known is None:
                of_project = (
                    sa.select(sa.func.count()).select_from(table).filter_by(project=project)
                )
                change.check_room(
                    of_project.where(table.c.name.is_not(None)),
                    SELECTIONS_PER_PROJECT_MAX,
                    f"the project has {SELECTIONS_PER_PROJECT_MAX:,} selections: remove one first",
                )
                row = {"project": project, "name": name, "revision": 1}
                number, at = change.insert(table, row), 1
            else:
                number, at = known.id, known.revision + 1
                change.connection.execute(
                    table.update().filter_by(id=number).values(revision=at, version=change.stamp())
                )
            change.connection.execute(
                revisions.insert().values(
                    selection=number, number=at, filter=text, author=author,
                    at=self._clock.now_ms(),
                )
            )  # fmt: skip
            too_old = revisions.c.number <= at - SELECTION_REVISIONS_MAX
            change.connection.execute(
                revisions.delete().where(revisions.c.selection == number, too_old)
            )
            return SavedSelection(number, project, name, at, filter)

    def selections(self, project: int) -> Sequence[SavedSelection]:
        """Return those of a project, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_SELECTIONS.where(table.c.project == project))
            return [_to_selection(row) for row in rows]

    def selection(self, project: int, name: str) -> SavedSelection:
        """Raises Missing."""
        with self._database.read() as connection:
            found = _named(connection, project, name)
        if found is None:
            raise Missing(f"the project has no selection named {name!r}")
        return found

    def selection_names(self) -> Mapping[int, str]:
        """Return the names of all selections by their numbers."""
        rows = sa.select(table.c.id, table.c.name).where(table.c.name.is_not(None))
        with self._database.read() as connection:
            return {number: str(name) for number, name in connection.execute(rows)}

    def revisions(self, selection: int) -> Sequence[SelectionRevision]:
        """Return those that are kept, newest first."""
        rows = sa.select(
            revisions.c.number, revisions.c.filter, revisions.c.author, revisions.c.at
        ).where(revisions.c.selection == selection)
        with self._database.read() as connection:
            found = connection.execute(rows.order_by(revisions.c.number.desc())).all()
        return [
            SelectionRevision(number, msgspec.json.decode(text), author, at)
            for number, text, author, at in found
        ]

    def remove_selection(self, selection: int) -> None:
        """Remove it with every grant on it; raises Missing."""
        self._remove(table, SetKind.SELECTION, selection)

    # -- endpoint groups

    def add_endpoint_group(self, project: int, name: str) -> EndpointGroup:
        """Return the group of that name, made now unless it was there.

        Raises:
            Missing: the project is unknown.
            Conflict: the project has ENDPOINT_GROUPS_PER_PROJECT_MAX.
        """
        check_text(name, SET_NAME_CHARS_MAX, "the name of the endpoint group")
        with self._database.change() as change:
            check_project(change.connection, project)
            known = _group_named(change.connection, project, name)
            if known is not None:
                return known
            present = sa.select(sa.func.count()).where(groups.c.name.is_not(None))
            change.check_room(
                present.where(groups.c.project == project),
                ENDPOINT_GROUPS_PER_PROJECT_MAX,
                f"the project has {ENDPOINT_GROUPS_PER_PROJECT_MAX:,} endpoint groups: "
                "remove one first",
            )
            number = change.insert(groups, {"project": project, "name": name})
            return EndpointGroup(number, project, name)

    def endpoint_groups(self, project: int) -> Sequence[EndpointGroup]:
        """Return those of a project, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_GROUPS.where(groups.c.project == project)).all()
        return [EndpointGroup(number, of, str(name)) for number, of, name in rows]

    def endpoint_group(self, project: int, name: str) -> EndpointGroup:
        """Raises Missing."""
        with self._database.read() as connection:
            found = _group_named(connection, project, name)
        if found is None:
            raise Missing(f"the project has no endpoint group named {name!r}")
        return found

    def endpoint_group_names(self) -> Mapping[int, str]:
        """Return the names of all groups by their numbers."""
        with self._database.read() as connection:
            return {number: str(name) for number, _, name in connection.execute(_GROUPS)}

    def endpoints_of(self, group: int) -> Sequence[str]:
        """Return the UUIDs in order."""
        rows = sa.select(members.c.endpoint).filter_by(endpoint_group=group, removed=False)
        with self._database.read() as connection:
            return connection.execute(rows.order_by(members.c.endpoint)).scalars().all()

    def groups_of(self, endpoint: str) -> Sequence[EndpointGroup]:
        """Return the groups that an endpoint is in, oldest first."""
        present = sa.and_(members.c.endpoint == endpoint, members.c.removed.is_(False))
        rows = _GROUPS.join_from(groups, members, members.c.endpoint_group == groups.c.id)
        with self._database.read() as connection:
            found = connection.execute(rows.where(present)).all()
        return [EndpointGroup(number, of, str(name)) for number, of, name in found]

    def add_endpoint(self, group: int, uuid: str) -> None:
        """Put an endpoint of the group's project into it; a second time changes nothing.

        Raises:
            Missing: no such group, or no such endpoint in its project.
            Conflict: the group has ENDPOINTS_PER_GROUP_MAX.
        """
        exactly = {"endpoint_group": group, "endpoint": uuid}
        with self._database.change() as change:
            owner = _project_of(change, groups, group)
            mine = sa.select(endpoint.c.id).filter_by(uuid=uuid, project=owner, deleted_at=None)
            if change.connection.execute(mine).first() is None:
                raise Missing(f"the project has no endpoint {uuid}")
            row = change.connection.execute(
                sa.select(members.c.removed).filter_by(**exactly)
            ).one_or_none()
            if row is not None and not row.removed:
                return
            change.check_room(
                sa.select(sa.func.count())
                .select_from(members)
                .filter_by(endpoint_group=group, removed=False),
                ENDPOINTS_PER_GROUP_MAX,
                f"the group has {ENDPOINTS_PER_GROUP_MAX:,} endpoints: make a second one",
            )
            stamped = {"removed": False, "version": change.stamp()}
            change.connection.execute(
                members.insert().values(**exactly, **stamped)
                if row is None
                else members.update().filter_by(**exactly).values(**stamped)
            )

    def remove_endpoint(self, group: int, uuid: str) -> bool:
        """Return False when it was not in the group."""
        present = {"endpoint_group": group, "endpoint": uuid, "removed": False}
        with self._database.change() as change:
            found = sa.select(sa.func.count()).select_from(members).filter_by(**present)
            if not change.connection.execute(found).scalar_one():
                return False
            gone = {"removed": True, "version": change.stamp()}
            change.connection.execute(members.update().filter_by(**present).values(**gone))
            return True

    def remove_endpoint_group(self, group: int) -> None:
        """Remove it with every grant on it; raises Missing."""
        self._remove(groups, SetKind.ENDPOINTS, group)

    # -- following

    def sets_changed(self, after: int) -> SetChanges:
        """Return what changed since ``after``, in one picture."""
        with self._database.read() as connection:
            version = connection.execute(sa.select(state.c.version)).scalar_one()
            changed = connection.execute(_SELECTIONS.where(table.c.version > after)).all()
            gone = sa.select(table.c.id).where(table.c.version > after, table.c.name.is_(None))
            removed = connection.execute(gone).scalars().all()
            rows = sa.select(members.c.endpoint_group, members.c.endpoint, members.c.removed)
            moved = connection.execute(rows.where(members.c.version > after)).all()
        return SetChanges(
            version,
            [_to_selection(row) for row in changed],
            removed,
            [EndpointMember(group, uuid, not gone) for group, uuid, gone in moved],
        )

    def _remove(self, rows: sa.Table[Any], kind: SetKind, number: int) -> None:
        with self._database.change() as change:
            owner = _project_of(change, rows, number)
            end_permits(change, extent=str(SetExtent(kind, str(owner), str(number))))
            nameless = {"name": None, "version": change.stamp()}
            change.connection.execute(rows.update().filter_by(id=number).values(**nameless))


def _project_of(change: Change, rows: sa.Table[Any], number: int) -> int:
    found = sa.select(rows.c.project).where(rows.c.id == number, rows.c.name.is_not(None))
    project = change.connection.execute(found).scalar()
    if project is None:
        raise Missing(f"there is no such set: {number}")
    return int(project)


def _named(connection: sa.Connection, project: int, name: str) -> SavedSelection | None:
    chosen = _SELECTIONS.where(table.c.project == project, table.c.name == name)
    row = connection.execute(chosen).one_or_none()
    return None if row is None else _to_selection(row)


def _group_named(connection: sa.Connection, project: int, name: str) -> EndpointGroup | None:
    chosen = _GROUPS.where(groups.c.project == project, groups.c.name == name)
    row = connection.execute(chosen).one_or_none()
    return None if row is None else EndpointGroup(row.id, row.project, str(row.name))


def _to_selection(row: _SelectionRow) -> SavedSelection:
    number, project, name, revision, text = row
    return SavedSelection(number, project, str(name), revision, msgspec.json.decode(text))
