"""Ending a task for certain."""

from __future__ import annotations

import asyncio
import logging

from ciaas.limits import CANCELS_MAX

_log = logging.getLogger(__name__)
_CANCEL_S = 1.0


async def end(task: asyncio.Task[None], cancel_s: float = _CANCEL_S) -> None:
    """Cancel a task until it has ended.

    Once is not enough: `asyncio.wait_for` of Python 3.11 loses a cancellation that meets its result
    or its time-out, and so may an adapter. One that resists CANCELS_MAX times is left behind, and
    that is logged.

    Source: https://github.com/python/cpython/issues/86296
    """
    for _ in range(CANCELS_MAX):
        task.cancel()
        done, _ = await asyncio.wait([task], timeout=cancel_s)
        if done:
            return
    _log.error("%s ignores being cancelled; it is left behind", task.get_name())
