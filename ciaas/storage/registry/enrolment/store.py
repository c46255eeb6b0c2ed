"""`ciaas.management.enrolment.ports.EnrolmentStore` in the registry."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from ciaas.limits import (
    ENROLMENT_BATCHES_PER_PROJECT_MAX,
    ENROLMENT_PROFILE_BYTES_MAX,
    ENROLMENT_PROFILES_PER_PROJECT_MAX,
    METADATA_BYTES_MAX,
    OVERLAY_BYTES_MAX,
    REGISTRY_LOOKUP_ROWS,
    SET_NAME_CHARS_MAX,
)
from ciaas.management.enrolment.ports import (
    Batch,
    DeviceInterval,
    Pending,
    Profile,
    Progress,
    Row,
)
from ciaas.management.enrolment.profile import Template
from ciaas.ports import Conflict, Missing
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.document import check_text, decode, encode
from ciaas.storage.registry.enrolment.devices import (
    bind,
    bound_serials,
    exchange,
    intervals,
    make_devices,
)
from ciaas.storage.registry.enrolment.tables import batch as batches
from ciaas.storage.registry.enrolment.tables import profile as profiles
from ciaas.storage.registry.enrolment.tables import row as rows_table
from ciaas.storage.registry.resources.endpoints import check_endpoints_room
from ciaas.storage.registry.resources.projects import check_project

_PROFILES = sa.select(
    profiles.c.id,
    profiles.c.project,
    profiles.c.name,
    profiles.c.revision,
    profiles.c.document,
).order_by(profiles.c.id)
_BATCHES = sa.select(
    batches.c.uuid,
    batches.c.project,
    batches.c.account,
    batches.c.profile,
    batches.c.revision,
    batches.c.document,
    batches.c.rows,
    batches.c.created_at,
    batches.c.done,
    batches.c.progress,
    batches.c.detail,
    batches.c.sealed,
    batches.c.ended_at,
)
_ROWS = (
    sa.select(
        rows_table.c.line,
        rows_table.c.serial,
        rows_table.c.endpoint,
        rows_table.c.friendly_name,
        rows_table.c.kind,
        rows_table.c.metadata,
        rows_table.c.overlay,
    )
    .join_from(rows_table, batches, batches.c.id == rows_table.c.batch)
    .order_by(rows_table.c.line)
)
_ProfileRow: TypeAlias = sa.Row[int, int, str, int, str]
_DeviceRow: TypeAlias = sa.Row[int, str, str, str, str | None, str, str]


class Enrolments:
    """Profiles and batches over one open registry; any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # -- profiles

    def put_profile(
        self, project: int, name: str, document: Mapping[str, Any], revision: int | None
    ) -> Profile:
        """Create or change; the same document again changes nothing.

        Raises:
            Missing: the project is unknown.
            Conflict: ``revision`` is given and another one is there, or a bound is reached.
        """
        check_text(name, SET_NAME_CHARS_MAX, "the name of the profile")
        text = encode(document, ENROLMENT_PROFILE_BYTES_MAX, "the profile")
        with self._database.change() as change:
            check_project(change.connection, project)
            known = change.connection.execute(
                _PROFILES.filter_by(project=project, name=name)
            ).one_or_none()
            there = known.revision if known else 0
            if revision not in (None, there):
                raise Conflict(
                    f"the profile has revision {there} now: read it, and put your change on top"
                )
            if known is None:
                change.check_room(
                    sa.select(sa.func.count()).select_from(profiles).filter_by(project=project),
                    ENROLMENT_PROFILES_PER_PROJECT_MAX,
                    f"the project has {ENROLMENT_PROFILES_PER_PROJECT_MAX} profiles already: "
                    "remove one first",
                )
                change.connection.execute(
                    profiles.insert().values(project=project, name=name, revision=1, document=text)
                )
            elif known.document != text:
                change.connection.execute(
                    profiles.update()
                    .filter_by(id=known.id)
                    .values(revision=there + 1, document=text)
                )
            return _profile(
                change.connection.execute(_PROFILES.filter_by(project=project, name=name)).one()
            )

    def profiles(self, project: int) -> Sequence[Profile]:
        """Return those of a project, oldest first."""
        with self._database.read() as connection:
            return [
                _profile(row) for row in connection.execute(_PROFILES.filter_by(project=project))
            ]

    def profile(self, project: int, name: str) -> Profile:
        """Raises Missing."""
        with self._database.read() as connection:
            found = connection.execute(
                _PROFILES.filter_by(project=project, name=name)
            ).one_or_none()
        if found is None:
            raise Missing(f"the project has no profile named {name!r}")
        return _profile(found)

    def remove_profile(self, profile: int) -> None:
        """Remove it; batches that began with it go on."""
        with self._database.change() as change:
            change.connection.execute(profiles.delete().filter_by(id=profile))

    # -- batches

    def bound(self, project: int, serials: Collection[str]) -> Collection[str]:
        """Return those serial numbers that a device of the project has."""
        with self._database.read() as connection:
            return bound_serials(connection, project, serials)

    def add(self, batch: Batch, rows: Sequence[Row]) -> None:
        """Keep a batch with its rows, and its serial numbers for it, in one transaction.

        Raises:
            Missing: the project is unknown.
            Conflict: a serial number is taken, or a bound or quota is reached.
        """
        with self._database.change() as change:
            connection = change.connection
            check_project(connection, batch.project)
            change.check_room(
                sa.select(sa.func.count()).select_from(batches).filter_by(project=batch.project),
                ENROLMENT_BATCHES_PER_PROJECT_MAX,
                f"the project has {ENROLMENT_BATCHES_PER_PROJECT_MAX:,} batches already: "
                "use another project",
            )
            check_endpoints_room(change, batch.project, len(rows))
            taken = bound_serials(connection, batch.project, [row.serial for row in rows])
            if taken:
                raise Conflict(f"a device {min(taken)!r} is enrolled already; look at the preview")
            key = connection.execute(
                batches.insert().values(**_columns(batch))
            ).inserted_primary_key
            assert key is not None
            number = int(key[0])
            connection.execute(rows_table.insert(), [_row_columns(number, row) for row in rows])
            of_rows = [(row.serial, row.endpoint) for row in rows]
            bind(connection, batch.project, of_rows, batch.created_at)

    def batch(self, batch: str) -> Batch | None:
        """Return a batch, None when there is no such."""
        with self._database.read() as connection:
            row = connection.execute(_BATCHES.filter_by(uuid=batch)).one_or_none()
        return None if row is None else _batch(row._asdict())

    def batches(self, project: int) -> Sequence[Batch]:
        """Return those of a project, newest first."""
        chosen = _BATCHES.filter_by(project=project).order_by(batches.c.id.desc())
        with self._database.read() as connection:
            return [_batch(row._asdict()) for row in connection.execute(chosen)]

    def next_running(self) -> Batch | None:
        """Return the oldest batch under way, None when there is none."""
        chosen = _BATCHES.filter_by(progress=Progress.RUNNING.value).order_by(batches.c.id)
        with self._database.read() as connection:
            row = connection.execute(chosen.limit(1)).one_or_none()
        return None if row is None else _batch(row._asdict())

    def left(self, batch: str, limit: int) -> Sequence[Row]:
        """Return rows that are not done, by line."""
        chosen = _ROWS.where(batches.c.uuid == batch, rows_table.c.done.is_(False))
        with self._database.read() as connection:
            return [_row(row) for row in connection.execute(chosen.limit(limit))]

    def rows(self, batch: str) -> Sequence[Row]:
        """Return all, by line."""
        with self._database.read() as connection:
            return [_row(row) for row in connection.execute(_ROWS.where(batches.c.uuid == batch))]

    def enrol(
        self,
        batch: Batch,
        template: Template,
        rows: Sequence[Row],
        tokens: Sequence[Pending],
        at: int,
    ) -> None:
        """Make the rows' endpoints, with all that the profile says, in one transaction.

        Raises:
            Conflict, Missing: a bound or quota is reached, or what the profile names is gone.
        """
        with self._database.change() as change:
            make_devices(change, batch.project, template, rows, tokens, at)
            number = change.connection.execute(
                sa.select(batches.c.id).filter_by(uuid=batch.id)
            ).scalar_one()
            for first in range(0, len(rows), REGISTRY_LOOKUP_ROWS):
                lines = [row.line for row in rows[first : first + REGISTRY_LOOKUP_ROWS]]
                change.connection.execute(
                    rows_table.update()
                    .where(rows_table.c.batch == number, rows_table.c.line.in_(lines))
                    .values(done=True)
                )
            change.connection.execute(
                batches.update().filter_by(id=number).values(done=batches.c.done + len(rows))
            )

    def end(self, batch: str, progress: Progress, detail: str, at: int | None) -> None:
        """Note that a batch is done, halted, or running again."""
        with self._database.change() as change:
            change.connection.execute(
                batches.update()
                .filter_by(uuid=batch)
                .values(progress=progress.value, detail=detail, ended_at=at)
            )

    # -- devices behind endpoints

    def devices(self, endpoint: str) -> Sequence[DeviceInterval]:
        """Return the devices that are or were behind an endpoint, oldest first."""
        with self._database.read() as connection:
            return intervals(connection, endpoint)

    def replace(
        self, endpoint: str, serial: str, token: Pending, properties: Mapping[str, str], at: int
    ) -> int:
        """Put another device behind an endpoint, whose certificates so far are denied.

        The properties go into its bundle.

        Returns:
            How many were in force.

        Raises:
            Missing: the endpoint is unknown or deleted.
            Conflict: another endpoint of the project has a device of this serial number, or the
                properties are too large.
        """
        with self._database.change() as change:
            return exchange(change, endpoint, serial, token, properties, at)

    def take_seal(self, batch: str) -> bool:
        """Forget what the tokens are derived from; False when it was forgotten already."""
        with self._database.change() as change:
            done = change.connection.execute(
                batches.update()
                .where(batches.c.uuid == batch, batches.c.sealed.is_not(None))
                .values(sealed=None)
            )
            return int(done.rowcount) == 1


def _profile(row: _ProfileRow) -> Profile:
    number, project, name, revision, document = row
    return Profile(number, project, name, revision, decode(document))


def _columns(batch: Batch) -> dict[str, Any]:
    return {
        "uuid": batch.id,
        "project": batch.project,
        "account": batch.user,
        "profile": batch.profile,
        "revision": batch.revision,
        "document": encode(batch.document, ENROLMENT_PROFILE_BYTES_MAX, "the profile"),
        "rows": batch.rows,
        "created_at": batch.created_at,
        "done": 0,
        "progress": batch.progress.value,
        "detail": batch.detail,
        "sealed": batch.sealed,
        "ended_at": None,
    }


def _batch(about: dict[str, Any]) -> Batch:
    return Batch(
        id=about.pop("uuid"),
        user=about.pop("account"),
        document=decode(about.pop("document")),
        progress=Progress(about.pop("progress")),
        **about,
    )


def _row_columns(batch: int, row: Row) -> dict[str, Any]:
    what = f"line {row.line}"
    return {
        "batch": batch,
        "line": row.line,
        "serial": row.serial,
        "endpoint": row.endpoint,
        "friendly_name": row.friendly_name,
        "kind": row.kind,
        "metadata": encode(row.metadata, METADATA_BYTES_MAX, f"the metadata of {what}"),
        "overlay": encode(row.overlay, OVERLAY_BYTES_MAX, f"the overlay of {what}"),
        "done": False,
    }


def _row(row: _DeviceRow) -> Row:
    line, serial, endpoint, friendly_name, kind, metadata, overlay = row
    return Row(line, serial, endpoint, friendly_name, kind, decode(metadata), decode(overlay))
