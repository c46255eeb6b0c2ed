"""The registry in memory: every endpoint, point and overlay, found without asking a database."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import RLock
from typing import Any, Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import EndpointModel, Node, ValueType
from ciaas.kernel.sample import Kind, Uint8s, Uint32s
from ciaas.kernel.wire.topic import long_form, subject_of
from ciaas.limits import POINTS_PER_ENDPOINT_MAX
from ciaas.ports import Changes, Conflict, Endpoint, Missing, NewPoint, Point, RegistryStore

PointsListener = Callable[[Sequence[Point]], None]
ChangesListener = Callable[[Changes], None]

KIND_OF_TYPE: Final = {
    ValueType.BOOLEAN: Kind.BOOLEAN,
    ValueType.INTEGER: Kind.INTEGER,
    ValueType.NUMBER: Kind.NUMBER,
    ValueType.STRING: Kind.TEXT,
}
_NO_SOURCE = np.uint32(0xFFFFFFFF)
_EMPTY: Mapping[str, Any] = {}


class _Ordered(NamedTuple):
    """All addresses in order, as of one state of the catalogue."""

    state: int
    addresses: list[PointAddress]


class Catalogue:
    """Endpoints, points and overlays, kept current by `refresh` and by its own writes.

    Methods may be called from any thread. Reading takes no lock; changes follow one another.
    A removed point is found by its id, no longer by its address.
    """

    def __init__(self, registry: RegistryStore) -> None:
        self._registry = registry
        self._changing = RLock()
        self._version = 0
        self._endpoints: dict[EndpointId, Endpoint] = {}
        self._deleted: dict[EndpointId, Endpoint] = {}
        self._points: dict[int, Point] = {}
        self._by_address: dict[PointAddress, Point] = {}
        self._by_subject: dict[bytes, int] = {}
        self._overlays: dict[str, Mapping[str, Any]] = {}
        self._types = np.zeros(1024, np.uint8)
        self._sources = np.full(1024, _NO_SOURCE, np.uint32)
        self._source_by_endpoint: dict[EndpointId, int] = {}
        self._counts: dict[EndpointId, int] = {}
        """Points that ever were, by endpoint: what its bound counts."""
        self._removed: set[PointAddress] = set()
        self._state = 0
        self._ordered = _Ordered(0, [])
        self._listeners: list[PointsListener] = []
        self._followers: list[ChangesListener] = []
        self.by_subject: Callable[[bytes], int | None] = self._by_subject.get
        """Point id of a broker subject after its verb: ``<uuid>.n.o.a``, ``//`` for a dot."""
        self.by_address: Callable[[PointAddress], Point | None] = self._by_address.get
        self.endpoint: Callable[[EndpointId], Endpoint | None] = self._endpoints.get
        """None for an unknown or deleted endpoint."""
        self.deleted: Callable[[EndpointId], Endpoint | None] = self._deleted.get
        """An endpoint that was deleted, without its model: whose history it left behind."""
        self.refresh()

    # -- reading

    @property
    def types(self) -> Uint8s:
        """By point id: the `Kind` that a value of the point's type has, 0 for no point."""
        return self._types

    def point(self, point_id: int) -> Point:
        """Return a point, also a removed one.

        Raises:
            Missing: there never was such a point.
        """
        point = self._points.get(point_id)
        if point is None:
            raise Missing(f"no data point has the number {point_id}")
        return point

    def knows(self, points: Uint32s) -> NDArray[np.bool_]:
        """Return a mask of the point ids that exist."""
        types = self._types
        known = np.zeros(len(points), np.bool_)
        inside = points < len(types)
        known[inside] = types[points[inside]] != 0
        return known

    def under(self, prefix: Sequence[str]) -> list[Point]:
        """Return the points at or below the levels of a prefix, ordered by address."""
        addresses = self._in_order()
        if prefix:
            root = "/".join(prefix)
            # "0" is the character after "/", so that these bounds hold all that lies below
            first, last = bisect_left(addresses, root + "/"), bisect_left(addresses, root + "0")
            addresses = [PointAddress(root), *addresses[first:last]]
        found = map(self._by_address.get, addresses)
        return [point for point in found if point is not None]

    def endpoints(self) -> list[Endpoint]:
        """Return all endpoints, oldest first."""
        return sorted(self._endpoints.values(), key=lambda endpoint: endpoint.created_at)

    def overlay(self, point_id: int) -> Mapping[str, Any]:
        """Return all that overlays say of a point; the more specific scope wins key by key.

        Scopes from general to specific: the class of its object, its endpoint, each deeper
        prefix, the point itself.

        Raises:
            Missing: there never was such a point.
        """
        if not self._overlays:
            return _EMPTY
        point = self.point(point_id)
        merged = dict(self._overlays.get(f"class:{point.conforms or ''}", _EMPTY))
        end = -1
        while end < len(point.address):
            end = point.address.find("/", end + 1)
            end = len(point.address) if end < 0 else end
            merged.update(self._overlays.get(point.address[:end], _EMPTY))
        return merged

    def sources_of(self, points: Uint32s) -> Uint32s:
        """Return the number of the source ``mqtt:<endpoint>`` of each point."""
        sources: Uint32s = self._sources[points]
        if (missing := points[sources == _NO_SOURCE]).size:
            with self._changing:
                for point_id in np.unique(missing).tolist():
                    self._sources[point_id] = self._source(self._points[point_id].address)
            sources = self._sources[points]
        return sources

    def on_points(self, listener: PointsListener) -> None:
        """Have a listener told of points that are new, changed, removed or differently overlaid.

        It is called at once with every known point, and later in the thread that makes a change,
        before that change returns; it must not wait for another thread that uses the catalogue.
        """
        with self._changing:
            self._listeners.append(listener)
            listener(list(self._points.values()))

    def on_changes(self, listener: ChangesListener) -> None:
        """Have a listener told of each change of the registry, after it holds here.

        It is called at once with all there is but connections, and later as `on_points` says, even
        when no point is touched: an endpoint was renamed, say. It must return at once.
        """
        with self._changing:
            self._followers.append(listener)
            endpoints = [*self._endpoints.values(), *self._deleted.values()]
            points = list(self._points.values())
            listener(Changes(self._version, endpoints, points, dict(self._overlays), ()))

    # -- changing

    def refresh(self) -> bool:
        """Take over what others changed in the registry; returns False when nothing was."""
        with self._changing:
            if self._registry.version() == self._version:
                return False
            changes = self._registry.changes(self._version)
            touched = {point.id: point for point in changes.points if self._place(point)}
            for endpoint in changes.endpoints:
                self._place_endpoint(endpoint)
            for scope, overlay in changes.overlays.items():
                touched.update((point.id, point) for point in self._overlay(scope, overlay))
            self._version = changes.version
            if touched:
                for listener in self._listeners:
                    listener(list(touched.values()))
            for follower in self._followers:
                follower(changes)
            return True

    def declare(self, uuid: EndpointId, model: EndpointModel) -> None:
        """Replace an endpoint's model; the same model again costs nothing.

        Raises:
            Missing: unknown endpoint.
            Conflict: more points than an endpoint may have.
        """
        with self._changing:
            self.refresh()
            if self._known(uuid).model != model:
                self._registry.declare_model(uuid, model)
                self.refresh()

    def declare_node(self, uuid: EndpointId, name: str, node: Node) -> None:
        """Add or replace one node of a model; raises as `declare`."""
        with self._changing:
            self.refresh()
            model = self._known(uuid).model
            if model is None or model.nodes.get(name) != node:
                self._registry.declare_node(uuid, name, node)
                self.refresh()

    def remove_node(self, uuid: EndpointId, name: str) -> None:
        """Take a node out of a model; an unknown node is ignored.

        Raises:
            Missing: unknown endpoint.
        """
        with self._changing:
            self._known(uuid)
            self._registry.remove_node(uuid, name)
            self.refresh()

    def learn(self, new: Sequence[NewPoint]) -> None:
        """Register points that sent data without having been declared.

        Those that an endpoint has no room for, or whose endpoint has gone, are left out: they
        are then not found by address.
        """
        with self._changing:
            self.refresh()
            by_endpoint: dict[EndpointId, list[NewPoint]] = {}
            for point in new:
                uuid = EndpointId(point.address.partition("/")[0])
                if uuid in self._endpoints and self._has_room(uuid, point.address):
                    by_endpoint.setdefault(uuid, []).append(point)
            for group in by_endpoint.values():
                self._learn_what_fits(group)
            self.refresh()

    def remember_long_form(self, point: Point) -> None:
        """Let a point be found by the v0.1 form of its subject too."""
        with self._changing:
            if self._by_address.get(point.address) is point:
                self._by_subject[subject_of(long_form(point.address))] = point.id

    # -- private pieces

    def _has_room(self, uuid: EndpointId, address: PointAddress) -> bool:
        return self._counts.get(uuid, 0) < POINTS_PER_ENDPOINT_MAX or address in self._removed

    def _learn_what_fits(self, group: Sequence[NewPoint]) -> None:
        """Register as many points of one endpoint as the registry takes, the first ones first."""
        done, step = 0, len(group)
        while step and done < len(group):
            try:
                self._registry.ensure_points(group[done : done + step])
            except Conflict:
                step //= 2
            except Missing:
                return
            else:
                done += step

    def _source(self, address: PointAddress) -> int:
        endpoint = EndpointId(address.partition("/")[0])
        if endpoint not in self._source_by_endpoint:
            self._source_by_endpoint[endpoint] = self._registry.source(f"mqtt:{endpoint}")
        return self._source_by_endpoint[endpoint]

    def _known(self, uuid: EndpointId) -> Endpoint:
        endpoint = self._endpoints.get(uuid)
        if endpoint is None:
            raise Missing(f"no endpoint has the UUID {uuid}")
        return endpoint

    def _place(self, point: Point) -> bool:
        """Take over one point; returns False when it is as it was."""
        before = self._points.get(point.id)
        if before == point:
            return False
        if point.id >= len(self._types):
            self._grow(point.id)
        self._points[point.id] = point
        self._types[point.id] = KIND_OF_TYPE[point.type]
        if before is None:
            uuid = EndpointId(point.address.partition("/")[0])
            self._counts[uuid] = self._counts.get(uuid, 0) + 1
        if point.removed:
            self._forget(point)
        else:
            self._removed.discard(point.address)
            self._by_address[point.address] = point
            self._by_subject[subject_of(point.address)] = point.id
        if before is None or before.removed != point.removed:
            self._state += 1
        return True

    def _forget(self, point: Point) -> None:
        self._removed.add(point.address)
        self._by_address.pop(point.address, None)
        self._by_subject.pop(subject_of(point.address), None)
        self._by_subject.pop(subject_of(long_form(point.address)), None)

    def _place_endpoint(self, endpoint: Endpoint) -> None:
        if endpoint.deleted_at is None:
            self._endpoints[endpoint.uuid] = endpoint
        else:
            self._endpoints.pop(endpoint.uuid, None)
            self._deleted[endpoint.uuid] = replace(endpoint, model=None, metadata=_EMPTY)

    def _overlay(self, scope: str, overlay: Mapping[str, Any]) -> list[Point]:
        """Take over one overlay; returns the points it is for."""
        if self._overlays.get(scope, _EMPTY) == overlay:
            return []
        if overlay:
            self._overlays[scope] = overlay
        else:
            del self._overlays[scope]
        kind, _, name = scope.partition(":")
        if kind == "class":
            return [point for point in self._points.values() if point.conforms == name]
        return self.under(scope.split("/"))

    def _grow(self, point_id: int) -> None:
        """Make room for a point id; arrays handed out before stay as they are."""
        more = max(point_id + 1, 2 * len(self._types)) - len(self._types)
        self._types = np.concatenate([self._types, np.zeros(more, np.uint8)])
        self._sources = np.concatenate([self._sources, np.full(more, _NO_SOURCE, np.uint32)])

    def _in_order(self) -> list[PointAddress]:
        ordered = self._ordered
        if ordered.state != self._state:
            state = self._state  # read first: a change meanwhile makes this result stale again
            ordered = _Ordered(state, sorted(list(self._by_address)))
            self._ordered = ordered
        return ordered.addresses
