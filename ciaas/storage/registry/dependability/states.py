"""State intervals in the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TypeAlias

import sqlalchemy as sa

from ciaas.storage.registry.database import Database
from ciaas.storage.registry.dependability.tables import observer, state_interval
from security.dependability.states import Interval, Resource, State, Transition
from security.limits import STATE_CAUSE_CHARS_MAX

_INTERVALS = sa.select(
    state_interval.c.resource,
    state_interval.c.endpoint,
    state_interval.c.state,
    state_interval.c.since,
    state_interval.c.until,
    state_interval.c.cause,
)
_LASTS = state_interval.c.until.is_(None)

_Row: TypeAlias = sa.Row[str, str, str, int, int | None, str]


class States:
    """`security.ports.StateStore` in the registry.

    A state told again costs a reading transaction and changes nothing.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def note(self, transitions: Sequence[Transition], read: tuple[str, int] | None = None) -> None:
        """End each resource's interval and begin the next, in one durable transaction."""
        lasting = {interval.resource.name: interval for interval in self.current()}
        fresh = list(_changes(transitions, lasting))
        if not fresh and read is None:
            return
        with self._database.change() as change:
            for transition in fresh:
                lasting[transition.resource.name] = _put(change.connection, transition, lasting)
            if read is not None:
                journal, bytes_read = read
                change.connection.execute(
                    observer.update().values(journal=journal, bytes_read=bytes_read)
                )

    def read_to(self) -> tuple[str, int]:
        """Return what `note` was told last of a journal, ``("", 0)`` at first."""
        with self._database.read() as connection:
            row = connection.execute(sa.select(observer.c.journal, observer.c.bytes_read)).one()
        return row.journal, row.bytes_read

    def seen(self, at: int) -> None:
        """Keep that the observer was at work until then."""
        with self._database.change() as change:
            change.connection.execute(observer.update().values(seen=at))

    def resume(self, at: int, kinds: Sequence[str]) -> None:
        """Begin to observe again: what was known last holds until `seen`, then it is unknown."""
        with self._database.read() as connection:
            seen = connection.execute(sa.select(observer.c.seen)).scalar_one()
        until = at if seen is None else min(seen, at)
        self.note(
            [
                Transition(last.resource, State.UNKNOWN, max(until, last.since), "not observed")
                for last in self.current()
                if last.resource.kind in kinds
            ]
        )

    def current(self) -> Sequence[Interval]:
        """Return the interval that lasts of each resource, ordered by name."""
        rows = _INTERVALS.where(_LASTS).order_by(state_interval.c.resource)
        with self._database.read() as connection:
            return [_interval(row) for row in connection.execute(rows)]

    def intervals(self, start: int, end: int, resource: str | None = None) -> Sequence[Interval]:
        """Return what touches a time span, by resource and time; of one resource, or of all."""
        column = state_interval.c
        rows = _INTERVALS.where(
            column.since < end, sa.or_(column.until.is_(None), column.until > start)
        ).order_by(column.resource, column.since, column.id)
        if resource is not None:
            rows = rows.filter_by(resource=resource)
        with self._database.read() as connection:
            return [_interval(row) for row in connection.execute(rows)]


def _put(
    connection: sa.Connection, transition: Transition, lasting: Mapping[str, Interval]
) -> Interval:
    """End what lasts of the resource and begin the new interval, which is returned."""
    resource = transition.resource
    last = lasting.get(resource.name)
    at = transition.at if last is None else max(transition.at, last.since)
    connection.execute(
        state_interval.update().where(_LASTS).filter_by(resource=resource.name).values(until=at)
    )
    cause = transition.cause[:STATE_CAUSE_CHARS_MAX]
    connection.execute(
        state_interval.insert().values(
            resource=resource.name,
            endpoint=resource.endpoint,
            state=transition.state,
            since=at,
            cause=cause,
        )
    )
    return Interval(resource, transition.state, at, None, cause)


def _changes(
    transitions: Iterable[Transition], lasting: Mapping[str, Interval]
) -> Iterable[Transition]:
    """Yield those that change a state."""
    states = {name: interval.state for name, interval in lasting.items()}
    for transition in transitions:
        name = transition.resource.name
        if states.get(name) is not transition.state:
            states[name] = transition.state
            yield transition


def _interval(row: _Row) -> Interval:
    name, endpoint, state, since, until, cause = row
    return Interval(Resource.of(name, endpoint), State(state), since, until, cause)
