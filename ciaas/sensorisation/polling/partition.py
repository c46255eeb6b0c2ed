"""Isolation: which addresses go into one request, refined as the device refuses some of them.

One illegal address fails a whole request. The refused request is halved until the culprit stands
alone; the others go on in the largest requests that avoid it. This belongs to no adapter.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeAlias

from ciaas.limits import BISECT_REQUESTS_MAX
from ciaas.sensorisation.contract import Batch, RawReading, Target
from ciaas.sensorisation.errors import BadAddress, Malformed, Rejected

Plan: TypeAlias = Callable[[Sequence[Target]], Sequence[Batch]]
Read: TypeAlias = Callable[[Batch], Awaitable[Sequence[RawReading]]]
Emit: TypeAlias = Callable[[Sequence[RawReading]], None]


class Partition:
    """The requests that read one group of targets."""

    def __init__(self, plan: Plan, targets: Sequence[Target]) -> None:
        self._plan = plan
        self._targets = tuple(targets)
        self._quarantined: dict[Target, BadAddress] = {}
        self._whole: set[tuple[Target, ...]] = set()
        """Batches refused in all their parts: halving them again would tell nothing new."""
        self._planned = list(plan(self._targets))
        self._batches = self._planned
        self._budget = BISECT_REQUESTS_MAX

    @property
    def quarantined(self) -> Mapping[Target, BadAddress]:
        """Targets left alone because the device has no such address."""
        return self._quarantined

    @property
    def batches(self) -> Sequence[Batch]:
        """The requests of the next turn."""
        return self._batches

    @property
    def refined(self) -> bool:
        """True when the device's refusals have changed the requests since they were planned."""
        return bool(self._quarantined or self._whole) or self._batches != self._planned

    def rejoin(self) -> None:
        """Plan anew with every target, the quarantined too: the device may have changed."""
        self._quarantined.clear()
        self._whole.clear()
        self._batches = self._planned

    async def sweep(self, read: Read, emit: Emit) -> None:
        """Read every batch once and emit its readings at once; refine what was refused.

        Raises:
            AdapterError: Unreachable, AuthFailed or RateLimited; the rest of the turn is left out.
        """
        self._budget = BISECT_REQUESTS_MAX
        todo = deque(self._batches)
        done: list[Batch] = []
        try:
            while todo:
                done += await self._read(todo[0], read, emit)
                todo.popleft()
        finally:
            self._batches = self._without_quarantined([*done, *todo])

    async def _read(self, batch: Batch, read: Read, emit: Emit) -> list[Batch]:
        """Read one batch; return the batches to use in its place from now on."""
        try:
            emit(self._sift(await read(batch)))
        except Malformed as error:
            emit(_failed(batch, error))
        except Rejected as error:
            if len(batch.targets) > 1 and batch.targets not in self._whole:
                return await self._bisect(batch, error, read, emit)
            readings = _failed(batch, error)
            emit(self._sift(readings) if len(batch.targets) == 1 else readings)
        return [batch]

    async def _bisect(self, refused: Batch, error: Rejected, read: Read, emit: Emit) -> list[Batch]:
        """Read a refused batch in halves, and those refused again, until each culprit is found."""
        parts: list[Batch] = []
        culprits: set[Target] = set()
        suspects = deque([(refused, error)])
        while suspects and self._budget > 0:
            suspect, _ = suspects.popleft()
            middle = len(suspect.targets) // 2
            halves = (suspect.targets[:middle], suspect.targets[middle:])
            for batch in (batch for half in halves for batch in self._plan(half)):
                self._budget -= 1
                try:
                    emit(self._sift(await read(batch)))
                except Malformed as malformed:
                    emit(_failed(batch, malformed))
                except Rejected as again:
                    if len(batch.targets) > 1:
                        suspects.append((batch, again))
                        continue
                    culprits.update(batch.targets)
                    emit(self._sift(_failed(batch, again)))
                parts.append(batch)
        for suspect, reason in suspects:  # the budget is spent: they are halved in later turns
            emit(_failed(suspect, reason))
            parts.append(suspect)
        if suspects or not culprits:
            return parts
        if len(culprits) == len(refused.targets) and culprits.isdisjoint(self._quarantined):
            self._whole.add(refused.targets)
            return [refused]
        return self._around(refused, culprits)

    def _around(self, refused: Batch, culprits: set[Target]) -> list[Batch]:
        """Plan the runs between the culprits; those not quarantined are each read alone."""
        batches: list[Batch] = []
        run: list[Target] = []
        for target in (*refused.targets, None):
            if target is not None and target not in culprits:
                run.append(target)
                continue
            batches += self._plan(run) if run else ()
            run = []
            if target is not None and target not in self._quarantined:
                batches += self._plan([target])
        return batches

    def _sift(self, readings: Sequence[RawReading]) -> Sequence[RawReading]:
        """Quarantine the targets that the device says it does not have."""
        for reading in readings:
            if reading.error is not None and isinstance(reading.error, BadAddress):
                self._quarantined[reading.target] = reading.error
        return readings

    def _without_quarantined(self, batches: list[Batch]) -> list[Batch]:
        if not self._quarantined:
            return batches
        kept: list[Batch] = []
        for batch in batches:
            if self._quarantined.keys().isdisjoint(batch.targets):
                kept.append(batch)
            elif rest := [target for target in batch.targets if target not in self._quarantined]:
                kept += self._plan(rest)
        return kept


def _failed(batch: Batch, error: Malformed | Rejected) -> list[RawReading]:
    return [RawReading(target, None, error) for target in batch.targets]
