"""`ciaas.management.services.ports.ServiceStore` in the registry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import msgspec
import sqlalchemy as sa

from ciaas.limits import (
    SERVICE_OPENAPI_BYTES_MAX,
    SERVICE_RELEASES_MAX,
    SERVICE_SCOPES_BYTES_MAX,
    SERVICES_MAX,
    SERVICES_PER_APPLICATION_MAX,
)
from ciaas.management.services.ports import Release, Service
from ciaas.ports import Conflict
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import decode, encode
from ciaas.storage.registry.oidc.tables import application
from ciaas.storage.registry.oidc.tables import service as table
from ciaas.storage.registry.oidc.tables import service_release as releases
from ciaas.storage.registry.schema import grant
from security.aaa.levels import Level

_SERVICES = (
    sa.select(table)
    .join_from(table, application, table.c.application == application.c.id)
    .where(table.c.removed.is_(False), application.c.removed.is_(False))
    .order_by(table.c.id)
)


class Services:
    """Services over one open registry; any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def publish(self, service: Service, openapi: Mapping[str, Any]) -> Service:
        """Keep a new service, or another release of one that has a number.

        Raises:
            Conflict: the release is known already, or a bound is reached.
        """
        scopes = encode(
            {name: level.name for name, level in service.scopes.items()},
            SERVICE_SCOPES_BYTES_MAX,
            "the list of scopes",
        )
        document = encode(openapi, SERVICE_OPENAPI_BYTES_MAX, "the OpenAPI document")
        values = {name: getattr(service, name) for name in _CHANGEABLE} | {"scopes": scopes}
        with self._database.change() as change:
            number = service.id or _add(change, service, values)
            if service.id:
                change.connection.execute(
                    table.update().filter_by(id=number).values(**values, version=change.stamp())
                )
            _add_release(change, number, service, {"openapi": document, "scopes": scopes})
            return replace(service, id=number)

    def service(self, uuid: str) -> Service | None:
        """Return one that was not removed."""
        with self._database.read() as connection:
            chosen = _SERVICES.where(table.c.uuid == uuid)
            row = connection.execute(chosen).mappings().one_or_none()
        return None if row is None else _to_service(row)

    def services(self) -> Sequence[Service]:
        """Return all that were not removed, oldest first."""
        with self._database.read() as connection:
            return [_to_service(row) for row in connection.execute(_SERVICES).mappings()]

    def releases(self, service: int) -> Sequence[Release]:
        """Return them newest first."""
        chosen = (
            sa.select(releases)
            .where(releases.c.service == service)
            .order_by(releases.c.published_at.desc(), releases.c.release.desc())
        )
        with self._database.read() as connection:
            return [
                Release(
                    row["release"],
                    decode(row["openapi"]),
                    _levels_of(row["scopes"]),
                    row["base_url"],
                    row["published_at"],
                )
                for row in connection.execute(chosen).mappings()
            ]

    def remove(self, service: Service) -> None:
        """Remove it with what was granted on it; its releases stay."""
        path = "/".join(service.path)
        with self._database.change() as change:
            version = change.stamp()
            change.connection.execute(
                table.update().filter_by(id=service.id).values(removed=True, version=version)
            )
            on_it = sa.or_(grant.c.path == path, grant.c.path.startswith(f"{path}/"))
            change.connection.execute(
                grant.update()
                .where(on_it, grant.c.removed.is_(False))
                .values(removed=True, version=version)
            )


def _add(change: Change, service: Service, values: Mapping[str, Any]) -> int:
    count = sa.select(sa.func.count()).select_from(table)
    change.check_room(
        count.where(table.c.application == service.application, table.c.removed.is_(False)),
        SERVICES_PER_APPLICATION_MAX,
        f"an application publishes {SERVICES_PER_APPLICATION_MAX} services at most",
    )
    change.check_room(
        count,
        SERVICES_MAX,
        f"there were {SERVICES_MAX:,} services already: change one that is there",
    )
    fixed = {
        "uuid": service.uuid,
        "application": service.application,
        "project": service.project,
        "removed": False,
    }
    return change.insert(table, {**values, **fixed})


def _add_release(change: Change, number: int, service: Service, texts: Mapping[str, str]) -> None:
    mine = releases.c.service == number
    count = sa.select(sa.func.count()).select_from(releases).where(mine)
    known = count.where(releases.c.release == service.release)
    if change.connection.execute(known).scalar_one():
        raise Conflict(
            f"version {service.release!r:.40} was published already and cannot be changed: "
            "choose another"
        )
    change.check_room(
        count,
        SERVICE_RELEASES_MAX,
        f"a service has {SERVICE_RELEASES_MAX} versions at most: publish it anew",
    )
    change.connection.execute(
        releases.insert().values(
            service=number,
            release=service.release,
            base_url=service.base_url,
            published_at=service.published_at,
            **texts,
        )
    )


def _levels_of(text: str) -> dict[str, Level]:
    named = msgspec.json.decode(text, type=dict[str, str])
    return {name: Level[level] for name, level in named.items()}


def _to_service(row: Any) -> Service:
    return Service(scopes=_levels_of(row["scopes"]), **{name: row[name] for name in _PLAIN})


_CHANGEABLE = ("name", "description", "base_url", "health_url", "release", "published_at")
_PLAIN = ("id", "uuid", "application", "project", *_CHANGEABLE)
