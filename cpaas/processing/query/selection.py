"""Which points a query takes in: rights are asked first, history only about what is left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from ciaas.kernel.address import EndpointId, PointAddress, parse_point, parse_prefix
from ciaas.kernel.catalogue import Catalogue
from ciaas.management.directory.directory import FoundPoints
from ciaas.management.directory.filter import Filter
from ciaas.ports import Missing, Point, RegistryStore
from cpaas.limits import QUERY_POINTS_MAX
from cpaas.processing.errors import Invisible, NotAllowed, TooMuch
from cpaas.processing.query.document import Grouping, Selection
from security.aaa.levels import Level
from security.aaa.rights import Rights
from security.aaa.subjects import Who


class Finder(Protocol):
    """The directory, as a selection by filter needs it."""

    def points(self, wanted: Filter, user: Who) -> FoundPoints:
        """Return the points that a filter holds for now and that the user may read."""
        ...


@dataclass(frozen=True, slots=True)
class Chosen:
    """The points of a query and the series that they make."""

    points: Sequence[Point]
    labels: Sequence[str | None]
    """Of each series; None where the points have nothing of what they are grouped by."""
    members: Sequence[Sequence[int]]
    """Of each series, the places of its points in ``points``."""


@dataclass(frozen=True, slots=True)
class Chooser:
    """Resolves selections for one user at a time; rights are asked at each call."""

    catalogue: Catalogue
    registry: RegistryStore
    rights: Rights
    directory: Finder

    def choose(self, user: Who, select: Selection, group: Grouping | None) -> Chosen:
        """Return what is meant, as far as the user may read it.

        Raises:
            Invisible: a point named does not exist, or is not the user's to know.
            NotAllowed: one named may be known, and not be read.
            TooMuch: more than QUERY_POINTS_MAX points.
        """
        named = select.named or {address: address for address in dict.fromkeys(select.addresses)}
        if named:
            points = [self._named(user, parse_point(address)) for address in named.values()]
        elif select.under is not None:
            points = self._under(user, parse_prefix(select.under))
        else:
            assert select.filter is not None
            found = self.directory.points(select.filter, user).points
            points = [self.catalogue.point(number) for number in found.tolist()]
        if len(points) > QUERY_POINTS_MAX:
            raise TooMuch(
                f"{len(points):,} points are meant; at most {QUERY_POINTS_MAX:,}: select fewer"
            )
        if group is not None:
            return self._grouped(points, group)
        labels = list(named) or [point.address for point in points]
        return Chosen(points, labels, [[place] for place in range(len(points))])

    def _named(self, user: Who, address: PointAddress) -> Point:
        """Return a point that the user may read, removed ones included."""
        levels = address.split("/")
        uuid = EndpointId(levels[0])
        endpoint = self.catalogue.endpoint(uuid)
        if endpoint is None:
            deleted = self.catalogue.deleted(uuid)
            # The history of a deleted endpoint is for who owns its whole project.
            if deleted is None or self._level(user, deleted.project) < Level.OWN:
                raise Invisible
        else:
            held = self._level(user, endpoint.project, levels)
            if held < Level.ACCESS:
                raise Invisible
            if held < Level.READ:
                raise NotAllowed(f"this needs the level READ on {address}; you hold {held.name}")
        point = self.catalogue.by_address(address)
        if point is not None:
            return point
        try:
            return self.registry.point(address)
        except Missing:
            raise Invisible from None

    def _under(self, user: Who, levels: Sequence[str]) -> list[Point]:
        endpoint = self.catalogue.endpoint(EndpointId(levels[0]))
        if endpoint is None:
            raise Invisible
        owner = str(endpoint.project)
        if not self.rights.under(user, (owner, *levels), Level.ACCESS):
            raise Invisible
        points = self.catalogue.under(levels)
        paths = [(owner, *point.address.split("/")) for point in points]
        numbers = np.array([point.id for point in points], np.int64)
        seen = self.rights.visible(user, paths, Level.READ, numbers).tolist()
        readable = [point for point, may in zip(points, seen, strict=True) if may]
        if not readable and (held := self._level(user, endpoint.project, levels)) < Level.READ:
            raise NotAllowed(
                f"this needs the level READ on {'/'.join(levels)}; you hold {held.name}"
            )
        if not points and len(levels) > 1:
            raise Invisible
        return readable

    def _level(self, user: Who, project: int, levels: Sequence[str] = ()) -> Level:
        return self.rights.level(user, (str(project), *levels))

    # -- grouping

    def _grouped(self, points: Sequence[Point], group: Grouping) -> Chosen:
        members: dict[str | None, list[int]] = {}
        for place, point in enumerate(points):
            for label in self._labels(point, group):
                members.setdefault(label, []).append(place)
        labels = sorted(members, key=lambda label: (label is None, label or ""))
        return Chosen(points, labels, [members[label] for label in labels])

    def _labels(self, point: Point, group: Grouping) -> Sequence[str | None]:
        if group.by == "endpoint":
            return [point.address.partition("/")[0]]
        if group.by == "class":
            return [point.conforms]
        overlay = self.catalogue.overlay(point.id)
        if group.by == "tag":
            tags = overlay.get("tags")
            return (
                list(dict.fromkeys(map(str, tags))) if isinstance(tags, list) and tags else [None]
            )
        assert group.key is not None
        return [_text(overlay.get(group.key, self._of_endpoint(point).get(group.key)))]

    def _of_endpoint(self, point: Point) -> Mapping[str, object]:
        endpoint = self.catalogue.endpoint(EndpointId(point.address.partition("/")[0]))
        return {} if endpoint is None else endpoint.metadata


def _text(value: object) -> str | None:
    """Return a value of metadata as a label; what is no single value is none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, str | int | float) else None
