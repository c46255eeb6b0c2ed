"""`ciaas.management.subscriptions.ports.SubscriptionStore` in the registry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from ciaas.limits import (
    DEAD_LETTERS_MAX,
    SUBSCRIPTION_FILTER_BYTES_MAX,
    SUBSCRIPTION_WHY_CHARS_MAX,
    SUBSCRIPTIONS_MAX,
    SUBSCRIPTIONS_PER_USER_MAX,
)
from ciaas.management.subscriptions.ports import DeadLetter, EventKind, Progress, Subscription
from ciaas.ports import Missing
from ciaas.storage.registry.database import Change, Database
from ciaas.storage.registry.document import decode, encode
from ciaas.storage.registry.events.tables import dead_letter
from ciaas.storage.registry.events.tables import subscription as table


class Subscriptions:
    """Subscriptions over one open registry; any thread may call."""

    def __init__(self, database: Database, per_user_max: int = SUBSCRIPTIONS_PER_USER_MAX) -> None:
        self._database = database
        self._per_user_max = per_user_max

    def add(self, subscription: Subscription) -> None:
        """Raises Conflict when the user, or the platform, has as many as it may have."""
        count = sa.select(sa.func.count()).select_from(table)
        with self._database.change() as change:
            change.check_room(
                count.where(table.c.account == subscription.user),
                self._per_user_max,
                f"you have {self._per_user_max} subscriptions already: remove one",
            )
            change.check_room(
                count,
                SUBSCRIPTIONS_MAX,
                f"there are {SUBSCRIPTIONS_MAX} subscriptions already: some have to be removed",
            )
            row = _changeable(subscription) | {
                "uuid": subscription.id,
                "account": subscription.user,
                "kind": subscription.kind.value,
                "created_at": subscription.created_at,
                "position": subscription.position,
                "delivered": 0,
                "failures": 0,
                "why": "",
            }
            change.connection.execute(table.insert().values(row))

    def subscription(self, id_: str) -> Subscription:
        """Return one; raises Missing."""
        found = self._all(table.c.uuid == id_)
        if not found:
            raise Missing(f"there is no subscription {id_!r}")
        return found[0]

    def subscriptions(self, user: int | None = None) -> Sequence[Subscription]:
        """Return those of one user, or all, the oldest first."""
        return self._all(sa.true() if user is None else table.c.account == user)

    def change(self, subscription: Subscription) -> None:
        """Store what its owner may change; raises Missing."""
        values = _changeable(subscription)
        if subscription.enabled:
            values |= {"failures": 0, "failed_at": None, "why": ""}
        with self._database.change() as change:
            _update(change, subscription.id, **values)

    def remove(self, id_: str) -> None:
        """Remove one with its dead letters; raises Missing."""
        with self._database.change() as change:
            number = _number(change.connection, id_)
            letters = dead_letter.c.subscription == number
            change.connection.execute(sa.delete(dead_letter).where(letters))
            change.connection.execute(sa.delete(table).where(table.c.id == number))

    def advance(self, id_: str, progress: Progress) -> None:
        """Note what was delivered; nothing happens when it was removed meanwhile."""
        values: dict[str, Any] = {"position": progress.position}
        if progress.delivered:
            values |= {
                "delivered": table.c.delivered + progress.delivered,
                "delivered_at": progress.at,
                "failures": 0,
                "failed_at": None,
                "why": "",
            }
        with self._database.change() as change:
            change.connection.execute(sa.update(table).where(table.c.uuid == id_).values(**values))

    def fail(self, id_: str, at: int, why: str, *, off: bool = False) -> None:
        """Note a failure; ``off`` switches the subscription off."""
        values: dict[str, Any] = {
            "failures": table.c.failures + 1,
            "failed_at": at,
            "why": why[:SUBSCRIPTION_WHY_CHARS_MAX],
        }
        if off:
            values["enabled"] = False
        with self._database.change() as change:
            change.connection.execute(sa.update(table).where(table.c.uuid == id_).values(**values))

    def bury(self, id_: str, letter: DeadLetter) -> bool:
        """Note a dead letter and go on behind it; False when there are too many."""
        with self._database.change() as change:
            connection = change.connection
            number = _number(connection, id_)
            own = dead_letter.c.subscription == number
            newest = connection.execute(
                sa.select(dead_letter.c.id, dead_letter.c.last)
                .where(own)
                .order_by(dead_letter.c.id.desc())
                .limit(1)
            ).one_or_none()
            row = {"last": letter.last, "at": letter.at, "why": letter.why, "replay": False}
            row["why"] = letter.why[:SUBSCRIPTION_WHY_CHARS_MAX]
            if newest is not None and newest[1] == letter.after:
                connection.execute(
                    sa.update(dead_letter).where(dead_letter.c.id == newest[0]).values(**row)
                )
            else:
                count = sa.select(sa.func.count()).select_from(dead_letter).where(own)
                if connection.execute(count).scalar_one() >= DEAD_LETTERS_MAX:
                    return False
                connection.execute(
                    dead_letter.insert().values(subscription=number, after=letter.after, **row)
                )
            connection.execute(
                sa.update(table).where(table.c.id == number).values(position=letter.last)
            )
        return True

    def letters(self, id_: str, *, replay: bool = False) -> Sequence[DeadLetter]:
        """Return dead letters, oldest first; with ``replay`` those to be delivered once more."""
        chosen = (
            sa.select(dead_letter)
            .join(table, dead_letter.c.subscription == table.c.id)
            .where(table.c.uuid == id_)
            .order_by(dead_letter.c.id)
        )
        if replay:
            chosen = chosen.where(dead_letter.c.replay.is_(True))
        with self._database.read() as connection:
            return [
                DeadLetter(
                    row["id"], row["after"], row["last"], row["at"], row["why"], row["replay"]
                )
                for row in connection.execute(chosen).mappings()
            ]

    def mark(self, id_: str, number: int, replay: bool, why: str | None = None) -> None:
        """Have a dead letter delivered once more, or no more; raises Missing."""
        values: dict[str, Any] = {"replay": replay}
        if why is not None:
            values["why"] = why[:SUBSCRIPTION_WHY_CHARS_MAX]
        with self._database.change() as change:
            done = change.connection.execute(
                sa.update(dead_letter)
                .where(*_letter(change.connection, id_, number))
                .values(**values)
            )
            _check_found(done.rowcount, number)

    def drop(self, id_: str, number: int) -> None:
        """Remove a dead letter; raises Missing."""
        with self._database.change() as change:
            done = change.connection.execute(
                sa.delete(dead_letter).where(*_letter(change.connection, id_, number))
            )
            _check_found(done.rowcount, number)

    def _all(self, *where: Any) -> Sequence[Subscription]:
        with self._database.read() as connection:
            rows = connection.execute(sa.select(table).where(*where).order_by(table.c.id))
            return [_subscription_of(row) for row in rows.mappings()]


def _update(change: Change, id_: str, **values: Any) -> None:
    done = change.connection.execute(sa.update(table).where(table.c.uuid == id_).values(**values))
    if not done.rowcount:
        raise Missing(f"there is no subscription {id_!r}")


def _number(connection: sa.Connection, id_: str) -> int:
    found = connection.execute(
        sa.select(table.c.id).where(table.c.uuid == id_)
    ).scalar_one_or_none()
    if found is None:
        raise Missing(f"there is no subscription {id_!r}")
    return found


def _letter(connection: sa.Connection, id_: str, number: int) -> tuple[Any, ...]:
    return dead_letter.c.subscription == _number(connection, id_), dead_letter.c.id == number


def _check_found(rows: int, number: int) -> None:
    if not rows:
        raise Missing(f"there is no dead letter {number}")


def _changeable(subscription: Subscription) -> dict[str, Any]:
    return {
        "title": subscription.title,
        "url": subscription.url,
        "wanted": encode(subscription.wanted, SUBSCRIPTION_FILTER_BYTES_MAX, "the filter"),
        "throttle_ms": subscription.throttle_ms,
        "secret": subscription.secret,
        "enabled": subscription.enabled,
    }


def _subscription_of(row: Any) -> Subscription:
    return Subscription(
        id=row["uuid"],
        user=row["account"],
        kind=EventKind(row["kind"]),
        wanted=decode(row["wanted"]),
        **{name: row[name] for name in _PLAIN},
    )


_PLAIN = (
    "title", "url", "throttle_ms", "secret", "enabled", "created_at", "position", "delivered",
    "delivered_at", "failures", "failed_at", "why",
)  # fmt: skip
