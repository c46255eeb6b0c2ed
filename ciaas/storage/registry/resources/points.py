"""Data points and the models that declare them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import groupby

import sqlalchemy as sa

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.model import EndpointModel, Node
from ciaas.limits import REGISTRY_LOOKUP_ROWS
from ciaas.ports import Missing, NewPoint, Point
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.model import joined
from ciaas.storage.registry.resources.declaration import POINTS, Declaration, below, to_point
from ciaas.storage.registry.schema import point


class Points:
    """The part of `RegistryStore` about data points."""

    _database: Database

    def declare_model(self, uuid: EndpointId, model: EndpointModel) -> Sequence[Point]:
        """Replace the endpoint's model; points not in it are marked removed, new ones get ids.

        Kept is what was declared: the values of Static attributes, no others, and no times.

        Returns:
            Every point of the endpoint that was added, changed or removed, ordered by address.

        Raises:
            Missing: the endpoint is unknown or deleted.
            Conflict: the model or the number of points that ever were is beyond its bound.
        """
        with self._database.change() as change:
            return Declaration.load(change, uuid).replace(model)

    def declare_node(self, uuid: EndpointId, name: str, node: Node) -> Sequence[Point]:
        """Add or replace one node of the model; as `declare_model`."""
        with self._database.change() as change:
            declaration = Declaration.load(change, uuid)
            model = declaration.model()
            return declaration.replace(replace(model, nodes={**model.nodes, name: node}))

    def remove_node(self, uuid: EndpointId, name: str) -> Sequence[Point]:
        """Take one node out of the model, its points marked removed; unknown names are ignored.

        Raises:
            Missing: the endpoint is unknown or deleted.
        """
        with self._database.change() as change:
            declaration = Declaration.load(change, uuid)
            model = declaration.model()
            if name not in model.nodes:
                return []
            nodes = {key: node for key, node in model.nodes.items() if key != name}
            return declaration.replace(replace(model, nodes=nodes))

    def ensure_points(self, points: Sequence[NewPoint]) -> Sequence[Point]:
        """Return the points in the order given; unknown ones are registered and join the model.

        A point that exists stays as it was declared; one that was removed comes back, under its
        id, as given here. Given twice, the first counts.

        Raises:
            Missing: an endpoint is unknown or deleted.
            Conflict: as `declare_model`.
        """
        wanted = {new.address: new for new in reversed(points)}
        with self._database.read() as connection:
            known = _present(connection, wanted)
        if len(known) < len(wanted):
            with self._database.change() as change:
                known = _present(change.connection, wanted)
                for added in _join(change, [wanted[key] for key in wanted.keys() - known.keys()]):
                    known[added.address] = added
        return [known[new.address] for new in points]

    def points(self, prefix: Sequence[str]) -> Sequence[Point]:
        """Return the points at or below a prefix, ordered by address, removed ones included.

        An empty prefix stands for every point there is.
        """
        rows = POINTS.where(below(prefix)).order_by(point.c.address)
        with self._database.read() as connection:
            return [to_point(row) for row in connection.execute(rows)]

    def point(self, address: PointAddress) -> Point:
        """Return a point, also a removed one.

        Raises:
            Missing: nothing ever was registered under this address.
        """
        with self._database.read() as connection:
            row = connection.execute(POINTS.filter_by(address=address)).one_or_none()
        if row is None:
            raise Missing(f"there is no data point {address}")
        return to_point(row)


def _present(
    connection: sa.Connection, addresses: Iterable[PointAddress]
) -> dict[PointAddress, Point]:
    ordered = sorted(addresses)
    found: dict[PointAddress, Point] = {}
    for start in range(0, len(ordered), REGISTRY_LOOKUP_ROWS):
        some = ordered[start : start + REGISTRY_LOOKUP_ROWS]
        rows = POINTS.where(point.c.address.in_(some), point.c.removed.is_(False))
        found.update((known.address, known) for known in map(to_point, connection.execute(rows)))
    return found


def _join(change: Change, missing: Iterable[NewPoint]) -> Iterable[Point]:
    by_address = sorted(missing, key=lambda new: new.address)
    for uuid, new in groupby(by_address, key=lambda new: new.address.split("/", 1)[0]):
        declaration = Declaration.load(change, EndpointId(uuid))
        yield from declaration.replace(joined(declaration.model(), new))
