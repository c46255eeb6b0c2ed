"""Callers that wait for the end of a command."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial

from ciaas.kernel.downlink.command import Command
from ciaas.kernel.uplink import Busy
from ciaas.limits import COMMAND_WAITERS_MAX


class Waiters:
    """Futures by command; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Future[Command]]] = defaultdict(list)

    def add(self, id_: str) -> Future[Command]:
        """Return a future of the command's end.

        Raises:
            Busy: COMMAND_WAITERS_MAX callers wait already.
        """
        done: Future[Command] = Future()
        with self._lock:
            if sum(map(len, self._waiting.values())) >= COMMAND_WAITERS_MAX:
                raise Busy("too many callers wait for commands; ask again without waiting")
            self._waiting[id_].append(done)
        done.add_done_callback(partial(self._forget, id_))
        return done

    def tell(self, command: Command) -> None:
        """Give a command to who waits for it, since it has ended."""
        with self._lock:
            waiting = self._waiting.pop(command.id, [])
        for done in waiting:
            if done.set_running_or_notify_cancel():
                done.set_result(command)

    @property
    def awaited(self) -> Sequence[str]:
        """Ids of the commands that somebody waits for."""
        with self._lock:
            return list(self._waiting)

    def _forget(self, id_: str, done: Future[Command]) -> None:
        """Make room when a caller gave up."""
        with self._lock:
            if done in (waiting := self._waiting.get(id_, [])):
                waiting.remove(done)
                if not waiting:
                    del self._waiting[id_]
