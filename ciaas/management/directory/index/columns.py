"""What can be asked of points and endpoints, as columns of codes, kept current lazily."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.sample import Numbers
from ciaas.limits import DIRECTORY_STALE_TEXTS_MAX
from ciaas.management.directory.index.coding import NONE, Codes, Texts
from ciaas.ports import Changes, Endpoint, Feed, Point

Column: TypeAlias = NDArray[np.int32]
Place: TypeAlias = tuple[float, float]
"""Latitude and longitude in degrees, WGS 84."""
Levels: TypeAlias = tuple[str, ...]
"""Project, endpoint, node and so on, as the rights engine knows a path."""


@dataclass(slots=True)
class Table:
    """Codes of equally many rows: a row is a point's number, or an endpoint's code."""

    alive: NDArray[np.bool_]
    endpoint: Column
    path: Column
    """What follows the endpoint in the address; `NONE` for an endpoint itself."""
    classes: Column
    implements: Column
    constraint: Column
    unit: Column
    quantity: Column
    tags: Column
    place: Column
    words: Column

    @staticmethod
    def of(rows: int) -> Table:
        """Return a table without anything alive."""
        columns = {name: np.zeros(rows, np.int32) for name in COLUMNS}
        return Table(alive=np.zeros(rows, np.bool_), **columns)

    def __len__(self) -> int:
        return len(self.alive)

    def grown(self, rows: int) -> Table:
        """Return a table of at least so many rows, this one or a longer copy."""
        if rows <= len(self):
            return self
        longer = Table.of(max(rows, 2 * len(self)))
        for name in ("alive", *COLUMNS):
            getattr(longer, name)[: len(self)] = getattr(self, name)
        return longer

    def take(self, rows: NDArray[np.intp]) -> Table:
        """Return some rows as a table of their own."""
        return Table(*(getattr(self, name)[rows] for name in ("alive", *COLUMNS)))

    def put(self, row: int, **codes: int) -> None:
        """Write one row, which is alive from now on."""
        for name, code in codes.items():
            getattr(self, name)[row] = code
        self.alive[row] = True


COLUMNS = (
    "endpoint", "path", "classes", "implements", "constraint", "unit", "quantity", "tags", "place",
    "words",
)  # fmt: skip


class Index:
    """All points and endpoints of the catalogue.

    The catalogue only notes here what changed, in the thread that changes it; `refresh` takes it
    over in the thread that asks. Use the columns with `lock` held. Rights are no part of it.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self.lock = RLock()
        self.version = 0
        """Raised by each refresh that changed something."""
        self.names_version = 0
        """Raised whenever an endpoint may have another name."""
        self._catalogue = catalogue
        self.noted = 0
        """Changes that the catalogue told of, taken over or not."""
        self._changed_points: deque[Sequence[Point]] = deque()
        self._changes: deque[Changes] = deque()
        self._overlays: dict[str, Mapping[str, Any]] = {}
        """By endpoint: what is said of the endpoint itself."""
        self._empty()
        catalogue.on_changes(self._note)
        catalogue.on_points(self._changed_points.append)

    def _empty(self) -> None:
        self.uuids: Codes[EndpointId] = Codes()
        self.paths: Codes[str] = Codes()
        self.classes: Codes[str] = Codes()
        self.implements: Codes[tuple[str, ...]] = Codes()
        self.constraints: Codes[str] = Codes()
        self.units: Codes[str] = Codes()
        self.quantities: Codes[str] = Codes()
        self.tags: Codes[tuple[str, ...]] = Codes()
        self.places: Codes[Place] = Codes()
        self._degrees = np.empty((0, 2))
        self.path_texts, self.class_texts = Texts(), Texts()
        self.words, self.names, self.metadata = Texts(), Texts(), Texts()
        self.points = Table.of(1_024)
        self.endpoints = Table.of(256)
        self.endpoint_list: list[Endpoint | None] = [None]
        self.name_of = np.zeros(256, np.int32)
        self.metadata_of = np.zeros(256, np.int32)
        self.project_of = np.zeros(256, np.int32)
        self.read_by_adapter = np.zeros(256, np.bool_)
        self._endpoint_levels: list[Levels] = [()]
        self._ranked: tuple[int, Column, list[str]] = (-1, np.zeros(0, np.int32), [])
        self._path_levels: list[tuple[str, ...]] = [()]
        self._point_levels: dict[int, Levels] = {}
        self.path_text_of: list[int] = [NONE]
        self.class_text_of: list[int] = [NONE]

    # -- reading; with the lock held

    def place_columns(self) -> tuple[Numbers, Numbers]:
        """Return latitude and longitude by code of a place, NaN for none."""
        both = self._degrees
        if len(both) < len(self.places):
            new = self.places.values[len(both) :]
            more = np.array([place or (np.nan, np.nan) for place in new], np.float64)
            self._degrees = both = np.concatenate([both, more])
        return both[:, 0], both[:, 1]

    def project_column(self, table: Table) -> Column:
        """Return the project's number of each row."""
        column: Column = self.project_of[table.endpoint]
        return column

    def name_ranks(self) -> tuple[Column, Sequence[str]]:
        """Return by code where an endpoint stands by name, and the names in order.

        The UUID stands behind the name, so that no two are equal.
        """
        if self._ranked[0] != self.names_version:
            alive = np.flatnonzero(self.endpoints.alive).tolist()
            named = sorted(
                (f"{self.names.text(name)} {self.uuids.values[code]}", code)
                for code, name in zip(alive, self.name_of[alive].tolist(), strict=True)
            )
            ranks = np.zeros(len(self.endpoints), np.int32)
            ranks[[code for _, code in named]] = np.arange(len(named))
            self._ranked = (self.names_version, ranks, [name for name, _ in named])
        return self._ranked[1], self._ranked[2]

    def endpoint_levels(self, codes: NDArray[np.intp] | Column) -> list[Levels]:
        """Return the path of each endpoint as the rights engine knows it."""
        return list(map(self._endpoint_levels.__getitem__, codes.tolist()))

    def point_levels(self, rows: NDArray[np.intp]) -> list[Levels]:
        """Return the path of each point as the rights engine knows it."""
        # Made once a point: making them took twice as long as deciding on them.
        known = self._point_levels
        numbers = rows.tolist()
        found = list(map(known.get, numbers))
        if None not in found:
            return cast(list[Levels], found)
        endpoints = self.points.endpoint[rows].astype(np.intp)
        heads = dict(zip(endpoints.tolist(), self.endpoint_levels(endpoints), strict=True))
        paths = self.points.path[rows].tolist()
        for at, levels in enumerate(found):
            if levels is None:
                made: Levels = heads[int(endpoints[at])] + self._path_levels[paths[at]]
                found[at] = known[numbers[at]] = made
        return cast(list[Levels], found)

    # -- following the catalogue

    def refresh(self) -> int:
        """Take over what changed since the last time; returns the version it has then."""
        with self.lock:
            endpoints, points = self._take()
            if endpoints or points:
                self._take_over(endpoints, points)
                self.version += 1
                if self._is_wasteful():
                    self._rebuild()
            return self.version

    def _note(self, changes: Changes) -> None:
        self._changes.append(changes)
        self.noted += 1

    def _take(self) -> tuple[dict[EndpointId, Endpoint], dict[int, Point]]:
        endpoints: dict[EndpointId, Endpoint] = {}
        points: dict[int, Point] = {}
        while self._changes:
            changes = self._changes.popleft()
            endpoints.update((endpoint.uuid, endpoint) for endpoint in changes.endpoints)
            for scope, overlay in changes.overlays.items():
                if ":" in scope or "/" in scope:
                    continue
                self._overlays[scope] = overlay
                known = self._catalogue.endpoint(EndpointId(scope))
                if known is not None:
                    endpoints[known.uuid] = known
        while self._changed_points:
            points.update((point.id, point) for point in self._changed_points.popleft())
        return endpoints, points

    def _take_over(
        self, endpoints: Mapping[EndpointId, Endpoint], points: Mapping[int, Point]
    ) -> None:
        remodelled: list[int] = []
        for endpoint in endpoints.values():
            before = self._put_endpoint(endpoint)
            if before is not None and before.model != endpoint.model:
                remodelled.append(self.uuids.known(endpoint.uuid))
        self._put_points(points.values())
        if remodelled:
            # A node may implement something else now, which no change of a point tells of.
            rows = np.flatnonzero(np.isin(self.points.endpoint, remodelled) & self.points.alive)
            self._put_points(self._catalogue.point(row) for row in rows.tolist())

    def _put_endpoint(self, endpoint: Endpoint) -> Endpoint | None:
        """Write an endpoint's row; returns what it was before."""
        code = self._endpoint_code(endpoint.uuid)
        before, self.endpoint_list[code] = self.endpoint_list[code], endpoint
        if endpoint.deleted_at is not None:
            self.endpoints.alive[code] = False
            return before
        overlay = self._overlays.get(endpoint.uuid, {})
        self.endpoints.put(
            code,
            endpoint=code,
            tags=self.tags.code(_tags(overlay)),
            place=self.places.code(_place(overlay)),
            words=self.words.code(_words(overlay)),
        )
        self.name_of[code] = self.names.code(endpoint.friendly_name)
        self.metadata_of[code] = self.metadata.code(_words(endpoint.metadata))
        self.project_of[code] = endpoint.project
        self.read_by_adapter[code] = endpoint.feed is Feed.ADAPTER
        self._endpoint_levels[code] = (str(endpoint.project), endpoint.uuid)
        self.names_version += 1
        return before

    def _endpoint_code(self, uuid: EndpointId) -> int:
        code = self.uuids.code(uuid)
        if code == len(self.endpoint_list):
            self.endpoint_list.append(None)
            self._endpoint_levels.append(())
            self.endpoints = self.endpoints.grown(code + 1)
            for name in ("name_of", "metadata_of", "project_of", "read_by_adapter"):
                column = getattr(self, name)
                if len(column) < len(self.endpoints):
                    longer = np.zeros(len(self.endpoints), column.dtype)
                    longer[: len(column)] = column
                    setattr(self, name, longer)
        return code

    def _put_points(self, points: Iterable[Point]) -> None:
        for point in points:
            self.points = self.points.grown(point.id + 1)
            if point.removed:
                self.points.alive[point.id] = False
            else:
                self._put_point(point)

    def _put_point(self, point: Point) -> None:
        uuid, _, path = point.address.partition("/")
        code = self._endpoint_code(EndpointId(uuid))
        overlay = self._catalogue.overlay(point.id)
        if self.paths.known(path) == NONE:
            self.path_text_of.append(self.path_texts.code(path))
            self._path_levels.append(tuple(map(sys.intern, path.split("/"))))
        if point.conforms is not None and self.classes.known(point.conforms) == NONE:
            self.class_text_of.append(self.class_texts.code(point.conforms))
        self.points.put(
            point.id,
            endpoint=code,
            path=self.paths.code(path),
            classes=self.classes.code(point.conforms),
            implements=self.implements.code(self._implemented(EndpointId(uuid), path)),
            constraint=self.constraints.code(point.constraint.value),
            unit=self.units.code(overlay.get("unit")),
            quantity=self.quantities.code(overlay.get("quantity")),
            tags=self.tags.code(_tags(overlay)),
            place=self.places.code(_place(overlay)),
            words=self.words.code(_words(overlay)),
        )

    def _implemented(self, uuid: EndpointId, path: str) -> tuple[str, ...] | None:
        known = self._catalogue.endpoint(uuid)
        if known is None or known.model is None:
            return None
        node = known.model.nodes.get(path.partition("/")[0])
        return None if node is None else node.implements or None

    # -- texts that nothing carries any more

    def _is_wasteful(self) -> bool:
        texts = len(self.words) + len(self.names) + len(self.metadata) + len(self.tags)
        rows = np.count_nonzero(self.points.alive) + 3 * np.count_nonzero(self.endpoints.alive)
        return bool(texts > 2 * rows + DIRECTORY_STALE_TEXTS_MAX)

    def _rebuild(self) -> None:
        rows = np.flatnonzero(self.points.alive).tolist()
        endpoints = [known for known in self.endpoint_list if known and known.deleted_at is None]
        self._empty()
        for endpoint in endpoints:
            self._put_endpoint(endpoint)
        self._put_points(self._catalogue.point(row) for row in rows)


def _tags(overlay: Mapping[str, Any]) -> tuple[str, ...] | None:
    return tuple(overlay.get("tags", ())) or None


def _place(overlay: Mapping[str, Any]) -> Place | None:
    place = overlay.get("place")
    return None if place is None else (float(place["lat"]), float(place["lon"]))


def _words(document: Mapping[str, Any]) -> str:
    return " ".join(_strings(document)) if document else ""


def _strings(value: object) -> Iterator[str]:
    match value:
        case str():
            yield value
        case Mapping():
            for inner in value.values():
                yield from _strings(inner)
        case list() | tuple():
            for inner in value:
                yield from _strings(inner)
