"""Enrolment: a connection document becomes endpoints, points, overlays and a stored connection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ciaas.kernel.address import EndpointId
from ciaas.ports import Conflict, Connection, Endpoint, Feed, Missing, RegistryStore
from ciaas.sensorisation.connection import (
    ConnectionPlan,
    DocumentError,
    PlannedDevice,
    check_document,
    endpoint_of,
)
from ciaas.sensorisation.contract import AnyAdapter
from ciaas.sensorisation.profile import declared_model, overlays


@dataclass(frozen=True, slots=True)
class Enrolment:
    """What an enrolment did. Enrolling the same document again creates and changes nothing."""

    connection: Connection
    created: tuple[EndpointId, ...]
    kept: tuple[EndpointId, ...]
    """Endpoints of the document that existed before."""
    released: tuple[EndpointId, ...]
    """Endpoints whose device is no longer in the document: they are polled no more, and keep their
    points, history and rights until someone deletes them."""

    @property
    def notes(self) -> tuple[str, ...]:
        """One sentence for each thing that the person who enrols must know."""
        return tuple(
            f"endpoint {uuid} is no longer polled; it keeps its history and can be deleted"
            for uuid in self.released
        )


def enrol(
    registry: RegistryStore,
    project: int,
    document: Mapping[str, Any],
    adapters: Mapping[str, type[AnyAdapter]],
) -> Enrolment:
    """Enrol a connection document into a project.

    Everything is checked before the first change. The connection is stored last: after a crash in
    between, enrolling again completes the work.

    Raises:
        DocumentError: the document is at fault.
        Conflict: its name or an endpoint of it belongs to something else.
    """
    plan = check_document(document, adapters)
    before = _stored(registry, project, plan.name)
    _refuse_shared(registry, plan)
    known = {device.id: _known(registry, project, device) for device in plan.devices}
    earlier = _earlier(before, adapters)
    created: list[EndpointId] = []
    for device in plan.devices:
        endpoint = known[device.id]
        if endpoint is None:
            endpoint = _create(registry, project, device)
            created.append(device.endpoint)
        _align(registry, endpoint, device, earlier.get(device.endpoint))
    enabled = True if before is None else before.enabled
    connection = registry.put_connection(
        plan.name, project, plan.adapter, plan.document, enabled=enabled
    )
    current = {device.endpoint for device in plan.devices}
    return Enrolment(
        connection,
        tuple(created),
        tuple(uuid for uuid in current if uuid not in created),
        tuple(uuid for uuid in earlier if uuid not in current),
    )


def _stored(registry: RegistryStore, project: int, name: str) -> Connection | None:
    for connection in registry.connections():
        if connection.name == name and not connection.deleted:
            if connection.project != project:
                raise Conflict(f"the connection name {name!r} is taken: choose another")
            return connection
    return None


def _refuse_shared(registry: RegistryStore, plan: ConnectionPlan) -> None:
    """Two connections may not feed one endpoint: their samples would contradict each other."""
    ours = {device.endpoint: device.id for device in plan.devices}
    for connection in registry.connections():
        if connection.name == plan.name or connection.deleted:
            continue
        for device in connection.document["devices"]:
            stated = device.get("uuid") or endpoint_of(connection.name, device["id"])
            endpoint = EndpointId(stated.lower())
            if endpoint in ours:
                raise Conflict(
                    f"device {ours[endpoint]!r}: endpoint {endpoint} is fed by another "
                    "connection; give the device another uuid, or none to have one made"
                )


def _known(registry: RegistryStore, project: int, device: PlannedDevice) -> Endpoint | None:
    try:
        endpoint = registry.endpoint(device.endpoint)
    except Missing:
        return None
    if endpoint.project != project or endpoint.feed not in (None, Feed.ADAPTER):
        raise Conflict(
            f"device {device.id!r}: endpoint {device.endpoint} is in use otherwise; "
            "give the device another uuid, or none to have one made"
        )
    return endpoint


def _earlier(
    before: Connection | None, adapters: Mapping[str, type[AnyAdapter]]
) -> Mapping[EndpointId, PlannedDevice]:
    if before is None:
        return {}
    try:
        plan: ConnectionPlan = check_document(before.document, adapters)
    except DocumentError:
        return {}  # stored by a release with other rules: then nothing is known of it
    return {device.endpoint: device for device in plan.devices}


def _create(registry: RegistryStore, project: int, device: PlannedDevice) -> Endpoint:
    try:
        return registry.create_endpoint(
            project, device.friendly_name, device.metadata, uuid=device.endpoint
        )
    except Conflict as error:
        raise Conflict(
            f"device {device.id!r}: endpoint {device.endpoint} was deleted and keeps its number; "
            "give the device another id or uuid"
        ) from error


def _align(
    registry: RegistryStore,
    endpoint: Endpoint,
    device: PlannedDevice,
    earlier: PlannedDevice | None,
) -> None:
    """Bring the endpoint to what the document says.

    What the document did not change since it was last enrolled is left as it is: a name, a place
    or a range that somebody corrected through the API stays corrected.
    """
    said = (earlier.friendly_name, earlier.metadata) if earlier else (None, {})
    renamed = said[0] is not None and said[0] != device.friendly_name
    changed = {
        key: value
        for key, value in _difference(said[1], device.metadata).items()
        if endpoint.metadata.get(key) != value
    }
    metadata = {**endpoint.metadata, **changed}
    if renamed or changed or endpoint.feed is not Feed.ADAPTER:
        registry.change_endpoint(
            device.endpoint,
            friendly_name=device.friendly_name if renamed else None,
            metadata={key: value for key, value in metadata.items() if value is not None}
            if changed
            else None,
            feed=Feed.ADAPTER,
        )
    model = declared_model(device.profile)
    if endpoint.model != model:
        registry.declare_model(device.endpoint, model)
    for scope, (said_before, overlay) in _scopes(device, earlier).items():
        if merge := _difference(said_before, overlay):
            stored = registry.overlay(scope)
            if any(stored.get(key) != value for key, value in merge.items()):
                registry.change_overlay(scope, merge)


def _scopes(
    device: PlannedDevice, earlier: PlannedDevice | None
) -> Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]]:
    """Return the overlay that the document said before, and says now, at each scope."""
    old = dict(overlays(earlier.profile)) if earlier else {}
    new = overlays(device.profile)
    scopes = {
        f"{device.endpoint}/{path}": (old.get(path, {}), new.get(path, {}))
        for path in {**old, **new}
    }
    return {device.endpoint: (earlier.overlay if earlier else {}, device.overlay), **scopes}


def _difference(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return what to merge to get from old to new (RFC 7396: None removes a key)."""
    gone = {key: None for key in old if key not in new}
    return gone | {key: value for key, value in new.items() if key not in old or old[key] != value}
