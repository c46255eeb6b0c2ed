"""Steps of alarms in their order: the newest from memory, older ones from the store."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence

from ciaas.limits import ALARM_STEPS_PAGE
from ciaas.management.alarms.ports import AlarmStore, Step


class Steps:
    """What live feeds and subscriptions of alarms follow, by the number of a step."""

    def __init__(self, store: AlarmStore) -> None:
        self._store = store
        self._recent: deque[Step] = deque(maxlen=ALARM_STEPS_PAGE)
        self.newest = store.last_step()
        """Number of the newest step."""

    def add(self, steps: Sequence[Step]) -> None:
        """Take steps that were just stored."""
        if steps:
            self._recent.extend(steps)
            self.newest = steps[-1].number

    async def after(self, number: int) -> Sequence[Step]:
        """Return the next steps after a number, none when there are none yet.

        Raises:
            RegistryError: they could not be read; try again.
        """
        if number >= self.newest:
            return ()
        recent = list(self._recent)
        if recent and recent[0].number <= number + 1:
            return [step for step in recent if step.number > number]
        return await asyncio.to_thread(self._store.steps, number, ALARM_STEPS_PAGE)
