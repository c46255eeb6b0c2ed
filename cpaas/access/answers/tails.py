"""What a live feed tells beside samples: steps of alarms, rungs of commands, changes of metadata.

A tail knows how far its reader has come, by numbers of its own that outlive a restart; they are
part of an event's id.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import msgspec
import numpy as np

from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.downlink.ports import Reached
from ciaas.management.alarms.document import step_document
from ciaas.management.alarms.steps import Steps
from ciaas.management.directory.changes import Change, ChangeFeed, read_position
from ciaas.management.events.feed import Place
from ciaas.management.events.rungs import Rungs
from ciaas.management.events.selection import Selection
from cpaas.access.answers.documents import rfc3339
from cpaas.limits import LIVE_CHANGES_PAGE
from security.aaa.subjects import Who

_CLASS = "class:"
_Mark = TypeVar("_Mark", int, str)


class Told(NamedTuple):
    """One event of a tail."""

    mark: int | str
    """The tail's part of the event's id."""
    data: bytes
    """JSON."""
    point: int | None = None
    """Whose value it tells, None when it tells of none."""


class Tail(Protocol):
    """What follows one kind of event for one reader. Used by coroutines of one loop."""

    kind: str
    missed: bool
    """True when what its reader asked for is not there any more, or was never counted for it."""

    def placed(self, place: Place, mark: int | str | None = None) -> Place:
        """Return a place with how far this tail has come, or with the mark of an event."""
        ...

    def begin(self) -> None:
        """Find where to begin; reads stores."""
        ...

    async def take(self) -> Sequence[Told]:
        """Return the next events for this reader.

        Raises:
            RegistryError: they could not be read; try again.
        """
        ...


def _begun(asked: _Mark | None, newest: _Mark, resumed: bool, ahead: bool) -> tuple[_Mark, bool]:
    """Return where a tail begins, and whether something before that is missing."""
    if asked is None or ahead:
        return newest, resumed
    return asked, False


class AlarmTail:
    """Steps of the alarms whose point is in a selection."""

    kind = "alarm"

    def __init__(
        self, steps: Steps, selection: Selection, resumed: Place | None, catalogue: Catalogue
    ) -> None:
        self._steps, self._selection, self._catalogue = steps, selection, catalogue
        self._resumed = resumed
        self._after, self.missed = 0, False

    def placed(self, place: Place, mark: int | str | None = None) -> Place:
        """Return a place with how far it has come, or with the mark of an event."""
        return place._replace(step=self._after if mark is None else int(mark))

    def begin(self) -> None:
        """Find where to begin."""
        newest, asked = self._steps.newest, self._resumed and self._resumed.step
        ahead = asked is not None and asked > newest
        self._after, self.missed = _begun(asked, newest, self._resumed is not None, ahead)

    async def take(self) -> Sequence[Told]:
        """Return the next events for this reader; raises as `Tail`."""
        found = []
        for step in await self._steps.after(self._after):
            self._after, point = step.number, step.alarm.point
            if self._selection.has(point):
                document = step_document(step, self._catalogue.point(point).address)
                found.append(Told(step.number, msgspec.json.encode(document), point))
        return found


class CommandTail:
    """Rungs of the commands whose point is in a selection."""

    kind = "command"

    def __init__(self, rungs: Rungs, selection: Selection, resumed: Place | None) -> None:
        self._rungs, self._selection, self._resumed = rungs, selection, resumed
        self._after, self.missed = 0, False

    def placed(self, place: Place, mark: int | str | None = None) -> Place:
        """Return a place with how far it has come, or with the mark of an event."""
        return place._replace(rung=self._after if mark is None else int(mark))

    def begin(self) -> None:
        """Find where to begin."""
        newest, asked = self._rungs.newest(), self._resumed and self._resumed.rung
        ahead = asked is not None and asked > newest
        self._after, self.missed = _begun(asked, newest, self._resumed is not None, ahead)
        if not self.missed:
            self.missed = not self._rungs.kept(self._after)

    async def take(self) -> Sequence[Told]:
        """Return the next events for this reader; raises as `Tail`."""
        found = []
        for reached in await self._rungs.after(self._after):
            self._after = reached.number
            if self._selection.has(reached.point):
                data = msgspec.json.encode(_rung_document(reached))
                found.append(Told(reached.number, data, reached.point))
        return found


class MetadataTail:
    """Changes that a user may know of, as ``GET /changes`` lists them.

    With a filter, those of what it holds for or held for in this feed, and everything that was
    deleted: what has gone cannot be looked at any more.

    Args:
        changes: Where they are read.
        version: Another number after each change; from memory.
        selection: Of the feed.
        narrowed: True when the feed has a filter.
        user: Whose eyes they are for.
        resumed: What the reader has already, None for a new one.
    """

    kind = "metadata"

    def __init__(
        self,
        changes: ChangeFeed,
        version: Callable[[], int],
        selection: Selection,
        narrowed: bool,
        user: Who,
        resumed: Place | None,
    ) -> None:
        self._changes, self._version, self._selection = changes, version, selection
        self._narrowed, self._user, self._resumed = narrowed, user, resumed
        self._after, self.missed = "0", False
        self._looked: int | None = None
        self._before = selection.points

    def placed(self, place: Place, mark: int | str | None = None) -> Place:
        """Return a place with how far it has come, or with the mark of an event."""
        return place._replace(change=self._after if mark is None else str(mark))

    def begin(self) -> None:
        """Find where to begin."""
        newest, asked = self._changes.log.version(), self._resumed and self._resumed.change
        ahead = asked is not None and read_position(asked).version > newest
        self._after, self.missed = _begun(asked, str(newest), self._resumed is not None, ahead)
        self._before = self._selection.points

    async def take(self) -> Sequence[Told]:
        """Return the next events for this reader; raises as `Tail`."""
        version = self._version()
        # A change is told once the selection knows of it: it may be what a new point is found by.
        if version == self._looked or not self._selection.current:
            return ()
        found, more = await asyncio.to_thread(self._read)
        self._looked = None if more else version
        return found

    def _read(self) -> tuple[Sequence[Told], bool]:
        page = self._changes.page(self._user, self._after, LIVE_CHANGES_PAGE)
        concerned = [change for change in page.changes if self._concerns(change)]
        start, self._after = self._after, page.after
        # A page is resumed as a whole: only its last event moves the reader on.
        last = len(concerned) - 1
        told = [
            Told(
                page.after if row == last else start, msgspec.json.encode(_change_document(change))
            )
            for row, change in enumerate(concerned)
        ]
        if not page.more:
            self._before = self._selection.points
        return told, page.more

    def _concerns(self, change: Change) -> bool:
        if not self._narrowed or change.change == "deleted":
            return True
        catalogue = self._changes.catalogue
        if change.address.startswith(_CLASS):
            name = change.address.removeprefix(_CLASS)
            points = np.union1d(self._before, self._selection.points).tolist()
            return any(catalogue.point(point).conforms == name for point in points)
        below = catalogue.under(change.address.split("/"))
        return any(self._selection.has(p.id) or _has(self._before, p.id) for p in below)


def _has(points: Any, point: int) -> bool:
    place = int(np.searchsorted(points, point))
    return place < len(points) and int(points[place]) == point


def _rung_document(reached: Reached) -> dict[str, object]:
    step = reached.step
    return {
        "id": reached.command,
        "address": reached.address,
        "value": reached.value,
        "rung": step.rung.value,
        "at": rfc3339(step.at),
        "who": step.who,
        **({"why": step.why} if step.why else {}),
        "ended": step.rung.terminal,
    }


def _change_document(change: Change) -> dict[str, object]:
    return {
        "kind": change.kind,
        "change": change.change,
        "address": change.address,
        "version": change.version,
        "value": change.value,
    }
