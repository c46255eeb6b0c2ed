"""Somebody who dims street lights: one cabinet after another, as long as the demo runs."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from borough.demo.city.dimming import POINT, dims
from borough.demo.city.thing import Thing
from borough.demo.limits import COMMAND_EACH_S, COMMAND_WAIT_S, COMMANDS_PAGE_MAX
from borough.demo.platform_api import NotFound, Platform, PlatformError

_LEVELS = (100, 30)
"""One after the other of each cabinet: the first raises the alarm of full lights, if it is by the
first cabinet, and the second clears it."""
_LOOK_S = 1.0


class Commander:
    """Commands levels and counts what came of them."""

    def __init__(
        self, platform: Platform, things: Sequence[Thing], say: Callable[[str], None]
    ) -> None:
        self._platform, self._say = platform, say
        self._cabinets = [thing for thing in things if dims(thing)]

    async def run(self) -> None:
        """Dim one cabinet each COMMAND_EACH_S; ends by being cancelled."""
        told = False
        for thing, level in itertools.cycle(itertools.product(self._cabinets, _LEVELS)):
            state = await self._dim(thing, level)
            if not told:
                told = True
                self._say(f"{thing.name} told to burn at {level} %: {state}")
            await asyncio.sleep(COMMAND_EACH_S)

    async def counts(self, since_ms: int) -> Mapping[str, int]:
        """Return the commands of this run by the last rung that they reached."""
        found: Counter[str] = Counter()
        for thing in self._cabinets:
            before: int | None = None
            while True:
                query = {"address": f"{thing.uuid}/{POINT}", "limit": COMMANDS_PAGE_MAX}
                more = {} if before is None else {"before": before}
                page = await self._platform.get("/commands", query | more)
                fresh = [c for c in page["commands"] if _asked_ms(c) >= since_ms]
                found.update(command["state"] for command in fresh)
                before = page["next"]
                if before is None or len(fresh) < len(page["commands"]):
                    break
        return dict(found)

    async def _dim(self, thing: Thing, level: int) -> str:
        """Set a level and return the rung reached; a refusal is a rung too."""
        while True:
            try:
                command = await self._platform.send(
                    "PUT",
                    f"/data/{thing.uuid}/{POINT}",
                    {"value": level},
                    {"wait": COMMAND_WAIT_S},
                )
            except NotFound:  # not enrolled yet
                await asyncio.sleep(_LOOK_S)
            except PlatformError as error:
                return str(error)
            else:
                return str(command["state"])


def _asked_ms(command: Mapping[str, list[Mapping[str, str]]]) -> int:
    asked = datetime.fromisoformat(command["rungs"][0]["at"]).astimezone(UTC)
    return round(asked.timestamp() * 1_000)
