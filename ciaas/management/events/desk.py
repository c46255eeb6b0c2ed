"""What the API reaches of events."""

from __future__ import annotations

from dataclasses import dataclass

from ciaas.management.alarms.watch import AlarmWatch
from ciaas.management.events.feed import LiveFeeds
from ciaas.management.events.rungs import Rungs
from ciaas.management.events.selection import Directory
from ciaas.management.subscriptions.desk import Subscriptions


@dataclass(frozen=True, slots=True)
class EventDesk:
    """Live feeds, how their filters find points, alarms, commands, and webhooks."""

    feeds: LiveFeeds
    directory: Directory
    alarms: AlarmWatch
    rungs: Rungs
    """Of commands."""
    subscriptions: Subscriptions
