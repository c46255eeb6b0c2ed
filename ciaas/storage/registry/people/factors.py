"""`security.aaa.people_ports.FactorStore` in the registry."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.people.tables import demand, recovery_code
from ciaas.storage.registry.people.tables import factor as table
from security.aaa.people_ports import Factor

_ALL = sa.select(table.c.account, table.c.sealed, table.c.confirmed, table.c.last_step)


class Factors:
    """Second factors over one open registry; any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def factor(self, user: int) -> Factor | None:
        """Return the user's, confirmed or not."""
        with self._database.read() as connection:
            row = connection.execute(_ALL.filter_by(account=user)).one_or_none()
        return None if row is None else Factor(*row)

    def put_factor(self, user: int, sealed: str) -> None:
        """Keep an unconfirmed secret in the place of any before."""
        row = {"account": user, "sealed": sealed, "confirmed": False, "last_step": 0}
        with self._database.change() as change:
            change.connection.execute(table.delete().filter_by(account=user))
            change.connection.execute(table.insert().values(**row))

    def confirm_factor(self, user: int, step: int, digests: Sequence[str]) -> None:
        """Make the secret count, with these recovery codes in the place of any before."""
        now = {"confirmed": True, "last_step": step}
        with self._database.change() as change:
            change.connection.execute(table.update().filter_by(account=user).values(**now))
            _forget_codes(change, user)
            codes = [{"digest": digest, "account": user} for digest in digests]
            change.connection.execute(recovery_code.insert(), codes)

    def take_step(self, user: int, step: int) -> bool:
        """Use up a step of time and all before; False when it is used up already."""
        earlier = table.update().where(table.c.account == user, table.c.last_step < step)
        with self._database.change() as change:
            return bool(change.connection.execute(earlier.values(last_step=step)).rowcount)

    def take_recovery_code(self, user: int, digest: str) -> bool:
        """Use up a recovery code; False when there is no such code any more."""
        found = recovery_code.delete().filter_by(account=user, digest=digest)
        with self._database.change() as change:
            return bool(change.connection.execute(found).rowcount)

    def recovery_codes(self, user: int) -> int:
        """Return how many are left."""
        rows = sa.select(sa.func.count()).select_from(recovery_code).filter_by(account=user)
        with self._database.read() as connection:
            return connection.execute(rows).scalar_one()

    def remove_factor(self, user: int) -> bool:
        """Remove secret and recovery codes; False when there were none."""
        with self._database.change() as change:
            return remove_factor_in(change, user)

    def demands(self) -> frozenset[str]:
        """Return of whom a factor is asked."""
        with self._database.read() as connection:
            return frozenset(connection.execute(sa.select(demand.c.subject)).scalars())

    def put_demand(self, subject: str, *, asked: bool) -> None:
        """Ask a factor of a subject, or no longer."""
        with self._database.change() as change:
            change.connection.execute(demand.delete().filter_by(subject=subject))
            if asked:
                change.connection.execute(demand.insert().values(subject=subject))


def remove_factor_in(change: Change, user: int) -> bool:
    """Remove a user's factor within a change; False when there was none."""
    _forget_codes(change, user)
    return bool(change.connection.execute(table.delete().filter_by(account=user)).rowcount)


def _forget_codes(change: Change, user: int) -> None:
    change.connection.execute(recovery_code.delete().filter_by(account=user))
