"""Ends a role that cannot go on: supervision starts it again, and nothing recorded is lost."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger(__name__)

STALL_S = 15.0
"""An event loop that stands so long admits no device: better to end and start again."""
_LOOK_S = 1.0


async def guard_loop() -> None:
    """End the process when its event loop stands still; runs until cancelled."""
    beats = 0
    ended = threading.Event()

    def watch() -> None:
        # Counted in looks, not by the clock: a process that was stopped as a whole, by a signal or
        # by a sleeping machine, finds its loop to blame for nothing.
        seen, looks = beats, 0
        while not ended.wait(_LOOK_S):
            seen, looks = (beats, 0) if beats != seen else (seen, looks + 1)
            if looks * _LOOK_S > STALL_S:
                die(RuntimeError(f"the event loop stood for {STALL_S:g} s"))

    threading.Thread(target=watch, name="watchdog", daemon=True).start()
    try:
        while True:
            beats += 1
            await asyncio.sleep(_LOOK_S)
    finally:
        ended.set()


def guarded(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start it as a task whose fault ends the role, which would go on without it otherwise."""
    task = asyncio.create_task(work)
    task.add_done_callback(_task_ended)
    return task


def guard_threads() -> None:
    """Have a fault in any thread of this process end the process."""
    threading.excepthook = _thread_ended


def _task_ended(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        die(error)


def _thread_ended(fault: threading.ExceptHookArgs) -> None:
    if fault.exc_type is not SystemExit:
        die(fault.exc_value or RuntimeError(f"a thread ended by {fault.exc_type.__name__}"))


def die(error: BaseException) -> None:
    """End at once, with the fault as the last words."""
    log.critical("the role ends by a fault", exc_info=error)
    sys.stderr.write(f"ended by a fault: {type(error).__name__}: {error}\n")
    sys.stderr.flush()
    os._exit(1)
