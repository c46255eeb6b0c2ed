"""`ciaas.kernel.downlink.ports.CommandStore` in the registry."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from typing import Any, TypeAlias

import msgspec
import sqlalchemy as sa

from ciaas.kernel.address import PointAddress
from ciaas.kernel.downlink.command import FOLLOWS, Command, Rung, Step
from ciaas.kernel.downlink.ports import Climb, Latest, NewCommand, Reached
from ciaas.limits import (
    COMMAND_STEPS_MAX,
    COMMAND_WHY_CHARS_MAX,
    COMMANDS_KEPT_MAX,
    COMMANDS_REMOVED_AT_ONCE,
    REGISTRY_LOOKUP_ROWS,
)
from ciaas.ports import Conflict, Missing
from ciaas.storage.registry.commands.tables import command as table
from ciaas.storage.registry.commands.tables import step as steps_table
from ciaas.storage.registry.database import Database

_COMMANDS = sa.select(
    table.c.id,
    table.c.uuid,
    table.c.project,
    table.c.point,
    table.c.address,
    table.c.account,
    table.c.value,
    table.c.stamp,
    table.c.expires_at,
)


_Chosen: TypeAlias = sa.Select[int, str, int, int, str, int, str, int, int]


class Commands:
    """Commands over one open registry; any thread may call."""

    def __init__(
        self,
        database: Database,
        kept_max: int = COMMANDS_KEPT_MAX,
        removed_each: int = COMMANDS_REMOVED_AT_ONCE,
    ) -> None:
        self._database = database
        self._kept_max, self._removed_each = kept_max, removed_each

    def add(self, new: NewCommand, others: Sequence[Climb] = ()) -> Command:
        """Record a command with its first steps, and steps of others, in one transaction.

        Beyond the bound of commands kept, the oldest that have ended make way.

        Raises:
            Conflict: the user's key is taken, or a step of others does not follow.
        """
        last = new.steps[-1].rung
        row = {
            "uuid": new.id,
            "project": new.project,
            "point": new.point,
            "address": new.address,
            "account": new.user,
            "value": msgspec.json.encode(new.value).decode(),
            "stamp": new.stamp,
            "expires_at": new.expires_at,
            "state": last.value,
            "ended": last.terminal,
            "key": new.key,
            "digest": new.digest,
        }
        with self._database.change() as change:
            connection = change.connection
            if new.key is not None and _keyed(connection, new.user, new.key) is not None:
                raise Conflict(f"the idempotency key {new.key!r} is taken: repeat the request")
            self._make_room(connection)
            key = connection.execute(table.insert().values(**row)).inserted_primary_key
            assert key is not None
            number = int(key[0])
            _write_steps(connection, number, 0, new.steps)
            _climb(connection, others)
            return _whole(connection, _COMMANDS.where(table.c.id == number))[0]

    def climb(self, climbs: Sequence[Climb]) -> None:
        """Record steps in their order, all or none.

        Raises:
            Conflict: a command has ended, or the rung does not follow on its last one.
        """
        with self._database.change() as change:
            _climb(change.connection, climbs)

    def command(self, id_: str) -> Command:
        """Return a command; raises Missing."""
        with self._database.read() as connection:
            found = _whole(connection, _COMMANDS.where(table.c.uuid == id_))
        if not found:
            raise Missing(f"there is no command {id_!r}")
        return found[0]

    def by_key(self, user: int, key: str) -> tuple[Command, str] | None:
        """Return the command of a user's idempotency key and the digest given with it."""
        with self._database.read() as connection:
            row = _keyed(connection, user, key)
            if row is None:
                return None
            number, digest = row
            return _whole(connection, _COMMANDS.where(table.c.id == number))[0], digest

    def open(self) -> Sequence[Command]:
        """Return the commands that have not ended, oldest first."""
        with self._database.read() as connection:
            return _whole(
                connection, _COMMANDS.where(table.c.ended.is_(False)).order_by(table.c.id)
            )

    def listed(
        self,
        *,
        project: int | None = None,
        prefix: Sequence[str] = (),
        states: Collection[Rung] = (),
        before: int | None = None,
        limit: int,
    ) -> Sequence[Command]:
        """Return commands newest first: of one project or all, below a prefix, in these states."""
        chosen = _COMMANDS.order_by(table.c.id.desc()).limit(limit)
        if project is not None:
            chosen = chosen.where(table.c.project == project)
        if prefix:
            root = "/".join(prefix)
            # "0" is the character after "/": what lies between the two is all that is below
            below = table.c.address.between(f"{root}/", f"{root}0")
            chosen = chosen.where(sa.or_(table.c.address == root, below))
        if states:
            chosen = chosen.where(table.c.state.in_([state.value for state in states]))
        if before is not None:
            chosen = chosen.where(table.c.id < before)
        with self._database.read() as connection:
            return _whole(connection, chosen)

    def latest(self, point: int) -> Latest:
        """Return when commands of a point were stamped and sent last."""
        # Of one point, one command is under way at a time: both rise with the number.
        newest = sa.select(table.c.stamp).where(table.c.point == point).order_by(table.c.id.desc())
        sent = sa.select(table.c.sent_at).where(
            table.c.point == point, table.c.sent_at.is_not(None)
        )
        with self._database.read() as connection:
            stamp = connection.execute(newest.limit(1)).scalar_one_or_none()
            sent_at = connection.execute(
                sent.order_by(table.c.id.desc()).limit(1)
            ).scalar_one_or_none()
        return Latest(stamp, sent_at)

    def last_rung(self) -> int:
        """Return the number of the newest rung, 0 when there is none."""
        with self._database.read() as connection:
            return _last_rung(connection)

    def rungs(self, after: int, limit: int) -> Sequence[Reached]:
        """Return the next rungs of all commands after a number, in their order."""
        chosen = (
            sa.select(
                steps_table.c.number,
                table.c.uuid,
                table.c.point,
                table.c.address,
                table.c.value,
                steps_table.c.rung,
                steps_table.c.at,
                steps_table.c.who,
                steps_table.c.why,
            )
            .join_from(steps_table, table, steps_table.c.command == table.c.id)
            .where(steps_table.c.number > after)
            .order_by(steps_table.c.number)
            .limit(limit)
        )
        with self._database.read() as connection:
            rows = connection.execute(chosen).all()
        return [
            Reached(
                number,
                uuid,
                point,
                PointAddress(address),
                msgspec.json.decode(value),
                Step(Rung(rung), at, who, why),
            )
            for number, uuid, point, address, value, rung, at, who, why in rows
        ]

    def rungs_kept(self, after: int) -> bool:
        """Tell whether every rung after a number is still kept."""
        counted = sa.select(sa.func.count()).where(steps_table.c.number > after)
        with self._database.read() as connection:
            kept = connection.execute(counted).scalar_one()
            return kept == max(0, _last_rung(connection) - after)

    def _make_room(self, connection: sa.Connection) -> None:
        """Remove the oldest that have ended, now and then, when more are kept than may be."""
        newest = connection.execute(sa.select(sa.func.max(table.c.id))).scalar_one() or 0
        if newest % self._removed_each:
            return
        surplus = (
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            - self._kept_max
        )
        if surplus <= 0:
            return
        oldest = sa.select(table.c.id).where(table.c.ended.is_(True)).order_by(table.c.id)
        gone = list(connection.execute(oldest.limit(surplus)).scalars())
        for first in range(0, len(gone), REGISTRY_LOOKUP_ROWS):
            some = gone[first : first + REGISTRY_LOOKUP_ROWS]
            connection.execute(steps_table.delete().where(steps_table.c.command.in_(some)))
            connection.execute(table.delete().where(table.c.id.in_(some)))


def _keyed(connection: sa.Connection, user: int, key: str) -> tuple[int, str] | None:
    keyed = sa.select(table.c.id, table.c.digest)
    row = connection.execute(keyed.where(table.c.account == user, table.c.key == key)).one_or_none()
    return None if row is None else (row[0], row[1])


def _climb(connection: sa.Connection, climbs: Sequence[Climb]) -> None:
    for number, step in ((climb.number, climb.step) for climb in climbs):
        stood = sa.select(table.c.state, sa.func.max(steps_table.c.place)).join_from(
            table, steps_table, steps_table.c.command == table.c.id
        )
        row = connection.execute(
            stood.where(table.c.id == number).group_by(table.c.id)
        ).one_or_none()
        if row is None:
            raise Conflict(f"there is no command {number}")
        state, place = Rung(row[0]), row[1] + 1
        if step.rung not in FOLLOWS.get(state, ()):
            raise Conflict(f"command {number} is {state}: {step.rung} does not follow")
        if place >= COMMAND_STEPS_MAX and not step.rung.terminal:
            raise Conflict(
                f"command {number} has {COMMAND_STEPS_MAX} steps: only an end may follow"
            )
        change: dict[str, Any] = {"state": step.rung.value, "ended": step.rung.terminal}
        if step.rung is Rung.SENT:
            change["sent_at"] = step.at
        connection.execute(table.update().where(table.c.id == number).values(**change))
        _write_steps(connection, number, place, [step])


def _last_rung(connection: sa.Connection) -> int:
    newest = sa.select(sa.func.coalesce(sa.func.max(steps_table.c.number), 0))
    return int(connection.execute(newest).scalar_one())


def _write_steps(connection: sa.Connection, number: int, place: int, steps: Sequence[Step]) -> None:
    # Changes of the registry follow one another, so that nobody else takes these numbers.
    last = _last_rung(connection)
    connection.execute(
        steps_table.insert(),
        [
            {
                "command": number,
                "place": place + index,
                "rung": step.rung.value,
                "at": step.at,
                "who": step.who,
                "why": step.why[:COMMAND_WHY_CHARS_MAX],
                "number": last + 1 + index,
            }
            for index, step in enumerate(steps)
        ],
    )


def _whole(connection: sa.Connection, chosen: _Chosen) -> list[Command]:
    """Return the commands of a selection with their steps, in its order."""
    rows = connection.execute(chosen).all()
    steps: dict[int, list[Step]] = defaultdict(list)
    told = sa.select(
        steps_table.c.command,
        steps_table.c.rung,
        steps_table.c.at,
        steps_table.c.who,
        steps_table.c.why,
    ).order_by(steps_table.c.command, steps_table.c.place)
    for first in range(0, len(rows), REGISTRY_LOOKUP_ROWS):
        numbers = [row[0] for row in rows[first : first + REGISTRY_LOOKUP_ROWS]]
        for number, rung, at, who, why in connection.execute(
            told.where(steps_table.c.command.in_(numbers))
        ):
            steps[number].append(Step(Rung(rung), at, who, why))
    return [
        Command(
            number=number,
            id=uuid,
            project=project,
            point=point,
            address=PointAddress(address),
            user=account,
            value=msgspec.json.decode(value),
            stamp=stamp,
            expires_at=expires_at,
            steps=tuple(steps[number]),
        )
        for number, uuid, project, point, address, account, value, stamp, expires_at in rows
    ]
