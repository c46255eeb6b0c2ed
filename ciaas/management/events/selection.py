"""Which rows of a commit one reader gets: a filter under one user's rights, kept current."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ciaas.kernel.sample import Frame, Uint32s
from ciaas.limits import SELECTION_RENEW_S
from ciaas.management.directory.filter import Filter
from security.aaa.subjects import Who


class Directory(Protocol):
    """Finds points; asked again whenever something changed."""

    def readable(self, wanted: Filter, user: Who) -> Uint32s:
        """Return the points, ascending, that a filter may hold for and that a user may read."""
        ...

    def holds(self, wanted: Filter, frame: Frame, user: Who) -> NDArray[np.bool_]:
        """Return for which rows, all of points that were found, a filter holds."""
        ...

    def version(self) -> int:
        """Return a number that is another one after every change of points, metadata or rights."""
        ...


class Selection:
    """The points of one filter and user, found again at most SELECTION_RENEW_S after a change."""

    def __init__(
        self,
        directory: Directory,
        wanted: Filter,
        user: Who,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._directory, self._wanted, self._user = directory, wanted, user
        self._monotonic = monotonic
        self._valued = wanted.asks("value", "verdict")
        self._version = -1
        self._renewed = -SELECTION_RENEW_S
        self.points: Uint32s = np.empty(0, np.uint32)
        """Ascending."""

    @property
    def due(self) -> bool:
        """True when it is time to `renew`: something changed since the last time."""
        return (
            self._version != self._directory.version()
            and self._monotonic() - self._renewed >= SELECTION_RENEW_S
        )

    @property
    def current(self) -> bool:
        """True while nothing has changed since the points were found."""
        return self._version == self._directory.version()

    def renew(self) -> None:
        """Find the points again; takes a while where there are many."""
        version = self._directory.version()  # read first: a change meanwhile makes it due again
        self._renewed = self._monotonic()
        self.points = self._directory.readable(self._wanted, self._user)
        self._version = version

    async def keep_current(self) -> None:
        """Renew in another thread when it is due."""
        if self.due:
            await asyncio.to_thread(self.renew)

    def has(self, point: int) -> bool:
        """Tell whether the reader gets what is told of a point."""
        place = int(np.searchsorted(self.points, point))
        return place < len(self.points) and int(self.points[place]) == point

    def rows(self, frame: Frame) -> NDArray[np.intp]:
        """Return the numbers of the rows that the reader gets."""
        points = self.points
        if not len(points) or not len(frame):
            return np.empty(0, np.intp)
        places = np.searchsorted(points, frame.point)
        places[places == len(points)] = 0
        rows = np.flatnonzero(points[places] == frame.point)
        if self._valued and len(rows):
            rows = rows[self._directory.holds(self._wanted, frame.select(rows), self._user)]
        return rows
