"""Groups of people: members and grants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from ciaas.limits import (
    GRANTS_PER_GROUP_MAX,
    GROUP_NAME_CHARS_MAX,
    GROUPS_MAX,
    GROUPS_PER_USER_MAX,
    MEMBERS_PER_GROUP_MAX,
)
from ciaas.ports import Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import check_text
from ciaas.storage.registry.schema import account, state
from ciaas.storage.registry.security.grants import path_of, text_of
from ciaas.storage.registry.security.permits import end_permits, end_plain_permit
from ciaas.storage.registry.security.tables import group as table
from ciaas.storage.registry.security.tables import group_grant, membership
from security.aaa.levels import Level
from security.aaa.subjects import group_subject
from security.ports import Group, GroupChanges, GroupGrant, Membership, Taken

_MEMBERS = sa.select(
    membership.c.people_group, membership.c.account, membership.c.removed
).order_by(membership.c.people_group, membership.c.account)
_GRANTS = sa.select(
    group_grant.c.people_group, group_grant.c.path, group_grant.c.level, group_grant.c.removed
).order_by(group_grant.c.people_group, group_grant.c.path)
_PRESENT = {"removed": False}


class Groups:
    """`security.ports.GroupStore` in the registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add_group(self, name: str) -> Group:
        """Raises Taken when the name exists, Conflict when there are GROUPS_MAX."""
        check_text(name, GROUP_NAME_CHARS_MAX, "the name of the group")
        named = sa.select(sa.func.count()).select_from(table).where(table.c.name.is_not(None))
        with self._database.change() as change:
            if change.connection.execute(named.filter_by(name=name)).scalar_one():
                raise Taken(f"a group named {name!r} exists already: choose another name")
            change.check_room(
                named, GROUPS_MAX, f"there are {GROUPS_MAX:,} groups already: remove one first"
            )
            return Group(change.insert(table, {"name": name}), name)

    def group(self, name: str) -> Group | None:
        """Return the group of a name, None when there is none."""
        with self._database.read() as connection:
            number = connection.execute(sa.select(table.c.id).filter_by(name=name)).scalar()
        return None if number is None else Group(number, name)

    def groups(self) -> Sequence[Group]:
        """Return all groups, oldest first."""
        rows = sa.select(table.c.id, table.c.name).where(table.c.name.is_not(None))
        with self._database.read() as connection:
            found = connection.execute(rows.order_by(table.c.id)).all()
        return [Group(number, str(name)) for number, name in found]

    def remove_group(self, group: int) -> None:
        """Remove the group with its members and grants; raises Missing."""
        with self._database.change() as change:
            _check_group(change, group)
            end_permits(change, subject=group_subject(group))
            gone: dict[str, Any] = {"removed": True, "version": change.stamp()}
            for rows in (membership, group_grant):
                change.connection.execute(
                    rows.update().filter_by(people_group=group, **_PRESENT).values(**gone)
                )
            nameless = {"name": None, "version": change.stamp()}
            change.connection.execute(table.update().filter_by(id=group).values(**nameless))

    def add_member(self, group: int, user: int) -> None:
        """Make the user a member; a second time changes nothing.

        Raises:
            Missing: the group or the user is unknown.
            Conflict: the group has MEMBERS_PER_GROUP_MAX, or the user is in GROUPS_PER_USER_MAX.
        """
        exactly = {"people_group": group, "account": user}
        with self._database.change() as change:
            _check_group(change, group)
            if (
                change.connection.execute(sa.select(account.c.id).filter_by(id=user)).first()
                is None
            ):
                raise Missing(f"there is no user {user}")
            row = change.connection.execute(_MEMBERS.filter_by(**exactly)).one_or_none()
            if row is not None and not row.removed:
                return
            members = sa.select(sa.func.count()).select_from(membership).filter_by(**_PRESENT)
            change.check_room(
                members.filter_by(people_group=group),
                MEMBERS_PER_GROUP_MAX,
                f"the group has {MEMBERS_PER_GROUP_MAX:,} members: make a second one",
            )
            change.check_room(
                members.filter_by(account=user),
                GROUPS_PER_USER_MAX,
                f"the user is in {GROUPS_PER_USER_MAX} groups: take it out of one first",
            )
            _put(change, membership, exactly, {"removed": False}, row is None)

    def remove_member(self, group: int, user: int) -> bool:
        """Return False when the user was no member."""
        return self._remove(membership, {"people_group": group, "account": user})

    def members(self) -> Sequence[Membership]:
        """Return every membership in force, ordered by group and user."""
        with self._database.read() as connection:
            rows = connection.execute(_MEMBERS.filter_by(**_PRESENT)).all()
        return [Membership(group, user) for group, user, _ in rows]

    def put_group_grant(self, grant: GroupGrant) -> None:
        """Create or replace the group's grant on exactly that path.

        Raises:
            Missing: the group is unknown.
            Conflict: the group has GRANTS_PER_GROUP_MAX grants.
        """
        exactly: dict[str, Any] = {"people_group": grant.group, "path": text_of(grant.path)}
        with self._database.change() as change:
            _check_group(change, grant.group)
            row = change.connection.execute(_GRANTS.filter_by(**exactly)).one_or_none()
            if row is not None and not row.removed and row.level == grant.level:
                return
            if row is None or row.removed:
                present = sa.select(sa.func.count()).select_from(group_grant)
                change.check_room(
                    present.filter_by(people_group=grant.group, **_PRESENT),
                    GRANTS_PER_GROUP_MAX,
                    f"the group has {GRANTS_PER_GROUP_MAX:,} grants: "
                    "grant a higher prefix instead of each point",
                )
            end_plain_permit(change, group_subject(grant.group), exactly["path"])
            values = {"level": int(grant.level), "removed": False}
            _put(change, group_grant, exactly, values, row is None)

    def remove_group_grant(self, group: int, path: tuple[str, ...]) -> bool:
        """Return False when there was none."""
        return self._remove(group_grant, {"people_group": group, "path": text_of(path)})

    def group_grants(self) -> Sequence[GroupGrant]:
        """Return every grant in force, ordered by group and path."""
        with self._database.read() as connection:
            rows = connection.execute(_GRANTS.filter_by(**_PRESENT)).all()
        return [GroupGrant(group, path_of(path), Level(level)) for group, path, level, _ in rows]

    def groups_changed(self, after: int) -> GroupChanges:
        """Return what was put, removed, joined and left since ``after``, in one picture."""
        with self._database.read() as connection:
            version = connection.execute(sa.select(state.c.version)).scalar_one()
            grants = connection.execute(_GRANTS.where(group_grant.c.version > after)).all()
            members = connection.execute(_MEMBERS.where(membership.c.version > after)).all()
        put = [GroupGrant(g, path_of(p), Level(level)) for g, p, level, gone in grants if not gone]
        removed = [GroupGrant(g, path_of(p), Level(level)) for g, p, level, gone in grants if gone]
        joined = [Membership(group, user, not gone) for group, user, gone in members]
        return GroupChanges(version, put, removed, joined)

    def _remove(self, rows: sa.Table[Any], exactly: Mapping[str, Any]) -> bool:
        present = {**exactly, **_PRESENT}
        with self._database.change() as change:
            found = sa.select(sa.func.count()).select_from(rows).filter_by(**present)
            if not change.connection.execute(found).scalar_one():
                return False
            gone: dict[str, Any] = {"removed": True, "version": change.stamp()}
            change.connection.execute(rows.update().filter_by(**present).values(**gone))
            return True


def _put(
    change: Change,
    rows: sa.Table[Any],
    exactly: Mapping[str, Any],
    values: Mapping[str, Any],
    new: bool,
) -> None:
    stamped = {**values, "version": change.stamp()}
    change.connection.execute(
        rows.insert().values(**exactly, **stamped)
        if new
        else rows.update().filter_by(**exactly).values(**stamped)
    )


def _check_group(change: Change, number: int) -> None:
    named = sa.select(table.c.name).filter_by(id=number)
    if change.connection.execute(named).scalar() is None:
        raise Missing(f"there is no group {number}")
