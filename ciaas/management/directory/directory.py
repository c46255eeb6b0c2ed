"""The live directory: points and endpoints found by a filter, as one user may see them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from ciaas.kernel.address import EndpointId
from ciaas.kernel.catalogue import Catalogue
from ciaas.kernel.sample import Frame, Millis, Reason, Uint32s
from ciaas.management.directory.filter import Filter, State
from ciaas.management.directory.index import Index, Table
from ciaas.management.directory.matching import (
    NEVER,
    Mask,
    Moment,
    Rows,
    condition,
    newest,
    of_samples,
)
from ciaas.management.directory.ports import Attendance
from ciaas.management.directory.sight import Sight
from ciaas.ports import Clock, Endpoint, HistoryStore, Project
from security.aaa.levels import Level, join
from security.aaa.rights import Rights
from security.aaa.subjects import Who

_OF_POINTS = ("classes", "implements", "constraint", "unit", "quantity", "value", "verdict")
"""What an endpoint has through its points alone."""
_EVER = np.iinfo(np.int64).max


class FoundPoints(NamedTuple):
    """Points of one answer with their newest samples, row by row."""

    points: Uint32s
    """Ascending."""
    newest: Frame | None
    """A row a point, of kind NULL for one that never had a sample; None when the filter asked for
    no sample."""
    read: Mask
    """Where the user may see the samples too."""


class FoundEndpoints(NamedTuple):
    """Endpoints of one answer."""

    codes: Rows
    """Their rows in the index, ascending."""
    endpoints: Sequence[Endpoint]
    browsed: Mask
    """Where the user may see the metadata."""


@dataclass(frozen=True, slots=True)
class Directory:
    """Finds things as they are now; safe to ask from any thread.

    Rights are asked of the engine for each answer and kept nowhere. An answer may take some ten
    milliseconds of computing where there are a million points, so an event loop asks in a thread.
    """

    index: Index
    history: HistoryStore
    rights: Rights
    projects: Callable[[], Sequence[Project]]
    attendance: Attendance
    clock: Clock
    read_fresh_ms: int
    """An adapter's endpoint is online when a reading of it arrived within this time."""
    expiring: Callable[[], Iterable[EndpointId]] = tuple
    """Returns those whose certificate was to be renewed by now."""

    @staticmethod
    def over(
        catalogue: Catalogue,
        history: HistoryStore,
        rights: Rights,
        attendance: Attendance,
        clock: Clock,
        *,
        projects: Callable[[], Sequence[Project]],
        read_fresh_ms: int,
        expiring: Callable[[], Iterable[EndpointId]] = tuple,
    ) -> Directory:
        """Return a directory of all that a catalogue holds."""
        index = Index(catalogue)
        return Directory(
            index, history, rights, projects, attendance, clock, read_fresh_ms, expiring
        )

    # -- for who follows samples

    def version(self) -> int:
        """Return a number that is another one after every change of points, metadata or rights."""
        return self.index.noted + self.rights.tide()

    def readable(self, wanted: Filter, user: Who) -> Uint32s:
        """Return the points, ascending, that a filter may hold for and that a user may read.

        Whether it does hold, `holds` tells of each sample.

        Raises:
            FilterError: the filter asks for a state of this moment.
        """
        wanted.check_followable()
        with self.index.lock:
            self.index.refresh()
            sight = Sight(self.index, self.rights, user)
            table = self.index.points
            met = condition(wanted, self.index, table, self._moment(wanted, sight))
            rows = np.flatnonzero(met.possible() & self._standing(table))
            return rows[sight.points(rows, level_of(wanted, Level.READ))].astype(np.uint32)

    def holds(self, wanted: Filter, frame: Frame, user: Who) -> Mask:
        """Return for which rows, all of points that `readable` gave this user, a filter holds."""
        if not any(wanted.inner()):
            return of_samples(wanted, frame)  # all else was settled when the points were found
        with self.index.lock:
            self.index.refresh()
            table = self.index.points.take(frame.point.astype(np.intp))
            moment = self._moment(wanted, Sight(self.index, self.rights, user))
            return condition(wanted, self.index, table, moment).settle(np.arange(len(table)), frame)

    # -- for who asks once

    def points(self, wanted: Filter, user: Who, least: Level = Level.READ) -> FoundPoints:
        """Return the points for which a filter holds now and on which the user holds a level.

        The level is ``least`` and what the filter asks for; a filter that asks for a sample asks
        for READ too, since whether it holds would tell the value.
        """
        with self.index.lock:
            self.index.refresh()
            sight = Sight(self.index, self.rights, user)
            moment = self._moment(wanted, sight)
            everywhere = np.ones(len(self.index.points), np.bool_)
            return self._points(wanted, sight, moment, level_of(wanted, least), everywhere)

    def endpoints(self, wanted: Filter, user: Who) -> FoundEndpoints:
        """Return the endpoints that a filter holds for, by themselves or by a point.

        By themselves only when it asks for nothing that points alone have, such as a class or a
        value. The user holds ACCESS on the endpoint, or what else the filter asks for, and may see
        what is said of the point.
        """
        with self.index.lock:
            self.index.refresh()
            sight = Sight(self.index, self.rights, user)
            known = np.flatnonzero(self.index.endpoints.alive)
            known = known[sight.endpoints(known, level_of(wanted, Level.ACCESS))]
            moment = self._moment(wanted, sight)
            if wanted.asks("silent"):
                moment = replace(moment, quiet_since=self._quiet_since(known, sight))
            found = np.zeros(len(self.index.endpoints), np.bool_)
            browsed = sight.endpoints(known, Level.DESCRIBE)
            if not wanted.asks(*_OF_POINTS):
                own = self._own_rows(known[browsed])
                met = condition(wanted, self.index, own, moment)
                found[known] = met.certain()[known]
            missing = np.zeros(len(found), np.bool_)
            missing[known] = ~found[known]
            others = missing[self.index.points.endpoint]
            points = self._points(wanted, sight, moment, Level.DESCRIBE, others).points
            found[self.index.points.endpoint[points]] = True
            hits = found[known]
            codes = known[hits]
            listed = [self.index.endpoint_list[code] for code in codes.tolist()]
        return FoundEndpoints(codes, [one for one in listed if one is not None], browsed[hits])

    def classes(self, user: Who) -> frozenset[str]:
        """Return the classes of all points of which the user may see what is said."""
        with self.index.lock:
            rows = self.points(Filter(), user, Level.DESCRIBE).points
            codes = np.unique(self.index.points.classes[rows]).tolist()
            names = [self.index.classes.values[code] for code in codes]
        return frozenset(name for name in names if name is not None)

    # -- private pieces, with the index's lock held

    def _points(
        self, wanted: Filter, sight: Sight, moment: Moment, level: Level, among: Mask
    ) -> FoundPoints:
        table = self.index.points
        met = condition(wanted, self.index, table, moment)
        rows = np.flatnonzero(met.possible() & self._standing(table) & among)
        samples = None
        if wanted.asks("value", "verdict", "silent"):
            level = join((level, Level.READ))
            # Before the rights: comparing columns costs less than deciding on each point.
            samples = newest(self.history, rows.astype(np.uint32))
            now = met.settle(rows, samples)
            rows, samples = rows[now], samples.select(now)
        seen = sight.points(rows, level)
        rows = rows[seen]
        read = np.ones(len(rows), np.bool_)
        if not level.includes(Level.READ):
            read = sight.points(rows, Level.READ)
        newest_ = None if samples is None else samples.select(seen)
        return FoundPoints(rows.astype(np.uint32), newest_, read)

    def _moment(self, wanted: Filter, sight: Sight) -> Moment:
        asked = wanted.asks("project")
        return Moment(
            browsable=lambda codes: sight.endpoints(codes, Level.DESCRIBE),
            projects={one.name: one.id for one in self.projects()} if asked else {},
            now_ms=self.clock.now_ms(),
            online=self._online() if wanted.asks("state") else None,
            expiring=self._expiring() if wanted.asks_state(State.CERTIFICATE_EXPIRES) else None,
        )

    def _standing(self, table: Table) -> Mask:
        """Return the rows whose endpoint is known and not deleted."""
        return self.index.endpoints.alive[table.endpoint]

    def _own_rows(self, browsed: Rows) -> Table:
        """Return the endpoints' own rows, without the metadata of those not to be browsed."""
        own = self.index.endpoints.take(np.arange(len(self.index.endpoints)))
        for name in ("tags", "place", "words"):
            column = getattr(own, name)
            kept = column[browsed]
            column[:] = 0
            column[browsed] = kept
        return own

    def _online(self) -> Mask:
        """Return by an endpoint's code whether its device is connected or its adapter reads it."""
        index = self.index
        online = np.zeros(len(index.endpoints), np.bool_)
        online[[index.uuids.known(uuid) for uuid in tuple(self.attendance.present())]] = True
        online[0] = False
        read = np.flatnonzero(index.read_by_adapter[index.points.endpoint] & index.points.alive)
        if len(read):
            latest = self.history.latest(read.astype(np.uint32))
            fresh = latest.received > self.clock.now_ms() - self.read_fresh_ms
            fresh &= latest.reason != Reason.READ_ERROR
            online[index.points.endpoint[latest.point[fresh]]] = True
        return online

    def _expiring(self) -> Mask:
        """Return by an endpoint's code whether its certificate nears its end."""
        expiring = np.zeros(len(self.index.endpoints), np.bool_)
        expiring[[self.index.uuids.known(uuid) for uuid in self.expiring()]] = True
        expiring[0] = False
        return expiring

    def _quiet_since(self, known: Rows, sight: Sight) -> Millis:
        """Return when the newest readable sample of each of these endpoints arrived.

        Of an endpoint without a readable point nobody can say that it is silent.
        """
        index = self.index
        asked = np.zeros(len(index.endpoints), np.bool_)
        asked[known] = True
        rows = np.flatnonzero(asked[index.points.endpoint] & index.points.alive)
        rows = rows[sight.points(rows, Level.READ)]
        since = np.full(len(index.endpoints), _EVER, np.int64)
        since[index.points.endpoint[rows]] = NEVER
        latest = self.history.latest(rows.astype(np.uint32))
        np.maximum.at(since, index.points.endpoint[latest.point], latest.received)
        return since


def level_of(wanted: Filter, least: Level) -> Level:
    """Return the level that a filter asks for, or the least that an answer needs."""
    return least if wanted.permission is None else join((least, Level[wanted.permission]))
