"""What core does with commits besides storing them: live feeds, subscriptions and alarms."""

from __future__ import annotations

from collections.abc import Callable

from borough.settings import Settings
from ciaas.kernel.catalogue import Catalogue
from ciaas.management.alarms.watch import AlarmWatch
from ciaas.management.events.desk import EventDesk
from ciaas.management.events.feed import LiveFeeds
from ciaas.management.events.hub import Hub
from ciaas.management.events.line import LineWriter
from ciaas.management.events.selection import Directory
from ciaas.ports import Clock, Commit, HistoryStore
from ciaas.storage.registry import Registry


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
        failed: Callable[[BaseException], None],
    ) -> None:
        """Build the parts; nothing follows yet."""
        self._hub = Hub(history, LineWriter(catalogue.point))
        self._alarms = AlarmWatch(self._hub, registry.alarms, catalogue.overlay, clock, failed)
        catalogue.on_points(self._alarms.learn)
        self.desk = EventDesk(
            LiveFeeds(self._hub, settings.live_max_age_s, clock), directory, self._alarms
        )

    def start(self) -> None:
        """Begin to follow commits."""
        self._alarms.start()

    def offer(self, commit: Commit) -> None:
        """Take a commit from the uplink; returns at once."""
        self._hub.offer(commit)

    def close(self) -> None:
        """End all who follow."""
        self._hub.close()
        self._alarms.stop()
