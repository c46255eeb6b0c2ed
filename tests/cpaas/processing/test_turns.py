"""Few work at a time, some wait, the rest is turned away."""

from __future__ import annotations

import asyncio
import threading

import pytest

from cpaas.processing.errors import Crowded
from cpaas.processing.turns import Turns


def test_no_more_than_so_many_work_at_once() -> None:
    together, most, turn = 0, 0, threading.Barrier(2)

    def work() -> None:
        nonlocal together, most
        together += 1
        most = max(most, together)
        turn.wait(10)
        together -= 1

    async def run() -> None:
        turns = Turns(at_once=2, waiting_max=10, wait_s=10)
        await asyncio.gather(*(turns.run(work) for _ in range(6)))

    asyncio.run(run())
    assert most == 2


def test_who_waits_too_long_or_behind_too_many_is_turned_away() -> None:
    async def run() -> None:
        turns = Turns(at_once=1, waiting_max=1, wait_s=0.05)
        held = threading.Event()
        working = asyncio.create_task(turns.run(lambda: held.wait(10)))
        await asyncio.sleep(0)
        waiting = asyncio.create_task(turns.run(lambda: None))
        await asyncio.sleep(0)
        with pytest.raises(Crowded, match="are waiting"):
            await turns.run(lambda: None)
        with pytest.raises(Crowded, match="take all the time"):
            await waiting
        held.set()
        assert await working
        await turns.run(lambda: None)

    asyncio.run(run())


def test_a_failure_gives_its_turn_back() -> None:
    async def run() -> None:
        turns = Turns(at_once=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await turns.run(lambda: 1 / 0)

    asyncio.run(run())
