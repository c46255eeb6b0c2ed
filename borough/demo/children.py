"""Processes of the demo: started with a secret on standard input, heard by lines of JSON."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from borough.demo.limits import CHILD_RESTARTS_MAX, REPORT_LINE_BYTES_MAX

Heard = Callable[[Mapping[str, Any]], None]
_RESTART_S = 0.5


class ChildError(Exception):
    """A process of the demo ended that should run; the message says how."""


class Child:
    """One process that is started again when it ends unasked, at most a few times.

    Start it in the main thread: on Linux the kernel ends it with the thread that started it.

    Args:
        module: what Python runs by ``-m``.
        arguments: of the module.
        told: gives what it hears on standard input at each start, as soon as that is known; until
            then it loads what it needs. The parent's process id is added.
        heard: called with each object it reports.
    """

    def __init__(
        self,
        module: str,
        arguments: Sequence[str],
        told: Callable[[], Awaitable[Mapping[str, Any]]],
        heard: Heard,
    ) -> None:
        self.module = module
        self.restarts = 0
        self._arguments = arguments
        self._told = told
        self._heard = heard
        self._process: asyncio.subprocess.Process | None = None
        self._task: asyncio.Task[int] | None = None
        self._told_to_stop = asyncio.Event()
        self._begun = False

    @property
    def pid(self) -> int | None:
        """Process id while it runs."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    def start(self) -> None:
        """Start it, and go on keeping it running."""
        self._task = asyncio.create_task(self._keep())

    async def stop(self, within_s: float) -> int:
        """Ask it to end, kill it when it does not; returns its exit code.

        Raises:
            ChildError: it had failed for good before.
        """
        self._told_to_stop.set()
        if self._task is None:
            return 0
        if not self._begun:
            self._task.cancel()  # it waits for its word and hears no signal
        self._signal(signal.SIGTERM)
        done, _ = await asyncio.wait({self._task}, timeout=within_s)
        if not done:
            self._signal(signal.SIGKILL)
            await asyncio.wait({self._task})
        return -signal.SIGKILL if self._task.cancelled() else self._task.result()

    def failed(self) -> str:
        """Say why it no longer runs, empty while it does."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return ""
        return str(self._task.exception() or f"{self.module} has ended")

    async def _keep(self) -> int:
        code = 0
        while True:
            if not self._told_to_stop.is_set():
                code = await self._run()
            if self._told_to_stop.is_set():
                return code
            if self.restarts == CHILD_RESTARTS_MAX:
                raise ChildError(
                    f"{self.module} ended {self.restarts + 1} times, last with code {code};"
                    " its last words stand above"
                )
            self.restarts += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told_to_stop.wait(), _RESTART_S)
                return code

    async def _run(self) -> int:
        # A group of its own: Ctrl-C reaches the parent alone, which ends its children in order.
        process = self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            self.module,
            *self._arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            limit=REPORT_LINE_BYTES_MAX,
            process_group=0,
        )
        assert process.stdin is not None and process.stdout is not None
        if self._told_to_stop.is_set():
            self._signal(signal.SIGTERM)
        try:
            told = {**await self._told(), "parent": os.getpid()}
            process.stdin.write(json.dumps(told).encode() + b"\n")
            await process.stdin.drain()
            self._begun = True
            async for line in process.stdout:
                self._heard(json.loads(line))
            return await process.wait()
        except (BrokenPipeError, ConnectionResetError):
            return await process.wait()  # ended before it had heard everything; its code says more
        except ValueError:
            self._signal(signal.SIGKILL)  # a line that is no report, or longer than one may be
            return await process.wait()
        except asyncio.CancelledError:
            self._signal(signal.SIGKILL)
            await process.wait()
            raise
        finally:
            process.stdin.close()
            with suppress(BrokenPipeError, ConnectionResetError):
                await process.stdin.wait_closed()

    def _signal(self, number: int) -> None:
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(number)
