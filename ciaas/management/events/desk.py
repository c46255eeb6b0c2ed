"""What the API reaches of events."""

from __future__ import annotations

from dataclasses import dataclass

from ciaas.management.events.feed import LiveFeeds
from ciaas.management.events.selection import Directory


@dataclass(frozen=True, slots=True)
class EventDesk:
    """Live feeds, and how their filters find points."""

    feeds: LiveFeeds
    directory: Directory
