"""The past that the devices bring along: uploaded once through ``@delayed``, beside live values."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

from borough.demo.city.thing import Thing
from borough.demo.devices.link import Link
from borough.demo.devices.sample import Outgoing, Reading, delayed
from borough.demo.limits import BACKFILL_INFLIGHT_MAX, DELAYED_ENTRIES_MAX
from borough.demo.recordings.library import Recordings


class Backfill:
    """Uploads the past of some things, one thing after the other.

    A thing counts as done when every sample was acknowledged and is in the ledger; only then is it
    noted, so that after a crash its past goes again, and the platform drops the repeats.

    Args:
        things: whose past is to be uploaded.
        span: from and to, in milliseconds since 1970 UTC; the same at each start.
        noted: file of the UUIDs that are done.
        link_of: gives the link to send by.
    """

    def __init__(
        self,
        things: Sequence[Thing],
        span: tuple[int, int],
        noted: Path,
        recordings: Recordings,
        link_of: Callable[[Thing], Link],
    ) -> None:
        done = set(noted.read_text().split()) if noted.exists() else set()
        self._waiting = deque(thing for thing in things if thing.uuid not in done)
        self._span = span
        self._noted = noted
        self._recordings = recordings
        self._link_of = link_of
        self._thing: Thing | None = None
        self._chunks: deque[list[Reading]] = deque()
        self._missing = 0
        self._in_flight = 0
        self.sent = 0
        """Samples handed to a link so far."""
        self.finished: list[Link] = []
        """Links whose past is complete; the caller empties it."""

    @property
    def left(self) -> int:
        """Things whose past is not yet complete."""
        return len(self._waiting) + (self._thing is not None)

    def step(self) -> None:
        """Send as much as there is room for."""
        if self._thing is None:
            if not self._waiting:
                return
            self._begin(self._waiting.popleft())
        assert self._thing is not None
        link = self._link_of(self._thing)
        while self._chunks and self._in_flight < BACKFILL_INFLIGHT_MAX and link.room > 0:
            chunk = self._chunks.popleft()
            link.offer(delayed(self._thing.uuid, chunk, round(time.time() * 1_000)))
            self._in_flight += 1
            self.sent += len(chunk)

    def acknowledged(self, message: Outgoing) -> None:
        """Take note of an acknowledged message of any thing."""
        thing = self._thing
        if thing is None or not message.readings[0].address.startswith(thing.uuid):
            return
        past = sum(reading.time_ms < self._span[1] for reading in message.readings)
        self._missing -= past
        self._in_flight = max(0, self._in_flight - (past > 0))

    def recorded(self) -> None:
        """Call after the ledger's fsync: notes a thing whose past is complete."""
        if self._thing is None or self._missing > 0:
            return
        with self._noted.open("a") as file:
            file.write(f"{self._thing.uuid}\n")
            file.flush()
            os.fsync(file.fileno())
        self.finished.append(self._link_of(self._thing))
        self._thing = None

    def _begin(self, thing: Thing) -> None:
        readings = [
            Reading(thing.address(channel), moment, value)
            for channel, times, values in thing.past(self._recordings, *self._span)
            for moment, value in zip(times.tolist(), values.tolist(), strict=True)
        ]
        readings.sort(key=lambda reading: reading.time_ms)
        self._thing = thing
        self._missing = len(readings)
        self._in_flight = 0
        self._chunks = deque(
            readings[at : at + DELAYED_ENTRIES_MAX]
            for at in range(0, len(readings), DELAYED_ENTRIES_MAX)
        )
