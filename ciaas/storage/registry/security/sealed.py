"""`security.encryption.rewrap.SealedStore` over columns of the registry.

A table that holds a sealed secret is named in `SEALED`, or its secrets stay under the version of
the key ring that they were sealed under first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ciaas.storage.registry.database import Database
from ciaas.storage.registry.enrolment.tables import batch
from ciaas.storage.registry.events.tables import subscription
from ciaas.storage.registry.keys.tables import key_version
from ciaas.storage.registry.oidc.tables import signing_key
from ciaas.storage.registry.people.tables import factor
from security.encryption.rewrap import Sealed


@dataclass(frozen=True, slots=True)
class SealedColumn:
    """Where secrets of one purpose lie; each is sealed for its row's ``place``, joined by ``:``."""

    purpose: str
    number: sa.Column[int]
    """The table's own numbers of its rows."""
    place: tuple[sa.Column[Any], ...]
    text: sa.Column[Any]
    """NULL where a row has no secret."""


SEALED = (
    SealedColumn("webhooks", subscription.c.id, (subscription.c.uuid,), subscription.c.secret),
    SealedColumn(
        "named keys",
        key_version.c.id,
        (key_version.c.key, key_version.c.number),
        key_version.c.sealed,
    ),
    SealedColumn("second factors", factor.c.account, (factor.c.account,), factor.c.sealed),
    SealedColumn("enrolments", batch.c.id, (batch.c.uuid,), batch.c.sealed),
    SealedColumn("signing keys", signing_key.c.id, (signing_key.c.kid,), signing_key.c.sealed),
)


class SealedRows:
    """The secrets of one column over one open registry; any thread may call."""

    def __init__(self, database: Database, column: SealedColumn) -> None:
        self._database, self._column = database, column

    @property
    def purpose(self) -> str:
        """What they are sealed for."""
        return self._column.purpose

    def count(self) -> int:
        """Return how many there are."""
        column = self._column
        rows = sa.select(sa.func.count()).select_from(column.number.table)
        with self._database.read() as connection:
            return connection.execute(rows.where(column.text.is_not(None))).scalar_one()

    def page(self, after: str, limit: int) -> Sequence[Sealed]:
        """Return those of the rows behind a number, at most ``limit``; "" begins."""
        column = self._column
        rows = (
            sa.select(column.number, column.text, *column.place)
            .where(column.text.is_not(None), column.number > int(after or 0))
            .order_by(column.number)
            .limit(limit)
        )
        with self._database.read() as connection:
            found = connection.execute(rows).all()
        return [
            Sealed(str(number), ":".join(map(str, place)), text) for number, text, *place in found
        ]

    def replace(self, changes: Sequence[tuple[Sealed, str]]) -> None:
        """Put each text in the place of the one read, in one transaction.

        Raises:
            Unavailable: nothing was changed.
        """
        column = self._column
        with self._database.change() as change:
            for was, text in changes:
                change.connection.execute(
                    sa.update(column.number.table)
                    .where(column.number == int(was.key), column.text == was.text)
                    .values({column.text.name: text})
                )


def sealed_rows(database: Database) -> Sequence[SealedRows]:
    """Return a store for each column that holds sealed secrets."""
    return [SealedRows(database, column) for column in SEALED]
