"""Permits: grants that say more than a user or a group and a prefix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, TypeAlias

import sqlalchemy as sa

from ciaas.limits import PERMITS_PER_SUBJECT_MAX, SET_PERMITS_PER_SUBJECT_MAX
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.schema import grant, state
from ciaas.storage.registry.security.tables import group_grant
from ciaas.storage.registry.security.tables import permit as table
from security.aaa.extents import Extent, SetExtent, extent_of, extent_text
from security.aaa.levels import Level
from security.aaa.subjects import number_of
from security.ports import Permit, PermitChanges

_PERMITS = sa.select(
    table.c.id,
    table.c.subject,
    table.c.extent,
    table.c.level,
    table.c.starts,
    table.c.ends,
    table.c.purpose,
    table.c.giver,
    table.c.removed,
).order_by(table.c.id)

_PermitRow: TypeAlias = sa.Row[int, str, str, int, int | None, int | None, str, int | None, bool]


class Permits:
    """`security.ports.PermitStore` in the registry."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put_permit(self, permit: Permit) -> Permit:
        """Create a permit, or replace that of the same subject, extent and purpose.

        Returns the permit with its number, which a replaced one keeps.

        Raises:
            Conflict: the subject has PERMITS_PER_SUBJECT_MAX permits.
        """
        exactly = _exactly(permit.subject, permit.extent, permit.purpose)
        with self._database.change() as change:
            row = change.connection.execute(_PERMITS.filter_by(**exactly)).one_or_none()
            if row is not None and _to_permit(row) == replace(permit, id=row.id):
                if not row.removed:
                    return replace(permit, id=row.id)
            if row is None or row.removed:
                present = sa.select(sa.func.count()).select_from(table)
                change.check_room(
                    present.filter_by(subject=permit.subject, removed=False),
                    PERMITS_PER_SUBJECT_MAX,
                    f"{permit.subject} has {PERMITS_PER_SUBJECT_MAX:,} such grants: "
                    "grant a group, a selection or a higher prefix",
                )
                if isinstance(permit.extent, SetExtent):
                    change.check_room(
                        # No path begins with a letter: its first level is a number.
                        present.filter_by(subject=permit.subject, removed=False).where(
                            table.c.extent >= "a"
                        ),
                        SET_PERMITS_PER_SUBJECT_MAX,
                        f"{permit.subject} has {SET_PERMITS_PER_SUBJECT_MAX} grants on classes, "
                        "selections and endpoint groups: make one selection of several",
                    )
            values = {
                "level": int(permit.level),
                "starts": permit.starts,
                "ends": permit.ends,
                "giver": permit.giver,
                "removed": False,
            }
            if permit.purpose is None:
                _end_plain(change, permit)
            if row is None:
                return replace(permit, id=change.insert(table, {**exactly, **values}))
            stamped = {**values, "version": change.stamp()}
            change.connection.execute(table.update().filter_by(id=row.id).values(**stamped))
            return replace(permit, id=row.id)

    def remove_permit(self, subject: str, extent: Extent, purpose: str | None) -> bool:
        """Return False when there was none."""
        with self._database.change() as change:
            return end_permits(change, **_exactly(subject, extent, purpose)) > 0

    def permits(self) -> Sequence[Permit]:
        """Return every permit that was not taken back, over or not, oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_PERMITS.filter_by(removed=False))
            return [_to_permit(row) for row in rows]

    def permits_changed(self, after: int) -> PermitChanges:
        """Return what was put and removed since ``after``, in one picture."""
        with self._database.read() as connection:
            version = connection.execute(sa.select(state.c.version)).scalar_one()
            rows = connection.execute(_PERMITS.where(table.c.version > after)).all()
        put = [_to_permit(row) for row in rows if not row.removed]
        return PermitChanges(version, put, [_to_permit(row) for row in rows if row.removed])


def end_permits(change: Change, **exactly: str) -> int:
    """Take back the permits with these values; returns how many there were."""
    present = {**exactly, "removed": False}
    count = sa.select(sa.func.count()).select_from(table).filter_by(**present)
    found = change.connection.execute(count).scalar_one()
    if found:
        gone = {"removed": True, "version": change.stamp()}
        change.connection.execute(table.update().filter_by(**present).values(**gone))
    return found


def end_plain_permit(change: Change, subject: str, text: str) -> None:
    """Take back the permit that a grant on exactly this prefix takes the place of."""
    end_permits(change, subject=subject, extent=text, purpose="")


def _end_plain(change: Change, permit: Permit) -> None:
    """Take back the grant without conditions that a permit takes the place of."""
    holder = number_of(permit.subject)
    if holder is None or isinstance(permit.extent, SetExtent):
        return
    kind, number = holder
    rows: sa.Table[Any] = grant if kind == "user" else group_grant
    column = "account" if kind == "user" else "people_group"
    present = {column: number, "path": extent_text(permit.extent), "removed": False}
    count = sa.select(sa.func.count()).select_from(rows).filter_by(**present)
    if change.connection.execute(count).scalar_one():
        gone = {"removed": True, "version": change.stamp()}
        change.connection.execute(rows.update().filter_by(**present).values(**gone))


def _exactly(subject: str, extent: Extent, purpose: str | None) -> dict[str, str]:
    return {"subject": subject, "extent": extent_text(extent), "purpose": purpose or ""}


def _to_permit(row: _PermitRow) -> Permit:
    number, subject, extent, level, starts, ends, purpose, giver, _ = row
    return Permit(
        number, subject, extent_of(extent), Level(level), starts, ends, purpose or None, giver
    )
