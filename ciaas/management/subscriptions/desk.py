"""Subscriptions: made, changed and removed by their owners, each delivered by its own task."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from ciaas.computing.reach import Reach
from ciaas.limits import BREAKER_FAILURES
from ciaas.management.alarms.steps import Steps
from ciaas.management.directory.filter import Filter
from ciaas.management.events.hub import Hub
from ciaas.management.events.selection import Directory, Selection
from ciaas.management.events.tally import Tally
from ciaas.management.subscriptions.delivery import Delivery, SwitchedOff
from ciaas.management.subscriptions.envelope import new_secret, shown
from ciaas.management.subscriptions.ports import (
    DeadLetter,
    EventKind,
    Subscription,
    SubscriptionStore,
)
from ciaas.management.subscriptions.sources import AlarmSource, EventSource, SampleSource
from ciaas.management.subscriptions.throttle import Throttle
from ciaas.ports import Clock, Missing
from security.encryption.envelope import Envelope, SealingError

if TYPE_CHECKING:
    from ciaas.computing.outgoing import Outgoing

log = logging.getLogger(__name__)

SOURCE = "/api/v1/subscriptions/"
_FAULT_WAIT_S = 30.0


@dataclass(frozen=True, slots=True)
class Wish:
    """What the owner decides."""

    title: str
    url: str
    wanted: Filter
    throttle_ms: int
    enabled: bool = True


@dataclass(slots=True)
class Subscriptions:
    """Everybody's subscriptions, for one event loop. Methods store first and then take effect."""

    hub: Hub
    steps: Steps
    """Of alarms."""
    directory: Directory
    address: Callable[[int], str]
    """Of a point, by its number."""
    store: SubscriptionStore
    reach: Reach
    sealing: Envelope
    clock: Clock
    patience_s: float
    """How long a receiver may fail on the same events before they are set aside."""
    active: Callable[[int], bool]
    """Tells whether a user is not shut out."""
    outgoing: Callable[[], Outgoing]
    """Makes a pool of connections for one receiver."""
    tally: Callable[[Subscription], Tally]
    """Counts for the record what a receiver is sent."""
    _tasks: dict[str, asyncio.Task[None]] = field(default_factory=dict)
    _deliveries: dict[str, Delivery] = field(default_factory=dict)

    @property
    def running(self) -> int:
        """Subscriptions that are switched on."""
        return len(self._tasks)

    async def start(self) -> None:
        """Begin to deliver whatever is enabled."""
        for subscription in await asyncio.to_thread(self.store.subscriptions):
            self._begin(subscription)

    async def close(self) -> None:
        """End all deliveries; each goes on where it is when it is started again."""
        tasks, self._tasks = list(self._tasks.values()), {}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def create(
        self, user: int, kind: EventKind, wish: Wish, after: int | None
    ) -> tuple[Subscription, str]:
        """Return a new subscription, and its secret, which cannot be had again.

        Args:
            user: Under whose rights it delivers.
            kind: What it delivers.
            wish: Where to and what.
            after: Position to begin behind; None begins with what comes next.

        Raises:
            Forbidden: the URL may not be asked.
            Conflict: there are as many as there may be.
        """
        self.reach.check_url(wish.url)
        newest = self.steps.newest if kind is EventKind.ALARM else self.hub.newest()
        id_, secret = str(uuid.uuid4()), new_secret()
        subscription = Subscription(
            id=id_,
            user=user,
            kind=kind,
            title=wish.title,
            url=wish.url,
            wanted=wish.wanted.document(),
            throttle_ms=wish.throttle_ms,
            secret=self.sealing.seal(secret, id_),
            enabled=wish.enabled,
            created_at=self.clock.now_ms(),
            position=newest if after is None else min(after, newest),
        )
        await asyncio.to_thread(self.store.add, subscription)
        self._begin(subscription)
        return subscription, shown(secret)

    async def change(
        self, subscription: Subscription, wish: Wish, *, fresh_secret: bool
    ) -> tuple[Subscription, str | None]:
        """Store what its owner wants; delivery goes on at once where it is.

        Raises:
            Forbidden: the URL may not be asked.
            Missing: it was removed meanwhile.
        """
        self.reach.check_url(wish.url)
        id_, secret = subscription.id, new_secret() if fresh_secret else None
        changed = replace(
            subscription,
            title=wish.title,
            url=wish.url,
            wanted=wish.wanted.document(),
            throttle_ms=wish.throttle_ms,
            enabled=wish.enabled,
            secret=subscription.secret if secret is None else self.sealing.seal(secret, id_),
        )
        await self._end(id_)
        await asyncio.to_thread(self.store.change, changed)
        current = await asyncio.to_thread(self.store.subscription, id_)
        self._begin(current)
        return current, None if secret is None else shown(secret)

    async def remove(self, id_: str) -> None:
        """Remove one with its dead letters; raises Missing."""
        await self._end(id_)
        await asyncio.to_thread(self.store.remove, id_)

    async def again(self) -> None:
        """Have each delivery read anew what it holds in hand, from where it is."""
        for id_ in list(self._tasks):
            await self._end(id_)
            with contextlib.suppress(Missing):  # removed meanwhile
                self._begin(await asyncio.to_thread(self.store.subscription, id_))

    async def replay(self, id_: str, number: int) -> None:
        """Have a dead letter delivered once more; raises Missing."""
        await asyncio.to_thread(self.store.mark, id_, number, True)
        if (delivery := self._deliveries.get(id_)) is not None:
            delivery.replaying = True

    async def letters(self, id_: str) -> Sequence[DeadLetter]:
        """Return its dead letters, oldest first."""
        return await asyncio.to_thread(self.store.letters, id_)

    def state(self, subscription: Subscription) -> str:
        """Return ``off``, ``delivering``, ``retrying`` or ``down``."""
        if not subscription.enabled:
            return "off"
        if subscription.failures >= BREAKER_FAILURES:
            return "down"
        return "retrying" if subscription.failures else "delivering"

    # -- tasks

    def _begin(self, subscription: Subscription) -> None:
        if subscription.enabled and not self.hub.closed:
            work = self._work(subscription)
            self._tasks[subscription.id] = asyncio.create_task(work)

    async def _end(self, id_: str) -> None:
        task = self._tasks.pop(id_, None)
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _work(self, subscription: Subscription) -> None:
        """Deliver until it is switched off; a fault of ours ends this one alone, for a while."""
        while True:
            tally = self.tally(subscription)
            try:
                async with self.outgoing() as outgoing:
                    delivery = self._delivery(subscription, outgoing, tally)
                    self._deliveries[subscription.id] = delivery
                    await delivery.run()
            except (SwitchedOff, SealingError) as error:
                log.warning("subscription %s is off: %s", subscription.id, error)
                return
            except Exception:  # one receiver's trouble must never become the city's
                log.exception("subscription %s failed and is tried again", subscription.id)
                await asyncio.sleep(_FAULT_WAIT_S)
                subscription = await asyncio.to_thread(self.store.subscription, subscription.id)
            finally:
                self._deliveries.pop(subscription.id, None)
                tally.look(last=True)

    def _delivery(self, subscription: Subscription, outgoing: Outgoing, tally: Tally) -> Delivery:
        return Delivery(
            subscription=subscription,
            secret=self.sealing.open(subscription.secret, subscription.id),
            source=self._source(subscription, tally, subscription.position, None),
            between=lambda after, until: self._source(subscription, tally, after, until),
            store=self.store,
            outgoing=outgoing,
            clock=self.clock,
            patience_ms=round(self.patience_s * 1000),
            may_deliver=lambda: self.active(subscription.user),
            position=subscription.position,
            failures=subscription.failures,
        )

    def _source(
        self, subscription: Subscription, tally: Tally, after: int, until: int | None
    ) -> EventSource:
        wanted = Filter.parse(subscription.wanted)
        selection = Selection(self.directory, wanted, subscription.user)
        source = SOURCE + subscription.id
        if subscription.kind is EventKind.ALARM:
            return AlarmSource(
                self.hub, self.steps, selection, self.address, source, after, tally, until
            )
        throttle = Throttle(subscription.throttle_ms)
        return SampleSource(self.hub, selection, throttle, source, after, tally, until)
