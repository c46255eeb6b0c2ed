"""Endpoints."""

from __future__ import annotations

import uuid as uuids
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from ciaas.kernel.address import EndpointId
from ciaas.limits import ENDPOINTS_PER_PROJECT_MAX, FRIENDLY_NAME_CHARS_MAX, METADATA_BYTES_MAX
from ciaas.ports import Clock, Conflict, Endpoint, Feed, Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import check_text, decode, encode
from ciaas.storage.registry.model import decode_model
from ciaas.storage.registry.resources.declaration import below
from ciaas.storage.registry.resources.projects import check_project
from ciaas.storage.registry.schema import certificate, endpoint, point, provision

ENDPOINTS = sa.select(
    endpoint.c.uuid,
    endpoint.c.project,
    endpoint.c.friendly_name,
    endpoint.c.metadata,
    endpoint.c.feed,
    endpoint.c.banned,
    endpoint.c.model,
    endpoint.c.created_at,
    endpoint.c.deleted_at,
).order_by(endpoint.c.id)
"""The columns of an `Endpoint`, oldest first."""

EndpointRow: TypeAlias = sa.Row[str, int, str, str, str | None, bool, str | None, int, int | None]


class Endpoints:
    """The part of `RegistryStore` about endpoints."""

    _database: Database
    _clock: Clock

    def create_endpoint(
        self, project: int, friendly_name: str, metadata: Mapping[str, Any], uuid: str | None = None
    ) -> Endpoint:
        """Create an endpoint under a new random UUID, or the given one.

        Raises:
            Missing: the project is unknown.
            Conflict: the UUID is or was in use, or a bound is reached.
        """
        new = EndpointId(uuid if uuid is not None else str(uuids.uuid4()))
        check_text(friendly_name, FRIENDLY_NAME_CHARS_MAX, "the friendly name")
        document = encode(metadata, METADATA_BYTES_MAX, f"the metadata of endpoint {new}")
        now = self._clock.now_ms()
        with self._database.change() as change:
            check_project(change.connection, project)
            known = change.connection.execute(ENDPOINTS.filter_by(uuid=new)).one_or_none()
            if known is not None:
                raise Conflict(_taken(new, known.deleted_at is not None))
            check_endpoints_room(change, project, 1)
            change.connection.execute(
                endpoint.insert().values(
                    uuid=new,
                    project=project,
                    friendly_name=friendly_name,
                    metadata=document,
                    banned=False,
                    created_at=now,
                    version=change.stamp(),
                    born=change.stamp(),
                )
            )
            return present(change.connection, new)

    def endpoint(self, uuid: EndpointId) -> Endpoint:
        """Raises Missing for an unknown or deleted endpoint."""
        with self._database.read() as connection:
            return present(connection, uuid)

    def endpoints(self, project: int | None = None) -> Sequence[Endpoint]:
        """Return the endpoints of one project, or of all, oldest first; deleted ones never."""
        rows = ENDPOINTS.where(endpoint.c.deleted_at.is_(None))
        if project is not None:
            rows = rows.where(endpoint.c.project == project)
        with self._database.read() as connection:
            return [to_endpoint(row) for row in connection.execute(rows)]

    def change_endpoint(
        self,
        uuid: EndpointId,
        *,
        friendly_name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        banned: bool | None = None,
        feed: Feed | None = None,
    ) -> Endpoint:
        """Change what is not None; ``metadata`` replaces the whole.

        Raises:
            Missing: unknown or deleted.
            Conflict: the name or the metadata is too long.
        """
        given: dict[str, Any] = {"banned": banned, "feed": feed}
        if friendly_name is not None:
            check_text(friendly_name, FRIENDLY_NAME_CHARS_MAX, "the friendly name")
            given["friendly_name"] = friendly_name
        if metadata is not None:
            given["metadata"] = encode(
                metadata, METADATA_BYTES_MAX, f"the metadata of endpoint {uuid}"
            )
        with self._database.change() as change:
            stored = _row(change.connection, uuid)._mapping
            changed = {
                key: value
                for key, value in given.items()
                if value is not None and value != stored[key]
            }
            if changed:
                change.connection.execute(
                    endpoint.update().filter_by(uuid=uuid).values(**changed, version=change.stamp())
                )
            return present(change.connection, uuid)

    def delete_endpoint(self, uuid: EndpointId, at: int) -> Endpoint:
        """Mark as deleted; its points are marked removed and keep their ids for ever.

        In the same transaction its certificates are revoked and its provision token is taken away.

        Raises:
            Missing: unknown or already deleted.
        """
        with self._database.change() as change:
            present(change.connection, uuid)
            stamp = change.stamp()
            for statement in (
                endpoint.update().filter_by(uuid=uuid).values(deleted_at=at, version=stamp),
                point.update()
                .where(below((uuid,)), point.c.removed.is_(False))
                .values(removed=True, version=stamp),
                certificate.update()
                .where(certificate.c.endpoint == uuid, certificate.c.revoked.is_(False))
                .values(revoked=True, revoked_at=at, version=stamp),
                provision.delete().filter_by(endpoint=uuid),
            ):
                change.connection.execute(statement)
            return to_endpoint(change.connection.execute(ENDPOINTS.filter_by(uuid=uuid)).one())


def check_endpoints_room(change: Change, project: int, more: int) -> None:
    """Make sure that a project may have so many endpoints more.

    Raises:
        Conflict: its quota, or ENDPOINTS_PER_PROJECT_MAX, is reached.
    """
    there = (
        sa.select(sa.func.count())
        .select_from(endpoint)
        .where(endpoint.c.project == project, endpoint.c.deleted_at.is_(None))
    )
    change.check_quota(project, "endpoints", there, more)
    change.check_room(
        there,
        ENDPOINTS_PER_PROJECT_MAX - more + 1,
        f"project {project} may have {ENDPOINTS_PER_PROJECT_MAX:,} endpoints: "
        "delete some or use another project",
    )


def present(connection: sa.Connection, uuid: str) -> Endpoint:
    """Return an endpoint that is not deleted.

    Raises:
        Missing: unknown or deleted.
    """
    return to_endpoint(_row(connection, uuid))


def to_endpoint(row: EndpointRow) -> Endpoint:
    """Return the endpoint of a row of `ENDPOINTS`."""
    uuid, project, friendly_name, metadata, feed, banned, model, created_at, deleted_at = row
    return Endpoint(
        uuid=EndpointId(uuid),
        project=project,
        friendly_name=friendly_name,
        metadata=decode(metadata),
        feed=None if feed is None else Feed(feed),
        banned=banned,
        model=None if model is None else decode_model(model),
        created_at=created_at,
        deleted_at=deleted_at,
    )


def _row(connection: sa.Connection, uuid: str) -> EndpointRow:
    row = connection.execute(ENDPOINTS.filter_by(uuid=uuid)).one_or_none()
    if row is None or row.deleted_at is not None:
        raise Missing(f"there is no endpoint {uuid}: create it first")
    return row


def _taken(uuid: str, deleted: bool) -> str:
    if deleted:
        return f"{uuid} belonged to a deleted endpoint, whose history keeps it: use another UUID"
    return f"endpoint {uuid} exists already: use another UUID"
