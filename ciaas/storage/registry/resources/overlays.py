"""Overlays: the metadata that the wire does not carry, by scope."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import sqlalchemy as sa

from ciaas.limits import (
    CLASS_OVERLAYS_MAX,
    OVERLAY_BYTES_MAX,
    OVERLAY_SCOPE_CHARS_MAX,
    OVERLAYS_PER_ENDPOINT_MAX,
)
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import check_text, decode, encode, merged
from ciaas.storage.registry.resources.endpoints import present
from ciaas.storage.registry.schema import overlay

_CLASS = "class:"


class Overlays:
    """The part of `RegistryStore` about metadata."""

    _database: Database

    def overlay(self, scope: str) -> Mapping[str, Any]:
        """Return the overlay stored at exactly this scope, empty when there is none."""
        with self._database.read() as connection:
            return decode(_stored(connection, scope) or "{}")

    def change_overlay(
        self,
        scope: str,
        merge: Mapping[str, Any],
        check: Callable[[Mapping[str, Any]], object] | None = None,
    ) -> Mapping[str, Any]:
        """Merge keys into a scope's overlay (RFC 7396: None removes a key); returns the result.

        ``check`` is shown the result before it is stored; what it raises undoes the change.

        Raises:
            Missing: the scope lies in an unknown or deleted endpoint.
            Conflict: the result or the number of overlays is beyond its bound.
        """
        what = f"the overlay of {scope[:OVERLAY_SCOPE_CHARS_MAX]}"
        check_text(scope, OVERLAY_SCOPE_CHARS_MAX, "the scope of the overlay")
        encode(merge, OVERLAY_BYTES_MAX, what)
        with self._database.change() as change:
            owner = None if scope.startswith(_CLASS) else scope.split("/", 1)[0]
            if owner is not None:
                present(change.connection, owner)
            before = _stored(change.connection, scope)
            result = merged(decode(before or "{}"), merge)
            after = encode(result, OVERLAY_BYTES_MAX, what)
            if check is not None:
                check(result)
            if before is None and after != "{}":
                _check_room(change, owner)
                change.connection.execute(
                    overlay.insert().values(
                        scope=scope, endpoint=owner, document=after, version=change.stamp()
                    )
                )
            elif before is not None and after != before:
                change.connection.execute(
                    overlay.update()
                    .filter_by(scope=scope)
                    .values(document=after, version=change.stamp())
                )
            return decode(after)


def _stored(connection: sa.Connection, scope: str) -> str | None:
    return connection.execute(sa.select(overlay.c.document).filter_by(scope=scope)).scalar()


def _check_room(change: Change, owner: str | None) -> None:
    whose, room = "the classes have", CLASS_OVERLAYS_MAX
    if owner is not None:
        whose, room = f"endpoint {owner} has", OVERLAYS_PER_ENDPOINT_MAX
    change.check_room(
        sa.select(sa.func.count())
        .select_from(overlay)
        .where(overlay.c.endpoint.is_not_distinct_from(owner)),
        room,
        f"{whose} {room:,} overlays already: attach metadata higher up, not to each point",
    )
