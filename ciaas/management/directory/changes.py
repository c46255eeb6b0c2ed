"""Changes of endpoints, points and metadata as a stream, as one user may see them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.limits import CHANGES_SCANNED_MAX, CHANGES_STEP
from ciaas.management.directory.directory import Directory
from ciaas.management.directory.filter import FilterError
from ciaas.management.directory.ports import ChangeLog, Entry, EntryKind, Overlay, Position
from ciaas.ports import Endpoint, Point
from security.aaa.levels import Level
from security.aaa.rights import Rights
from security.aaa.subjects import Who

_POSITION = re.compile(r"(\d{1,15})(?:\.([0-3])\.(\d{1,15}))?")
_CLASS = "class:"


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one thing; of several changes the last one."""

    version: int
    """Of the registry."""
    kind: str
    """``endpoint``, ``point`` or ``overlay``."""
    change: str
    """``created``, ``changed`` or ``deleted``; an overlay is changed or deleted."""
    address: str
    """UUID, address, or the scope of an overlay."""
    value: Mapping[str, Any] | None
    """What it is now, None for a deleted thing."""


@dataclass(frozen=True, slots=True)
class ChangePage:
    """One page of changes."""

    changes: Sequence[Change]
    after: str
    """Position behind what was looked through; the next page goes on there, also later."""
    more: bool
    """False when there was nothing behind the page."""


@dataclass(frozen=True, slots=True)
class ChangeFeed:
    """What a follower of metadata asks; in process it is woken by `on_change`."""

    log: ChangeLog
    catalogue: Catalogue
    directory: Directory
    rights: Rights

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have a listener called after each change, by the thread that made it; returns at once."""
        self.catalogue.on_changes(lambda _: listener())

    def page(self, user: Who, after: str, limit: int) -> ChangePage:
        """Return what the user may know of the changes behind a position, oldest first.

        A page may have fewer changes than there is room for, even none, and more behind it.

        Raises:
            FilterError: ``after`` is no position.
        """
        position = read_position(after)
        known = _known_before(position)
        found: list[Change] = []
        for _ in range(0, CHANGES_SCANNED_MAX, CHANGES_STEP):
            newest = self.log.version()  # read first: what comes meanwhile is behind it
            entries = self.log.after(position, CHANGES_STEP)
            for entry, seen in zip(entries, self._seen(user, entries), strict=True):
                if seen:
                    found.append(self._change(user, entry, known))
                position = entry.position
                if len(found) == limit:
                    return ChangePage(found, _written(position), True)
            if len(entries) < CHANGES_STEP:
                end = max(position, Position.behind(newest))
                return ChangePage(found, _written(end), False)
        return ChangePage(found, _written(position), True)

    # -- private pieces

    def _seen(self, user: Who, entries: Sequence[Entry]) -> list[bool]:
        """Return which entries are the user's to know.

        Endpoints by ACCESS, points by BROWSE, overlays by DESCRIBE.
        """
        asked = [
            (*self._owner(entry.of), *_levels(entry.of)) if not _is_of_class(entry) else ()
            for entry in entries
        ]
        browsed = self.rights.visible(user, asked, Level.BROWSE).tolist()
        described = self.rights.visible(user, asked, Level.DESCRIBE).tolist()
        classes: frozenset[str] = frozenset()
        if any(map(_is_of_class, entries)):
            # What is said of a class shows in each of its points of which one may see as much.
            classes = self.directory.classes(user)
        owner = self.rights.level(user, ()) >= Level.OWN
        seen = []
        for entry, path, may, told in zip(entries, asked, browsed, described, strict=True):
            if isinstance(entry.of, Overlay) and _is_of_class(entry):
                may = owner or entry.of.scope.removeprefix(_CLASS) in classes
            elif not path:
                may = False
            elif isinstance(entry.of, Endpoint):
                may = may or self.rights.under(user, path, Level.ACCESS)
            elif isinstance(entry.of, Overlay):
                may = told
            seen.append(may)
        return seen

    def _owner(self, of: Endpoint | Point | Overlay) -> tuple[str, ...]:
        """Return the project's level, empty when the endpoint is unknown here."""
        uuid = EndpointId(_levels(of)[0])
        endpoint = self.catalogue.endpoint(uuid) or self.catalogue.deleted(uuid)
        return () if endpoint is None else (str(endpoint.project),)

    def _change(self, user: Who, entry: Entry, known: int) -> Change:
        word = "created" if entry.created > known else "changed"
        value: Mapping[str, Any] | None
        version, kind, _ = entry.position
        match entry.of:
            case Endpoint() as endpoint:
                gone = endpoint.deleted_at is not None
                value = None if gone else self._endpoint(user, endpoint)
                address: str = endpoint.uuid
            case Point() as point:
                gone, address = point.removed, point.address
                value = None if gone else _point(point)
            case Overlay() as overlay:
                gone, address = not overlay.document, overlay.scope
                value, word = overlay.document or None, "changed"
        name = EntryKind(kind).name.lower()
        return Change(version, name, "deleted" if gone else word, address, value)

    def _endpoint(self, user: Who, endpoint: Endpoint) -> dict[str, Any]:
        value: dict[str, Any] = {
            "friendlyName": endpoint.friendly_name,
            "banned": endpoint.banned,
            "feed": endpoint.feed,
        }
        path = (str(endpoint.project), endpoint.uuid)
        if self.rights.level(user, path) >= Level.DESCRIBE:
            value["metaData"] = endpoint.metadata
        return value


def read_position(text: str) -> Position:
    """Return the position that a text stands for: a version, or what a page gave.

    Raises:
        FilterError: it is none.
    """
    match = _POSITION.fullmatch(text)
    if match is None:
        raise FilterError("after: no position; give 0, or the `next` of the page before")
    version, kind, row = match.groups()
    if kind is None:
        return Position.behind(int(version))
    return Position(int(version), int(kind), int(row))


def _known_before(position: Position) -> int:
    """Return the last version of which a follower at this position has everything."""
    if position.version == 0:
        return -1
    return (
        position.version if position == Position.behind(position.version) else position.version - 1
    )


def _written(position: Position) -> str:
    if position == Position.behind(position.version):
        return str(position.version)
    return ".".join(map(str, position))


def _is_of_class(entry: Entry) -> bool:
    return isinstance(entry.of, Overlay) and entry.of.scope.startswith(_CLASS)


def _levels(of: Endpoint | Point | Overlay) -> tuple[str, ...]:
    match of:
        case Endpoint():
            return (of.uuid,)
        case Point():
            return tuple(of.address.split("/"))
        case Overlay():
            return tuple(of.scope.split("/"))


def _point(point: Point) -> dict[str, Any]:
    return {"constraint": point.constraint, "type": point.type, "class": point.conforms}
