"""`security.aaa.oidc.ports.SigningKeyStore` in the registry."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from ciaas.limits import SIGNING_KEYS_MAX
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.oidc.tables import signing_key as table
from security.aaa.oidc.ports import SigningKey

_KEYS = sa.select(table.c.kid, table.c.alg, table.c.sealed, table.c.created_at)


class SigningKeys:
    """Sealed keys over one open registry; any thread may call."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def signing_keys(self) -> Sequence[SigningKey]:
        """Return them oldest first."""
        with self._database.read() as connection:
            rows = connection.execute(_KEYS.order_by(table.c.created_at, table.c.kid))
            return [SigningKey(*row) for row in rows]

    def add_signing_key(self, key: SigningKey, without: Sequence[str] = ()) -> None:
        """Keep a key, and forget others by their ``kid``.

        Raises:
            Conflict: SIGNING_KEYS_MAX are kept.
        """
        row = {
            "kid": key.kid,
            "alg": key.alg,
            "sealed": key.sealed,
            "created_at": key.created_at,
        }
        with self._database.change() as change:
            change.connection.execute(table.delete().where(table.c.kid.in_(without)))
            change.check_room(
                sa.select(sa.func.count()).select_from(table),
                SIGNING_KEYS_MAX,
                f"{SIGNING_KEYS_MAX} signing keys are kept: retire the old ones",
            )
            change.stamp()
            change.connection.execute(table.insert().values(**row))
