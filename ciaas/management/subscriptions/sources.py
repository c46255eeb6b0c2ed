"""Where deliveries come from: commits, or steps of alarms, after a position and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import msgspec

from ciaas.limits import DELIVERY_COMMITS_MAX, DELIVERY_SAMPLES_MAX, EVENT_SAMPLES_MAX
from ciaas.management.alarms.document import instant, step_document
from ciaas.management.alarms.steps import Steps
from ciaas.management.events.feed import SHARD
from ciaas.management.events.follower import Follower
from ciaas.management.events.hub import Hub, Recent
from ciaas.management.events.selection import Selection
from ciaas.management.events.tally import Tally
from ciaas.management.subscriptions.envelope import cloud_event
from ciaas.management.subscriptions.throttle import Throttle

SAMPLES_TYPE = "org.borough.samples"
ALARM_TYPE = "org.borough.alarm."


class Parcel(NamedTuple):
    """What is delivered together; without events nothing was meant for the receiver."""

    last: int
    """Position once all of it is delivered."""
    recorded_at: int
    """When the oldest of it was recorded, milliseconds since 1970 UTC."""
    events: Sequence[bytes]
    updates: int
    """Samples or steps in the events."""


class EventSource(Protocol):
    """Gives parcels in order."""

    async def take(self, wait_s: float) -> Parcel | None:
        """Return the next parcel, None when nothing came within the time.

        Raises:
            HistoryError, RegistryError: it could not be read; try again.
        """
        ...


class SampleSource:
    """Samples of a selection, one event for each commit or thousand samples."""

    def __init__(
        self,
        hub: Hub,
        selection: Selection,
        throttle: Throttle,
        source: str,
        after: int,
        tally: Tally,
        until: int | None = None,
    ) -> None:
        self._selection, self._throttle, self._source = selection, throttle, source
        self._tally = tally
        self._follower, self._until = Follower(hub, after), until
        self._ahead: list[Recent] = []

    async def take(self, wait_s: float) -> Parcel | None:
        """Return the next parcel, None when nothing came within the time."""
        self._tally.look()
        commits = self._ahead or list(await self._follower.next(wait_s))
        if self._until is not None:
            commits = [commit for commit in commits if commit.number <= self._until]
        if not commits:
            return None
        self._ahead = commits  # so that a failure from here on loses none
        await self._selection.keep_current()
        return await asyncio.to_thread(self._pack, commits)

    def _pack(self, commits: list[Recent]) -> Parcel:
        """Write as many commits as one delivery takes; the others wait for the next."""
        events: list[bytes] = []
        count = taken = 0
        for commit in commits[:DELIVERY_COMMITS_MAX]:
            taken += 1
            rows = self._throttle.passing(commit.frame, self._selection.rows(commit.frame))
            lines = [commit.lines[row] for row in rows.tolist()] if len(rows) else []
            self._tally.samples(commit.frame.point[rows])
            events += self._events(commit, lines)
            count += len(lines)
            if count >= DELIVERY_SAMPLES_MAX:
                break
        self._ahead = commits[taken:]
        return Parcel(commits[taken - 1].number, commits[0].recorded_at, events, count)

    def _events(self, commit: Recent, lines: Sequence[bytes]) -> Sequence[bytes]:
        parts = range(0, len(lines), EVENT_SAMPLES_MAX)
        return [
            cloud_event(
                self._source,
                f"{SHARD}:{commit.number}" + (f".{part}" if len(parts) > 1 else ""),
                SAMPLES_TYPE,
                instant(commit.recorded_at) or "",
                b"[" + b",".join(lines[first : first + EVENT_SAMPLES_MAX]) + b"]",
            )
            for part, first in enumerate(parts)
        ]


class AlarmSource:
    """Steps of alarms of a selection's points, one event each."""

    def __init__(
        self,
        hub: Hub,
        steps: Steps,
        selection: Selection,
        address: Callable[[int], str],
        source: str,
        after: int,
        tally: Tally,
        until: int | None = None,
    ) -> None:
        self._tally = tally
        self._hub, self._steps, self._selection = hub, steps, selection
        self._address, self._source = address, source
        self._after, self._until = after, until

    async def take(self, wait_s: float) -> Parcel | None:
        """Return the next parcel, None when nothing came within the time."""
        self._tally.look()
        steps = await self._steps.after(self._after)
        if not steps:
            # Commits wake it too; between two of them it is woken by the step itself.
            await self._hub.sleep(self._hub.newest(), wait_s)
            steps = await self._steps.after(self._after)
        if self._until is not None:
            steps = [step for step in steps if step.number <= self._until]
        if not steps:
            return None
        await self._selection.keep_current()
        self._after = steps[-1].number
        events = []
        for step in steps:
            if self._selection.has(step.alarm.point):
                self._tally.event(step.alarm.point)
                address = self._address(step.alarm.point)
                events.append(
                    cloud_event(
                        self._source,
                        f"alarm:{step.number}",
                        ALARM_TYPE + step.kind,
                        instant(step.at) or "",
                        msgspec.json.encode(step_document(step, address)),
                        address,
                    )
                )
        return Parcel(steps[-1].number, steps[0].alarm.told_at, events, len(events))
