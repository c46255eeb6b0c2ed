"""What this layer needs of the registry."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import Constraint, EndpointModel, Node, ValueType


class Feed(StrEnum):
    """What fills the points of an endpoint; the first to deliver decides."""

    DEVICE = "device"
    """A cloud.iO device with a certificate."""
    ADAPTER = "adapter"
    APP = "app"
    """An application, by ``POST /observations``."""
    PLATFORM = "platform"
    """The platform itself, of its host, stores and queues."""
    MASHUP = "mashup"
    """The mashup of the same UUID: its virtual points."""


@dataclass(frozen=True, slots=True)
class Project:
    """A tenant: owns endpoints."""

    id: int
    name: str


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A logical thing of the city. ``model`` is None until something declared one."""

    uuid: EndpointId
    project: int
    friendly_name: str
    metadata: Mapping[str, Any]
    feed: Feed | None
    banned: bool
    model: EndpointModel | None
    created_at: int
    """Milliseconds since 1970 UTC."""
    deleted_at: int | None = None


@dataclass(frozen=True, slots=True)
class Point:
    """One data point. ``id`` is stable for ever; ``removed`` when its node has gone."""

    id: int
    address: PointAddress
    constraint: Constraint
    type: ValueType
    conforms: str | None = None
    removed: bool = False


@dataclass(frozen=True, slots=True)
class NewPoint:
    """A point to be registered: its address and what the wire says of it."""

    address: PointAddress
    constraint: Constraint
    type: ValueType
    conforms: str | None = None


@dataclass(frozen=True, slots=True)
class Connection:
    """One configured link of an adapter. ``document`` is what `adapter add` was given, checked."""

    name: str
    project: int
    adapter: str
    document: Mapping[str, Any]
    revision: int
    """Raised by one at each change of the document."""
    enabled: bool = True
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Changes:
    """All that changed after one version of the registry, up to ``version``."""

    version: int
    endpoints: Sequence[Endpoint]
    points: Sequence[Point]
    overlays: Mapping[str, Mapping[str, Any]]
    """Scope → overlay; an empty overlay means that it was removed. A scope is a class name written
    ``class:<conforms>``, an endpoint's uuid, a deeper prefix or the address of one point."""
    connections: Sequence[Connection]


class RegistryError(Exception):
    """The registry refused; its message tells the caller what to do."""


class Missing(RegistryError):
    """Nothing of that name exists."""


class Conflict(RegistryError):
    """The name is taken, or the thing is in a state that forbids the change."""


class RegistryStore(Protocol):
    """Projects, endpoints, points and overlays. Methods may be called from any thread.

    Each change raises the version by one and is durable when the method returns.
    """

    def version(self) -> int:
        """Return the number of the last change."""
        ...

    def changes(self, after: int) -> Changes:
        """Return everything changed after that version; ``after=0`` loads the whole registry.

        Deleted endpoints and connections and removed points are in it, marked as such, so that
        applying the answers one after another gives the same picture as loading the whole.
        """
        ...

    def create_project(self, name: str) -> Project:
        """Raises Conflict when the name is taken."""
        ...

    def projects(self) -> Sequence[Project]:
        """Return every project that exists."""
        ...

    def create_endpoint(
        self, project: int, friendly_name: str, metadata: Mapping[str, Any], uuid: str | None = None
    ) -> Endpoint:
        """Create an endpoint under a new random UUID, or the given one; Conflict if it exists."""
        ...

    def endpoint(self, uuid: EndpointId) -> Endpoint:
        """Raises Missing for an unknown or deleted endpoint."""
        ...

    def endpoints(self, project: int | None = None) -> Sequence[Endpoint]:
        """Return the endpoints of one project, or of all, oldest first; deleted ones never."""
        ...

    def change_endpoint(
        self,
        uuid: EndpointId,
        *,
        friendly_name: str | None = None,
        metadata: Mapping[str, Any] | None = None,
        banned: bool | None = None,
        feed: Feed | None = None,
    ) -> Endpoint:
        """Change what is not None; ``metadata`` replaces the whole."""
        ...

    def delete_endpoint(self, uuid: EndpointId, at: int) -> Endpoint:
        """Mark as deleted; its points are marked removed and keep their ids for ever.

        In the same transaction its certificates are revoked and its provision token is removed.
        """
        ...

    def declare_model(self, uuid: EndpointId, model: EndpointModel) -> Sequence[Point]:
        """Replace the endpoint's model; points not in it are marked removed, new ones get ids.

        Returns:
            Every point of the endpoint that was added, changed or removed.
        """
        ...

    def declare_node(self, uuid: EndpointId, name: str, node: Node) -> Sequence[Point]:
        """Add or replace one node of the model; returns as `declare_model`."""
        ...

    def remove_node(self, uuid: EndpointId, name: str) -> Sequence[Point]:
        """Take one node out of the model, its points marked removed; unknown names are ignored."""
        ...

    def ensure_points(self, points: Sequence[NewPoint]) -> Sequence[Point]:
        """Return the points in the order given; unknown ones are registered and join the model.

        A point that exists stays as it was declared; one that was removed comes back under its id.

        Raises:
            Missing: an endpoint is unknown.
            Conflict: an endpoint would have more than POINTS_PER_ENDPOINT_MAX points.
        """
        ...

    def points(self, prefix: Sequence[str]) -> Sequence[Point]:
        """Return the points at or below a prefix, ordered by address, removed ones included."""
        ...

    def point(self, address: PointAddress) -> Point:
        """Return a point, also a removed one; raises Missing when there never was one."""
        ...

    def overlay(self, scope: str) -> Mapping[str, Any]:
        """Return the overlay stored at exactly this scope, empty when there is none."""
        ...

    def change_overlay(
        self,
        scope: str,
        merge: Mapping[str, Any],
        check: Callable[[Mapping[str, Any]], object] | None = None,
    ) -> Mapping[str, Any]:
        """Merge keys into a scope's overlay (RFC 7396: None removes a key); returns the result.

        ``check`` is shown the result before it is stored; what it raises undoes the change.
        Raises Missing when the scope lies in an unknown or deleted endpoint.
        """
        ...

    def put_connection(
        self, name: str, project: int, adapter: str, document: Mapping[str, Any], enabled: bool
    ) -> Connection:
        """Create or replace; the same document again changes nothing, not even the revision."""
        ...

    def connections(self) -> Sequence[Connection]:
        """Return the connections of all adapters."""
        ...

    def delete_connection(self, name: str) -> None:
        """Raises Missing."""
        ...

    def source(self, name: str) -> int:
        """Return the number of a source such as ``mqtt:<uuid>``; a new name gets one."""
        ...
