"""Work at the same time: one failure ends the rest, in order."""

from __future__ import annotations

import asyncio

import pytest

from borough.demo.concurrency import all_of


def test_all_are_waited_for() -> None:
    done: list[int] = []

    async def part(number: int) -> None:
        await asyncio.sleep(0)
        done.append(number)

    asyncio.run(all_of(*(part(number) for number in range(3))))
    assert sorted(done) == [0, 1, 2]


def test_a_failure_cancels_the_others_and_waits_for_their_end() -> None:
    ended: list[str] = []

    async def endless() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            ended.append("endless")

    async def fails() -> None:
        await asyncio.sleep(0)
        raise ValueError("no")

    async def run() -> None:
        with pytest.raises(ValueError, match="no"):
            await all_of(endless(), fails())
        assert ended == ["endless"]

    asyncio.run(run())
