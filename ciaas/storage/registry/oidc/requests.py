"""`security.aaa.oidc.ports.RequestStore` in the registry: authorization codes and devices."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from ciaas.limits import CODES_MAX, DEVICE_REQUESTS_MAX, DEVICE_REQUESTS_PER_APPLICATION_MAX
from ciaas.storage.registry.database import Database
from ciaas.storage.registry.oidc.applications import names_of, names_text
from ciaas.storage.registry.oidc.authorisations import Authorisations
from ciaas.storage.registry.oidc.tables import authorisation, code, device
from security.aaa.oidc.ports import Authorisation, Code, DeviceRequest


class Requests:
    """Requests that wait for their end over one open registry; any thread may call."""

    def __init__(self, database: Database, authorisations: Authorisations) -> None:
        self._database, self._authorisations = database, authorisations

    def add_code(self, new: Code) -> None:
        """Keep a code; those that expired make way.

        Raises:
            Conflict: CODES_MAX wait to be redeemed.
        """
        now = new.expires_at - _KEPT_MS
        with self._database.change() as change:
            change.connection.execute(code.delete().where(code.c.expires_at <= now))
            change.check_room(
                sa.select(sa.func.count()).select_from(code),
                CODES_MAX,
                f"{CODES_MAX:,} sign-ins to applications are under way: try again in a minute",
            )
            change.connection.execute(code.insert().values(**_code_values(new)))

    def code(self, digest: str) -> Code | None:
        """Return a code, a redeemed one too."""
        with self._database.read() as connection:
            row = connection.execute(_CODES.filter_by(digest=digest)).mappings().one_or_none()
        if row is None:
            return None
        plain = {name: row[name] for name in _CODE_PLAIN}
        return Code(scopes=frozenset(names_of(row["scopes"])), amr=names_of(row["amr"]), **plain)

    def redeem_code(self, digest: str, given: Authorisation) -> int | None:
        """Begin the authorisation of a code, once."""
        return self._redeem(code, digest, given)

    def add_device(self, request: DeviceRequest, now: int) -> None:
        """Keep a device's request; those that expired make way.

        Raises:
            Conflict: too many of this application, or of all, wait for a person.
        """
        with self._database.change() as change:
            change.connection.execute(device.delete().where(device.c.expires_at <= now))
            count = sa.select(sa.func.count()).select_from(device)
            for rows, room in (
                (
                    count.where(device.c.application == request.application),
                    DEVICE_REQUESTS_PER_APPLICATION_MAX,
                ),
                (count, DEVICE_REQUESTS_MAX),
            ):
                change.check_room(
                    rows, room, f"{room:,} devices wait for a person: try again in some minutes"
                )
            values = {name: getattr(request, name) for name in _DEVICE_PLAIN}
            values |= {"scopes": names_text(request.scopes), "amr": names_text(request.amr)}
            change.connection.execute(device.insert().values(**values))

    def device(self, digest: str) -> DeviceRequest | None:
        """Return a request by the digest of the device's own code."""
        return self._device(device.c.digest == digest)

    def device_of_code(self, user_code: str) -> DeviceRequest | None:
        """Return a request by the digest of the code that the person types."""
        return self._device(device.c.user_code == user_code)

    def decide(self, request: DeviceRequest) -> bool:
        """Store who decided and how; False when somebody had decided already."""
        with self._database.change() as change:
            done = change.connection.execute(
                device.update()
                .where(device.c.digest == request.digest, device.c.account.is_(None))
                .values(
                    account=request.account,
                    allowed=request.allowed,
                    authenticated_at=request.authenticated_at,
                    amr=names_text(request.amr),
                )
            )
            return bool(done.rowcount)

    def polled(self, digest: str, at: int, interval_s: int) -> None:
        """Note when the device asked, and how long it has to wait from now on."""
        with self._database.change() as change:
            change.connection.execute(
                device.update().filter_by(digest=digest).values(polled_at=at, interval_s=interval_s)
            )

    def redeem_device(self, digest: str, given: Authorisation) -> int | None:
        """Begin the authorisation of a device, once."""
        return self._redeem(device, digest, given)

    def _redeem(self, table: Any, digest: str, given: Authorisation) -> int | None:
        with self._database.change() as change:
            taken = sa.select(table.c.authorisation).where(table.c.digest == digest)
            row = change.connection.execute(taken).one_or_none()
            if row is None:
                return None
            if row[0] is not None:
                self._authorisations.revoke_in(change, authorisation.c.id == row[0])
                return None
            number = self._authorisations.begin_in(change, given)
            change.connection.execute(
                table.update().where(table.c.digest == digest).values(authorisation=number)
            )
            return number

    def _device(self, which: sa.ColumnElement[bool]) -> DeviceRequest | None:
        with self._database.read() as connection:
            row = connection.execute(_DEVICES.where(which)).mappings().one_or_none()
        if row is None:
            return None
        plain = {name: row[name] for name in _DEVICE_PLAIN}
        return DeviceRequest(
            scopes=frozenset(names_of(row["scopes"])), amr=names_of(row["amr"]), **plain
        )


def _code_values(new: Code) -> dict[str, Any]:
    plain = {name: getattr(new, name) for name in _CODE_PLAIN}
    return plain | {"scopes": names_text(new.scopes), "amr": names_text(new.amr)}


_KEPT_MS = 600_000
"""A code is remembered so long beyond its life, so that a late replay still ends what it gave."""
_CODES, _DEVICES = sa.select(code), sa.select(device)
_CODE_PLAIN = (
    "digest", "application", "account", "session", "redirect_uri", "nonce", "challenge",
    "authenticated_at", "expires_at", "authorisation",
)  # fmt: skip
_DEVICE_PLAIN = (
    "digest", "user_code", "application", "expires_at", "interval_s", "polled_at", "account",
    "allowed", "authenticated_at", "authorisation",
)  # fmt: skip
