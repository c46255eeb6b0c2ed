"""Endpoints of one step of a batch, made together, and the serial numbers of a project."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import sqlalchemy as sa

from ciaas.kernel.address import EndpointId
from ciaas.limits import (
    ENDPOINTS_PER_GROUP_MAX,
    METADATA_BYTES_MAX,
    OVERLAY_BYTES_MAX,
    PROVISION_BYTES_MAX,
    REGISTRY_LOOKUP_ROWS,
)
from ciaas.management.bundle import check_properties
from ciaas.management.enrolment.ports import DeviceInterval, Pending, Row
from ciaas.management.enrolment.profile import Template
from ciaas.ports import Conflict, Missing
from ciaas.storage.registry.database import Change
from ciaas.storage.registry.document import encode
from ciaas.storage.registry.enrolment.tables import device as devices
from ciaas.storage.registry.resources.declaration import Declaration
from ciaas.storage.registry.resources.endpoints import check_endpoints_room, present
from ciaas.storage.registry.schema import certificate, endpoint, overlay, provision
from ciaas.storage.registry.security.tables import endpoint_group, endpoint_member


def bound_serials(
    connection: sa.Connection, project: int, serials: Collection[str]
) -> Collection[str]:
    """Return those serial numbers that devices of the project have, of endpoints not deleted."""
    asked = list(serials)
    found: set[str] = set()
    deleted = sa.select(endpoint.c.uuid).where(endpoint.c.deleted_at.is_not(None))
    for first in range(0, len(asked), REGISTRY_LOOKUP_ROWS):
        part = asked[first : first + REGISTRY_LOOKUP_ROWS]
        rows = sa.select(devices.c.serial).where(
            devices.c.project == project,
            devices.c.serial.in_(part),
            devices.c.until.is_(None),
            devices.c.endpoint.not_in(deleted),
        )
        found.update(connection.execute(rows).scalars())
    return found


def bind(
    connection: sa.Connection, project: int, device_of: Sequence[tuple[str, str]], at: int
) -> None:
    """Have devices, each a serial number and the UUID of its endpoint, be theirs from now on.

    Serial numbers of endpoints that were deleted are let go of.
    """
    gone = sa.select(endpoint.c.uuid).where(
        endpoint.c.project == project, endpoint.c.deleted_at.is_not(None)
    )
    of_deleted = devices.c.project == project, devices.c.endpoint.in_(gone)
    connection.execute(
        devices.update().where(*of_deleted, devices.c.until.is_(None)).values(until=at)
    )
    connection.execute(
        devices.insert(),
        [
            {"project": project, "serial": serial, "endpoint": uuid, "since": at, "until": None}
            for serial, uuid in device_of
        ],
    )


def intervals(connection: sa.Connection, uuid: str) -> Sequence[DeviceInterval]:
    """Return the devices that are or were behind an endpoint, oldest first."""
    rows = sa.select(devices.c.serial, devices.c.since, devices.c.until).filter_by(endpoint=uuid)
    found = connection.execute(rows.order_by(devices.c.id)).all()
    return [DeviceInterval(serial, since, until) for serial, since, until in found]


def exchange(
    change: Change, uuid: str, serial: str, token: Pending, properties: Mapping[str, str], at: int
) -> int:
    """Put another device behind an endpoint, and return how many certificates were in force.

    Raises:
        Missing: the endpoint is unknown or deleted.
        Conflict: another endpoint of the project has a device of this serial number, or the
            properties are too large.
    """
    connection = change.connection
    project = present(connection, uuid).project
    connection.execute(devices.update().filter_by(endpoint=uuid, until=None).values(until=at))
    if bound_serials(connection, project, [serial]):
        raise Conflict(f"a device {serial!r} is behind another endpoint: delete that one first")
    bind(connection, project, [(serial, uuid)], at)
    standing = certificate.c.endpoint == uuid, certificate.c.revoked.is_(False)
    counted = sa.select(sa.func.count()).select_from(certificate)
    in_force = connection.execute(
        counted.where(*standing, certificate.c.not_after > at)
    ).scalar_one()
    connection.execute(
        certificate.update()
        .where(*standing)
        .values(revoked=True, revoked_at=at, version=change.stamp())
    )
    connection.execute(provision.delete().filter_by(endpoint=uuid))
    connection.execute(
        provision.insert().values(
            endpoint=uuid,
            digest=token.digest,
            expires_at=token.expires_at,
            properties=encode(
                properties, PROVISION_BYTES_MAX, f"the provision properties of endpoint {uuid}"
            ),
            version=change.stamp(),
        )
    )
    return in_force


def make_devices(
    change: Change,
    project: int,
    template: Template,
    rows: Sequence[Row],
    tokens: Sequence[Pending],
    at: int,
) -> None:
    """Make endpoints with their models, overlays, group and tokens.

    Raises:
        Conflict: a bound or quota is reached.
        Missing: the profile's endpoint group is gone.
    """
    check_endpoints_room(change, project, len(rows))
    properties = encode(
        check_properties(template.properties), PROVISION_BYTES_MAX, "the properties of the profile"
    )
    execute, stamp = change.connection.execute, change.stamp()
    execute(
        endpoint.insert(),
        [
            {
                "uuid": row.endpoint,
                "project": project,
                "friendly_name": row.friendly_name,
                "metadata": encode(row.metadata, METADATA_BYTES_MAX, f"line {row.line}"),
                "banned": False,
                "created_at": at,
                "version": stamp,
                "born": stamp,
            }
            for row in rows
        ],
    )
    execute(
        provision.insert(),
        [
            {
                "endpoint": row.endpoint,
                "digest": token.digest,
                "expires_at": token.expires_at,
                "properties": properties,
                "version": stamp,
            }
            for row, token in zip(rows, tokens, strict=True)
        ],
    )
    _overlay(change, rows)
    if template.endpoint_group is not None:
        _join(change, project, template.endpoint_group, rows)
    models = {kind: template.model(kind) for kind in {row.kind for row in rows} if kind}
    for row in rows:
        if row.kind is not None:
            Declaration.load(change, EndpointId(row.endpoint)).replace(models[row.kind])


def _overlay(change: Change, rows: Sequence[Row]) -> None:
    overlays = [
        {
            "scope": row.endpoint,
            "endpoint": row.endpoint,
            "document": encode(row.overlay, OVERLAY_BYTES_MAX, f"line {row.line}"),
            "version": change.stamp(),
        }
        for row in rows
        if row.overlay
    ]
    if overlays:
        change.connection.execute(overlay.insert(), overlays)


def _join(change: Change, project: int, name: str, rows: Sequence[Row]) -> None:
    group = change.connection.execute(
        sa.select(endpoint_group.c.id).filter_by(project=project, name=name)
    ).scalar()
    if group is None:
        raise Missing(f"the project has no endpoint group named {name!r}: make it, then resume")
    members = sa.select(sa.func.count()).select_from(endpoint_member)
    change.check_room(
        members.filter_by(endpoint_group=group, removed=False),
        ENDPOINTS_PER_GROUP_MAX - len(rows) + 1,
        f"the group {name!r} has room for {ENDPOINTS_PER_GROUP_MAX:,} endpoints: take some out",
    )
    stamped = {"endpoint_group": group, "removed": False, "version": change.stamp()}
    change.connection.execute(
        endpoint_member.insert(), [stamped | {"endpoint": row.endpoint} for row in rows]
    )
