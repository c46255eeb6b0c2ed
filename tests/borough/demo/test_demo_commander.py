"""Street lights are dimmed as long as the demo runs, and every command is counted by its end."""

from __future__ import annotations

import asyncio
import time

import pytest

from borough.demo import commander as module
from borough.demo.city.dimming import KIND, POINT
from borough.demo.city.plan import quarter
from borough.demo.commander import Commander
from borough.demo.platform_api import Platform
from tests.borough.demo.small_platform import TOKEN, SmallPlatform


def test_cabinets_are_told_in_turn_and_counted_from_the_start_of_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "COMMAND_EACH_S", 0.0)
    small = SmallPlatform()
    said: list[str] = []
    cabinets = [thing for thing in quarter() if thing.kind == KIND]
    small.commands = [
        {
            "number": 0,
            "address": f"{cabinets[0].uuid}/{POINT}",
            "state": "unknown",
            "rungs": [{"rung": "requested", "at": "2026-01-01T00:00:00.000Z"}],
        }
    ]
    began = round(time.time() * 1_000) - 1

    async def run(base: str) -> dict[str, int]:
        async with Platform(base, TOKEN) as platform:
            commander = Commander(platform, quarter(), said.append)
            running = asyncio.create_task(commander.run())
            async with asyncio.timeout(20):
                # The count is that of a server in another thread, which sets no event here.
                while small.asked["PUT data"] < 3 * len(cabinets):  # noqa: ASYNC110
                    await asyncio.sleep(0)
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            return dict(await commander.counts(began))

    with small.served() as base:
        counts = asyncio.run(run(base))
    told = small.commands[:-1]
    assert {command["address"] for command in told} == {f"{c.uuid}/{POINT}" for c in cabinets}
    assert counts == {
        "verified": sum(command["state"] == "verified" for command in told),
        "rejected": sum(command["state"] == "rejected" for command in told),
    }
    assert said == [f"{cabinets[0].name} told to burn at 100 %: verified"]
