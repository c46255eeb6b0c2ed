"""`ciaas.management.alarms.ports.AlarmStore` in the registry."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import insert

from ciaas.limits import ALARM_STEPS_KEPT_MAX, ALARMS_KEPT_MAX
from ciaas.management.alarms.ports import Alarm, Harvest, Page, State, Step
from ciaas.ports import Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.events.tables import alarm as table
from ciaas.storage.registry.events.tables import alarm_seen, alarm_step, follower

_NAME = "alarms"
_Row: TypeAlias = Mapping[str, Any]


class Alarms:
    """Alarms over one open registry; any thread may call."""

    def __init__(self, database: Database, kept_max: int = ALARMS_KEPT_MAX) -> None:
        self._database = database
        self._kept_max = kept_max

    def position(self) -> int | None:
        """Return the last commit that was looked at, None before the first start."""
        with self._database.read() as connection:
            return connection.execute(
                sa.select(follower.c.commit_no).where(follower.c.name == _NAME)
            ).scalar_one_or_none()

    def seen(self) -> Mapping[int, int]:
        """Return by point when the newest sample that was looked at was observed."""
        with self._database.read() as connection:
            rows = connection.execute(sa.select(alarm_seen.c.point, alarm_seen.c.observed))
            return {point: observed for point, observed in rows}

    def open(self) -> Sequence[Alarm]:
        """Return every open alarm."""
        return self._alarms(table.c.open.is_(True))

    def closed_since(self, at: int, limit: int) -> Sequence[Alarm]:
        """Return alarms that were cleared after a time and are closed, the newest first."""
        return self._alarms(table.c.open.is_(False), table.c.cleared_at > at, limit=limit)

    def store(self, harvest: Harvest) -> Sequence[Step]:
        """Store all of it in one transaction; returns the steps with their numbers."""
        with self._database.change() as change:
            connection = change.connection
            for alarm in harvest.alarms.values():
                row = _row_of(alarm)
                connection.execute(
                    insert(table).values(row).on_conflict_do_update([table.c.uuid], set_=row)
                )
            numbered = [_add_step(change, step) for step in harvest.steps]
            if harvest.seen:
                seen = insert(alarm_seen)
                connection.execute(
                    seen.on_conflict_do_update(
                        [alarm_seen.c.point], set_={"observed": seen.excluded.observed}
                    ),
                    [{"point": p, "observed": at} for p, at in harvest.seen.items()],
                )
            moved = {"name": _NAME, "commit_no": harvest.position}
            connection.execute(
                insert(follower).values(moved).on_conflict_do_update([follower.c.name], set_=moved)
            )
            if numbered:
                self._make_room(change)
        return numbered

    def alarm(self, id_: str) -> Alarm:
        """Return one alarm; raises Missing."""
        found = self._alarms(table.c.uuid == id_)
        if not found:
            raise Missing(f"there is no alarm {id_!r}")
        return found[0]

    def listed(self, open_only: bool, before: int | None, limit: int) -> Page:
        """Return alarms, newest first."""
        chosen = sa.select(table).order_by(table.c.id.desc()).limit(limit)
        if open_only:
            chosen = chosen.where(table.c.open.is_(True))
        if before is not None:
            chosen = chosen.where(table.c.id < before)
        with self._database.read() as connection:
            rows = connection.execute(chosen).mappings().all()
        return Page(_all_of(rows), rows[-1]["id"] if len(rows) == limit else None)

    def history(self, id_: str) -> Sequence[Step]:
        """Return the steps of one alarm, oldest first."""
        return self._steps(
            sa.select(alarm_step)
            .join(table, alarm_step.c.alarm == table.c.id)
            .where(table.c.uuid == id_)
            .order_by(alarm_step.c.id)
        )

    def steps(self, after: int, limit: int) -> Sequence[Step]:
        """Return steps in their order."""
        chosen = sa.select(alarm_step).where(alarm_step.c.id > after)
        return self._steps(chosen.order_by(alarm_step.c.id).limit(limit))

    def last_step(self) -> int:
        """Return the number of the newest step, 0 when there is none."""
        with self._database.read() as connection:
            newest = connection.execute(sa.select(sa.func.max(alarm_step.c.id))).scalar_one()
        return newest or 0

    def _alarms(self, *where: Any, limit: int | None = None) -> Sequence[Alarm]:
        chosen = sa.select(table).where(*where).order_by(table.c.id.desc()).limit(limit)
        with self._database.read() as connection:
            return _all_of(connection.execute(chosen).mappings())

    def _steps(self, chosen: Any) -> Sequence[Step]:
        with self._database.read() as connection:
            rows = connection.execute(chosen).mappings().all()
        return [
            Step(
                alarm=msgspec.json.decode(row["document"], type=Alarm),
                kind=row["kind"],
                at=row["at"],
                commit=row["commit_no"],
                who=row["who"],
                why=row["why"],
                number=row["id"],
            )
            for row in rows
        ]

    def _make_room(self, change: Change) -> None:
        """Remove the oldest closed alarms beyond what is kept, with their steps."""
        closed = table.c.open.is_(False)
        oldest = (
            sa.select(table.c.id)
            .where(closed)
            .order_by(table.c.id.desc())
            .offset(self._kept_max)
            .limit(_REMOVED_AT_ONCE)
        )
        gone = list(change.connection.execute(oldest).scalars())
        if gone:
            change.connection.execute(sa.delete(alarm_step).where(alarm_step.c.alarm.in_(gone)))
            change.connection.execute(sa.delete(table).where(table.c.id.in_(gone)))


_REMOVED_AT_ONCE = 100


def _add_step(change: Change, step: Step) -> Step:
    connection = change.connection
    alarm = connection.execute(
        sa.select(table.c.id).where(table.c.uuid == step.alarm.id)
    ).scalar_one()
    key = connection.execute(
        alarm_step.insert().values(
            alarm=alarm,
            kind=step.kind,
            at=step.at,
            commit_no=step.commit,
            who=step.who,
            why=step.why,
            document=msgspec.json.encode(step.alarm).decode(),
        )
    ).inserted_primary_key
    assert key is not None
    own = alarm_step.c.alarm == alarm
    newest = sa.select(alarm_step.c.id).where(own).order_by(alarm_step.c.id.desc())
    surplus = newest.offset(ALARM_STEPS_KEPT_MAX).limit(_REMOVED_AT_ONCE)
    connection.execute(sa.delete(alarm_step).where(alarm_step.c.id.in_(surplus)))
    return Step(step.alarm, step.kind, step.at, step.commit, step.who, step.why, int(key[0]))


def _row_of(alarm: Alarm) -> dict[str, Any]:
    row = {name: getattr(alarm, name) for name in _PLAIN}
    return row | {
        "uuid": alarm.id,
        "state": alarm.state.value,
        "open": alarm.open,
        "commit_no": alarm.commit,
        "value": msgspec.json.encode(alarm.value).decode(),
    }


def _all_of(rows: Iterable[Any]) -> list[Alarm]:
    return [_alarm_of(row) for row in rows]


def _alarm_of(row: _Row) -> Alarm:
    return Alarm(
        id=row["uuid"],
        state=State(row["state"]),
        commit=row["commit_no"],
        value=msgspec.json.decode(row["value"]),
        **{name: row[name] for name in _PLAIN},
    )


_PLAIN = (
    "point", "severity", "text", "raised_at", "count", "told_at", "cleared_at", "acknowledged_at",
    "acknowledged_by", "untold",
)  # fmt: skip
