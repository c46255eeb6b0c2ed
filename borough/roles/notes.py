"""Entries of the record that nobody waits for: what the broker refused, who came and went."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from typing import Any

from security.ports import Record

log = logging.getLogger(__name__)

NOTES_WAITING_MAX = 10_000
"""Entries on their way to the disk; beyond it further ones are counted, and the count recorded."""

_AGAIN_S = 1.0


class Notes:
    """Writes entries in groups, in their order, by a thread of its own."""

    def __init__(self, record: Record):
        self._record = record
        self._waiting: list[Mapping[str, Any]] = []
        self._left_out = 0
        self._turn = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="notes", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def add(self, entry: Mapping[str, Any]) -> None:
        """Take an entry and return at once; from any thread."""
        with self._turn:
            if len(self._waiting) >= NOTES_WAITING_MAX:
                self._left_out += 1
                return
            self._waiting.append(entry)
            self._turn.notify()

    def stop(self) -> None:
        """Write what waits and end; what the disk does not take is told to the log instead."""
        self._stopping.set()
        with self._turn:
            self._turn.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._turn:
                self._turn.wait_for(lambda: self._waiting or self._stopping.is_set())
                group = list(self._waiting)
            if not group:
                return
            try:
                self._record.append_all(group)
            except OSError as error:  # they keep waiting: a full disk may have room again
                if self._stopping.is_set():
                    for entry in group:
                        log.error("not recorded (%s): %s", error, entry)
                    return
                self._stopping.wait(_AGAIN_S)
                continue
            with self._turn:
                del self._waiting[: len(group)]
                if left_out := self._left_out:
                    self._left_out = 0
                    self._waiting.append({"kind": "notes-not-kept", "count": left_out})
