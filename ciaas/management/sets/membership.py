"""Who is in a set now: classes, selections and endpoint groups as the rights engine asks them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.address import EndpointId, PointAddress
from ciaas.kernel.catalogue import Catalogue
from ciaas.limits import SET_MASKS_MAX
from ciaas.management.directory.filter import Filter
from ciaas.management.directory.index import Index
from ciaas.management.directory.matching import Mask, Moment, Rows, condition
from ciaas.management.sets.ports import SavedSelection, SetChanges
from ciaas.ports import Changes, Point
from security.aaa.extents import Path, SetExtent, SetKind, extent_of

_MOMENTARY = ("state", "silent", "value", "verdict", "permission")
_CLASS = "class:"
_ENDPOINTS = f"{SetKind.ENDPOINTS}:"
_STEP = 256
"""Members looked at together: whoever asks mostly needs the first one alone."""
_NOBODY = Filter.parse({"project": ["\0"]})
"""Holds for no point: no project is named so."""


def check_selectable(wanted: Filter) -> None:
    """Make sure that a filter can say who is in a selection.

    Raises:
        ValueError: it asks for a sample, for this moment, or for who asks.
    """
    for key in _MOMENTARY:
        if wanted.asks(key):
            raise ValueError(
                f"{key}: a selection tells points apart by what they are; leave it out"
            )
    if wanted.asks("project"):
        raise ValueError("project: a selection is of its own project alone; leave it out")


class SetBook:
    """What selections and endpoint groups are; for one writer, and readers of any thread."""

    def __init__(self) -> None:
        self._selections: dict[str, SavedSelection] = {}
        self._endpoints: dict[str, frozenset[str]] = {}
        self.version = 0
        """Raised by each change."""

    def take_over(self, changes: SetChanges) -> None:
        """Take over what changed."""
        if not (changes.selections or changes.selections_removed or changes.members):
            return
        for number in changes.selections_removed:
            self._selections.pop(str(number), None)
        for selection in changes.selections:
            self._selections[str(selection.id)] = selection
        drafts: dict[str, set[str]] = {}
        for member in changes.members:
            group = str(member.group)
            draft = drafts.setdefault(group, set(self._endpoints.get(group, ())))
            (draft.add if member.present else draft.discard)(member.endpoint)
        self._endpoints.update((group, frozenset(draft)) for group, draft in drafts.items())
        self.version += 1

    def filter_of(self, extent: SetExtent) -> Filter:
        """Return what a class or a selection holds for, within its project."""
        if extent.kind is SetKind.CLASS:
            named = [{"class": [extent.name]}, {"implements": [extent.name]}]
            return Filter.parse({"any": named})
        known = self._selections.get(extent.name)
        return _NOBODY if known is None else Filter.parse(known.filter)

    def endpoints_of(self, extent: SetExtent) -> frozenset[str]:
        """Return the endpoints of a group."""
        return self._endpoints.get(extent.name, frozenset())


class Membership:
    """`security.aaa.extents.Sets` over the directory's index.

    A set of points is a mask over their numbers, made when it is asked for the first time. After a
    change the rows that it touched, and no others, are looked at again, by whoever asks next.
    """

    def __init__(self, book: SetBook, index: Index, catalogue: Catalogue) -> None:
        self._book, self._index, self._catalogue = book, index, catalogue
        self._masks: dict[str, Mask] = {}
        self._views: dict[str, memoryview] = {}
        """Of the masks: one element is read in half the time."""
        self._homes: dict[str, Mask] = {}
        """By an endpoint's code: whether a member is below it; made when it is asked for."""
        self._version = book.version
        self._touched = _Touched()
        self._by_address = catalogue.by_address
        catalogue.on_points(self._touched.points)
        catalogue.on_changes(self._touched.changes)

    def number(self, path: Path) -> int | None:
        """Return the number of a point, None when the path is not one of a point in force."""
        point = self._by_address(PointAddress("/".join(path[1:])))
        return None if point is None else point.id

    def has(self, key: str, path: Path, number: int | None) -> bool:
        """Tell whether a path is in the set."""
        if number is None:
            return key.startswith(_ENDPOINTS) and self._has_endpoint(key, path)
        view = self._views.get(key)
        if view is None or self._touched.anything or self._version != self._book.version:
            self._mask(key)
            view = self._views[key]
        return number < len(view) and bool(view[number])

    def mask(
        self, key: str, paths: Sequence[Path], numbers: NDArray[np.integer]
    ) -> NDArray[np.bool_]:
        """Return which of these paths are in the set."""
        mask = self._mask(key)
        found = np.zeros(len(paths), np.bool_)
        inside = (numbers >= 0) & (numbers < len(mask))
        found[inside] = mask[numbers[inside]]
        if key.startswith(_ENDPOINTS):
            for place in np.flatnonzero(numbers < 0).tolist():
                found[place] = self.has(key, paths[place], None)
        return found

    def below(self, key: str, path: Path) -> Iterator[Path]:
        """Yield the members at or below a path."""
        extent = _set_of(key)
        if path and path[0] != extent.project:
            return
        if extent.kind is SetKind.ENDPOINTS:
            yield from self._endpoints_below(extent, path)
            return
        mask = self._mask(key)
        if len(path) > 1:
            if self._is_home(key, mask, EndpointId(path[1])):
                for point in self._catalogue.under(path[1:]):
                    if point.id < len(mask) and mask[point.id]:
                        yield (extent.project, *point.address.split("/"))
            return
        rows = np.flatnonzero(mask)
        for first in range(0, len(rows), _STEP):
            with self._index.lock:
                levels = self._index.point_levels(rows[first : first + _STEP])
            yield from levels

    def _has_endpoint(self, key: str, path: Path) -> bool:
        extent = _set_of(key)
        return (
            len(path) > 1
            and path[0] == extent.project
            and path[1] in self._book.endpoints_of(extent)
        )

    def _endpoints_below(self, extent: SetExtent, path: Path) -> Iterator[Path]:
        uuids = self._book.endpoints_of(extent)
        if len(path) > 1:
            if path[1] in uuids:
                yield path
            return
        for uuid in uuids:
            known = self._catalogue.endpoint(EndpointId(uuid))
            if known is not None and str(known.project) == extent.project:
                yield (extent.project, uuid)

    def _mask(self, key: str) -> Mask:
        if not self._touched.anything and self._version == self._book.version:
            known = self._masks.get(key)
            if known is not None:
                return known
        with self._index.lock:
            self._follow()
            known = self._masks.get(key)
            if known is None:
                if len(self._masks) >= SET_MASKS_MAX:
                    self._masks.clear()
                    self._views.clear()
                    self._homes.clear()
                self._touched.noted = True  # before the index is read: nothing falls between
                self._index.refresh()
                known = self._of(key, np.arange(len(self._index.points)))
                self._keep(key, known)
            return known

    def _is_home(self, key: str, mask: Mask, uuid: EndpointId) -> bool:
        homes = self._homes.get(key)
        if homes is None:
            with self._index.lock:
                homes = np.zeros(len(self._index.endpoints), np.bool_)
                homes[self._index.points.endpoint[np.flatnonzero(mask)]] = True
                if self._masks.get(key) is mask:
                    self._homes[key] = homes
        code = self._index.uuids.known(uuid)
        return code < len(homes) and bool(homes[code])

    def _keep(self, key: str, mask: Mask) -> None:
        self._masks[key] = mask
        self._homes.pop(key, None)
        self._views[key] = memoryview(mask.data)

    def _follow(self) -> None:
        """Bring all masks level with the index; with its lock held."""
        if self._version != self._book.version:
            self._version = self._book.version
            for key in [key for key in self._masks if not key.startswith(_CLASS)]:
                del self._masks[key], self._views[key]
                self._homes.pop(key, None)
        numbers, endpoints, classes = self._touched.take()
        if not (numbers or endpoints or classes):
            return
        self._index.refresh()
        table = self._index.points
        rows = np.array(sorted(numbers), np.intp)
        if endpoints:
            codes = [self._index.uuids.known(uuid) for uuid in endpoints]
            rows = np.union1d(rows, np.flatnonzero(np.isin(table.endpoint, codes)))
        if classes or len(rows) * 2 > len(table):
            rows = np.arange(len(table))
        for key, mask in tuple(self._masks.items()):
            after = np.zeros(len(table), np.bool_)
            after[: len(mask)] = mask
            after[rows] = self._of(key, rows)
            self._keep(key, after)  # whoever has the mask of before goes on with that one

    def _of(self, key: str, rows: Rows) -> Mask:
        """Return which of these rows are in a set; with the index's lock held."""
        index, rows, extent = self._index, rows.astype(np.intp), _set_of(key)
        table = index.points.take(rows)
        moment = Moment(
            browsable=lambda codes: np.ones(len(codes), np.bool_), projects={}, now_ms=0
        )
        if extent.kind is SetKind.ENDPOINTS:
            uuids = self._book.endpoints_of(extent)
            codes = [index.uuids.known(EndpointId(uuid)) for uuid in uuids]
            held = np.isin(table.endpoint, codes) & table.alive
        else:
            held = condition(self._book.filter_of(extent), index, table, moment).certain()
        held &= table.alive & index.endpoints.alive[table.endpoint]
        return np.asarray(held & (index.project_column(table) == int(extent.project)))


def _set_of(key: str) -> SetExtent:
    extent = extent_of(key)
    assert isinstance(extent, SetExtent), key
    return extent


class _Touched:
    """What the catalogue tells of since the last time; each thing once."""

    def __init__(self) -> None:
        self.noted = False
        """False as long as there is no mask that a change could touch."""
        self.anything = False
        """True when there is something to take."""
        self._lock = Lock()
        self._numbers: set[int] = set()
        self._endpoints: set[EndpointId] = set()
        self._classes = False

    def points(self, points: Sequence[Point]) -> None:
        if self.noted:
            with self._lock:
                self._numbers.update(point.id for point in points)
                self.anything = True

    def changes(self, changes: Changes) -> None:
        if self.noted:
            with self._lock:
                self._endpoints.update(endpoint.uuid for endpoint in changes.endpoints)
                for scope in changes.overlays:
                    if scope.startswith(_CLASS):
                        self._classes = True
                    else:
                        self._endpoints.add(EndpointId(scope.partition("/")[0]))
                self.anything = True

    def take(self) -> tuple[set[int], set[EndpointId], bool]:
        with self._lock:
            taken = self._numbers, self._endpoints, self._classes
            self._numbers, self._endpoints, self._classes = set(), set(), False
            self.anything = False
        return taken
