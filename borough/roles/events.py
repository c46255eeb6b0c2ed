"""What core does with commits besides storing them: live feeds, subscriptions and alarms."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from borough.roles.guard import die
from borough.settings import Settings
from ciaas.computing.reach import Reach
from ciaas.interoperability.overlay import CONFIDENTIAL
from ciaas.kernel.catalogue import Catalogue
from ciaas.management.alarms.watch import AlarmWatch
from ciaas.management.events.desk import EventDesk
from ciaas.management.events.feed import LiveFeeds
from ciaas.management.events.hub import Hub
from ciaas.management.events.line import LineWriter
from ciaas.management.events.rungs import Rungs
from ciaas.management.events.selection import Directory
from ciaas.management.events.tally import Tally
from ciaas.management.events.witness import COMMIT, CommitWitness, Sealed
from ciaas.management.subscriptions.desk import SOURCE, Subscriptions
from ciaas.management.subscriptions.ports import Subscription
from ciaas.ports import Clock, Commit, HistoryStore
from ciaas.storage.registry import Registry
from security.aaa.accesses import AccessLog, Asked
from security.encryption.envelope import Envelope
from security.ports import Record

if TYPE_CHECKING:
    from ciaas.computing.outgoing import Outgoing


log = logging.getLogger(__name__)

_LET_GO_S = 10.0


class CityEvents:
    """The hub of commits and those who follow it in this process."""

    def __init__(
        self,
        history: HistoryStore,
        registry: Registry,
        catalogue: Catalogue,
        directory: Directory,
        clock: Clock,
        settings: Settings,
        envelope: Envelope,
        failed: Callable[[BaseException], None],
        note: Callable[[Mapping[str, Any]], None],
    ) -> None:
        """Build the parts; nothing follows yet.

        Args:
            history: Where older commits are read.
            registry: Keeps alarms and subscriptions.
            catalogue: Knows points and what is said of them.
            directory: Finds the points of a filter.
            clock: Of this machine.
            settings: How long live data is kept, and what may be reached.
            envelope: What receivers' secrets are sealed with.
            failed: Told when a thread ends by a fault; the process has to end.
            note: Takes an entry for the record and returns at once.
        """

        def overlay(point: int) -> Mapping[str, Any]:
            """Return what alarms may know: one of a confidential point would keep its value."""
            said = catalogue.overlay(point)
            return {} if CONFIDENTIAL in said else said

        self._loop: asyncio.AbstractEventLoop | None = None
        self._hub = Hub(history, LineWriter(catalogue.point))
        self._alarms = AlarmWatch(self._hub, registry.alarms, overlay, clock, failed)
        catalogue.on_points(self._alarms.learn)
        reach = Reach.of(settings.outgoing_allow)

        def active(user: int) -> bool:
            known = registry.accounts.user_by_id(user)
            return known is not None and not known.disabled

        def delivery_entry(subscription: Subscription) -> Mapping[str, Any]:
            """Return who reads, as the record has it, for what a webhook is sent."""
            known = registry.accounts.user_by_id(subscription.user)
            return {
                "kind": "access",
                "who": "" if known is None else known.name,
                "verb": "DELIVER",
                "path": SOURCE + subscription.id,
            }

        self._subscriptions = Subscriptions(
            hub=self._hub,
            steps=self._alarms.steps,
            directory=directory,
            address=lambda point: catalogue.point(point).address,
            store=registry.subscriptions,
            reach=reach,
            sealing=envelope,
            clock=clock,
            patience_s=settings.live_max_age_s,
            active=active,
            outgoing=lambda: _outgoing(reach),
            tally=lambda subscription: Tally(delivery_entry(subscription), note, clock),
        )
        rungs = Rungs(registry.commands, self._hub.nudge)
        self.stepped = rungs.changed
        """To be called when rungs of commands were stored; returns at once."""
        catalogue.on_changes(lambda _: self._hub.nudge())
        self.desk = EventDesk(
            LiveFeeds(self._hub, settings.live_max_age_s, clock),
            directory,
            self._alarms,
            rungs,
            self._subscriptions,
        )

    @property
    def hub(self) -> Hub:
        """The newest commits, for others who follow them in this process."""
        return self._hub

    def counts(self) -> Mapping[str, Any]:
        """Return what administrators see of it."""
        feeds = self.desk.feeds
        return {
            "feeds": feeds.open,
            "feeds_ended": dict(feeds.dropped),
            "alarms_open": self._alarms.open,
            "deliveries": self._subscriptions.running,
        }

    def start(self) -> None:
        """Begin to follow commits."""
        self._alarms.start()

    async def deliver(self) -> None:
        """Begin to serve subscriptions: after what devices and callers wait for."""
        self._loop = asyncio.get_running_loop()
        await self._subscriptions.start()

    def forget(self) -> None:
        """Keep no commit in memory any more: what was erased must not be told from there.

        For threads; returns when deliveries to webhooks have let go of what they held, too.
        """
        self._hub.forget()
        if self._loop is not None:
            again = self._subscriptions.again()
            try:
                asyncio.run_coroutine_threadsafe(again, self._loop).result(_LET_GO_S)
            except TimeoutError:
                log.warning("deliveries to webhooks take long to let go of what they hold")

    def offer(self, commit: Commit) -> None:
        """Take a commit from the uplink; returns at once."""
        self._hub.offer(commit)

    async def close(self) -> None:
        """End all who follow."""
        self._hub.close()
        await self._subscriptions.close()
        await asyncio.to_thread(self._alarms.stop)


def _outgoing(reach: Reach) -> Outgoing:
    """Return a pool for one receiver; all share the list of whom this machine trusts."""
    from ciaas.computing.outgoing import Outgoing  # for who has subscriptions: not at each start

    return Outgoing(reach, connections=1, tls=_trusted())


@cache
def _trusted() -> ssl.SSLContext:
    return ssl.create_default_context()


def witness_of(hub: Hub, record: Record, accesses: AccessLog, sealed: Sealed) -> CommitWitness:
    """Return who tells the record of each commit, from where the record was left."""

    def told() -> int | None:
        found = accesses.find(Asked(limit=1, kind=COMMIT))
        return int(found[0]["commit"]) if found else None

    return CommitWitness(hub, record, told, sealed, die)
