from __future__ import annotations

import asyncio

import pytest

from ciaas.limits import CANCELS_MAX
from ciaas.sensorisation.ending import end


@pytest.mark.parametrize("losses", [0, CANCELS_MAX - 1, CANCELS_MAX])
def test_a_task_that_loses_cancellations_is_ended_or_left_behind(
    losses: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def stubborn() -> None:
        for _ in range(losses):
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue
        await asyncio.sleep(60)

    async def run() -> bool:
        task = asyncio.create_task(stubborn(), name="stubborn")
        await asyncio.sleep(0)
        await end(task, cancel_s=0.02)
        return task.done()

    assert asyncio.run(run()) == (losses < CANCELS_MAX)
    told = [record.getMessage() for record in caplog.records]
    assert told == (
        ["stubborn ignores being cancelled; it is left behind"] * (losses >= CANCELS_MAX)
    )
