"""Work done at the same time, none of which outlives the failure of another."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


async def all_of(*work: Coroutine[object, object, object]) -> None:
    """Wait for all; when one raises, cancel the others, wait for their end, and raise that."""
    tasks = [asyncio.ensure_future(part) for part in work]
    try:
        await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
