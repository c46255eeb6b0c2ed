"""Breaks statements off whose time is over."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from ciaas.ports import TooSlow
from ciaas.storage.history.database import Cursor


class Watch:
    """One thread for all statements: a timer each would cost more than most of them do.

    It is started by the first statement and ends with `stop`.
    """

    def __init__(self) -> None:
        self._turn = threading.Condition()
        self._due: dict[Cursor, float] = {}
        """When the statements of a cursor are broken off, on the monotonic clock."""
        self._looks_at = math.inf
        self._thread: threading.Thread | None = None
        self._stopped = False

    @contextmanager
    def over(self, cursor: Cursor, within_s: float) -> Iterator[None]:
        """Watch over the statements of a block.

        Raises:
            TooSlow: no time is left to begin with.
        """
        if within_s <= 0:
            raise TooSlow("the answer takes too long; ask for fewer points or a shorter time")
        due = time.monotonic() + within_s
        with self._turn:
            self._due[cursor] = due
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="history watch", daemon=True)
                self._thread.start()
            elif due < self._looks_at:
                self._turn.notify()
        try:
            yield
        finally:
            with self._turn:  # the cursor goes back to others: it must not be interrupted any more
                self._due.pop(cursor, None)

    def stop(self) -> None:
        """End the thread, if there is one."""
        with self._turn:
            self._stopped = True
            self._turn.notify()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        with self._turn:
            while not self._stopped:
                now = time.monotonic()
                for cursor in [cursor for cursor, due in self._due.items() if due <= now]:
                    cursor.interrupt()
                    del self._due[cursor]
                self._looks_at = min(self._due.values(), default=math.inf)
                self._turn.wait(None if self._looks_at == math.inf else self._looks_at - now)
