"""Subscriptions and their dead letters, and what stores them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol


class EventKind(StrEnum):
    """What a subscription delivers."""

    SAMPLES = "samples"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Subscription:
    """One webhook. Times are milliseconds since 1970 UTC."""

    id: str
    """UUID."""
    user: int
    """Under whose rights it delivers."""
    kind: EventKind
    title: str
    url: str
    wanted: Mapping[str, Any]
    """The filter's document."""
    throttle_ms: int
    """Least time between two samples of one point; 0 for none."""
    secret: str = field(repr=False)
    """Sealed."""
    enabled: bool
    created_at: int
    position: int
    """Of the last commit, or step of an alarm, that was delivered or was not meant."""
    delivered: int = 0
    """Samples or steps."""
    delivered_at: int | None = None
    failures: int = 0
    """In a row, until something is delivered."""
    failed_at: int | None = None
    why: str = ""
    """What the receiver said last, or why it is switched off."""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """What a receiver would not take: all after ``after`` and up to ``last``."""

    number: int
    after: int
    last: int
    at: int
    why: str
    replay: bool = False
    """True when it is to be delivered once more."""


@dataclass(frozen=True, slots=True)
class Progress:
    """What changes of a subscription while it delivers."""

    position: int
    delivered: int
    """Beside those counted before."""
    at: int


class SubscriptionStore(Protocol):
    """Keeps subscriptions. Changes are durable when a method returns; any thread may call."""

    def add(self, subscription: Subscription) -> None:
        """Raises Conflict when the user, or the platform, has as many as it may have."""
        ...

    def subscription(self, id_: str) -> Subscription:
        """Return one; raises Missing."""
        ...

    def subscriptions(self, user: int | None = None) -> Sequence[Subscription]:
        """Return those of one user, or all, the oldest first."""
        ...

    def change(self, subscription: Subscription) -> None:
        """Store title, url, filter, throttle, secret and whether it is enabled; raises Missing."""
        ...

    def remove(self, id_: str) -> None:
        """Remove one with its dead letters; raises Missing."""
        ...

    def advance(self, id_: str, progress: Progress) -> None:
        """Note what was delivered; nothing happens when it was removed meanwhile."""
        ...

    def fail(self, id_: str, at: int, why: str, *, off: bool = False) -> None:
        """Note a failure; ``off`` switches the subscription off."""
        ...

    def bury(self, id_: str, letter: DeadLetter) -> bool:
        """Note a dead letter and go on behind it; False when there are too many.

        One that begins where the newest ends is joined with it. The number given is not used.
        """
        ...

    def letters(self, id_: str, *, replay: bool = False) -> Sequence[DeadLetter]:
        """Return dead letters, oldest first; with ``replay`` those to be delivered once more."""
        ...

    def mark(self, id_: str, number: int, replay: bool, why: str | None = None) -> None:
        """Have a dead letter delivered once more, or no more; raises Missing."""
        ...

    def drop(self, id_: str, number: int) -> None:
        """Remove a dead letter; raises Missing."""
        ...
