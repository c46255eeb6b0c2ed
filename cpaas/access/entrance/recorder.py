"""Writes entries of requests under way to the record, in groups."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from anyio import CapacityLimiter, to_thread

from security.ports import Record


class _Waiting(NamedTuple):
    entries: Sequence[Mapping[str, Any]]
    written: asyncio.Future[None]


class Recorder:
    """The record as coroutines see it; for one event loop.

    While one group is on its way to the disk, further entries gather and make the next: requests
    at the same time share a thread and an fsync. What gathers belongs to requests under way.
    """

    def __init__(self, record: Record):
        self._record = record
        self._waiting: list[_Waiting] = []
        self._writing: asyncio.Task[None] | None = None
        self._thread = CapacityLimiter(1)  # of its own: slow requests must not keep others waiting

    async def append(self, entries: Sequence[Mapping[str, Any]]) -> None:
        """Return after the entries are on disk.

        Raises:
            OSError: not all of them could be written.
        """
        written = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(entries, written))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        await written

    async def _write(self) -> None:
        try:
            while self._waiting:
                group, self._waiting = self._waiting, []
                await self._write_group(group)
        finally:
            self._writing = None

    async def _write_group(self, group: Sequence[_Waiting]) -> None:
        entries = [entry for waiting in group for entry in waiting.entries]
        failure: Exception | None = None
        try:
            await to_thread.run_sync(self._record.append_all, entries, limiter=self._thread)
        except Exception as error:  # whatever it is, those who wait are the ones to be told
            failure = error
        for waiting in group:
            if waiting.written.cancelled():
                continue
            if failure is None:
                waiting.written.set_result(None)
            else:
                waiting.written.set_exception(failure)
